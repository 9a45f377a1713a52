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

test("entries of one cause are one thread", () => {
  const links = new Links();
  links.join({ message_sid: "SM1", cause: "webhook:SM1" });
  links.join({ message_sid: "SM2", cause: "webhook:SM1" });
  links.join({ message_sid: "SM3", cause: "entry:7" });
  links.join({ message_sid: "SM4", cause: "entry:7" });
  assert.ok(links.together({ message_sid: "SM1" }, { message_sid: "SM2" }), "the automatic answer to a webhook");
  assert.ok(links.together({ cause: "webhook:SM1" }, { message_sid: "SM2" }));
  assert.ok(!links.together({ message_sid: "SM3" }, { message_sid: "SM4" }), "a cause that is one entry joins nothing");
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

const POST = {
  method: "POST",
  url: "http://127.0.0.1:8080/twilio/inbound",
  headers: [["Content-Type", "application/x-www-form-urlencoded"]],
  body: "Body=Gr%C3%BC%C3%9Fe+from+Berlin",
};

test("search finds what is shown: names, numbers, words, bodies and codes", () => {
  const one = entry({
    kind: "api_call",
    summary: "POST Messages.json: 400",
    reason: "X-Twilio-Signature does not match",
    person: "whatsapp:+14155557001",
    details: { code: 63016 },
    exchange: { request: POST, response: { status: 403, headers: [["Apigw-Requestid", "Qx1="]], body: "Forbidden" } },
  });
  const nameOf = () => "Uma";
  const cases = [
    ["uma", true],
    ["+1 415 555 7001", true],
    ["+1 (415) 555-7001", true],
    ["+14155557001", true],
    ["Uma 403", true],
    ["400 post", true],
    ["Uma 404", false],
    ["Grüße from", true],
    ["forbidden", true],
    ["qx1=", true],
    ["does not match", true],
    ["outside the allowed window", true],
    ["API call", true],
    ["Ben", false],
    ["+1 415 555 7002", false],
  ];
  for (const [text, expected] of cases) assert.equal(passes(one, { text, nameOf }, new Links()), expected, text);
});

test("only problems pass the filter for problems", () => {
  const links = new Links();
  const failed = { ...POST, body: "MessageStatus=failed&ErrorCode=63016" };
  const cases = [
    [{ outcome: "bad" }, true],
    [{ outcome: "refused" }, true],
    [{ outcome: "good" }, false],
    [{ outcome: "good", problem: true }, true],
    [{ outcome: "refused", problem: false }, false],
    [{ outcome: "good", problem: false, kind: "callback", exchange: { request: failed, response: null } }, true],
    [{ outcome: "good", problem: false, kind: "callback", exchange: { request: POST, response: null } }, false],
  ];
  for (const [fields, expected] of cases)
    assert.equal(passes(entry(fields), { problems: true }, links), expected, JSON.stringify(fields));
});
