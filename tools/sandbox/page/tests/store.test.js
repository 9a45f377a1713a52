import assert from "node:assert/strict";
import { test } from "node:test";
import { inboundStatus, outboundStatus } from "../status.js";
import { Store } from "../store.js";

const AVA = { address: "whatsapp:+14155550123", name: "Ava", user_id: null, opted_out: false, window_until: null };
const CHLOE = {
  address: "whatsapp:US.1349",
  name: "Chloe",
  user_id: "whatsapp:US.1349",
  parent_user_id: "whatsapp:US.ENT.77",
  opted_out: false,
  window_until: null,
};
const entry = (number, fields) => ({
  number,
  at: "2026-11-21T11:00:00Z",
  outcome: "good",
  summary: "",
  details: {},
  ...fields,
});

function loaded(timeline = []) {
  const store = new Store();
  store.load({
    config: {},
    clock: { now: "2026-11-22T11:00:00Z", ahead_seconds: 86_400 },
    people: [AVA, CHLOE],
    messages: [],
    timeline,
  });
  return store;
}

test("a person is found on WhatsApp, by SMS and by user id", () => {
  const store = loaded();
  assert.equal(store.personAt("whatsapp:+14155550123"), AVA);
  assert.equal(store.personAt("+14155550123"), AVA);
  assert.equal(store.personOf({ direction: "inbound", from: "whatsapp:US.1349" }), CHLOE);
  assert.equal(store.personAt("whatsapp:US.ENT.77"), CHLOE);
  assert.equal(store.personAt("whatsapp:+14155550199"), undefined);
  assert.equal(store.personAt(null), undefined);
});

test("an opt-out event holds until an opt-in event", () => {
  const event = (number, type, details) =>
    entry(number, { kind: "event", person: AVA.address, details: { event_type: type, ...details } });
  const store = loaded([event(1, "contact_opted_out", { channel: "sms" })]);
  assert.equal(store.optedOut(AVA), "opted out of SMS");
  store.addEntry(event(2, "contact_opted_out", { channel: "whatsapp", scope: "marketing" }));
  store.addEntry(event(3, "contact_opted_in", { channel: "sms" }));
  assert.equal(store.optedOut(AVA), "opted out of marketing");
  store.addEntry(event(4, "contact_opted_out"));
  assert.equal(store.optedOut(AVA), "opted out");
  store.addEntry(event(5, "contact_opted_in"));
  assert.equal(store.optedOut(AVA), "");
  assert.equal(store.optedOut({ ...CHLOE, opted_out: true }), "opted out", "Twilio's own list counts as well");
});

test("a lost repetition does not replace the answer to a webhook", () => {
  const webhook = (number, answer) => entry(number, { kind: "webhook", message_sid: "SM1", details: { answer } });
  const store = loaded([webhook(1, null)]);
  assert.equal(store.answerTo("SM1"), null);
  store.addEntry(webhook(2, 403));
  store.addEntry(webhook(3, null));
  assert.equal(store.answerTo("SM1"), 403);
  assert.equal(store.answerTo("SM2"), undefined);
});

test("an entry that arrives twice is shown once", () => {
  const store = loaded([entry(1, { kind: "clock" })]);
  store.addEntry(entry(1, { kind: "clock" }));
  assert.equal(store.entries.length, 1);
});

test("the clock continues between events", () => {
  assert.ok(Math.abs(loaded().now() - Date.parse("2026-11-22T11:00:00Z")) < 5_000);
});

test("each status has a text", () => {
  assert.equal(outboundStatus({ status: "read" }).text, "read");
  assert.equal(
    outboundStatus({ status: "undelivered", error_code: 63016 }).text,
    "undelivered 63016 Free-form message outside the allowed window",
  );
  assert.equal(outboundStatus({ status: "failed", error_code: null }).text, "failed");
  assert.deepEqual(
    [200, 403, null, undefined].map((answer) => inboundStatus(answer).text),
    ["200", "403", "no answer", "no webhook yet"],
  );
});
