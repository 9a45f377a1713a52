// Everything that the page knows, and the events of its changes. All parts of the page are built from it, so that a new snapshot
// (when the page is opened, and after a disconnection) rebuilds them in one way.

import { bareAddress } from "./format.js";
import { Links } from "./links.js";

/** A page that is open for days does not grow beyond this. The oldest entries can be loaded again. */
export const ENTRIES_KEPT = 5000;
const MESSAGES_KEPT = 2000;

/**
 * Events: `snapshot` (everything is new), `message` and `entry` (detail: the new or changed one), `older` (detail: older
 * entries, which were loaded), `dropped` (detail: the oldest entry, which the page no longer has), `people`, `clock`, `faults`,
 * `rules`, `choices`, `config`, `templates`, `scenario`, `connection` and `selection`.
 */
export class Store extends EventTarget {
  connection = "connecting";
  config = null;
  clock = null;
  people = [];
  faults = [];
  rules = null;
  choices = null;
  templates = [];
  /** The scenario that is running, or null. */
  scenario = null;
  messages = new Map();
  /** In the order of recording, the newest last. */
  entries = [];
  links = new Links();
  /** Whether the sandbox may have entries that are older than those of the page. */
  hasOlder = false;
  /** How many entries the sandbox has dropped. */
  forgotten = 0;
  /** The message or entry whose thread is shown alone, or null. */
  chosen = null;
  #pointed = null;
  #focused = null;
  #clockOffset = 0;

  load(snapshot) {
    this.config = snapshot.config;
    this.people = snapshot.people ?? [];
    this.faults = snapshot.faults ?? [];
    this.rules = snapshot.rules ?? null;
    this.choices = snapshot.choices ?? null;
    this.templates = snapshot.templates ?? [];
    this.scenario = snapshot.scenario ?? null;
    this.messages = new Map((snapshot.messages ?? []).map((message) => [message.sid, message]));
    this.entries = snapshot.timeline ?? [];
    this.links = new Links();
    for (const entry of this.entries) this.links.join(entry);
    this.hasOlder = snapshot.timeline_older ?? false;
    this.forgotten = snapshot.timeline_forgotten ?? 0;
    this.chosen = null;
    this.#pointed = null;
    this.#focused = null;
    this.#setClock(snapshot.clock);
    this.#tell("snapshot");
  }

  putMessage(message) {
    this.messages.set(message.sid, message);
    if (this.messages.size > MESSAGES_KEPT) this.messages.delete(this.messages.keys().next().value);
    this.#tell("message", message);
  }

  /** Adds an entry, or replaces the one with its number, as when the reason for a refusal becomes known later. */
  putEntry(entry) {
    const place = this.entries.findLastIndex(({ number }) => number <= entry.number);
    const known = this.entries[place]?.number === entry.number;
    // An entry that the page has dropped, or not loaded yet, comes with the older entries.
    if (place < 0 && this.entries.length > 0) return;
    this.entries.splice(place + (known ? 0 : 1), known ? 1 : 0, entry);
    this.links.join(entry);
    if (this.entries.length > ENTRIES_KEPT) {
      this.hasOlder = true;
      this.#tell("dropped", this.entries.shift());
    }
    this.#tell("entry", entry);
  }

  /** Adds what the sandbox has answered to a request for older entries. */
  addOlder({ entries, older, forgotten = 0 }) {
    const first = this.entries[0]?.number ?? Infinity;
    const added = entries.filter(({ number }) => number < first);
    this.entries.unshift(...added);
    for (const entry of added) this.links.join(entry);
    this.hasOlder = older;
    this.forgotten = forgotten;
    this.#tell("older", added);
  }

  setClock(clock) {
    this.#setClock(clock);
    this.#tell("clock");
  }

  /** Replaces `people`, `faults`, `rules`, `choices`, `config`, `templates`, `scenario` or `connection`. */
  set(part, value) {
    this[part] = value;
    this.#tell(part);
  }

  /** What the reader points at or, without a pointer, what has the focus; null for neither. */
  get attended() {
    return this.#pointed ?? this.#focused;
  }

  /** Sets `attended` to `named` while the pointer or the focus is on a node. */
  watch(node, named) {
    const attend = (change) => {
      const before = this.attended;
      change();
      if (this.attended !== before) this.#tell("selection");
    };
    node.addEventListener("pointerenter", () =>
      attend(() => {
        this.#pointed = named;
      }),
    );
    node.addEventListener("pointerleave", () =>
      attend(() => {
        this.#pointed = null;
      }),
    );
    node.addEventListener("focusin", () =>
      attend(() => {
        this.#focused = named;
      }),
    );
    node.addEventListener("focusout", () =>
      attend(() => {
        this.#focused = null;
      }),
    );
  }

  choose(named) {
    this.chosen = named;
    this.#tell("selection");
  }

  /** The sandbox's time in milliseconds, continued since its last event. */
  now() {
    return Date.now() + this.#clockOffset;
  }

  /** The person with this address or user id, on WhatsApp or by SMS. */
  personAt(address) {
    const bare = bareAddress(address);
    return bare
      ? this.people.find((person) => idsOf(person).some((own) => own && bareAddress(own) === bare))
      : undefined;
  }

  /** The person on whose phone a message is; undefined where no person of the page has the address. */
  personOf(message) {
    return this.personAt(message.sandbox?.person ?? (message.direction === "inbound" ? message.from : message.to));
  }

  /** The answer to the webhook of a person's message: `{status, lost, deliveries}`; undefined while there is none. */
  answerTo(sid) {
    return this.messages.get(sid)?.sandbox.answer ?? undefined;
  }

  /** A text as `opted out`, where Twilio or the system has opted the person out; empty otherwise. */
  optedOut(person) {
    return person.opted_out?.text ?? "";
  }

  #setClock(clock) {
    this.clock = clock;
    this.#clockOffset = new Date(clock.now).getTime() - Date.now();
  }

  #tell(topic, detail) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }
}

/** All addresses of a person on WhatsApp; some may be missing. */
function idsOf({ address, user_id: userId, parent_user_id: parentId }) {
  return [address, userId, parentId];
}
