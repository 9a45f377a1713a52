// Links to entries, as in `#entry-123`.

import { byId, setText } from "./dom.js";

/** Opens the entry that the page's address names, now and whenever the address changes. */
export function followPermalinks(store, timeline) {
  const note = byId("permalink-note");
  const follow = async () => {
    const number = Number(/^#entry-(\d+)$/.exec(location.hash)?.[1]);
    note.hidden = true;
    if (!number || !store.config) return;
    let there = timeline.reveal(number);
    while (!there && (await timeline.older.load())) there = timeline.reveal(number);
    there ||= timeline.reveal(number);
    setText(note, there ? "" : `The sandbox has no entry ${number} any more.`);
    note.hidden = there;
  };
  // Only the first: after a disconnection the reader may be somewhere else.
  store.addEventListener("snapshot", follow, { once: true });
  window.addEventListener("hashchange", follow);
}
