// The status line of a message, from its status and from the timeline.

import { codeWithTitle } from "./codes.js";

const OUTBOUND = {
  scheduled: { text: "scheduled", tone: "waiting" },
  accepted: { text: "accepted", tone: "waiting" },
  queued: { text: "queued", tone: "waiting" },
  sending: { text: "sending", tone: "waiting" },
  sent: { text: "sent", icon: "sent", tone: "sent" },
  delivered: { text: "delivered", icon: "delivered", tone: "delivered" },
  read: { text: "read", icon: "delivered", tone: "read" },
  canceled: { text: "canceled", icon: "failed", tone: "failed" },
};

/** The status line of a message of the business: `text`, `tone`, the name of an `icon`, and for a failure `code`. */
export function outboundStatus({ status, error_code: code }) {
  if (status === "failed" || status === "undelivered") {
    return { text: code ? `${status} ${codeWithTitle(code)}` : status, icon: "failed", tone: "failed" };
  }
  return OUTBOUND[status] ?? { text: String(status), tone: "waiting" };
}

/** The HTTP status of the answer in a `webhook` entry; null for no answer, undefined for other entries. */
export function webhookAnswer(entry) {
  if (entry.kind !== "webhook" || !entry.message_sid) return undefined;
  const { answer } = entry.details ?? {};
  const status = answer && typeof answer === "object" ? answer.status : (answer ?? entry.details?.status);
  return typeof status === "number" ? status : null;
}

/**
 * The status line of a person's message, by the answer to its webhook, which is undefined while there is none. `goes` is whether
 * a webhook is configured.
 */
export function inboundStatus(answer, goes = true) {
  if (answer === undefined) return { text: goes ? "no webhook yet" : "no webhook URL", tone: "waiting" };
  if (answer === null) return { text: "no answer", icon: "failed", tone: "failed" };
  return answer >= 200 && answer < 300
    ? { text: String(answer), icon: "sent", tone: "delivered" }
    : { text: String(answer), icon: "failed", tone: "failed" };
}

/**
 * The opt-out or opt-in of an `event` entry: `out`, the `channel`, and a text; null for other entries. It can be limited to SMS
 * or to marketing.
 */
export function consentChange(entry) {
  if (entry.kind !== "event" || !entry.person) return null;
  const { event_type: said, channel, scope } = entry.details ?? {};
  const type = String(said ?? entry.summary);
  const out = type.includes("contact_opted_out");
  if (!out && !type.includes("contact_opted_in")) return null;
  const of = scope === "marketing" ? " of marketing" : channel === "sms" ? " of SMS" : "";
  return { channel: channel ?? "whatsapp", out, text: `opted out${of}` };
}
