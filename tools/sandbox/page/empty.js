// The text of an empty timeline: how to get the first message.

import { copyButton, element } from "./dom.js";

/** The API key of the documented account, which stays valid when the auth token changes. */
const API_KEY = "SK00000000000000000000000000000001:sandbox-secret";

/** A shell command that sends a template through the API. It arrives even where the person has not written. */
export function curl({ config, people, templates }, origin) {
  const to = people[0]?.address ?? "whatsapp:+14155550123";
  const template = templates[0];
  const content = template
    ? [`ContentSid=${template.sid}`, `ContentVariables=${JSON.stringify(template.variables ?? {})}`]
    : ["Body=Hello"];
  const data = [`From=${config.sender}`, `To=${to}`, ...content].map(
    (pair) => `  --data-urlencode '${pair.replaceAll("'", `'\\''`)}'`,
  );
  return [`curl ${origin}/2010-04-01/Accounts/${config.account_sid}/Messages.json`, `  -u ${API_KEY}`, ...data].join(
    " \\\n",
  );
}

export function emptyTimeline(store) {
  if (!store.config) return [element("p", {}, "Waiting for the sandbox.")];
  if (store.config.role === "viewer")
    return [
      element("h3", {}, "Nothing has happened yet"),
      element("p", {}, "Write to your WhatsApp sender from a real phone. What the system does then is shown here."),
    ];
  const command = curl(store, location.origin);
  const name = store.people[0]?.name ?? "a person";
  return [
    element("h3", {}, "Nothing has happened yet"),
    whereItGoes(name, store.config.inbound_url),
    element("p", {}, `Or send ${name} a template through the API, as your system would:`),
    element("pre", { tabindex: 0, role: "group", "aria-label": "Command" }, command),
    copyButton("Copy", () => command),
    element(
      "p",
      { class: "muted" },
      "Every call, decision and callback is shown here at once. ",
      "Point at one to highlight everything of the same message, on the phones too.",
    ),
  ];
}

function whereItGoes(name, url) {
  const code = (text) => element("code", {}, text);
  if (url) {
    return element(
      "p",
      {},
      `Write something on ${name}'s phone. It goes to your system as a signed webhook, to `,
      code(url),
      ".",
    );
  }
  const command = code("make sandbox INBOUND_URL=http://127.0.0.1:8000/twilio/inbound");
  return element(
    "p",
    {},
    "People's messages are not posted anywhere yet. Start the sandbox with the webhook of your system: ",
    command,
  );
}
