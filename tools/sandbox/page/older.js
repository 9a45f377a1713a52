// The older entries, which are loaded when the reader scrolls up to them.

import * as api from "./api.js";
import { byId, setText } from "./dom.js";

export class OlderEntries {
  #loading = false;
  #near = false;

  constructor(store, log) {
    this.store = store;
    [this.node, this.text, this.button] = ["older", "older-text", "older-load"].map(byId);
    this.button.addEventListener("click", () => this.load());
    const near = (changes) => {
      this.#near = changes.at(-1).isIntersecting;
      if (this.#near) this.#loadWhileNear();
    };
    new IntersectionObserver(near, { root: log, rootMargin: "300px 0px 0px" }).observe(this.node);
  }

  /** Shows whether there are older entries, or what was dropped. */
  show() {
    const { hasOlder, forgotten, entries } = this.store;
    const all = entries.length > 0 && !hasOlder;
    this.node.hidden = !hasOlder && !(all && forgotten > 0);
    this.button.hidden = !hasOlder;
    if (hasOlder) setText(this.text, "");
    else
      setText(
        this.text,
        `${forgotten.toLocaleString("en")} older ${forgotten === 1 ? "entry is" : "entries are"} no longer kept.`,
      );
  }

  // With a filter, a page of older entries may have no entry to show.
  async #loadWhileNear() {
    while (this.#near && (await this.load()))
      await new Promise((then) => {
        requestAnimationFrame(() => requestAnimationFrame(then));
      });
  }

  /** Loads one page of older entries. Returns whether there may be more. */
  async load() {
    if (this.#loading || !this.store.hasOlder) return false;
    this.#loading = true;
    const before = this.store.entries[0].number;
    try {
      const answer = await api.olderEntries(before);
      // A snapshot in the meantime has replaced the entries.
      if (this.store.entries[0]?.number === before) this.store.addOlder(answer);
    } catch (error) {
      setText(this.text, error.message);
      return false;
    } finally {
      this.#loading = false;
    }
    return this.store.hasOlder;
  }
}
