// The filter of the timeline.

import { bodyOf } from "./bodies.js";
import { codeWithTitle } from "./codes.js";
import { codeOf, isProblem } from "./facts.js";
import { readableAddress } from "./format.js";

/**
 * Whether an entry passes. An empty part of the filter lets all entries pass. `thread` is the chosen entry or message;
 * `nameOf(address)` is the name of a person.
 */
export function passes(entry, filter, links) {
  const { text = "", kind = "", problems = false, isOf = null, thread = null, nameOf = null } = filter;
  if (kind && entry.kind !== kind) return false;
  if (problems && !isProblem(entry)) return false;
  if (isOf && !isOf(entry.person)) return false;
  if (thread && !links.together(entry, thread)) return false;
  return !text || contains(entry, text.toLowerCase(), nameOf);
}

/** All words must occur. A number is found however it is written. */
function contains(entry, text, nameOf) {
  const name = (entry.person && nameOf?.(entry.person).toLowerCase()) ?? "";
  const searched = searchable(entry);
  if (/^[+\d][\d\s().-]{5,}$/.test(text) && searched.includes(text.replaceAll(/[^\d]/g, ""))) return true;
  return text.split(/\s+/).every((word) => searched.includes(word) || name.includes(word));
}

// Cached, since an entry is replaced and never changed, and the whole timeline is searched at each key press.
const texts = new WeakMap();

function searchable(entry) {
  let text = texts.get(entry);
  if (text === undefined) {
    text = searchedParts(entry).filter(Boolean).join("\n").toLowerCase();
    texts.set(entry, text);
  }
  return text;
}

function searchedParts(entry) {
  const { request, response } = entry.exchange ?? {};
  const code = codeOf(entry);
  return [
    entry.kind.replaceAll("_", " "),
    entry.summary,
    entry.reason,
    entry.person,
    entry.person && readableAddress(entry.person),
    entry.message_sid,
    entry.notification_id,
    code && codeWithTitle(code),
    JSON.stringify(entry.details),
    request && `${request.method} ${request.url}`,
    ...[request, response].filter(Boolean).flatMap((part) => [words(bodyOf(part)), ...part.headers.flat()]),
    response && String(response.status),
  ];
}

const words = (body) => (body.pairs ? body.pairs.map((pair) => pair.join("=")).join("\n") : body.text);
