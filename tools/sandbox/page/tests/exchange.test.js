import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf } from "../bodies.js";
import { explain } from "../cures.js";
import { curl } from "../curl.js";
import { TITLES } from "../codes.js";

const FORM = ["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"];
const webhook = (fields) => ({
  request: {
    method: "POST",
    url: "http://127.0.0.1:8080/twilio/inbound",
    headers: [FORM, ["X-Twilio-Signature", "abc="], ["Host", "127.0.0.1:8080"], ["Content-Length", "7"]],
    body: "Body=it%27s",
    ...fields,
  },
});

test("a form is shown by its parameters, and JSON with indentation", () => {
  assert.deepEqual(bodyOf({ headers: [FORM], body: "Body=a+b%26c&NumMedia=0&Empty=" }), {
    pairs: [
      ["Body", "a b&c"],
      ["NumMedia", "0"],
      ["Empty", ""],
    ],
  });
  const json = [["content-type", "application/json"]];
  assert.deepEqual(bodyOf({ headers: json, body: '{"a":1}' }), { text: '{\n  "a": 1\n}' });
  assert.deepEqual(bodyOf({ headers: json, body: "not JSON" }), { text: "not JSON" });
  assert.deepEqual(bodyOf({ headers: [], body: "<Response/>" }), { text: "<Response/>" });
  assert.deepEqual(bodyOf({ headers: json, body: '{"a":', body_truncated: true }), { text: '{"a":', cut: true });
  assert.deepEqual(bodyOf({ headers: [FORM], body: "" }), { text: "" });
});

test("a webhook as curl has its signature and its body, quoted", () => {
  assert.equal(
    curl(webhook(), "http://sandbox"),
    [
      "curl -X POST 'http://127.0.0.1:8080/twilio/inbound'",
      "  -H 'Content-Type: application/x-www-form-urlencoded; charset=utf-8'",
      "  -H 'X-Twilio-Signature: abc='",
      "  --data-raw 'Body=it%27s'",
    ].join(" \\\n"),
  );
  assert.ok(curl(webhook({ body: "it's" })).endsWith(`--data-raw 'it'\\''s'`));
});

test("a call as curl reads its secret from the environment", () => {
  const call = webhook({ url: "/v1/Content?a=1", method: "GET", body: "", headers: [["Authorization", "Basic SK1:***"]] });
  assert.equal(
    curl(call, "http://sandbox:4010"),
    `curl -X GET 'http://sandbox:4010/v1/Content?a=1' \\\n  -u "SK1:$TWILIO_SECRET"`,
  );
});

test("curl of a body that was cut says so", () => {
  assert.match(curl(webhook({ body_truncated: true })), /^# .*16 KiB/);
});

test("each code with a title has a cause, a cure and a page", () => {
  for (const code of TITLES.keys()) {
    const { title, cause, cure, url } = explain(code);
    assert.ok(title && cause && cure, String(code));
    assert.equal(url, `https://www.twilio.com/docs/api/errors/${code}`);
  }
  assert.deepEqual(explain("99999"), {
    code: 99999,
    title: "",
    cause: "",
    cure: "",
    url: "https://www.twilio.com/docs/api/errors/99999",
  });
});
