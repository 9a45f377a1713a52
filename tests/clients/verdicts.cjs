// Whether Twilio's library for Node.js accepts requests: reads each as a line of JSON, and prints true or false for each.
//
// Run by tests/tests/signature. The library gets what Express gives it: a form as an object, in which a repeated name has a
// list, and any other body unparsed.

const { readFileSync } = require("node:fs");
const { validateRequest, validateRequestWithBody } = require("twilio");

function formOf(params) {
  const form = Object.create(null);
  for (const [name, value] of params) {
    form[name] = name in form ? [form[name], value].flat() : value;
  }
  return form;
}

// As the library's middleware chooses.
function accepts({ url, params, body, signature, tokens }) {
  const valid = (token) =>
    url.includes("bodySHA256")
      ? validateRequestWithBody(token, signature ?? "", url, body || "{}")
      : validateRequest(token, signature ?? "", url, params ? formOf(params) : {});
  try {
    return tokens.some(valid);
  } catch (error) {
    if (error instanceof TypeError || error instanceof URIError) {
      return false;
    }
    throw error;
  }
}

const requests = readFileSync(0, "utf8").trimEnd().split("\n");
process.stdout.write(requests.map((line) => `${accepts(JSON.parse(line))}\n`).join(""));
