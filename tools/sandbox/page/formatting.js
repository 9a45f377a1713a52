// WhatsApp's formatting of text: *bold*, _italic_, ~struck through~, ```monospace``` and `code`, and links to web pages.
// Source: WhatsApp Help Center, "How to format your messages".

import { element } from "./dom.js";

const TAGS = { "*": "strong", _: "em", "~": "s" };
const FENCED = /```([^]+?)```|`([^`\n]+)`/g;
const LINK = /(?:https?:\/\/|www\.)[^\s<>"]+/iy;
const isWord = (character) => character !== undefined && /[\p{L}\p{N}]/u.test(character);
const isSpace = (character) => character === undefined || /\s/.test(character);

/** The parts of a text: strings, `{tag, parts}` for formatted parts and `{href, text}` for links. */
export function parse(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(FENCED)) {
    parts.push(...spans(text.slice(end, match.index)), { tag: "code", parts: [match[1] ?? match[2]] });
    end = match.index + match[0].length;
  }
  parts.push(...spans(text.slice(end)));
  return parts;
}

/** The text without the marks, for one line of a list or a quotation. */
export function plain(text) {
  const flat = (part) => (typeof part === "string" ? part : (part.text ?? part.parts.map(flat).join("")));
  return parse(text).map(flat).join("");
}

/** The text as nodes for a message. Links open in a new tab, and what they open does not learn of the page. */
export function formatted(text) {
  return parse(text).map(node);
}

function node(part) {
  if (typeof part === "string") return part;
  if (part.tag) return element(part.tag, {}, ...part.parts.map(node));
  return element("a", { href: part.href, target: "_blank", rel: "noopener noreferrer nofollow" }, part.text);
}

function spans(text) {
  const parts = [];
  let from = 0;
  for (let at = 0; at < text.length; ) {
    const found = linkAt(text, at) ?? markAt(text, at);
    if (!found) {
      at += 1;
      continue;
    }
    if (from < at) parts.push(text.slice(from, at));
    parts.push(found.part);
    at = from = at + found.length;
  }
  if (from < text.length) parts.push(text.slice(from));
  return parts;
}

/** A mark opens before a word and closes after one, on the same line: `2*3*4` and `snake_case_name` have none. */
function markAt(text, at) {
  const mark = text[at];
  const tag = TAGS[mark];
  if (!tag || isWord(text[at - 1]) || isSpace(text[at + 1]) || text[at + 1] === mark) return null;
  for (let end = at + 2; end < text.length && text[end] !== "\n"; end += 1) {
    if (text[end] === mark && !isSpace(text[end - 1]) && !isWord(text[end + 1]))
      return { part: { tag, parts: spans(text.slice(at + 1, end)) }, length: end + 1 - at };
  }
  return null;
}

/** A sentence may end after a link, and its punctuation is no part of it. */
function linkAt(text, at) {
  if (isWord(text[at - 1])) return null;
  LINK.lastIndex = at;
  const found = LINK.exec(text)?.[0].replace(/[.,;:!?'*_~\]]+$/, "");
  if (!found) return null;
  const shown = found.endsWith(")") && !found.includes("(") ? found.replace(/\)+$/, "") : found;
  const href = /^www\./i.test(shown) ? `https://${shown}` : shown;
  return URL.canParse(href) ? { part: { href, text: shown }, length: shown.length } : null;
}
