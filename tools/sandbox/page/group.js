// The parts of the controls that the groups share.

import { element, setText } from "./dom.js";

/** A group of controls with its name. */
export function group(name, ...children) {
  return element("fieldset", { class: "group" }, element("legend", {}, name), ...children);
}

/** A button that does something, and shows in the node `said` why that was not possible. */
export function button(name, does, said) {
  return element("button", { type: "button", on: { click: () => attempt(does, said) } }, name);
}

export async function attempt(does, said) {
  try {
    await does();
  } catch (error) {
    setText(said, error.message);
    said.hidden = false;
  }
}
