// The parts of the controls that the groups share.

import { element, setText } from "./dom.js";

/** A group of controls with its name. */
export function group(name, ...children) {
  return element("fieldset", { class: "group" }, element("legend", {}, name), ...children);
}

/** The node that shows why something was not possible. */
export function errorNode() {
  return element("p", { class: "error", role: "alert", hidden: true });
}

/** A button that does something, and shows in an error node why that was not possible. */
export function button(name, does, error) {
  return element("button", { type: "button", on: { click: () => attempt(does, error) } }, name);
}

/** Does something, and gives whether it was possible; if not, the error node says why. */
export async function attempt(does, error) {
  try {
    await does();
    error.hidden = true;
    return true;
  } catch (refused) {
    setText(error, refused.message);
    error.hidden = false;
    return false;
  }
}
