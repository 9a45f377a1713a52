// Twilio's Node.js library against the sandbox: the library as it is installed, with only its base URL pointed there.
// The result of a create has no fetch that works (twilio 6.2), but `client.messages(sid)` has. CommonJS, because that is
// found through NODE_PATH.

const assert = require("node:assert/strict");
const { afterEach, beforeEach, test } = require("node:test");
const twilio = require("twilio");

const library = require("./library.cjs");
const { ACCOUNT_SID, AUTH_TOKEN, AVA, HOUR, ORDER_UPDATE, SENDER, SERVICE, refused } = library;
const { Receiver, Sandbox } = require("./play.cjs");

const API_KEY = "SK00000000000000000000000000000001";
const API_KEY_SECRET = "sandbox-secret";
const BEN = "whatsapp:+14155550124";

let sandbox;
let receiver;
let client;

const clientOf = (username, password) => library.clientOf(sandbox, username, password);
const toAva = (parameters) =>
  client.messages.create({ to: AVA, from: SENDER, statusCallback: receiver.statusUrl, ...parameters });
const status = (sid, wanted) => receiver.expect({ MessageSid: sid, MessageStatus: wanted });
const signed = (call, token) => twilio.validateRequest(token, call.signature, call.url, call.form);
const sids = (list) => list.map((found) => found.sid);

beforeEach(async () => {
  receiver = await Receiver.start();
  sandbox = await Sandbox.start(receiver.inboundUrl);
  client = clientOf(ACCOUNT_SID, AUTH_TOKEN);
});

afterEach(async () => {
  await sandbox.stop();
  await receiver.stop();
});

test("message with either credentials is sent and read", async () => {
  await sandbox.write(AVA, "hi");
  for (const [username, password] of [[ACCOUNT_SID, AUTH_TOKEN], [API_KEY, API_KEY_SECRET]]) {
    client = clientOf(username, password);
    const created = await toAva({ body: "Hello Ava" });
    assert.equal(created.status, "queued");
    assert.equal(created.direction, "outbound-api");
    assert.equal(created.numMedia, "0");
    for (const wanted of ["sent", "delivered", "read"]) {
      assert.ok(signed(await status(created.sid, wanted), AUTH_TOKEN));
    }
    const fetched = await client.messages(created.sid).fetch();
    assert.equal(fetched.body, "Hello Ava");
    assert.equal(fetched.status, "read");
    assert.ok(fetched.dateSent instanceof Date);
  }
});

test("messaging service chooses the sender of a template", async () => {
  const contentVariables = JSON.stringify({ 1: "Ava", 2: "A-17" });
  const message = await toAva({
    from: undefined, messagingServiceSid: SERVICE, contentSid: ORDER_UPDATE, contentVariables,
  });
  assert.equal(message.status, "accepted");
  assert.equal(message.from, null);
  assert.equal(message.messagingServiceSid, SERVICE);
  await status(message.sid, "read");
  const fetched = await client.messages(message.sid).fetch();
  assert.equal(fetched.from, SENDER);
  assert.match(fetched.body, /Ava.*A-17/);
});

test("lists are paged and filtered", async () => {
  const created = [];
  for (const to of [AVA, AVA, BEN, AVA, AVA]) {
    created.push((await toAva({ to, contentSid: ORDER_UPDATE })).sid);
  }
  const newest = created.toReversed();
  assert.deepEqual(sids(await client.messages.list({ pageSize: 2 })), newest);
  assert.deepEqual(sids(await client.messages.list({ to: AVA, pageSize: 3 })), newest.toSpliced(2, 1));
  assert.deepEqual(sids(await client.messages.list({ limit: 2 })), newest.slice(0, 2));
  const first = await client.messages.page({ pageSize: 2 });
  const second = await first.nextPage();
  assert.deepEqual(sids(second.instances), newest.slice(2, 4));
  assert.deepEqual(sids((await second.previousPage()).instances), newest.slice(0, 2));
  for (const sid of created) {
    await status(sid, "sent");
  }
  const now = new Date();
  const tomorrow = new Date(now.getTime() + 24 * HOUR);
  assert.equal((await client.messages.list({ from: SENDER, dateSentBefore: tomorrow })).length, 5);
  assert.deepEqual(await client.messages.list({ dateSentAfter: tomorrow }), []);
});

test("message is redacted and deleted", async () => {
  await sandbox.write(AVA, "hi");
  const message = await toAva({ body: "secret" });
  await status(message.sid, "read");
  assert.equal((await client.messages(message.sid).update({ body: "" })).body, "");
  assert.equal((await client.messages(message.sid).fetch()).body, "");
  assert.equal(await client.messages(message.sid).remove(), true);
  await assert.rejects(client.messages(message.sid).fetch(), refused(404, 20404));
});

test("scheduled message is cancelled", async () => {
  const sendAt = new Date(Date.now() + 20 * HOUR);
  const scheduled = { from: undefined, messagingServiceSid: SERVICE, contentSid: ORDER_UPDATE, scheduleType: "fixed", sendAt };
  const message = await toAva(scheduled);
  assert.equal(message.status, "scheduled");
  assert.equal((await client.messages(message.sid).update({ status: "canceled" })).status, "canceled");
  await status(message.sid, "canceled");
});

test("media is received and sent", async () => {
  const url = receiver.serve("/order.pdf", "application/pdf", "%PDF-1.4");
  const receipt = await sandbox.write(AVA, "look", { media: [{ url, content_type: "application/pdf" }] });
  const inbound = client.messages(receipt.message_sid);
  const [file] = await inbound.media.list();
  assert.equal(file.contentType, "application/pdf");
  assert.equal(file.parentSid, receipt.message_sid);
  assert.equal((await inbound.media(file.sid).fetch()).sid, file.sid);
  assert.equal(await inbound.media(file.sid).remove(), true);
  assert.deepEqual(await inbound.media.list(), []);
  const outbound = await toAva({ mediaUrl: [url] });
  assert.equal(outbound.numMedia, "1");
  await status(outbound.sid, "read");
});

test("template is created, approved and deleted", async () => {
  const actions = [{ type: "QUICK_REPLY", title: "Yes", id: "yes" }];
  const types = { "twilio/quick-reply": { body: "Shall we come on {{1}} at noon?", actions } };
  // The library sends these names unchanged, and Twilio expects them in snake case.
  const request = { friendly_name: "visit", language: "en", variables: { 1: "Monday" }, types };
  const content = await client.content.v1.contents.create(request);
  assert.match(content.sid, /^HX/);
  assert.equal(content.friendlyName, "visit");
  const template = client.content.v1.contents(content.sid);
  const approval = await template.approvalCreate.create({ name: "visit", category: "UTILITY" });
  assert.equal(approval.name, "visit");
  assert.equal(approval.category, "UTILITY");
  assert.ok((await template.approvalFetch().fetch()).whatsapp.status);
  const listed = sids(await client.content.v1.contents.list({ pageSize: 1 }));
  assert.ok(listed.includes(content.sid) && listed.includes(ORDER_UPDATE));
  assert.equal(await template.remove(), true);
  await assert.rejects(template.fetch(), refused(404, 20404));
});

test("refused request has the code of Twilio", async () => {
  await assert.rejects(toAva({ to: "whatsapp:+1", body: "hi" }), refused(400, 21211));
  await assert.rejects(client.messages("SM" + "0".repeat(32)).fetch(), refused(404, 20404));
  await assert.rejects(clientOf(ACCOUNT_SID, "wrong").messages.list(), refused(401, 20003));
  await assert.rejects(clientOf(API_KEY, "wrong").content.v1.contents.list(), refused(401, 20003));
});

test("too many requests are refused and the next request succeeds", async () => {
  const fault = { kind: "refuse", status: 429, code: 20429, retry_after: 1 };
  await sandbox.control("POST", "faults", { to: AVA, times: 1, fault });
  await assert.rejects(toAva({ contentSid: ORDER_UPDATE }), refused(429, 20429));
  assert.match((await toAva({ contentSid: ORDER_UPDATE })).sid, /^(SM|MM)/);
});

test("message outside the window fails by callback", async () => {
  const message = await toAva({ body: "news" });
  assert.equal((await status(message.sid, "failed")).form.ErrorCode, "63016");
  assert.equal((await client.messages(message.sid).fetch()).errorCode, 63016);
});

test("webhook signatures are valid after a token change", async () => {
  await sandbox.write(AVA, 'Grüße & "quotes" + 1 \u{1f600}');
  const [inbound] = receiver.calls;
  assert.ok(signed(inbound, AUTH_TOKEN));
  assert.ok(!signed(inbound, "wrong"));
  const { auth_token: token } = await sandbox.control("POST", "auth-token", {});
  await sandbox.write(AVA, "again");
  const again = await receiver.expect({ Body: "again" });
  assert.ok(signed(again, token));
  assert.ok(!signed(again, AUTH_TOKEN));
  await assert.rejects(client.messages.list(), refused(401, 20003));
  client = clientOf(ACCOUNT_SID, token);
  const message = await toAva({ body: "hi" });
  assert.ok(signed(await status(message.sid, "sent"), token));
});

test("verification code is checked", async () => {
  const number = AVA.replace("whatsapp:", "");
  const service = client.verify.v2.services(`VA${"0".repeat(31)}1`);
  const started = await service.verifications.create({ to: number, channel: "whatsapp" });
  assert.equal(started.status, "pending");
  assert.equal(started.to, number);
  assert.equal(started.channel, "whatsapp");
  const [message] = await sandbox.control("GET", `messages?address=${encodeURIComponent(AVA)}`);
  const [code] = message.body.match(/\d{4,10}/);
  const wrong = code === "000000" ? "111111" : "000000";
  assert.equal((await service.verificationChecks.create({ to: number, code: wrong })).status, "pending");
  assert.equal((await service.verificationChecks.create({ to: number, code })).status, "approved");
  await assert.rejects(service.verificationChecks.create({ to: number, code }), refused(404, 20404));
});
