// All faults that can be switched on: their names, their fields, the request to the sandbox, and their description in the list.

import { codeWithTitle } from "./codes.js";
import { duration } from "./format.js";

const code = (value) => ({ name: "code", label: "Error code", type: "code", value });
const httpStatus = (value) => ({ name: "status", label: "HTTP status", type: "number", min: 400, max: 599, value });
const milliseconds = (value) => ({
  name: "milliseconds",
  label: "Milliseconds",
  type: "number",
  min: 1,
  max: 600_000,
  value,
});
const choice = (name, label, options, value) => ({ name, label, type: "choice", options, value });
const STATUSES = ["queued", "sending", "sent", "delivered", "read", "undelivered", "failed"];
/** The longest list in "Statuses in order". */
const parseStatuses = (text) => text.split(/[\s,]+/).filter(Boolean);

const CALL = "The call that creates a message";
const STATUS = "The statuses of the message";
const WEBHOOKS = "Callbacks and webhooks";
const FILES = "Files that a person sends";

/** `fields` are the inputs; `fault` makes the request to the sandbox from their values. */
export const CATALOGUE = [
  {
    id: "too_many",
    group: CALL,
    name: "Refused: too many requests (429)",
    fields: [{ name: "retry_after", label: "Retry-After in seconds", type: "number", min: 0, max: 86_400, value: 5 }],
    fault: (given) => ({ kind: "refuse", status: 429, code: 20429, retry_after: given.retry_after }),
  },
  {
    id: "server_error",
    group: CALL,
    name: "Refused: error of Twilio (5xx)",
    fields: [httpStatus(503)],
    fault: (given) => ({ kind: "refuse", status: given.status, code: given.status === 503 ? 20503 : 20500 }),
  },
  {
    id: "refuse",
    group: CALL,
    name: "Refused with an error code",
    fields: [code(21211), httpStatus(400)],
    fault: (given) => ({ kind: "refuse", status: given.status, code: given.code }),
  },
  {
    id: "accept_then_hang",
    group: CALL,
    name: "Accepted, but the answer never comes",
    fields: [],
    fault: () => ({ kind: "accept_then_hang" }),
  },
  {
    id: "accept_then_refuse",
    group: CALL,
    name: "Accepted, but the answer is an error",
    fields: [httpStatus(500), code(20500)],
    fault: (given) => ({ kind: "accept_then_refuse", status: given.status, code: given.code }),
  },
  { id: "hang", group: CALL, name: "Not accepted, and no answer comes", fields: [], fault: () => ({ kind: "hang" }) },
  {
    id: "slow",
    group: CALL,
    name: "The answer to the call is slow",
    fields: [milliseconds(3000)],
    fault: (given) => ({ kind: "slow", milliseconds: given.milliseconds }),
  },
  {
    id: "hold",
    group: STATUS,
    name: "The message waits in Twilio's queue",
    fields: [{ name: "seconds", label: "Seconds", type: "number", min: 1, max: 36_000, value: 60 }],
    fault: (given) => ({ kind: "hold", seconds: given.seconds }),
  },
  {
    id: "fail",
    group: STATUS,
    name: "Fails with an error code",
    fields: [code(63016)],
    fault: (given) => ({ kind: "fail", code: given.code }),
  },
  {
    id: "fail_after",
    group: STATUS,
    name: "Fails late, after it was sent",
    fields: [code(63024), choice("after", "After", ["sent", "delivered"], "sent")],
    fault: (given) => ({ kind: "fail_after", code: given.code, after: given.after }),
  },
  {
    id: "report",
    group: STATUS,
    name: "Reports these statuses",
    fields: [{ name: "statuses", label: "Statuses in order", type: "text", value: "sent, read, delivered" }],
    fault: (given) => ({ kind: "report", statuses: parseStatuses(given.statuses) }),
  },
  { id: "silent", group: STATUS, name: "No callbacks at all", fields: [], fault: () => ({ kind: "silent" }) },
  {
    id: "report_first",
    group: WEBHOOKS,
    name: "Callbacks come before the answer",
    fields: [],
    fault: () => ({ kind: "report_first" }),
  },
  {
    id: "duplicate",
    group: WEBHOOKS,
    name: "A webhook comes more than once",
    fields: [{ name: "times", label: "Times more", type: "number", min: 1, max: 20, value: 1 }],
    fault: (given) => ({ kind: "duplicate", times: given.times }),
  },
  {
    id: "late",
    group: WEBHOOKS,
    name: "A webhook comes late",
    fields: [milliseconds(5000)],
    fault: (given) => ({ kind: "late", milliseconds: given.milliseconds }),
  },
  {
    id: "lost",
    group: WEBHOOKS,
    name: "A webhook is lost",
    fields: [choice("status", "Status", ["any", ...STATUSES], "any")],
    fault: (given) => ({ kind: "lost", ...(given.status === "any" ? {} : { status: given.status }) }),
  },
  { id: "reordered", group: WEBHOOKS, name: "Webhooks come in another order", fields: [], fault: () => ({ kind: "reordered" }) },
  {
    id: "retried",
    group: WEBHOOKS,
    name: "A webhook is tried again",
    fields: [],
    fault: () => ({ kind: "retried" }),
  },
  {
    id: "wrong_signature",
    group: WEBHOOKS,
    name: "A webhook has a wrong signature",
    fields: [],
    fault: () => ({ kind: "wrong_signature" }),
  },
  {
    id: "file_missing",
    group: FILES,
    name: "A file is not there at first (404)",
    fields: [{ name: "seconds", label: "Seconds", type: "number", min: 1, max: 86_400, value: 3 }],
    fault: (given) => ({ kind: "file", problem: "missing", seconds: given.seconds }),
  },
  {
    id: "file_redirected",
    group: FILES,
    name: "A file is redirected elsewhere",
    fields: [{ name: "url", label: "URL", type: "text", value: "https://169.254.169.254/latest/meta-data/" }],
    fault: (given) => ({ kind: "file", problem: "redirected", url: given.url }),
  },
  {
    id: "file_empty",
    group: FILES,
    name: "A file is empty",
    fields: [],
    fault: () => ({ kind: "file", problem: "empty" }),
  },
  {
    id: "file_too_large",
    group: FILES,
    name: "A file is too large (17 MB)",
    fields: [],
    fault: () => ({ kind: "file", problem: "too_large" }),
  },
  {
    id: "file_wrong_type",
    group: FILES,
    name: "A file is not of its type",
    fields: [],
    fault: () => ({ kind: "file", problem: "wrong_type" }),
  },
  {
    id: "file_slow",
    group: FILES,
    name: "A file is slow",
    fields: [milliseconds(5000)],
    fault: (given) => ({ kind: "file", problem: "slow", milliseconds: given.milliseconds }),
  },
];

const SENTENCES = {
  refuse: (f) =>
    `refused with ${f.status}, ${codeWithTitle(f.code)}${f.retry_after == null ? "" : `, Retry-After ${f.retry_after}`}`,
  accept_then_refuse: (f) => `accepted, but answered with ${f.status}, ${codeWithTitle(f.code)}`,
  accept_then_hang: () => "accepted, but the answer never comes",
  hang: () => "not accepted, and no answer comes",
  slow: (f) => `answered after ${length(f.milliseconds)}`,
  fail: (f) => `fails with ${codeWithTitle(f.code)}`,
  fail_after: (f) => `fails with ${codeWithTitle(f.code)} after it was ${f.after}`,
  report: (f) => `reports ${(f.statuses ?? []).join(", ")}`,
  silent: () => "no callbacks at all",
  report_first: () => "callbacks come before the answer",
  duplicate: (f) => `callbacks and webhooks come ${f.times === 1 ? "once" : `${f.times} times`} more`,
  late: (f) => `callbacks and webhooks come ${length(f.milliseconds)} late`,
  lost: (f) => {
    const statuses = [f.status, ...(f.statuses ?? [])].filter(Boolean);
    return statuses.length ? `the callback of ${statuses.join(", ")} is lost` : "callbacks and webhooks are lost";
  },
  hold: (f) => (f.seconds == null ? "waits until it is released" : `is sent ${length(f.seconds * 1000)} later`),
  together: (f) => f.faults.map(effect).join("; "),
  reordered: () => "callbacks and webhooks come in another order",
  retried: () => "webhooks are tried again",
  wrong_signature: () => "webhooks have a wrong signature",
  file: (f) => FILE_SENTENCES[f.problem]?.(f) ?? `files are ${f.problem}`,
};

const FILE_SENTENCES = {
  missing: (f) => (f.seconds == null ? "files are not there" : `files are not there for ${length(f.seconds * 1000)}`),
  redirected: (f) => `files are redirected to ${f.url}`,
  empty: () => "files are empty",
  too_large: () => "files have 17 MB",
  wrong_type: () => "files are not of their types",
  slow: (f) => `files come ${length(f.milliseconds)} late`,
};

function length(milliseconds) {
  return milliseconds < 1000 ? `${milliseconds} ms` : duration(milliseconds);
}

/** What a fault does, as in `refused with 429, 20429 Too many requests, Retry-After 5`. */
export function effect(fault) {
  return SENTENCES[fault.kind]?.(fault) ?? fault.kind;
}

/** When a planned fault takes effect, as in `next call`, `next 3 calls, with a chance of 50 %` or `until taken back`. */
export function occasion({ times, chance }) {
  const when = times == null ? "until taken back" : times === 1 ? "next call" : `next ${times} calls`;
  return chance == null || chance >= 1 ? when : `${when}, with a chance of ${Math.round(chance * 100)} %`;
}
