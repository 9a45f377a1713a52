// Causes: each entry of the timeline belongs to the webhook, callback or notification that caused it, and one row shows them
// together.

/** The entries of one cause, by the time at which they happened. The `lead` is the one that the row shows. */
export class Cause {
  entries = [];

  constructor(key) {
    this.key = key;
  }

  get lead() {
    // A notification is one thing that changes: its row says what it has come to.
    if (this.key.startsWith("notification:")) return this.entries.findLast(isDecision) ?? this.entries[0];
    return this.entries.find(({ kind }) => CALLS.includes(kind)) ?? this.entries[0];
  }

  /** All entries except the lead. */
  get effects() {
    const { lead } = this;
    return this.entries.filter((entry) => entry !== lead);
  }

  /** When the cause happened, in milliseconds. */
  get at() {
    return happenedAt(this.key.startsWith("notification:") ? this.entries[0] : this.lead);
  }
}

const CALLS = ["webhook", "callback", "api_call", "template_event"];
const isDecision = ({ kind }) => kind === "decision";
const happenedAt = ({ at }) => Date.parse(at);

/** By the time at which they happened, and within one millisecond in the order of recording. */
const inOrder = (one, other) => happenedAt(one) - happenedAt(other) || one.number - other.number;

export class Causes {
  #causes = new Map();
  /** The cause of each entry by its number, since the cause may become known later than the entry. */
  #causeOf = new Map();

  /** Adds an entry, or replaces the one with the same number. Returns its cause. */
  put(entry) {
    const key = entry.cause ?? `entry:${entry.number}`;
    this.remove(entry);
    const cause = this.#causes.get(key) ?? new Cause(key);
    this.#causes.set(key, cause);
    this.#causeOf.set(entry.number, cause);
    cause.entries = [...cause.entries, entry].sort(inOrder);
    return cause;
  }

  /** The cause of an entry that was put; undefined for another entry. */
  of({ number }) {
    return this.#causeOf.get(number);
  }

  /** Removes an entry. A cause without entries is removed too. */
  remove({ number }) {
    const cause = this.#causeOf.get(number);
    if (!cause) return;
    this.#causeOf.delete(number);
    cause.entries = cause.entries.filter((entry) => entry.number !== number);
    if (cause.entries.length === 0) this.#causes.delete(cause.key);
  }

  /** All causes by the time at which they happened, the oldest first. */
  sorted() {
    const timed = [...this.#causes.values()].map((cause) => ({ cause, at: cause.at, number: cause.entries[0].number }));
    timed.sort((one, other) => one.at - other.at || one.number - other.number);
    return timed.map(({ cause }) => cause);
  }
}

/** The time between the cause and one of its entries, as in `+120 ms`. */
export function delta(cause, entry) {
  return signed(happenedAt(entry) - cause.at);
}

/** As in `+120 ms`, `+2.4 s` or `+3 min 5 s`. The clocks of two programs can differ by some milliseconds. */
export function signed(milliseconds) {
  const sign = milliseconds < 0 ? "−" : "+";
  const length = Math.abs(milliseconds);
  if (length < 1000) return `${sign}${length} ms`;
  if (length < 60_000) return `${sign}${(length / 1000).toFixed(length < 10_000 ? 2 : 1)} s`;
  const [hours, minutes, seconds] = [
    Math.floor(length / 3_600_000),
    Math.floor(length / 60_000) % 60,
    Math.floor(length / 1000) % 60,
  ];
  if (hours >= 24) return `${sign}${Math.floor(hours / 24)} d ${hours % 24} h`;
  return hours > 0 ? `${sign}${hours} h ${minutes} min` : `${sign}${minutes} min ${seconds} s`;
}
