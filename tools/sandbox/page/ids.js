// Long ids in a text: shown with their middle left out, so that the digits that differ stay visible. The text of the page
// keeps the whole id: it is found, read aloud and copied in full.

import { element, icon } from "./dom.js";

/** A SID, a UUID, or a word of letters, digits and hyphens that is as long. */
const LONG_ID =
  /\b[A-Z]{2}[0-9a-f]{32}\b|\b[\w.-]*[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b|\b(?=[\w.-]*\d)\w[\w.-]{26,}\w\b/g;
const START = 8;
const END = 6;

/** The parts of a text in order: plain text as a string, and each long id as `{start, middle, end}`. */
export function idParts(text) {
  const parts = [];
  let from = 0;
  for (const { 0: id, index } of text.matchAll(LONG_ID)) {
    if (index > from) parts.push(text.slice(from, index));
    parts.push({ start: id.slice(0, START), middle: id.slice(START, -END), end: id.slice(-END) });
    from = index + id.length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

/** A text as nodes, with its long ids shortened. */
export function withShortIds(text) {
  return idParts(text).map((part) =>
    typeof part === "string"
      ? part
      : element(
          "span",
          { class: "id", title: part.start + part.middle + part.end },
          part.start,
          element("span", { class: "id-middle" }, part.middle),
          part.end,
        ),
  );
}

/** A value in full with a button that copies it. `name` says what it is, as in `message`. */
export function copyable(name, value) {
  const button = element(
    "button",
    { type: "button", class: "icon-button copy", "aria-label": `Copy the ${name}`, title: `Copy the ${name}` },
    icon("copy"),
  );
  button.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(value).then(
      () => true,
      () => false,
    );
    button.replaceChildren(icon(copied ? "sent" : "failed"));
    button.title = copied ? "Copied" : "The browser does not allow it";
    setTimeout(() => {
      button.replaceChildren(icon("copy"));
      button.title = `Copy the ${name}`;
    }, 1500);
  });
  return element("span", { class: "copyable" }, element("span", {}, value), button);
}
