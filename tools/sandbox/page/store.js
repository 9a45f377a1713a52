// Everything that the page knows, and the events of its changes. All parts of the page are built from it, so that a new snapshot
// (when the page is opened, and after a disconnection) rebuilds them in one way.

import { bareAddress } from "./format.js";
import { Links } from "./links.js";
import { consentChange, webhookAnswer } from "./status.js";

/** As many as the sandbox remembers, so that a page that is open for days does not grow. */
export const ENTRIES_KEPT = 2000;
const MESSAGES_KEPT = 2000;

/**
 * Events: `snapshot` (everything is new), `message` and `entry` (detail: the new or changed one), `people`, `clock`, `faults`,
 * `rules`, `config`, `connection` and `selection`.
 */
export class Store extends EventTarget {
  connection = "connecting";
  config = null;
  clock = null;
  people = [];
  faults = [];
  rules = null;
  templates = [];
  messages = new Map();
  entries = [];
  links = new Links();
  /** The message or entry whose thread is shown alone, or null. */
  chosen = null;
  #pointed = null;
  #focused = null;
  #answers = new Map();
  #consents = new Map();
  #clockOffset = 0;

  load(snapshot) {
    this.config = snapshot.config;
    this.people = snapshot.people ?? [];
    this.faults = snapshot.faults ?? [];
    this.rules = snapshot.rules ?? null;
    this.templates = snapshot.templates ?? [];
    this.messages = new Map((snapshot.messages ?? []).map((message) => [message.sid, message]));
    this.entries = [];
    this.links = new Links();
    this.#answers.clear();
    this.#consents.clear();
    for (const entry of snapshot.timeline ?? []) this.#remember(entry);
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

  addEntry(entry) {
    // An entry can be in a snapshot and also come as an event.
    if (entry.number <= (this.entries.at(-1)?.number ?? 0)) return;
    this.#remember(entry);
    if (this.entries.length > ENTRIES_KEPT) this.entries.shift();
    this.#tell("entry", entry);
  }

  setClock(clock) {
    this.#setClock(clock);
    this.#tell("clock");
  }

  /** Replaces `people`, `faults`, `rules`, `config` or `connection`. */
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

  /** The answer to the webhook of a person's message; undefined while there is none. */
  answerTo(sid) {
    return this.#answers.get(sid);
  }

  /** A text as `opted out`, where Twilio or the system has opted the person out; empty otherwise. */
  optedOut(person) {
    const own = idsOf(person)
      .filter(Boolean)
      .map((address) => this.#consents.get(bareAddress(address)));
    const changes = own.flatMap((byChannel) => [...(byChannel?.values() ?? [])]);
    const texts = changes.filter(({ out }) => out).map(({ text }) => text);
    return person.opted_out ? "opted out" : ([...new Set(texts)].sort()[0] ?? "");
  }

  #setClock(clock) {
    this.clock = clock;
    this.#clockOffset = new Date(clock.now).getTime() - Date.now();
  }

  #remember(entry) {
    this.entries.push(entry);
    this.links.join(entry);
    const answer = webhookAnswer(entry);
    // A webhook can be lost or repeated: a received answer is not replaced by no answer.
    if (answer !== undefined && this.#answers.get(entry.message_sid) == null)
      this.#answers.set(entry.message_sid, answer);
    const change = consentChange(entry);
    if (!change) return;
    const address = bareAddress(entry.person);
    this.#consents.set(address, new Map(this.#consents.get(address)).set(change.channel, change));
  }

  #tell(topic, detail) {
    this.dispatchEvent(new CustomEvent(topic, { detail }));
  }
}

/** All addresses of a person on WhatsApp; some may be missing. */
function idsOf({ address, user_id: userId, parent_user_id: parentId }) {
  return [address, userId, parentId];
}
