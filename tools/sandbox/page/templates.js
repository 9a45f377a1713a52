// What WhatsApp decides about templates: each change is an event that Twilio posts.

import * as api from "./api.js";
import { element } from "./dom.js";
import { attempt, errorNode, group } from "./group.js";

const STATUSES = ["approved", "pending", "paused", "disabled", "rejected"];
const CATEGORIES = ["UTILITY", "MARKETING", "AUTHENTICATION"];
const QUALITIES = ["unknown", "green", "yellow", "red"];
const DELIVERIES = { normal: "arrive", lost: "are lost", repeated: "arrive twice" };

export class Templates {
  constructor(store) {
    this.store = store;
    this.error = errorNode();
    this.template = element("select", { "aria-label": "Template", on: { change: () => this.#show() } });
    this.status = this.#choice("Approval status", "status", STATUSES);
    this.category = this.#choice("Approval category", "category", CATEGORIES);
    this.quality = this.#choice("Quality rating", "quality", QUALITIES);
    this.reason = element("p", { class: "muted" });
    this.delivery = this.#select("Events of templates", Object.entries(DELIVERIES), (delivery) =>
      api.putTemplateEvents({ delivery }),
    );
    this.node = group(
      "Templates",
      this.template,
      this.status.node,
      this.category.node,
      this.quality.node,
      this.reason,
      this.delivery.node,
      this.error,
    );
    for (const topic of ["snapshot", "templates"]) store.addEventListener(topic, () => this.#refresh());
    for (const topic of ["snapshot", "config"]) {
      store.addEventListener(topic, () => {
        this.delivery.select.value = store.config.template_events ?? "normal";
      });
    }
  }

  #choice(label, field, values) {
    return this.#select(
      label,
      values.map((value) => [value, value.toLowerCase()]),
      (value) => api.putTemplate(this.template.value, { [field]: value }),
    );
  }

  #select(label, options, put) {
    const change = async () => {
      if (!(await attempt(() => put(select.value), this.error))) this.#show();
    };
    const select = element(
      "select",
      { on: { change } },
      ...options.map(([value, text]) => element("option", { value }, text)),
    );
    return { select, node: element("label", { class: "field" }, element("span", {}, label), select) };
  }

  #refresh() {
    const { templates } = this.store;
    const before = this.template.value;
    this.template.replaceChildren(
      ...templates.map(({ sid, name, language, status }) =>
        element("option", { value: sid }, `${name ?? sid} (${language}): ${status}`),
      ),
    );
    if (templates.some(({ sid }) => sid === before)) this.template.value = before;
    this.node.hidden = templates.length === 0;
    this.#show();
  }

  #show() {
    const template = this.store.templates.find(({ sid }) => sid === this.template.value);
    const submitted = Boolean(template) && template.status !== "unsubmitted";
    for (const [field, value] of [
      [this.status, template?.status],
      [this.category, template?.category],
      [this.quality, template?.quality],
    ]) {
      // Not disabled, which would lose the focus while a template is under review.
      field.node.hidden = !submitted;
      if (submitted) field.select.value = value ?? "";
    }
    this.reason.textContent = submitted ? (template.rejection_reason ?? "") : "It was not submitted to WhatsApp.";
    this.reason.hidden = !this.reason.textContent;
  }
}
