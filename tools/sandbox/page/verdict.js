// The verdict of a scenario: a line for each expectation, with what was seen.

import { element, icon } from "./dom.js";

export function verdictLines(lines) {
  const line = ({ expected, seen, passed }) =>
    element(
      "li",
      { "data-passed": String(passed) },
      icon(passed ? "sent" : "failed"),
      element(
        "span",
        {},
        element("span", { class: "hidden" }, passed ? "Passed: " : "Failed: "),
        `expected that ${expected}`,
        seen ? element("span", { class: "seen" }, ` Seen: ${seen}`) : null,
      ),
    );
  return element("ol", { class: "expectations", "aria-label": "Expectations" }, ...lines.map(line));
}
