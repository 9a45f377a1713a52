// The sandbox's control interface. Every function throws an Error whose message can be shown to the person.

async function call(method, path, body, type = "application/json") {
  let response;
  try {
    response = await fetch(path, { method, body, headers: body === undefined ? {} : { "Content-Type": type } });
  } catch {
    throw new Error("The sandbox does not answer. Is it still running?");
  }
  const text = await response.text();
  if (!response.ok) throw new Error(explain(response.status, text));
  return text ? JSON.parse(text) : null;
}

function explain(status, text) {
  let said = text;
  try {
    const parsed = JSON.parse(text);
    said = parsed.message ?? parsed.error ?? text;
  } catch {
    // Not JSON: the text is the explanation.
  }
  if (status === 413) return "The file is too large: WhatsApp takes at most 16 MB.";
  return said ? `The sandbox refused (${status}): ${String(said).slice(0, 300)}` : `The sandbox refused (${status}).`;
}

const json = (method, path, value) => call(method, path, JSON.stringify(value));

export const write = (writing) => json("POST", "/sandbox/inbound", writing);
export const upload = (file) => call("POST", "/sandbox/files", file, file.type || "application/octet-stream");
export const addPerson = (person) => json("POST", "/sandbox/people", person);
export const removePerson = (address) => call("DELETE", `/sandbox/people/${encodeURIComponent(address)}`);
export const advanceClock = (seconds) => json("POST", "/sandbox/clock", { advance_seconds: seconds });
export const plan = (planned) => json("POST", "/sandbox/faults", planned);
export const takeBack = (id) => call("DELETE", `/sandbox/faults/${id}`);
export const takeAllBack = () => call("DELETE", "/sandbox/faults");
export const putRules = (rules) => json("PUT", "/sandbox/rules", rules);
export const changeAuthToken = () => json("POST", "/sandbox/auth-token", {});
export const runScenario = (text) => call("POST", "/sandbox/scenario", text);
export const reset = () => call("POST", "/sandbox/reset");
