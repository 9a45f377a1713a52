// Lists, cards, catalogs and flows of the business, and what a person answers to them.

import { element, icon } from "./dom.js";
import { formatted } from "./formatting.js";

const money = (price) => (Number.isFinite(price) ? price.toFixed(2) : "");

/**
 * What a message of the business lets a person select or fill in; null where there is nothing. `answer(writing)` sends the answer:
 * fields of /sandbox/inbound. `button(button)` draws a button of a card.
 */
export function offer(rich, { answer, button }) {
  if (rich?.kind === "list") return unfolding(rich.button, () => rows(rich, answer));
  if (rich?.kind === "flow") return unfolding(rich.button, () => flowForm(rich, answer));
  if (rich?.kind === "catalog") return unfolding("View catalog", () => cart(rich, answer));
  if (rich?.kind === "carousel") return element("div", { class: "carousel" }, ...rich.cards.map((card) => cardOf(card, button)));
  return null;
}

/** What a person answered without a text; null where there is nothing. */
export function answered(rich) {
  if (rich?.kind === "flow_answer") return facts("Form", Object.entries(rich.fields).map(([name, value]) => `${name}: ${shown(value)}`));
  if (rich?.kind === "order") return facts("Order", [...rich.items.map((item) => `${item.quantity} × ${item.product_id}`), rich.text]);
  if (rich?.kind === "reaction") return element("p", { class: "text reaction" }, rich.emoji || "Reaction removed");
  return null;
}

/** The same in one line; an empty text where there is nothing. */
export function answeredText(rich) {
  if (rich?.kind === "flow_answer") return "Form";
  if (rich?.kind === "order") return "Order";
  return rich?.kind === "reaction" ? rich.emoji || "Reaction removed" : "";
}

const shown = (value) => (typeof value === "string" ? value : JSON.stringify(value));

function facts(title, lines) {
  return element(
    "div",
    { class: "answer" },
    element("strong", {}, title),
    ...lines.filter(Boolean).map((line) => element("span", { dir: "auto" }, line)),
  );
}

/** A button that opens and closes what it offers. */
function unfolding(name, build) {
  const inside = element("div", { class: "offer-inside", hidden: true });
  const toggle = element(
    "button",
    { type: "button", class: "message-button", "aria-expanded": "false" },
    icon("unfold"),
    element("span", {}, name || "Open"),
  );
  const open = (is) => {
    if (is && !inside.hasChildNodes()) inside.append(build(() => open(false)));
    inside.hidden = !is;
    toggle.setAttribute("aria-expanded", String(is));
  };
  toggle.addEventListener("click", () => open(inside.hidden));
  inside.addEventListener("answered", () => open(false));
  return element("div", { class: "offer" }, toggle, inside);
}

/** Sends an answer, and closes what offered it when it was sent. */
async function give(answer, writing, node) {
  if (await answer(writing)) node.dispatchEvent(new Event("answered", { bubbles: true }));
}

function rows({ rows: items }, answer) {
  const list = element("ul", { class: "offer-rows" });
  for (const { id, title, description } of items) {
    const pick = () => give(answer, { list_item: { id, title } }, list);
    const row = element(
      "button",
      { type: "button", class: "offer-row", on: { click: pick } },
      element("span", {}, title),
      description ? element("span", { class: "muted" }, description) : null,
    );
    list.append(element("li", {}, row));
  }
  return list;
}

function flowForm({ fields }, answer) {
  // The fields of a flow of WhatsApp are not known here: the person's answer is any JSON.
  const inputs = fields.map((name) => field(name, element("input", { name, autocomplete: "off", dir: "auto" })));
  const json = element("textarea", { name: "json", rows: 3, value: '{"answer": "yes"}' }, '{"answer": "yes"}');
  const error = element("p", { class: "error", role: "alert", hidden: true });
  const form = element(
    "form",
    { class: "offer-form" },
    ...(inputs.length > 0 ? inputs : [field("Fields as JSON", json)]),
    error,
    element("button", { class: "primary" }, "Submit"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const flow = inputs.length > 0 ? Object.fromEntries(new FormData(form)) : objectOf(json.value);
    error.hidden = Boolean(flow);
    error.textContent = "Expected a JSON object";
    if (flow) give(answer, { flow }, form);
  });
  return form;
}

function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return value && typeof value === "object" && !Array.isArray(value) ? value : null;
  } catch {
    return null;
  }
}

function cart({ catalog_id: catalogId, title, products }, answer) {
  const quantity = ({ id, name, price, description }) =>
    field(
      [name ?? id, money(price), description].filter(Boolean).join(", "),
      element("input", { name: id, type: "number", min: 0, max: 99, value: 1 }),
    );
  const form = element(
    "form",
    { class: "offer-form" },
    title ? element("strong", {}, title) : null,
    ...products.map(quantity),
    products.length > 0 ? element("button", { class: "primary" }, "Order") : element("p", { class: "muted" }, "No products"),
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const items = products
      .map(({ id, price }) => ({ product_id: id, quantity: Number(given.get(id)), price }))
      .filter(({ quantity: count }) => count > 0);
    if (items.length > 0) give(answer, { order: { catalog_id: catalogId, items } }, form);
  });
  return form;
}

function field(label, input) {
  return element("label", { class: "field" }, element("span", {}, label), input);
}

function cardOf({ title, body, media, buttons }, button) {
  return element(
    "section",
    { class: "card", "aria-label": title ?? "Card" },
    media ? element("img", { src: media, alt: "", loading: "lazy" }) : null,
    title ? element("strong", {}, title) : null,
    element("p", { dir: "auto" }, ...formatted(body)),
    ...buttons.map(button),
  );
}
