import assert from "node:assert/strict";
import { test } from "node:test";
import { passes } from "../filter.js";
import { Links } from "../links.js";

const entry = (fields) => ({
  kind: "item",
  summary: "",
  person: null,
  message_sid: null,
  notification_id: null,
  details: {},
  ...fields,
});

test("entries that are joined over several steps are one thread", () => {
  const links = new Links();
  links.join({ message_sid: "SM1", notification_id: "order-1" });
  links.join({ message_sid: "SM2", notification_id: "order-1" });
  links.join({ message_sid: "SM3", notification_id: "order-2" });
  links.join({ message_sid: "SM4", notification_id: null });
  assert.ok(links.together({ message_sid: "SM1" }, { message_sid: "SM2" }));
  assert.ok(links.together({ notification_id: "order-1" }, { message_sid: "SM2" }));
  assert.ok(!links.together({ message_sid: "SM1" }, { message_sid: "SM3" }));
  assert.ok(!links.together({}, {}), "what names nothing belongs to nothing");
  // A later entry can join two threads.
  links.join({ message_sid: "SM3", notification_id: "order-1" });
  assert.ok(links.together({ notification_id: "order-2" }, { message_sid: "SM1" }));
});

test("joining twice or in a circle terminates", () => {
  const links = new Links();
  for (const [sid, id] of [
    ["SM1", "a"],
    ["SM1", "a"],
    ["SM2", "a"],
    ["SM2", "b"],
    ["SM1", "b"],
  ])
    links.join({ message_sid: sid, notification_id: id });
  assert.ok(links.together({ message_sid: "SM1" }, { notification_id: "b" }));
});

test("the URL of a status callback names the notification", () => {
  const links = new Links();
  links.join({
    message_sid: "SM1",
    notification_id: null,
    details: { url: "https://wa.example.com/twilio/status?notification=order%201" },
  });
  for (const url of ["https://wa.example.com/twilio/inbound", "not a URL", undefined])
    links.join({ message_sid: "SM2", details: { url } });
  assert.ok(links.together({ message_sid: "SM1" }, { notification_id: "order 1" }));
  assert.ok(!links.together({ message_sid: "SM1" }, { message_sid: "SM2" }));
});

test("a message and a notification with the same id are not joined", () => {
  const links = new Links();
  assert.ok(!links.together({ message_sid: "x" }, { notification_id: "x" }));
});

test("an entry must pass all parts of a filter", () => {
  const links = new Links();
  links.join({ message_sid: "SM1", notification_id: "order-1" });
  const one = entry({
    kind: "decision",
    summary: "Window closed",
    person: "whatsapp:+1",
    notification_id: "order-1",
    details: { code: 63016 },
  });
  const cases = [
    [{}, true],
    [{ kind: "decision" }, true],
    [{ kind: "item" }, false],
    [{ text: "WINDOW" }, true],
    [{ text: "63016" }, true],
    [{ text: "order-1" }, true],
    [{ text: "nothing" }, false],
    [{ thread: { message_sid: "SM1" } }, true],
    [{ thread: { message_sid: "SM2" } }, false],
    [{ isOf: (person) => person === "whatsapp:+1" }, true],
    [{ isOf: () => false, text: "window" }, false],
  ];
  for (const [filter, expected] of cases) assert.equal(passes(one, filter, links), expected, JSON.stringify(filter));
});
