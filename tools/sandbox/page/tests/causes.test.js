import assert from "node:assert/strict";
import { test } from "node:test";
import { Causes, delta, signed } from "../causes.js";

const entry = (number, at, fields) => ({ number, at: `2026-11-26T07:02:${at}Z`, kind: "item", ...fields });

function causesOf(...entries) {
  const causes = new Causes();
  for (const one of entries) causes.put(one);
  return causes;
}

const numbers = (entries) => entries.map(({ number }) => number);

test("entries with one cause are one row, by the time at which they happened", () => {
  const cause = "webhook:SM1";
  const causes = causesOf(
    entry(1, "09.500", { cause, kind: "event" }),
    entry(2, "09.140", { cause }),
    entry(3, "09.120", { cause, kind: "webhook" }),
    entry(4, "09.130", { cause: "webhook:SM2", kind: "webhook" }),
  );
  const [first, second] = causes.sorted();
  assert.equal(first.lead.number, 3, "the webhook is recorded after its answer, and still leads");
  assert.deepEqual(numbers(first.effects), [2, 1]);
  assert.equal(delta(first, first.effects[0]), "+20 ms");
  assert.deepEqual(numbers(second.entries), [4]);
});

test("a row moves to its place when its cause becomes known", () => {
  const causes = causesOf(entry(1, "10.000", { cause: "webhook:SM1" }), entry(2, "09.000", {}));
  assert.deepEqual(
    causes.sorted().map(({ lead }) => lead.number),
    [2, 1],
  );
  causes.put(entry(3, "08.000", { cause: "webhook:SM1", kind: "webhook" }));
  assert.deepEqual(
    causes.sorted().map(({ lead }) => lead.number),
    [3, 2],
  );
});

test("the row of a notification says what it has come to", () => {
  const cause = "notification:order-1";
  const causes = causesOf(
    entry(1, "09.000", { cause, kind: "decision" }),
    entry(2, "09.040", { cause, kind: "api_call" }),
    entry(3, "09.060", { cause, kind: "decision" }),
  );
  const [row] = causes.sorted();
  assert.equal(row.lead.number, 3);
  assert.equal(row.at, Date.parse("2026-11-26T07:02:09.000Z"), "and stands where it began");
  assert.deepEqual(
    row.effects.map((one) => delta(row, one)),
    ["+0 ms", "+40 ms"],
  );
});

test("a second delivery follows the first", () => {
  const cause = "webhook:SM1";
  const causes = causesOf(
    entry(1, "09.000", { cause, kind: "webhook", delivery: 1 }),
    entry(2, "09.700", { cause, kind: "webhook", delivery: 2 }),
  );
  assert.deepEqual(numbers(causes.sorted()[0].effects), [2]);
});

test("a changed entry replaces the old one, also with another cause", () => {
  const causes = causesOf(entry(1, "09.000", {}), entry(2, "09.100", { cause: "webhook:SM1", kind: "webhook" }));
  causes.put(entry(2, "09.100", { cause: "webhook:SM1", kind: "webhook", reason: "why" }));
  assert.equal(causes.sorted()[1].lead.reason, "why");
  causes.put(entry(1, "09.000", { cause: "webhook:SM1" }));
  assert.deepEqual(
    causes.sorted().map(({ entries }) => numbers(entries)),
    [[1, 2]],
  );
  causes.remove({ number: 1 });
  causes.remove({ number: 2 });
  assert.deepEqual(causes.sorted(), []);
  assert.equal(causes.of({ number: 1 }), undefined);
});

test("a time between two entries has a unit that fits", () => {
  const cases = [
    [0, "+0 ms"],
    [120, "+120 ms"],
    [-3, "−3 ms"],
    [2400, "+2.40 s"],
    [59_940, "+59.9 s"],
    [185_000, "+3 min 5 s"],
    [7_260_000, "+2 h 1 min"],
    [90_000_000, "+1 d 1 h"],
  ];
  for (const [milliseconds, text] of cases) assert.equal(signed(milliseconds), text);
});
