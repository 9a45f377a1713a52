// The form for a location that a person shares.

import { element } from "./dom.js";

/** The form, which is hidden at first. `share(location)` gives whether it was sent. */
export function placeForm(name, share) {
  const input = (label, field, value, pattern) =>
    element(
      "label",
      { class: "field" },
      element("span", {}, label),
      element("input", {
        name: field,
        value,
        required: pattern ? true : null,
        pattern,
        autocomplete: "off",
        inputmode: pattern ? "decimal" : null,
      }),
    );
  const form = element(
    "form",
    { class: "place-form", "aria-label": `Location of ${name}`, hidden: true },
    input("Latitude", "latitude", "37.7955", "-?[0-9]{1,2}(\\.[0-9]+)?"),
    input("Longitude", "longitude", "-122.3937", "-?[0-9]{1,3}(\\.[0-9]+)?"),
    input("Place", "label", "Ferry Building"),
    input("Street", "address", "1 Ferry Building, San Francisco"),
    element(
      "div",
      { class: "actions" },
      element("button", { type: "button", on: { click: () => form.toggle() } }, "Cancel"),
      element("button", { class: "primary" }, "Share"),
    ),
  );
  form.toggle = () => {
    form.hidden = !form.hidden;
    if (!form.hidden) form.elements.latitude.focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const location = { latitude: Number(given.get("latitude")), longitude: Number(given.get("longitude")) };
    for (const part of ["label", "address"]) if (given.get(part)) location[part] = given.get(part);
    if (await share(location)) form.hidden = true;
  });
  return form;
}
