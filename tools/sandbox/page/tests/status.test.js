import assert from "node:assert/strict";
import { test } from "node:test";

import { inboundStatus } from "../status.js";

test("a message that the business has read has the mark of it", () => {
  assert.deepEqual(inboundStatus({ status: 200 }), { text: "200", icon: "sent", tone: "delivered" });
  const read = inboundStatus({ status: 200 }, true, "2026-11-20T09:00:00Z");
  assert.deepEqual(read, { text: "200, read", icon: "delivered", tone: "read" });
  assert.equal(inboundStatus(undefined, true, "2026-11-20T09:00:00Z").text, "no webhook yet");
});
