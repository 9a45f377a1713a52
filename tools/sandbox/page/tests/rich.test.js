// Unit tests of what a person answers, and of the vCard that a person shares.

import assert from "node:assert/strict";
import { test } from "node:test";

import { vcard } from "../card-form.js";
import { answeredText } from "../rich.js";

test("an answer without a text has a name", () => {
  assert.equal(answeredText({ kind: "flow_answer", fields: {} }), "Form");
  assert.equal(answeredText({ kind: "order", items: [] }), "Order");
  assert.equal(answeredText({ kind: "reaction", emoji: "👍" }), "👍");
  assert.equal(answeredText({ kind: "reaction", emoji: "" }), "Reaction removed");
  assert.equal(answeredText({ kind: "list", rows: [] }), "");
  assert.equal(answeredText(null), "");
});

test("a shared contact is a vCard with escapes and the WhatsApp id", () => {
  const card = vcard("Ito, Ben; Jr.", "+1 415 555 0124");
  assert.match(card, /^BEGIN:VCARD\r\nVERSION:3\.0\r\n/);
  assert.match(card, /\r\nFN:Ito\\, Ben\\; Jr\.\r\n/);
  assert.match(card, /\r\nTEL;type=CELL;waid=14155550124:\+1 415 555 0124\r\n/);
});
