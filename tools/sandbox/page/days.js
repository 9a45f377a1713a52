// The headings of the days between the rows of the timeline.

import { element, setText } from "./dom.js";
import { dayKey, dayName } from "./format.js";

export class Days {
  /** By the day's key: its heading, and a time on that day. */
  #days = new Map();

  /** The nodes of the rows in order, with a heading before the first row of each day. */
  between(rows) {
    let last = null;
    return rows.flatMap(({ node, cause }) => {
      const day = dayKey(cause.at);
      if (day === last) return [node];
      last = day;
      if (!this.#days.has(day)) this.#days.set(day, { at: cause.at, node: element("li", { class: "timeline-day" }) });
      return [this.#days.get(day).node, node];
    });
  }

  /** Names the days as seen from `now`. */
  name(now) {
    for (const { at, node } of this.#days.values()) setText(node, dayName(at, now));
  }
}
