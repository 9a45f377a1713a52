// Shows a picture of a message in its full size, above the page.

import { element, icon } from "./dom.js";

/** Opens the picture. Escape, the button and a click beside the picture close it, and the focus goes back to where it was. */
export function openViewer({ url, name, caption }) {
  const close = element(
    "button",
    { type: "button", class: "icon-button", "aria-label": "Close", title: "Close (Esc)", on: { click: () => dialog.close() } },
    icon("close"),
  );
  const original = element("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, "Open in a new tab");
  const dialog = element(
    "dialog",
    { class: "viewer", "aria-label": name, on: { close: () => dialog.remove() } },
    element("header", {}, element("strong", {}, name), original, close),
    element("img", { src: url, alt: name }),
    caption ? element("p", { class: "viewer-caption", dir: "auto" }, caption) : null,
  );
  dialog.addEventListener("click", ({ target }) => {
    if (target === dialog) dialog.close();
  });
  document.body.append(dialog);
  dialog.showModal();
}
