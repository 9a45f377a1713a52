// The keyboard: lists with one stop of the Tab key, the links that skip the phones, and `/` for the search.

import { byId } from "./dom.js";

const CONTROLS = "a[href], button, audio, video";

/**
 * The messages of a phone are one stop of the Tab key: the newest, or the one that had the focus last. Up and Down select
 * another message, Right and Left its controls. What a message contains follows it with Tab; its tools do not.
 */
export class MessageKeys {
  #list;
  #current = null;

  constructor(list) {
    this.#list = list;
    list.addEventListener("keydown", (event) => this.#key(event));
    list.addEventListener("focusin", ({ target }) => this.#select(target.closest(".message")));
  }

  /** A message is new or its content has changed. */
  changed(node) {
    const isFree = !this.#list.contains(document.activeElement);
    if (node === this.#current || (isFree && node === this.#list.lastElementChild)) this.#select(node);
    else setStops(node, -1);
  }

  #select(node) {
    if (!node) return;
    if (this.#current && this.#current !== node) setStops(this.#current, -1);
    this.#current = node;
    setStops(node, 0);
  }

  #key(event) {
    const message = event.target.closest(".message");
    if (!message || event.target.matches("audio, video") || event.altKey || event.ctrlKey || event.metaKey) return;
    const wanted = this.#wanted(event.key, message, event.target);
    if (!wanted) return;
    event.preventDefault();
    wanted.focus();
  }

  #wanted(key, message, target) {
    const messages = [...this.#list.querySelectorAll(":scope > .message")];
    const place = messages.indexOf(message);
    const inside = [message, ...message.querySelectorAll(CONTROLS)];
    const at = inside.indexOf(target);
    return {
      ArrowUp: messages[place - 1],
      ArrowDown: messages[place + 1],
      Home: messages[0],
      End: messages.at(-1),
      ArrowRight: inside[at + 1],
      ArrowLeft: inside[at - 1],
    }[key];
  }
}

function setStops(node, tabIndex) {
  node.tabIndex = tabIndex;
  for (const control of node.querySelectorAll(CONTROLS))
    control.tabIndex = control.closest(".message-tools") ? -1 : tabIndex;
}

/** The buttons of a row or a column are one stop of the Tab key; the arrow keys move between them. */
export function arrowKeys(area) {
  const buttons = () => [...area.querySelectorAll("button")];
  const stop = (wanted) => {
    for (const button of buttons()) button.tabIndex = button === wanted ? 0 : -1;
  };
  area.addEventListener("focusin", ({ target }) => stop(target.closest("button")));
  area.addEventListener("keydown", (event) => {
    const all = buttons();
    const at = all.indexOf(event.target);
    const next = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: all.length - 1 };
    const wanted = all[next[event.key] ?? -1];
    if (!wanted) return;
    event.preventDefault();
    wanted.focus();
  });
  /** Call it after a button was added or removed. */
  return () => stop(buttons().find((button) => button.tabIndex === 0) ?? buttons()[0]);
}

/** `/` goes to the search of the timeline, except while something is being typed. */
export function pageKeys() {
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable], dialog")) return;
    event.preventDefault();
    byId("filter-text").focus();
  });
  // The address keeps its fragment, which names an entry of the timeline.
  for (const link of document.querySelectorAll(".skip")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      byId(link.hash.slice(1)).focus();
    });
  }
}
