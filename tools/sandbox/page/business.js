// The form in which the page sends as the business: a template or a text, with the decision before it goes.

import * as api from "./api.js";
import { byId, copyButton, element, icon, setText } from "./dom.js";
import { readableAddress } from "./format.js";
import { formatted } from "./formatting.js";
import {
  CATEGORIES,
  categoryOf,
  decisionText,
  filled,
  newId,
  notification,
  variableNames,
} from "./notification.js";

/** How long the reader must have stopped typing before the decision is asked for, in milliseconds. */
const PAUSE = 400;

export class Business {
  #id = newId();
  #timer = null;
  /** The number of the last question, so that a late answer to an older one is not shown. */
  #asked = 0;
  #isAsking = false;
  #isSending = false;

  constructor(store) {
    this.store = store;
    this.panel = byId("business");
    this.toggle = byId("business-toggle");
    this.to = element("select", { on: { change: () => this.#changed() } });
    this.category = element(
      "select",
      { on: { change: () => this.#changed() } },
      ...CATEGORIES.map((name) => element("option", {}, name)),
    );
    this.template = element("select", { on: { change: () => this.#pickTemplate() } });
    this.variables = element("div", { class: "variables", on: { input: () => this.#changed() } });
    this.text = element("textarea", {
      rows: 4,
      maxlength: 1600,
      dir: "auto",
      on: { input: () => this.#changed() },
    });
    this.preview = element("div", { class: "business-preview", role: "group", "aria-label": "Preview" });
    this.decision = element("p", { class: "decision", role: "status", "aria-label": "Decision" });
    this.json = element("pre", { tabindex: 0, role: "group", "aria-label": "Notification" });
    this.send = element("button", { class: "primary" }, "Send");
    this.result = element("p", { class: "result", role: "status", "aria-label": "Result", hidden: true });
    this.panel.append(this.#head(), this.#form());
    this.toggle.addEventListener("click", () => this.#open(this.panel.hidden));
    this.panel.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.#leave();
    });
    for (const topic of ["snapshot", "people", "templates", "config"]) store.addEventListener(topic, () => this.#refresh());
    // A STOP, a message of the person, or the time that passes can change the decision.
    for (const topic of ["people", "clock"]) store.addEventListener(topic, () => this.#askSoon());
    store.addEventListener("entry", ({ detail }) => detail.kind === "event" && this.#askSoon());
    this.#pickKind("template");
  }

  #head() {
    const close = element(
      "button",
      { type: "button", class: "icon-button", "aria-label": "Close the form", on: { click: () => this.#leave() } },
      icon("close"),
    );
    this.title = element("h3", { id: "business-title", tabindex: -1 }, "Send as the business");
    return element("header", { class: "business-head" }, this.title, close);
  }

  #form() {
    const field = (label, input) => element("label", { class: "field" }, element("span", {}, label), input);
    this.templateField = field("Template", this.template);
    this.textField = field("Text", this.text);
    const details = element(
      "details",
      {},
      element("summary", {}, "As JSON"),
      this.json,
      copyButton("Copy", () => this.json.textContent),
    );
    return element(
      "form",
      { class: "business-form", on: { submit: (event) => this.#submit(event) } },
      field("To", this.to),
      kinds((kind) => this.#pickKind(kind)),
      this.templateField,
      this.variables,
      this.textField,
      field("Category", this.category),
      this.preview,
      this.decision,
      this.send,
      this.result,
      details,
    );
  }

  #open(open) {
    this.panel.hidden = !open;
    this.toggle.setAttribute("aria-expanded", String(open));
    if (!open) return;
    this.title.focus();
    this.#changed();
  }

  #leave() {
    this.#open(false);
    this.toggle.focus();
  }

  #refresh() {
    const { people, templates } = this.store;
    offer(this.to, people.map(({ address, name }) => [address, `${name} (${readableAddress(address)})`]));
    const before = this.template.value;
    offer(this.template, templates.map((template) => [template.sid, optionOf(template)]));
    if (this.template.value === before && before) this.#update();
    else this.#pickTemplate();
  }

  #pickKind(kind) {
    this.kind = kind;
    const isTemplate = kind === "template";
    this.templateField.hidden = !isTemplate;
    this.variables.hidden = !isTemplate;
    this.textField.hidden = isTemplate;
    this.#changed();
  }

  get #chosen() {
    return this.store.templates.find(({ sid }) => sid === this.template.value);
  }

  // The samples are there to begin with, so that one press sends something.
  #pickTemplate() {
    const template = this.#chosen;
    if (!template) return;
    this.category.value = categoryOf(template);
    const inputs = variableNames(template).map((name) =>
      element(
        "label",
        { class: "field" },
        element("span", {}, `Variable ${name}`),
        element("input", { name, value: template.variables?.[name] ?? "", autocomplete: "off", dir: "auto" }),
      ),
    );
    this.variables.replaceChildren(...inputs);
    this.#changed();
  }

  #values() {
    return Object.fromEntries([...this.variables.querySelectorAll("input")].map(({ name, value }) => [name, value]));
  }

  get #notification() {
    const template = this.kind === "template" ? this.#chosen : null;
    return notification({
      id: this.#id,
      to: this.to.value,
      category: this.category.value,
      template,
      variables: this.#values(),
      text: this.text.value,
    });
  }

  #isComplete() {
    return Boolean(this.to.value && (this.kind === "template" ? this.#chosen : this.text.value.trim()));
  }

  /** The reader has changed the notification: the result is of an earlier one. */
  #changed() {
    this.result.hidden = true;
    this.#update();
  }

  #update() {
    setText(this.json, JSON.stringify(this.#notification, null, 2));
    this.#showPreview();
    this.#askSoon();
  }

  #showPreview() {
    const template = this.kind === "template" ? this.#chosen : null;
    const body = template ? filled(template, this.#values()) : this.text.value;
    const buttons = (template?.buttons ?? []).map(({ title }) => element("span", { class: "message-button" }, title));
    this.preview.hidden = !body && buttons.length === 0;
    this.preview.replaceChildren(
      element("div", { class: "bubble" }, element("p", { class: "text", dir: "auto" }, ...formatted(body))),
      ...(buttons.length > 0 ? [element("div", { class: "message-buttons" }, ...buttons)] : []),
    );
  }

  #askSoon() {
    clearTimeout(this.#timer);
    if (this.panel.hidden) return;
    this.send.disabled = !this.#isComplete();
    if (this.#isComplete()) this.#timer = setTimeout(() => this.#ask(), PAUSE);
    else this.#decided("waiting", this.kind === "text" ? "Write a text" : "No template is there");
  }

  // One question at a time: each starts a program on this machine.
  async #ask() {
    this.#asked += 1;
    if (this.#isAsking) return;
    this.#isAsking = true;
    const number = this.#asked;
    let answer;
    try {
      answer = decisionText(await api.previewNotification(this.#notification));
    } catch (error) {
      answer = { tone: "bad", text: error.said ? `Not accepted: ${error.said}` : error.message };
    }
    this.#isAsking = false;
    if (number !== this.#asked) return void this.#ask();
    this.#decided(answer.tone, answer.text);
    // What would not be sent can be sent all the same, to see how it ends.
    setText(this.send, answer.tone === "good" ? "Send" : "Send anyway");
  }

  #decided(tone, text) {
    this.decision.dataset.tone = tone;
    setText(this.decision, text);
  }

  async #submit(event) {
    event.preventDefault();
    // The button is not disabled meanwhile, because it would lose the focus.
    if (!this.#isComplete() || this.#isSending) return;
    const sent = this.#notification;
    this.#isSending = true;
    try {
      await api.sendNotification(sent);
      // The next one is another notification, even with the same content.
      this.#id = newId();
      this.#changed();
      this.#show(`Sent as ${sent.id}.`, threadButton(this.store, sent));
    } catch (error) {
      this.#show(error.said ?? error.message);
      this.result.classList.add("error");
    }
    this.#isSending = false;
  }

  #show(...content) {
    this.result.classList.remove("error");
    this.result.replaceChildren(...content);
    this.result.hidden = false;
  }
}

/** A button that shows alone what belongs to what was sent. Without a system no entry names the notification. */
function threadButton(store, { id }) {
  if (store.config.business !== "system") return "";
  const choose = () => store.choose({ message_sid: null, notification_id: id });
  return element("button", { type: "button", on: { click: choose } }, "Show what happened to it");
}

/** The choice between a template and a text; `pick(kind)` is called with `template` or `text`. */
function kinds(pick) {
  const choice = (value, label, checked) =>
    element(
      "label",
      {},
      element("input", { type: "radio", name: "kind", value, checked, on: { change: () => pick(value) } }),
      element("span", {}, label),
    );
  return element(
    "fieldset",
    { class: "kinds" },
    element("legend", { class: "hidden" }, "Content"),
    choice("template", "Template", true),
    choice("text", "Free text", false),
  );
}

/** As in `order_update, en`, and `paused` where WhatsApp does not let it be sent. */
function optionOf({ name, language, status }) {
  return [name, language, status === "approved" ? null : status].filter(Boolean).join(", ");
}

/** Replaces the options of a select, and keeps its choice where that is still there. */
function offer(select, options) {
  const before = select.value;
  select.replaceChildren(...options.map(([value, text]) => element("option", { value }, text)));
  if (options.some(([value]) => value === before)) select.value = before;
}
