import assert from "node:assert/strict";
import { test } from "node:test";
import { inboundStatus, outboundStatus } from "../status.js";
import { ENTRIES_KEPT, Store } from "../store.js";

const AVA = { address: "whatsapp:+14155550123", name: "Ava", user_id: null, opted_out: null, window_until: null };
const CHLOE = {
  address: "whatsapp:US.1349",
  name: "Chloe",
  user_id: "whatsapp:US.1349",
  parent_user_id: "whatsapp:US.ENT.77",
  opted_out: null,
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
    timeline_older: (timeline[0]?.number ?? 1) > 1,
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

test("an opt-out belongs to the person, whatever the timeline has", () => {
  const store = loaded();
  assert.equal(store.optedOut(AVA), "");
  const out = { ...AVA, opted_out: { by: "system", text: "opted out of marketing" } };
  assert.equal(store.optedOut(out), "opted out of marketing");
});

test("an answer belongs to the message, whatever the timeline has", () => {
  const store = loaded();
  const message = (answer) => ({ sid: "SM1", direction: "inbound", from: AVA.address, sandbox: { answer } });
  assert.equal(store.answerTo("SM1"), undefined);
  store.putMessage(message(null));
  assert.equal(store.answerTo("SM1"), undefined);
  store.putMessage(message({ status: 403, lost: false, deliveries: 1 }));
  assert.equal(store.answerTo("SM1").status, 403);
});

test("an entry that arrives twice is shown once", () => {
  const store = loaded([entry(1, { kind: "clock" })]);
  store.putEntry(entry(1, { kind: "clock" }));
  assert.equal(store.entries.length, 1);
});

test("a changed entry replaces the one with its number", () => {
  const store = loaded([entry(1, { kind: "webhook" }), entry(2, { kind: "item" })]);
  store.putEntry(entry(1, { kind: "webhook", reason: "why" }));
  store.putEntry(entry(3, { kind: "item" }));
  assert.deepEqual(
    store.entries.map(({ number, reason }) => [number, reason]),
    [
      [1, "why"],
      [2, undefined],
      [3, undefined],
    ],
  );
});

test("older entries come before those of the page, once", () => {
  const store = loaded([entry(7, {}), entry(8, {})]);
  assert.ok(store.hasOlder);
  store.addOlder({ entries: [entry(5, {}), entry(6, {}), entry(7, {})], older: false, forgotten: 4 });
  assert.deepEqual(
    store.entries.map(({ number }) => number),
    [5, 6, 7, 8],
  );
  assert.deepEqual([store.hasOlder, store.forgotten], [false, 4]);
  store.putEntry(entry(3, {}));
  assert.equal(store.entries[0].number, 5, "an entry that is not loaded does not come alone");
  assert.ok(!loaded([entry(1, {})]).hasOlder);
});

test("the page drops its oldest entries and can load them again", () => {
  const store = loaded();
  const dropped = [];
  store.addEventListener("dropped", ({ detail }) => dropped.push(detail.number));
  for (let number = 1; number <= ENTRIES_KEPT + 2; number += 1) store.putEntry(entry(number, {}));
  assert.deepEqual(dropped, [1, 2]);
  assert.deepEqual([store.entries.length, store.entries[0].number, store.hasOlder], [ENTRIES_KEPT, 3, true]);
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
    [
      { status: 200 },
      { status: 403 },
      { status: null, lost: false },
      { status: null, lost: true },
      { status: 200, deliveries: 2 },
      undefined,
    ].map((answer) => inboundStatus(answer).text),
    ["200", "403", "no answer", "webhook lost", "200, 2 deliveries", "no webhook yet"],
  );
});
