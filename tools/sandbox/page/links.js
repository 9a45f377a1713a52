// Which entries and messages belong together. A message and a notification that were once named together are one thread, and so
// is all that names either: a notification that fell back to a second message binds both.

export class Links {
  #parents = new Map();

  /** Takes note of what an entry names together; both may be missing. */
  join({ message_sid: sid, notification_id: told, details }) {
    const id = told ?? notificationIn(details?.url);
    if (sid && id) this.#parents.set(this.#root(`m ${sid}`), this.#root(`n ${id}`));
  }

  /** The thread of whatever names a message or a notification; null where it names neither. */
  thread({ message_sid: sid, notification_id: id }) {
    if (sid) return this.#root(`m ${sid}`);
    return id ? this.#root(`n ${id}`) : null;
  }

  /** Whether two belong together. */
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
    // So that the next look-up is one step.
    if (root !== key) this.#parents.set(key, root);
    return root;
  }
}

/** The notification that a message was sent for: its status callback's URL carries it. */
export function notificationIn(url) {
  try {
    return new URL(url).searchParams.get("notification");
  } catch {
    return null;
  }
}
