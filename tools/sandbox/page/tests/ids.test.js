import assert from "node:assert/strict";
import { test } from "node:test";
import { idParts } from "../ids.js";

const SID = "SM0123456789abcdef0123456789abcdef";
const shown = (text) =>
  idParts(text)
    .map((part) => (typeof part === "string" ? part : `${part.start}…${part.end}`))
    .join("");

test("a long id keeps its beginning and its end", () => {
  const cases = [
    [`accepted as ${SID}`, "accepted as SM012345…abcdef"],
    [`${SID}: ${SID}`, "SM012345…abcdef: SM012345…abcdef"],
    ["01a21357-eff6-7118-bd78-1579d70c5fa2: claimed", "01a21357…0c5fa2: claimed"],
    ["page-01a21357-eff6-7118-bd78-1579d70c5fa2", "page-01a…0c5fa2"],
    ["campaign-2026-11-26-recipient-000018 sent", "campaign…000018 sent"],
  ];
  for (const [text, expected] of cases) assert.equal(shown(text), expected);
});

test("the whole id stays in the text", () => {
  const text = `one ${SID} two`;
  const whole = idParts(text).map((part) => (typeof part === "string" ? part : part.start + part.middle + part.end));
  assert.equal(whole.join(""), text);
});

test("other words stay whole", () => {
  for (const text of [
    "order-18473: claimed, goes out as template over whatsapp",
    "service window of +14155550123 opened, until 2026-11-27 09:02 UTC",
    "X-Twilio-Signature does not match the URL",
    "an-extraordinarily-long-word-without-digits",
    "",
  ])
    assert.equal(shown(text), text);
});
