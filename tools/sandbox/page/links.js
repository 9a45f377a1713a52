// Threads: which entries and messages belong together. An entry that names a message, a notification and a cause joins them
// into one thread, with everything that names one of them. A notification with a fallback joins two messages this way.

export class Links {
  #parents = new Map();

  /** Joins the message, the notification and the cause that an entry names; each may be missing. */
  join(entry) {
    const [first, ...others] = keysOf(entry, notificationIn(entry.exchange?.request.url ?? entry.details?.url));
    for (const other of others) this.#parents.set(this.#root(other), this.#root(first));
  }

  /** The thread of an entry or a message; null where it names nothing that others can name too. */
  thread(entry) {
    const [key] = keysOf(entry);
    return key ? this.#root(key) : null;
  }

  /** Whether two entries or messages are of one thread. */
  together(one, other) {
    const thread = this.thread(one);
    return thread !== null && thread === this.thread(other);
  }

  #root(key) {
    let root = key;
    for (
      let parent = this.#parents.get(root);
      parent !== undefined && parent !== root;
      parent = this.#parents.get(root)
    )
      root = parent;
    // Path compression: the next look-up takes one step.
    if (root !== key) this.#parents.set(key, root);
    return root;
  }
}

function keysOf({ message_sid: sid, notification_id: id, cause }, named = null) {
  const shared = cause && !cause.startsWith("entry:");
  return [sid && `m ${sid}`, (id ?? named) && `n ${id ?? named}`, shared && `c ${cause}`].filter(Boolean);
}

/** The notification that a message was sent for, from the URL of its status callback. */
export function notificationIn(url) {
  try {
    return new URL(url).searchParams.get("notification");
  } catch {
    return null;
  }
}
