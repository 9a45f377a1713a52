import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ahead,
  bareAddress,
  coordinates,
  dayName,
  duration,
  fileName,
  fileSize,
  mediaKind,
  publishedText,
  readableAddress,
  serviceWindow,
  shortSid,
  utc,
} from "../format.js";

const MINUTE = 60_000;

test("a stored file is shown with its type, size and hash, and a failed one with its reason", () => {
  const stored = { key: "inbound/AC1/MM1/0", content_type: "image/png", bytes: 62, sha256: "0011223344556677" };
  assert.deepEqual(publishedText({ stored }), {
    text: "Stored · image/png · 62 bytes · SHA-256 00112233",
    title: "inbound/AC1/MM1/0\nSHA-256 0011223344556677",
    tone: "stored",
  });
  const failed = { reason: "type_mismatch", detail: "the file is not of the type that Twilio names" };
  assert.deepEqual(publishedText({ failed }), {
    text: "Not stored: type_mismatch",
    title: failed.detail,
    tone: "failed",
  });
  assert.equal(publishedText(null), null);
});

test("a duration shows its two largest units", () => {
  const cases = [
    [0, "0 s"],
    [-5, "0 s"],
    [40_000, "40 s"],
    [12 * MINUTE, "12 min"],
    [(23 * 60 + 12) * MINUTE + 59_000, "23 h 12 min"],
    [24 * 60 * MINUTE, "1 d"],
    [25 * 60 * MINUTE, "1 d 1 h"],
  ];
  for (const [milliseconds, text] of cases) assert.equal(duration(milliseconds), text);
});

test("the service window counts down and closes", () => {
  const now = Date.parse("2026-11-21T11:00:00Z");
  assert.deepEqual(serviceWindow("2026-11-22T10:12:00Z", now), {
    open: true,
    text: "window open, 23 h 12 min",
    left: 23.2 / 24,
  });
  for (const until of [null, undefined, "2026-11-21T11:00:00Z", "2026-11-20T11:00:00Z"]) {
    assert.deepEqual(serviceWindow(until, now), { open: false, text: "window closed", left: 0 });
  }
});

test("days are named relative to the sandbox's clock", () => {
  const now = new Date(2026, 10, 21, 9, 0).getTime();
  assert.equal(dayName(new Date(2026, 10, 21, 0, 1), now), "Today");
  assert.equal(dayName(new Date(2026, 10, 20, 23, 59), now), "Yesterday");
  assert.equal(dayName(new Date(2026, 10, 19, 12, 0), now), "Thursday 19 November");
});

test("addresses are shown without their channel", () => {
  const cases = [
    ["whatsapp:+14155550123", "+1 415 555 0123"],
    ["+4930901820", "+4930901820"],
    ["whatsapp:US.13491208655302741918", "US.13491…1918"],
    ["whatsapp:US.1", "US.1"],
  ];
  for (const [address, text] of cases) assert.equal(readableAddress(address), text);
  assert.equal(bareAddress(null), "");
});

test("a file is shown by its type, or by its name without a type", () => {
  const cases = [
    ["image/png", "/x", "image"],
    ["application/pdf", "/x.png", "document"],
    [null, "https://a.example/b.MP4?c", "video"],
    [null, "/a.ogg", "audio"],
    [null, "/a.pdf", "document"],
    [null, "/ME0123", "image"],
  ];
  for (const [type, url, kind] of cases) assert.equal(mediaKind({ url, content_type: type }), kind, url);
  assert.equal(fileName("https://a.example/some%20file.pdf?x=1"), "some file.pdf");
  assert.equal(fileName("%"), "%");
});

test("sizes, SIDs and coordinates are formatted", () => {
  assert.equal(utc("2026-11-21T11:02:09.123Z"), "2026-11-21 11:02:09.123 UTC");
  assert.equal(shortSid("SM0123456789abcdef0123456789abcdef"), "SM0123…cdef");
  assert.equal(coordinates({ latitude: 37.7955, longitude: -122.3937 }), "37.7955°\u00a0N, 122.3937°\u00a0W");
  assert.deepEqual([fileSize(12), fileSize(1500), fileSize(2_440_000)], ["12 bytes", "2 kB", "2.4 MB"]);
  assert.deepEqual([ahead(0), ahead(90_000)], ["", "1 d 1 h ahead"]);
});
