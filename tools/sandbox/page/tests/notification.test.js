import assert from "node:assert/strict";
import { test } from "node:test";
import { categoryOf, decisionText, filled, newId, notification, variableNames } from "../notification.js";

const TEMPLATE = { sid: "HX1", body: "Hello {{1}}, {{name}} is at {{10}}", variables: { 1: "Ava", 2: "x" } };

test("a notification is the JSON of a producer", () => {
  const given = { id: "page-1", to: "whatsapp:+14155550123", category: "utility", template: null, variables: {}, text: "Hi" };
  assert.deepEqual(notification(given), {
    id: "page-1",
    to: "+14155550123",
    category: "utility",
    content: { type: "text", body: "Hi" },
  });
  assert.deepEqual(notification({ ...given, template: TEMPLATE, variables: { 1: "A" } }).content, {
    type: "template",
    content_sid: "HX1",
    variables: { 1: "A" },
  });
  assert.deepEqual(notification({ ...given, template: TEMPLATE }).content, { type: "template", content_sid: "HX1" });
});

test("variables are those of the samples and of the text, in order", () => {
  assert.deepEqual(variableNames(TEMPLATE), ["1", "2", "10", "name"]);
  assert.equal(filled(TEMPLATE, { 1: "Ben", 10: "$&" }), "Hello Ben, {{name}} is at $&");
});

test("the category is that of the template", () => {
  assert.equal(categoryOf({ category: "MARKETING" }), "marketing");
  assert.equal(categoryOf({}), "utility");
});

test("a decision is shown with its reason", () => {
  assert.deepEqual(decisionText({ decision: "send", reason: null }), { tone: "good", text: "Will be sent now" });
  assert.deepEqual(decisionText({ decision: "refuse", reason: "opted out" }), {
    tone: "bad",
    text: "Will not be sent: opted out",
  });
  const later = decisionText({ decision: "wait", until: "2026-11-20T08:00:00Z", reason: "quiet hours" });
  assert.equal(later.tone, "waiting");
  assert.match(later.text, /^Will wait until 20 Nov.*: quiet hours$/);
});

test("each notification has another id", () => {
  assert.notEqual(newId(), newId());
});
