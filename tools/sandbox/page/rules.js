// The switches for WhatsApp's rules.

import * as api from "./api.js";
import { element } from "./dom.js";
import { attempt, errorNode, group } from "./group.js";

/** `usual` is the initial value of a rule with a number. */
const RULES = [
  { name: "messages_per_second", label: "Messages a second", says: "Messages over the limit wait for their turn", usual: 80 },
  { name: "concurrent_requests", label: "Calls at once", says: "Calls over the limit are refused with 20429", usual: 25 },
  {
    name: "service_window",
    label: "Service window",
    says: "Free-form text later than a day after the person wrote fails with 63016",
  },
  { name: "pair_limit", label: "Pair limit", says: "One message in 6 s to a person after a burst of 45, else 63018" },
  {
    name: "advanced_opt_out",
    label: "Advanced opt-out",
    says: "Twilio itself answers STOP, and then refuses messages with 21610",
  },
  { name: "fetch_media", label: "Fetch media", says: "Files are fetched, and their type and size checked" },
];

export class Rules {
  constructor(store) {
    this.store = store;
    this.error = errorNode();
    this.fields = new Map(RULES.map((rule) => [rule.name, this.#field(rule)]));
    this.node = group(
      "Rules",
      ...[...this.fields.values()].map(({ node }) => node),
      this.error,
    );
    for (const topic of ["snapshot", "rules"]) store.addEventListener(topic, () => this.#refresh());
  }

  #field({ name, label, says, usual }) {
    const id = `rule-${name}`;
    const box = element("input", {
      type: "checkbox",
      id,
      "aria-describedby": `${id}-says`,
      on: { change: () => this.#put(name, usual ? (box.checked ? usual : null) : box.checked) },
    });
    const limit = usual
      ? element("input", {
          type: "number",
          min: 1,
          max: 100_000,
          "aria-label": `${label}, limit`,
          on: { change: () => limit.reportValidity() && this.#put(name, Number(limit.value)) },
        })
      : null;
    const node = element(
      "div",
      { class: "rule" },
      box,
      element("label", { for: id }, label),
      limit,
      element("p", { class: "muted", id: `${id}-says` }, says),
    );
    return { node, box, limit };
  }

  #refresh() {
    const { rules } = this.store;
    this.node.hidden = !rules;
    for (const [name, { node, box, limit }] of this.fields) {
      node.hidden = !(name in (rules ?? {}));
      if (node.hidden) continue;
      box.checked = Boolean(rules[name]);
      if (!limit) continue;
      limit.hidden = rules[name] === null;
      if (document.activeElement !== limit) limit.value = rules[name] ?? "";
    }
  }

  async #put(name, value) {
    if (!(await attempt(() => api.putRules({ ...this.store.rules, [name]: value }), this.error))) this.#refresh();
  }
}
