// The sandbox's control interface. Every function throws an Error whose message can be shown to the person.

async function call(method, path, body, type = "application/json") {
  let response;
  try {
    response = await fetch(path, { method, body, headers: body === undefined ? {} : { "Content-Type": type } });
  } catch {
    throw new Error("The sandbox does not answer. Is it still running?");
  }
  const text = await response.text();
  if (!response.ok) throw explain(response.status, text);
  return text ? JSON.parse(text) : null;
}

/** An error with the sandbox's own words, without the status, in `said`. */
function explain(status, text) {
  const { message, said } = explained(status, text);
  return Object.assign(new Error(message), { said });
}

function explained(status, text) {
  let said = text;
  try {
    const parsed = JSON.parse(text);
    said = parsed.message ?? parsed.error ?? text;
  } catch {
    // Not JSON: the text is the explanation.
  }
  const message = said
    ? `The sandbox refused (${status}): ${String(said).slice(0, 300)}`
    : `The sandbox refused (${status}).`;
  return { said, message: status === 413 ? "The file is too large: WhatsApp accepts at most 16 MB." : message };
}

const json = (method, path, value) => call(method, path, JSON.stringify(value));

export const write = (writing) => json("POST", "/sandbox/inbound", writing);
export const upload = (file, type) => call("POST", "/sandbox/files", file, type);
export const addPerson = (person) => json("POST", "/sandbox/people", person);
export const removePerson = (address) => call("DELETE", `/sandbox/people/${encodeURIComponent(address)}`);
export const advanceClock = (seconds) => json("POST", "/sandbox/clock", { advance_seconds: seconds });
export const plan = (planned) => json("POST", "/sandbox/faults", planned);
export const takeBack = (id) => call("DELETE", `/sandbox/faults/${id}`);
export const takeAllBack = () => call("DELETE", "/sandbox/faults");
export const putRules = (rules) => json("PUT", "/sandbox/rules", rules);
export const putChoices = (choices) => json("PUT", "/sandbox/choices", choices);
export const putTemplate = (sid, change) => json("PUT", `/sandbox/templates/${encodeURIComponent(sid)}`, change);
export const putTemplateEvents = (change) => json("PUT", "/sandbox/template-events", change);
export const changeAuthToken = () => json("POST", "/sandbox/auth-token", {});
export const runScenario = (text) => call("POST", "/sandbox/scenario", text);
export const reset = () => call("POST", "/sandbox/reset");
export const returnClock = () => json("POST", "/sandbox/clock", { now: true });
export const previewNotification = (notification) => json("POST", "/sandbox/business/preview", notification);
export const sendNotification = (notification) => json("POST", "/sandbox/business/send", notification);
export const presets = () => call("GET", "/sandbox/presets");
export const runPreset = (name) => call("POST", `/sandbox/presets/${encodeURIComponent(name)}`);
export const stopScenario = () => call("DELETE", "/sandbox/scenario");
export const olderEntries = (before) => call("GET", `/sandbox/timeline?before=${before}&limit=500`);
export const sendAgain = (number) => call("POST", `/sandbox/timeline/${number}/again`);
