// The sandbox as a process, and a receiver that records its webhooks in place of the system under test: play.py for Node.js.

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const http = require("node:http");
const path = require("node:path");
const readline = require("node:readline");

const PROGRAM = process.env.SANDBOX ?? path.join(__dirname, "../../target/debug/sandbox");
// In milliseconds; far longer than any step of these tests.
const DEADLINE = 30_000;

class Sandbox {
  // Starts it on a free port.
  static async start(inboundUrl) {
    const env = { ...process.env, PORT: "0", INBOUND_URL: inboundUrl, NO_COLOR: "1" };
    const child = spawn(PROGRAM, { env, stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of readline.createInterface({ input: child.stdout })) {
      const address = line.includes("ready") && line.match(/http:\/\/127\.0\.0\.1:\d+/);
      if (address) {
        // Output that is not read would fill the pipe and block the sandbox.
        child.stdout.resume();
        return new Sandbox(address[0], child);
      }
    }
    throw new Error(`${PROGRAM} ended before it was ready`);
  }

  constructor(url, child) {
    this.url = url;
    this.child = child;
  }

  async control(method, resource, body) {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${this.url}/sandbox/${resource}`, { method, headers, body: JSON.stringify(body) });
    const text = await answer.text();
    if (!answer.ok) {
      throw new Error(`${method} /sandbox/${resource}: ${answer.status} ${text}`);
    }
    return text && JSON.parse(text);
  }

  // A person sends a message to the business.
  write(from, body, more = {}) {
    return this.control("POST", "inbound", { from, body, ...more });
  }

  async stop() {
    this.child.kill();
    await once(this.child, "exit");
  }
}

class Receiver {
  static async start() {
    const receiver = new Receiver();
    receiver.server.listen(0, "127.0.0.1");
    await once(receiver.server, "listening");
    receiver.url = `http://127.0.0.1:${receiver.server.address().port}`;
    receiver.inboundUrl = `${receiver.url}/twilio/inbound`;
    receiver.statusUrl = `${receiver.url}/twilio/status`;
    return receiver;
  }

  constructor() {
    this.calls = [];
    this.waiting = [];
    this.files = new Map();
    this.server = http.createServer((request, response) => this.receive(request, response));
  }

  async receive(request, response) {
    if (request.method !== "POST") {
      const file = this.files.get(request.url);
      response.writeHead(file ? 200 : 404, { "content-type": file?.type ?? "text/plain" });
      response.end(file?.content);
      return;
    }
    const chunks = await request.toArray();
    response.writeHead(200, { "content-type": "text/xml" }).end("<Response/>");
    const form = Object.fromEntries(new URLSearchParams(Buffer.concat(chunks).toString()));
    this.calls.push({ url: this.url + request.url, form, signature: request.headers["x-twilio-signature"] });
    this.waiting = this.waiting.filter((look) => !look());
  }

  serve(name, type, content) {
    this.files.set(name, { type, content });
    return this.url + name;
  }

  // Waits for the first webhook with these parameters.
  expect(parameters) {
    const wanted = (call) => Object.entries(parameters).every(([name, value]) => call.form[name] === value);
    return new Promise((resolve, reject) => {
      const late = () => reject(new Error(`no webhook was received with ${JSON.stringify(parameters)}`));
      const timer = setTimeout(late, DEADLINE);
      const look = () => {
        const call = this.calls.find(wanted);
        if (call) {
          clearTimeout(timer);
          resolve(call);
        }
        return call;
      };
      if (!look()) {
        this.waiting.push(look);
      }
    });
  }

  async stop() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

module.exports = { Receiver, Sandbox };
