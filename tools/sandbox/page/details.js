// The details of an entry: what they are for a reader who asks why, and then everything that is known.

import { codeBox } from "./code-box.js";
import { curl } from "./curl.js";
import { copyButton, element, icon } from "./dom.js";
import { exchangeView } from "./exchange.js";
import { codeOf } from "./facts.js";
import { readableAddress, utc } from "./format.js";
import { copyable } from "./ids.js";
import { definitions } from "./tables.js";
import { verdictLines } from "./verdict.js";

/** What the request and the answer of an exchange show already. */
const IN_EXCHANGE = ["url", "form", "answer", "method", "path", "status", "milliseconds", "lost"];

/** The nodes of an entry's details. `does` as for the line. */
export function detailsOf(entry, does) {
  const { exchange, details } = entry;
  const code = codeOf(entry);
  return [
    entry.reason ? element("p", { class: "reason" }, icon("refused"), element("span", {}, entry.reason)) : null,
    code ? codeBox(code) : null,
    entry.kind === "verdict" && details?.lines?.length ? verdictLines(details.lines) : null,
    actions(entry, does),
    exchange ? exchangeView(exchange) : null,
    definitions([...named(entry), ...own(details, exchange)]),
  ].filter(Boolean);
}

function named({ at, person, message_sid: sid, notification_id: id, cause }) {
  return [
    ["at", utc(at)],
    ["person", person && copyable("address", person), person && readableAddress(person)],
    ["message", sid && copyable("message SID", sid)],
    ["notification", id && copyable("notification id", id)],
    ["cause", cause?.startsWith("entry:") ? null : cause],
  ];
}

function own(details, exchange) {
  if (!details || typeof details !== "object" || Array.isArray(details)) return [["details", details]];
  const elsewhere = [...(exchange ? IN_EXCHANGE : []), "lines"];
  const shown = Object.entries(details).filter(([name]) => !elsewhere.includes(name));
  // Single values come before forms and other objects.
  return shown.sort(([, one], [, other]) => (typeof one === "object") - (typeof other === "object"));
}

function actions(entry, does) {
  const said = element("span", { class: "said", role: "status" });
  const button = (name, act, shortcut) =>
    element("button", { type: "button", "aria-keyshortcuts": shortcut, on: { click: act } }, name);
  const link = () => `${location.origin}${location.pathname}#entry-${entry.number}`;
  const sendAgain = button("Send again", () => does.sendAgain(entry, said), "R");
  sendAgain.append(element("kbd", { "aria-hidden": "true" }, "R"));
  return element(
    "div",
    { class: "entry-actions" },
    ...[
      entry.exchange && sendAgain,
      entry.exchange && copyButton("Copy as curl", () => curl(entry.exchange, location.origin)),
      (entry.message_sid || entry.notification_id) && button("Show only its thread", () => does.choose(entry)),
      copyButton("Copy link", link),
      copyButton("Copy as JSON", () => JSON.stringify(entry, null, 2)),
    ].filter(Boolean),
    said,
  );
}
