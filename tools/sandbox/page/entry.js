// One line of the timeline, and its details.

import { copyButton, element, icon } from "./dom.js";
import { readableAddress, timeOfDay, utc } from "./format.js";

export const KINDS = {
  webhook: "Webhook",
  callback: "Callback",
  api_call: "API call",
  item: "Item",
  decision: "Decision",
  event: "Event",
  fault: "Misbehaviour",
  rule: "Rule",
  clock: "Clock",
  scenario: "Scenario",
};

/** Icons, since not all readers can distinguish the colours. */
const OUTCOMES = { good: "sent", neutral: "neutral", refused: "refused", bad: "failed" };

/** `choose(entry)` shows only its thread; `personName(address)` is the name of a person. */
export function entryLine(entry, { choose, personName, watch, opened }) {
  const outcome = entry.outcome in OUTCOMES ? entry.outcome : "neutral";
  const kind = KINDS[entry.kind] ?? entry.kind;
  const details = element("div", { class: "entry-details", id: `entry-${entry.number}`, hidden: true });
  const line = element(
    "button",
    { type: "button", class: "entry-line", "aria-expanded": "false", "aria-controls": details.id, tabindex: -1 },
    element("time", { datetime: entry.at, title: utc(entry.at) }, timeOfDay(entry.at)),
    element("span", { class: "entry-kind", title: kind }, icon(entry.kind), element("span", {}, kind)),
    element("span", { class: "entry-summary" }, entry.summary),
    element("span", { class: "entry-person" }, entry.person ? personName(entry.person) : ""),
    element("span", { class: "outcome", role: "img", "aria-label": outcome, title: outcome }, icon(OUTCOMES[outcome])),
  );
  const node = element("li", { class: "entry", "data-outcome": entry.outcome, "data-kind": entry.kind }, line, details);
  line.addEventListener("click", () => {
    const opens = details.hidden;
    // The details are built when the entry is first opened, since most never are.
    if (opens && !details.hasChildNodes()) details.append(...allDetails(entry, choose));
    details.hidden = !opens;
    line.setAttribute("aria-expanded", String(opens));
    if (opens) opened(node);
  });
  watch(node, entry);
  return { entry, node, line };
}

function allDetails(entry, choose) {
  const named = [
    ["At", utc(entry.at)],
    ["Person", entry.person && `${readableAddress(entry.person)} (${entry.person})`],
    ["Message", entry.message_sid],
    ["Notification", entry.notification_id],
  ];
  const own =
    entry.details && typeof entry.details === "object" && !Array.isArray(entry.details)
      ? Object.entries(entry.details)
      : [["details", entry.details]];
  // Single values come before forms and other objects.
  own.sort(([, one], [, other]) => (typeof one === "object") - (typeof other === "object"));
  const copy = copyButton("Copy as JSON", () => JSON.stringify(entry, null, 2));
  const thread =
    entry.message_sid || entry.notification_id
      ? element("button", { type: "button", on: { click: () => choose(entry) } }, "Show only its thread")
      : null;
  return [
    definitions([...named, ...own]),
    element("div", { class: "entry-actions" }, ...[thread, copy].filter(Boolean)),
  ];
}

/** A list of names and values, without those that have no value. */
function definitions(pairs) {
  const list = element("dl");
  for (const [name, value] of pairs) {
    if (value === null || value === undefined || value === "") continue;
    list.append(element("dt", {}, title(name)), element("dd", {}, shown(name, value)));
  }
  return list;
}

const title = (name) =>
  name === "url"
    ? "URL"
    : /^[a-z_]+$/.test(name)
      ? name.replaceAll("_", " ").replace(/^./, (first) => first.toUpperCase())
      : name;

function shown(name, value) {
  if (name === "signature" && typeof value === "string")
    return element("span", { class: "verdict", "data-verdict": value }, value);
  if (typeof value !== "object") return String(value);
  const flat = !Array.isArray(value) && Object.values(value).every((part) => part === null || typeof part !== "object");
  // A flat object, as the parameters of a form, keeps its names.
  if (flat)
    return element(
      "dl",
      { class: "parameters" },
      ...Object.entries(value).flatMap(([key, part]) => [element("dt", {}, key), element("dd", {}, String(part))]),
    );
  return element("pre", {}, JSON.stringify(value, null, 2));
}
