// The form that switches a fault on, and the list of faults that are on.

import * as api from "./api.js";
import { meaning, TITLES } from "./codes.js";
import { element, setText } from "./dom.js";
import { CATALOGUE, effect, occasion } from "./faults.js";
import { attempt, button, errorNode, group } from "./group.js";

const CODES = "error-codes";

export class Switches {
  constructor(store) {
    this.store = store;
    this.who = element("select", { "aria-label": "Who" });
    this.what = element("select", { "aria-label": "What", on: { change: () => this.#offerFields() } }, ...choices());
    this.fields = element("div", { class: "fault-fields" });
    this.when = element(
      "select",
      { "aria-label": "When", on: { change: () => this.#offerCount() } },
      element("option", { value: "next" }, "next call"),
      element("option", { value: "some" }, "next calls"),
      element("option", { value: "always" }, "until taken back"),
    );
    this.count = numberField("How many", "times", { min: 2, max: 10_000, value: 3 });
    this.chance = numberField("Chance in percent", "chance", { min: 1, max: 100, value: 100 });
    this.error = errorNode();
    this.list = element("ul", { class: "faults", "aria-label": "Switched on" });
    this.all = button("Take all back", api.takeAllBack, this.error);
    this.node = group("Misbehaviour", this.#form(), this.list, this.all);
    for (const topic of ["snapshot", "faults", "people"]) store.addEventListener(topic, () => this.#refresh());
    this.#offerFields();
    this.#offerCount();
  }

  #form() {
    const labelled = (text, field) =>
      element("label", { class: "field" }, element("span", { "aria-hidden": "true" }, text), field);
    return element(
      "form",
      { class: "fault-form", on: { submit: (event) => this.#submit(event) } },
      labelled("What", this.what),
      this.fields,
      element("div", { class: "pair" }, labelled("Who", this.who), labelled("When", this.when)),
      element("div", { class: "pair" }, this.chance, this.count),
      this.error,
      element("button", { class: "primary" }, "Switch on"),
      element(
        "datalist",
        { id: CODES },
        ...[...TITLES].map(([code, title]) => element("option", { value: code }, title)),
      ),
    );
  }

  #refresh() {
    const { people, faults } = this.store;
    const chosen = this.who.value;
    this.who.replaceChildren(
      element("option", { value: "" }, "all people"),
      ...people.map(({ address, name }) => element("option", { value: address }, name)),
    );
    this.who.value = people.some(({ address }) => address === chosen) ? chosen : "";
    this.list.hidden = faults.length === 0;
    this.list.replaceChildren(...faults.map((fault) => this.#active(fault)));
    this.all.hidden = faults.length < 2;
  }

  #active(planned) {
    const who = planned.to ? (this.store.personAt(planned.to)?.name ?? planned.to) : "All people";
    const back = element(
      "button",
      {
        type: "button",
        "aria-label": `Take back: ${who}, ${effect(planned.fault)}`,
        on: { click: () => attempt(() => api.takeBack(planned.id), this.error) },
      },
      "Take back",
    );
    return element(
      "li",
      {},
      element("p", {}, element("strong", {}, who), `: ${effect(planned.fault)}`),
      element("p", { class: "muted" }, occasion(planned)),
      back,
    );
  }

  #offerFields() {
    const chosen = CATALOGUE.find(({ id }) => id === this.what.value);
    this.fields.replaceChildren(...chosen.fields.map(parameter));
    this.fields.hidden = chosen.fields.length === 0;
  }

  #offerCount() {
    this.count.hidden = this.when.value !== "some";
    // A required field that is hidden would block the form.
    this.count.querySelector("input").disabled = this.count.hidden;
  }

  #submit(event) {
    event.preventDefault();
    const given = new FormData(event.target);
    const chosen = CATALOGUE.find(({ id }) => id === this.what.value);
    const values = Object.fromEntries(
      chosen.fields.map(({ name, type }) => [
        name,
        ["number", "code"].includes(type) ? Number(given.get(name)) : given.get(name),
      ]),
    );
    const times = { next: 1, some: Number(this.count.querySelector("input").value), always: null }[this.when.value];
    const chance = Number(given.get("chance")) / 100;
    attempt(() => api.plan({ to: this.who.value || null, times, chance, fault: chosen.fault(values) }), this.error);
  }
}

function choices() {
  const groups = [...new Set(CATALOGUE.map(({ group }) => group))];
  return groups.map((group) =>
    element(
      "optgroup",
      { label: group },
      ...CATALOGUE.filter((choice) => choice.group === group).map(({ id, name }) =>
        element("option", { value: id }, name),
      ),
    ),
  );
}

function numberField(label, name, { min, max, value }) {
  return element(
    "label",
    { class: "field" },
    element("span", {}, label),
    element("input", { type: "number", name, min, max, value, required: true }),
  );
}

/** A field for an error code, with the meaning of the code below it. */
function codeField(label, name, value) {
  const remark = element("span", { class: "remark", role: "status", "aria-label": "Meaning of the code" }, meaning(value));
  const input = element("input", {
    name,
    value,
    required: true,
    pattern: "[0-9]{5}",
    title: "Five digits, as in 63016",
    inputmode: "numeric",
    list: CODES,
    autocomplete: "off",
    on: { input: () => setText(remark, meaning(input.value)) },
  });
  return element("div", {}, element("label", { class: "field" }, element("span", {}, label), input), remark);
}

function parameter({ name, label, type, value, min, max, options }) {
  if (type === "number") return numberField(label, name, { min, max, value });
  if (type === "code") return codeField(label, name, value);
  const field = {
    text: () => element("input", { name, value, required: true, autocomplete: "off" }),
    choice: () =>
      element(
        "select",
        { name },
        ...options.map((option) => element("option", { selected: option === value }, option)),
      ),
  }[type]();
  return element("label", { class: "field" }, element("span", {}, label), field);
}
