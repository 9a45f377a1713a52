// Twilio's Node.js library, with its requests sent to a sandbox.

const assert = require("node:assert/strict");
const twilio = require("twilio");
const RequestClient = require("twilio/lib/base/RequestClient");

// The sandbox's account (docs/sandbox.md, "The account").
const ACCOUNT_SID = "AC00000000000000000000000000000001";
const AUTH_TOKEN = "12345678901234567890123456789012";
const SENDER = "whatsapp:+14155238886";
const SERVICE = "MG00000000000000000000000000000001";
const ORDER_UPDATE = "HX00000000000000000000000000000001";
const AVA = "whatsapp:+14155550123";
const HOUR = 60 * 60 * 1000;

// Sends what is meant for Twilio to the sandbox, which recognises the product by the path.
class Redirected extends RequestClient {
  constructor(url) {
    super();
    this.url = url;
  }

  request(options) {
    const uri = options.uri.replace(/^https:\/\/[a-z]+\.twilio\.com(:443)?(?=\/)/, this.url);
    return super.request({ ...options, uri });
  }
}

const clientOf = (sandbox, username, password) =>
  twilio(username, password, { accountSid: ACCOUNT_SID, httpClient: new Redirected(sandbox.url) });

const refused = (httpStatus, code) => (error) => {
  assert.ok(error instanceof twilio.RestException, error);
  assert.equal(error.status, httpStatus);
  assert.equal(error.code, code);
  assert.equal(error.moreInfo, `https://www.twilio.com/docs/errors/${code}`);
  assert.ok(error.message);
  return true;
};

module.exports = { ACCOUNT_SID, AUTH_TOKEN, AVA, HOUR, ORDER_UPDATE, SENDER, SERVICE, clientOf, refused };
