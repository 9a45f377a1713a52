// What an entry of the timeline says, beside its own fields. Pure functions.

import { bodyOf } from "./bodies.js";

/** Twilio's error code, of the entry or of the status that a callback reports; null without one. */
export function codeOf({ details, exchange }) {
  const code = Number(details?.code ?? details?.error_code ?? formOf(exchange).get("ErrorCode") ?? Number.NaN);
  return Number.isInteger(code) && code > 0 ? code : null;
}

/** What was written, where the request is one that carries a message; empty otherwise. */
export function textOf({ exchange }) {
  return formOf(exchange).get("Body") ?? "";
}

/**
 * Whether something went wrong that the reader may have to look at: also a callback that was answered well, and reports that a
 * message has failed.
 */
export function isProblem(entry) {
  const { kind, problem, outcome } = entry;
  if (problem ?? (outcome === "bad" || outcome === "refused")) return true;
  return kind === "callback" && codeOf(entry) !== null;
}

/** `bad` also for a failure that was reported well. */
export function outcomeOf(entry) {
  return isProblem(entry) && ["good", "neutral"].includes(entry.outcome) ? "bad" : entry.outcome;
}

// Cached, since an entry is replaced and never changed, and all entries are looked at for each filter.
const forms = new WeakMap();

function formOf(exchange) {
  if (!exchange) return new Map();
  if (!forms.has(exchange)) forms.set(exchange, new Map(bodyOf(exchange.request).pairs ?? []));
  return forms.get(exchange);
}
