// Threads: which entries and messages belong together. An entry that names a message and a notification joins them into one
// thread, with everything that names either of them. A notification with a fallback joins two messages this way.

export class Links {
  #parents = new Map();

  /** Joins the message and the notification that an entry names; both may be missing. */
  join({ message_sid: sid, notification_id: named, details }) {
    const id = named ?? notificationIn(details?.url);
    if (sid && id) this.#parents.set(this.#root(`m ${sid}`), this.#root(`n ${id}`));
  }

  /** The thread of an entry or a message; null where it names neither message nor notification. */
  thread({ message_sid: sid, notification_id: id }) {
    if (sid) return this.#root(`m ${sid}`);
    return id ? this.#root(`n ${id}`) : null;
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

/** The notification that a message was sent for, from the URL of its status callback. */
export function notificationIn(url) {
  try {
    return new URL(url).searchParams.get("notification");
  } catch {
    return null;
  }
}
