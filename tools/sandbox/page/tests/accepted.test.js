import assert from "node:assert/strict";
import { test } from "node:test";
import { acceptedType, refusal } from "../accepted.js";

const file = (name, type, size = 1) => ({ name, type, size });

test("a type that WhatsApp accepts is sent under its usual name", () => {
  assert.equal(acceptedType(file("cat.jpg", "image/jpeg")), "image/jpeg");
  assert.equal(acceptedType(file("a.ogg", "audio/ogg; codecs=opus")), "audio/ogg");
  assert.equal(acceptedType(file("a.vcf", "text/x-vcard")), "text/vcard");
  assert.equal(acceptedType(file("a.amr", "")), "audio/amr");
});

test("a type that WhatsApp does not accept is refused with a remark", () => {
  assert.match(refusal(file("notes.txt", "text/plain")), /does not accept notes\.txt \(text\/plain\)/);
  assert.match(refusal(file("a.gif", "image/gif")), /does not accept a\.gif/);
  assert.match(refusal(file("a", "")), /of an unknown type/);
});

test("an empty or too large file is refused", () => {
  assert.match(refusal(file("a.pdf", "application/pdf", 0)), /is empty/);
  assert.match(refusal(file("a.pdf", "application/pdf", 16 * 1024 * 1024 + 1)), /at most 16 MB/);
  assert.equal(refusal(file("a.pdf", "application/pdf", 16 * 1024 * 1024)), null);
});
