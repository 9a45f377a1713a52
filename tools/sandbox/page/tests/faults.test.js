import assert from "node:assert/strict";
import { test } from "node:test";
import { CATALOGUE, effect, occasion } from "../faults.js";

const defaults = (choice) => Object.fromEntries(choice.fields.map((field) => [field.name, field.value]));

test("each choice makes a fault with a description", () => {
  const sentences = CATALOGUE.map((choice) => {
    const fault = choice.fault(defaults(choice));
    assert.notEqual(effect(fault), fault.kind, choice.id);
    return effect(fault);
  });
  assert.equal(new Set(sentences).size, CATALOGUE.length);
});

test("the fields are in the request to the sandbox", () => {
  const told = (id, given) => CATALOGUE.find((choice) => choice.id === id).fault(given);
  assert.deepEqual(told("too_many", { retry_after: 7 }), { kind: "refuse", status: 429, code: 20429, retry_after: 7 });
  assert.deepEqual(told("report", { statuses: " sent,read  failed" }), {
    kind: "report",
    statuses: ["sent", "read", "failed"],
  });
  assert.deepEqual(told("lost", { status: "any" }), { kind: "lost" });
  assert.deepEqual(told("lost", { status: "read" }), { kind: "lost", status: "read" });
});

test("faults for one message are described together", () => {
  const faults = [{ kind: "hold" }, { kind: "lost", statuses: ["sent", "read"] }];
  const text = "waits until it is released; the callback of sent, read is lost";
  assert.equal(effect({ kind: "together", faults }), text);
});

test("a planned fault is described with its times and chance", () => {
  const cases = [
    [{ times: 1 }, "next call"],
    [{ times: 3, chance: 0.5 }, "next 3 calls, with a chance of 50 %"],
    [{ times: null, chance: 1 }, "until taken back"],
  ];
  for (const [planned, text] of cases) assert.equal(occasion(planned), text);
});
