// A form for what a person shares beside text and files: a location, a contact.

import { element } from "./dom.js";

/**
 * The form, which is hidden at first. `inputs` have a `label`, a `name`, a `value`, and the attributes of the input element.
 * `share(values)` gets the values by their names, and gives whether they were sent.
 */
export function shareForm(label, inputs, share) {
  const field = ({ label, ...attributes }) =>
    element("label", { class: "field" }, element("span", {}, label), element("input", { autocomplete: "off", ...attributes }));
  const form = element(
    "form",
    { class: "share-form", "aria-label": label, hidden: true },
    ...inputs.map(field),
    element(
      "div",
      { class: "actions" },
      element("button", { type: "button", on: { click: () => form.toggle() } }, "Cancel"),
      element("button", { class: "primary" }, "Share"),
    ),
  );
  form.toggle = () => {
    form.hidden = !form.hidden;
    if (!form.hidden) form.elements[inputs[0].name].focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (await share(Object.fromEntries(new FormData(form)))) form.hidden = true;
  });
  return form;
}
