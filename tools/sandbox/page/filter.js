// The filter of the timeline.

/** Whether an entry passes. An empty part of the filter lets all entries pass. `thread` is the chosen entry or message. */
export function passes(entry, { text = "", kind = "", isOf = null, thread = null }, links) {
  if (kind && entry.kind !== kind) return false;
  if (isOf && !isOf(entry.person)) return false;
  if (thread && !links.together(entry, thread)) return false;
  return !text || searchable(entry).includes(text.toLowerCase());
}

// Cached, since an entry never changes and the whole timeline is searched at each key press.
const texts = new WeakMap();

function searchable(entry) {
  let text = texts.get(entry);
  if (text === undefined) {
    const parts = [
      entry.kind,
      entry.summary,
      entry.person,
      entry.message_sid,
      entry.notification_id,
      JSON.stringify(entry.details),
    ];
    text = parts.filter(Boolean).join("\n").toLowerCase();
    texts.set(entry, text);
  }
  return text;
}
