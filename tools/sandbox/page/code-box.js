// An error code of Twilio with its cause, what helps, and the link to Twilio's page about it.

import { explain } from "./cures.js";
import { element, icon } from "./dom.js";

export function codeBox(code) {
  const { title, cause, cure, url } = explain(code);
  return element(
    "div",
    { class: "code-box" },
    element(
      "p",
      {},
      element(
        "a",
        { href: url, target: "_blank", rel: "noopener noreferrer" },
        element("strong", {}, `${code}${title && ` ${title}`}`),
        icon("link"),
        element("span", { class: "hidden" }, "on Twilio's pages, in a new tab"),
      ),
    ),
    cause ? element("p", {}, element("span", { class: "label" }, "Cause"), cause) : null,
    cure ? element("p", {}, element("span", { class: "label" }, "Cure"), cure) : null,
  );
}
