// The status line of a message.

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

/**
 * The status line of a person's message, by the answer to its webhook: `{status, lost, deliveries}`, or undefined while there
 * is none. `goes` is whether a webhook is configured, and `readAt` is when the business marked the message as read.
 */
export function inboundStatus(answer, goes = true, readAt = null) {
  if (!answer) return { text: goes ? "no webhook yet" : "no webhook URL", tone: "waiting" };
  const { status, lost, deliveries = 1 } = answer;
  if (!status) return { text: lost ? "webhook lost" : "no answer", icon: "failed", tone: "failed" };
  const text = deliveries > 1 ? `${status}, ${deliveries} deliveries` : String(status);
  if (readAt) return { text: `${text}, read`, icon: "delivered", tone: "read" };
  return status >= 200 && status < 300
    ? { text, icon: "sent", tone: "delivered" }
    : { text, icon: "failed", tone: "failed" };
}
