// Building elements. Text always goes in as text: what people and the business write is never parsed as HTML.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes (`on` holds listeners; null and false leave an attribute out) and children (nodes or text). */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) made.addEventListener(event, listener);
    } else if (value === true) {
      made.setAttribute(name, "");
    } else if (value !== null && value !== undefined && value !== false) {
      made.setAttribute(name, String(value));
    }
  }
  made.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** The element of index.html with this id. */
export function byId(id) {
  return document.getElementById(id);
}

/** Writes text only where it has changed, since a live region would announce it again and a selection would be lost. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// Paths on a 16 by 16 grid.
const ICONS = {
  webhook: "M2 8h8M7 4.5 10.5 8 7 11.5M13.5 3v10",
  callback: "M13 5.5A5.5 5.5 0 1 0 13.5 9M13.5 2.5v3h-3",
  api_call: "M14 8H6M9 4.5 5.5 8 9 11.5M2.5 3v10",
  item: "M2.5 4.5C2.5 3.4 5 2.5 8 2.5s5.5.9 5.5 2-2.5 2-5.5 2-5.5-.9-5.5-2zM2.5 4.5v7c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2v-7M2.5 8c0 1.1 2.5 2 5.5 2s5.5-.9 5.5-2",
  decision: "M8 14V8M8 8 3.5 3.5M8 8l4.5-4.5M3.5 7V3.5H7M9 3.5h3.5V7",
  event: "M9 1.5 3.5 9H8l-1 5.5L12.5 7H8z",
  template_event: "M4 1.8h5.5L12.5 5v9.2H4zM9.3 2v3.2h3M6 11.5l1.5 1.5 3-3.5",
  verification: "M8 1.8 13 4v4c0 3-2 5.2-5 6.2C5 13.2 3 11 3 8V4zM5.6 8l1.8 1.8 3-3.4",
  typing: "M2.5 3.5h11v7h-6l-3 3v-3h-2zM5 7h.1M8 7h.1M11 7h.1",
  fault: "M8 2 1.8 13.5h12.4zM8 6.5v3.2M8 11.6v.2",
  rule: "M8 1.8 13 4v4c0 3-2 5.2-5 6.2C5 13.2 3 11 3 8V4z",
  clock: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM8 4.8V8l2.2 1.6",
  scenario: "M3 3h10v10H3zM6.5 5.8v4.4L10 8z",
  sent: "m3.5 8.5 3 3 6-7",
  delivered: "m1 8.5 3 3 6-7M7 10.5l1 1 6-7",
  failed: "m4 4 8 8M12 4l-8 8",
  refused: "M8 13.5A5.5 5.5 0 1 0 8 2.5a5.5 5.5 0 0 0 0 11zM4.1 11.9l7.8-7.8",
  neutral: "M8 8h.1",
  attach: "M12.5 7.5 7.7 12.3a3 3 0 0 1-4.3-4.3l5.1-5.1a2 2 0 0 1 2.9 2.9L6.5 10.7a1 1 0 0 1-1.4-1.4l4.4-4.4",
  pin: "M8 14.5S3.5 10 3.5 6.5a4.5 4.5 0 0 1 9 0C12.5 10 8 14.5 8 14.5zM8 8a1.5 1.5 0 1 0 0-3 1.5 1.5 0 0 0 0 3z",
  person: "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8zM2.8 13.8c.5-2.6 2.6-4 5.2-4s4.7 1.4 5.2 4",
  react: "M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM5.8 6.4h.1M10.1 6.4h.1M5.4 9.4c1.2 2 4 2 5.2 0",
  send: "M2.5 13.5 14 8 2.5 2.5 4 8zM4 8h5",
  reply: "M6.5 3.5 2.5 7.5l4 4M2.5 7.5H9a4.5 4.5 0 0 1 4.5 4.5v.5",
  thread: "M3.5 3.5h.1M6.5 3.5H13M3.5 8h.1M6.5 8H13M3.5 12.5h.1M6.5 12.5H13",
  close: "m4 4 8 8M12 4l-8 8",
  file: "M4 1.8h5.5L12.5 5v9.2H4zM9.3 2v3.2h3",
  link: "M6.5 9.5 13 3M8.5 3H13v4.5M11 9.5V13H3V5h3.5",
  phone: "M5.5 2.5 7 6 5.3 7.2a8 8 0 0 0 3.5 3.5L10 9l3.5 1.5v2a1 1 0 0 1-1 1C7 13.5 2.5 9 2.5 3.5a1 1 0 0 1 1-1z",
  option: "M6.5 3.5 2.5 7.5l4 4M2.5 7.5H9a4.5 4.5 0 0 1 4.5 4.5v.5",
  theme: "M13.5 9.6A6 6 0 1 1 6.4 2.5a4.8 4.8 0 0 0 7.1 7.1z",
  copy: "M5.5 5.5h8v8h-8zM10.5 5.5v-3h-8v8h3",
  fold: "m6 4 4 4-4 4",
  problem: "M8 2 1.8 13.5h12.4zM8 6.5v3.2M8 11.6v.2",
  unfold: "m4.5 6 3.5-3.5L11.5 6M4.5 10 8 13.5l3.5-3.5",
  verdict: "M3.5 14V2.5h9l-2 3.5 2 3.5h-9",
  down: "M8 2.5v11M3.5 9 8 13.5 12.5 9",
};

/** A decorative drawing. The text beside it, or the name of its button, says what it means. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 16 16");
  drawing.setAttribute("class", `icon icon-${name}`);
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name] ?? "M8 8h.1");
  drawing.append(path);
  return drawing;
}

/** A button that copies what `text()` gives when it is pressed. */
export function copyButton(name, text) {
  const button = element("button", { type: "button" }, name);
  const say = (said) => {
    button.textContent = said;
    setTimeout(() => {
      button.textContent = name;
    }, 1500);
  };
  // Browsers allow the clipboard only on https and on this machine.
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text());
      say("Copied");
    } catch {
      say("The browser does not allow it");
    }
  });
  return button;
}
