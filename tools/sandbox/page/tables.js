// Names and values, and texts that scroll.

import { element } from "./dom.js";

/** A list of names and values, without those that have no value. The names are those of the JSON. */
export function definitions(pairs) {
  const list = element("dl", { class: "definitions" });
  for (const [name, value] of pairs) {
    if (isEmpty(value) || (name === "lost" && value === false)) continue;
    list.append(element("dt", {}, name), element("dd", {}, shown(name, value)));
  }
  return list;
}

const isEmpty = (value) =>
  value === null ||
  value === undefined ||
  value === "" ||
  (typeof value === "object" && !(value instanceof Node) && Object.keys(value).length === 0);

function shown(name, value) {
  if (value instanceof Node) return value;
  if (name === "signature" && typeof value === "string")
    return element("span", { class: "verdict", "data-verdict": value }, value);
  if (typeof value !== "object") return text(name, String(value));
  const parts = Object.values(value);
  const flat = !Array.isArray(value) && parts.every((part) => part === null || typeof part !== "object");
  if (flat) return parametersOf(Object.entries(value));
  return scrolling(name, JSON.stringify(value, null, 2));
}

/** A table of a form's parameters, or of headers. */
export function parametersOf(pairs) {
  return element(
    "dl",
    { class: "parameters" },
    ...pairs.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, text(name, String(value)))]),
  );
}

/** From this length on a value scrolls, so that it does not fill the window. */
const LONG = 600;

const text = (name, value) => (value.length < LONG ? value : scrolling(name, value));

/** A text that scrolls by itself, and can be scrolled by keyboard. */
export function scrolling(name, text) {
  return element("pre", { tabindex: 0, role: "group", "aria-label": name }, text);
}
