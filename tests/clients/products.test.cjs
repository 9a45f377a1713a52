// Twilio's Node.js library against the rest of the sandbox: its other products, its rules and its refusals.

const assert = require("node:assert/strict");
const { afterEach, beforeEach, test } = require("node:test");

const { ACCOUNT_SID, AUTH_TOKEN, AVA, HOUR, ORDER_UPDATE, SENDER, SERVICE, clientOf, refused } = require("./library.cjs");
const { Receiver, Sandbox } = require("./play.cjs");

const SMS_SENDER = "+14155550100";
const WHATSAPP_SENDER_SID = "XE00000000000000000000000000000001";
const AVA_BY_SMS = "+14155550123";

let sandbox;
let receiver;
let client;

const toAva = (parameters) =>
  client.messages.create({ to: AVA, from: SENDER, statusCallback: receiver.statusUrl, ...parameters });
const status = (sid, wanted) => receiver.expect({ MessageSid: sid, MessageStatus: wanted });
const failure = async ({ sid }) => (await status(sid, "failed")).form.ErrorCode;

beforeEach(async () => {
  receiver = await Receiver.start();
  sandbox = await Sandbox.start(receiver.inboundUrl);
  client = clientOf(sandbox, ACCOUNT_SID, AUTH_TOKEN);
});

afterEach(async () => {
  await sandbox.stop();
  await receiver.stop();
});

test("wrong message is refused with its own code", async () => {
  const template = { contentSid: ORDER_UPDATE };
  const scheduled = { ...template, scheduleType: "fixed", sendAt: new Date(Date.now() + 20 * HOUR) };
  const throughService = { from: undefined, messagingServiceSid: SERVICE };
  const cases = [
    [{ body: "hi", from: SMS_SENDER }, 21910],
    [{ body: "hi", to: AVA_BY_SMS }, 21910],
    [{ body: "hi", to: AVA_BY_SMS, from: "+14155550199" }, 21659],
    [{ body: "hi", to: AVA_BY_SMS, from: "+14155550101" }, 21660],
    [{ body: "hi", to: AVA_BY_SMS, from: "+14155550102" }, 21661],
    [{ ...template, contentVariables: '{"1": ""}' }, 21656],
    [{ body: "\u{1f600}".repeat(801) }, 21617],
    [{ body: "hi", validityPeriod: 86_400 }, 21624],
    [scheduled, 35118],
    [{ ...scheduled, ...throughService, sendAt: undefined }, 35111],
    [{ ...scheduled, ...throughService, scheduleType: "optimize" }, 35126],
    [{ ...scheduled, ...throughService, sendAt: new Date() }, 35114],
  ];
  for (const [parameters, code] of cases) {
    await assert.rejects(toAva(parameters), refused(400, code), JSON.stringify(parameters));
  }
});

test("variables that do not match fail after the answer", async () => {
  const create = (variables, more) =>
    toAva({ contentSid: ORDER_UPDATE, contentVariables: JSON.stringify(variables), ...more });
  assert.equal(await failure(await create({ 1: "Ava", 9: "more" })), "63028");
  assert.equal(await failure(await create({}, { mediaUrl: ["https://example.com/a.png"] })), "63030");
  const missing = await create({ 1: "Ava" });
  await status(missing.sid, "read");
  assert.equal((await client.messages(missing.sid).fetch()).body, "Hello Ava, your order 18473 is on its way.");
});

test("message is changed by redaction or cancellation only", async () => {
  const { sid } = await toAva({ contentSid: ORDER_UPDATE });
  for (const parameters of [{}, { body: "more" }, { status: "sent" }, { body: "", status: "canceled" }]) {
    await assert.rejects(client.messages(sid).update(parameters), refused(400, 30400), JSON.stringify(parameters));
  }
  await assert.rejects(client.messages(sid).update({ status: "canceled" }), refused(400, 30409));
  await sandbox.control("PUT", "choices", { late_cancellation: "409" });
  await assert.rejects(client.messages(sid).update({ status: "canceled" }), refused(409, 30409));
});

test("lists refuse wrong pages", async () => {
  await assert.rejects(client.messages.page({ pageSize: 1001 }), refused(400, 20007));
  await assert.rejects(client.messages.page({ pageToken: "nonsense" }), refused(400, 21481));
  await assert.rejects(client.content.v1.contents.page({ pageToken: "nonsense" }), refused(400, 21481));
});

test("message over the rate waits for its turn", async () => {
  const rules = await sandbox.control("GET", "rules");
  await sandbox.control("PUT", "rules", { ...rules, messages_per_second: 0 });
  const { sid } = await toAva({ contentSid: ORDER_UPDATE });
  assert.deepEqual(await client.messages.list(), []);
  assert.equal((await client.messages(sid).fetch()).status, "queued");
  await sandbox.control("POST", "clock", { advance_seconds: 4 * 60 * 60 });
  assert.equal(await failure({ sid }), "30036");
});

test("open questions are answered as chosen", async () => {
  await sandbox.control("PUT", "choices", { broken_rule: "undelivered", opted_out: "fails" });
  const outside = await toAva({ body: "news" });
  assert.equal((await status(outside.sid, "undelivered")).form.ErrorCode, "63016");
  await sandbox.write(AVA, "Revoke");
  assert.equal((await receiver.expect({ Body: "Revoke" })).form.OptOutType, "STOP");
  const optedOut = await toAva({ contentSid: ORDER_UPDATE });
  assert.equal((await status(optedOut.sid, "undelivered")).form.ErrorCode, "21610");
});

test("webhook has the metadata of whatsapp", async () => {
  await sandbox.write(AVA, "hi", { forwarded: true });
  const { form } = await receiver.expect({ Body: "hi" });
  const context = { Forwarded: "true", FrequentlyForwarded: "false", ProfileName: "Ava", WaId: "14155550123" };
  assert.deepEqual(JSON.parse(form.ChannelMetadata), { type: "whatsapp", data: { context } });
});

test("senders move between messaging services", async () => {
  const { services } = client.messaging.v1;
  const service = await services.create({ friendlyName: "Orders" });
  const through = (to) => client.messages.create({ to, messagingServiceSid: service.sid, body: "hi" });
  await assert.rejects(through(AVA), refused(400, 21704));
  const [number] = await services(SERVICE).phoneNumbers.list();
  assert.equal(number.phoneNumber, SMS_SENDER);
  const moved = services(service.sid).phoneNumbers;
  await assert.rejects(moved.create({ phoneNumberSid: number.sid }), refused(409, 21712));
  assert.equal(await services(SERVICE).phoneNumbers(number.sid).remove(), true);
  assert.equal((await moved.create({ phoneNumberSid: number.sid })).serviceSid, service.sid);
  await assert.rejects(moved.create({ phoneNumberSid: number.sid }), refused(409, 21710));
  await assert.rejects(through(AVA), refused(400, 21703));
  assert.equal((await through(AVA_BY_SMS)).status, "accepted");
  const [sender] = await services(SERVICE).channelSenders.list();
  assert.equal(sender.sender, SENDER);
  assert.equal(await services(SERVICE).channelSenders(sender.sid).remove(), true);
  assert.equal((await services(service.sid).channelSenders.create({ sid: sender.sid })).sender, SENDER);
  assert.equal(await services(service.sid).remove(), true);
  await assert.rejects(services(service.sid).fetch(), refused(404, 20404));
});

test("sender has a webhook", async () => {
  const sender = client.messaging.v2.channelsSenders(WHATSAPP_SENDER_SID);
  const webhook = { callback_url: "https://example.com/in", callback_method: "POST" };
  // The library sends the names as they are given, and Twilio expects them in snake case.
  assert.equal((await sender.update({ webhook })).webhook.callbackUrl, webhook.callback_url);
  const fetched = await sender.fetch();
  assert.deepEqual([fetched.senderId, fetched.webhook.callbackUrl], [SENDER, webhook.callback_url]);
});

test("typing indicator answers a message", async () => {
  const { message_sid: received } = await sandbox.write(AVA, "hi");
  const indicate = (messageId) => client.messaging.v2.typingIndicator.create({ channel: "whatsapp", messageId });
  assert.equal((await indicate(received)).success, true);
  await assert.rejects(indicate((await toAva({ body: "hello" })).sid), refused(400, 20001));
});

test("secondary token is withdrawn", async () => {
  const { secondaryAuthToken } = await client.accounts.v1.secondaryAuthToken().create();
  const rotated = clientOf(sandbox, ACCOUNT_SID, secondaryAuthToken);
  assert.deepEqual(await rotated.messages.list(), []);
  assert.equal(await client.accounts.v1.secondaryAuthToken().remove(), true);
  await assert.rejects(rotated.messages.list(), refused(401, 20003));
});

test("account and flow are fetched", async () => {
  assert.equal((await client.api.v2010.accounts(ACCOUNT_SID).fetch()).status, "active");
  const { executions } = client.studio.v2.flows(`FW${"0".repeat(31)}1`);
  const { sid } = await executions.create({ to: AVA, from: SENDER, parameters: { order: "A-17" } });
  assert.equal((await executions(sid).fetch()).sid, sid);
});

test("verification is deleted when it is over", async () => {
  const { sid } = await client.verify.v2.services.create({ friendlyName: "Shop", codeLength: 4 });
  const service = client.verify.v2.services(sid);
  const start = () => service.verifications.create({ to: AVA_BY_SMS, channel: "sms", customCode: "1234" });
  const check = (parameters) => service.verificationChecks.create({ to: AVA_BY_SMS, ...parameters });
  const started = await start();
  assert.equal((await service.verifications(started.sid).fetch()).status, "pending");
  await assert.rejects(check({ to: undefined, code: "1234" }), refused(400, 60221));
  assert.equal((await check({ code: "1234" })).valid, true);
  await assert.rejects(service.verifications(started.sid).fetch(), refused(404, 20404));
  await start();
  for (let number = 0; number < 5; number += 1) {
    assert.equal((await check({ code: "0000" })).status, "pending");
  }
  await assert.rejects(check({ code: "1234" }), refused(429, 60202));
  const canceled = await start();
  const update = await service.verifications(canceled.sid).update({ status: "canceled" });
  assert.equal(update.status, "canceled");
  await assert.rejects(
    service.verifications.create({ to: AVA_BY_SMS, channel: "call" }),
    refused(400, 60223),
  );
});
