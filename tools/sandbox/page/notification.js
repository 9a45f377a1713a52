// A notification that the page sends as the business, and what was decided about it, in words. Pure functions.

import { bareAddress, shortDate, timeOfDay } from "./format.js";

export const CATEGORIES = ["utility", "marketing", "authentication", "service"];

/** A new id, which is sent once however often it is queued. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return `page-${[...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}

/** The JSON that a producer would put on the queue. `template` is null for a free text. */
export function notification({ id, to, category, template, variables, text }) {
  const content = template
    ? { type: "template", content_sid: template.sid, ...(Object.keys(variables).length > 0 ? { variables } : {}) }
    : { type: "text", body: text };
  return { id, to: bareAddress(to), category, content };
}

/** The names of a template's variables: those with a sample, and those that its text only mentions. */
export function variableNames({ variables = {}, body }) {
  const named = [...(body ?? "").matchAll(/\{\{([^{}\s]+)\}\}/g)].map(([, name]) => name);
  return [...new Set([...Object.keys(variables), ...named])].sort((one, other) =>
    one.localeCompare(other, "en", { numeric: true }),
  );
}

/** The text of a template with values for its variables. */
export function filled(template, values) {
  return (template.body ?? "").replace(/\{\{([^{}\s]+)\}\}/g, (mark, name) => values[name] || mark);
}

/** The category of a template, in the words of a notification. */
export function categoryOf({ category }) {
  const known = (category ?? "").toLowerCase();
  return CATEGORIES.includes(known) ? known : "utility";
}

const TONES = { send: "good", wait: "waiting", refuse: "bad" };

/** A decision of the system in words, with its `tone`: good, waiting or bad. */
export function decisionText({ decision, reason, until, way }) {
  const why = reason ? `: ${reason}` : "";
  const words = {
    send: `Will be sent now${wayText(way)}${why}`,
    wait: `Will wait${until ? ` until ${shortDate(until)}, ${timeOfDay(until)}` : ""}${why}`,
    refuse: `Will not be sent${why}`,
  };
  return { tone: TONES[decision] ?? "waiting", text: words[decision] ?? `${decision}${why}` };
}

function wayText(way) {
  if (!way) return "";
  const channel = { whatsapp: "over WhatsApp", sms: "by SMS" }[way.channel] ?? `over ${way.channel}`;
  return ` ${channel}${way.content ? `, as ${way.content}` : ""}`;
}
