// The timeline: the newest entry is the last, and the view follows it until the reader scrolls up.

import { byId, element, icon, setText } from "./dom.js";
import { emptyTimeline } from "./empty.js";
import { entryLine, KINDS } from "./entry.js";
import { passes } from "./filter.js";
import { EndFollower } from "./follow.js";
import { readableAddress, shortSid } from "./format.js";
import { ENTRIES_KEPT } from "./store.js";

export class Timeline {
  #lines = [];
  #waiting = [];
  #frame = null;
  #follower;
  #unseen = 0;

  constructor(store) {
    this.store = store;
    [this.log, this.list, this.newest, this.empty] = ["log", "entries", "newest", "timeline-empty"].map(byId);
    [this.text, this.person, this.kind, this.clear] = [
      "filter-text",
      "filter-person",
      "filter-kind",
      "filter-clear",
    ].map(byId);
    this.newest.prepend(icon("down"));
    this.count = element("span", { class: "number" });
    this.newest.append(this.count);
    this.kind.append(
      element("option", { value: "" }, "All kinds"),
      ...Object.entries(KINDS).map(([value, name]) => element("option", { value }, name)),
    );
    store.addEventListener("snapshot", () => this.#rebuild());
    store.addEventListener("entry", ({ detail }) => this.#later(detail));
    store.addEventListener("people", () => this.#offerPeople());
    store.addEventListener("selection", () => this.#showSelection());
    this.#follower = new EndFollower(this.log, () => this.#scrolled());
    this.#listen();
  }

  #listen() {
    this.log.addEventListener("keydown", (event) => this.#key(event));
    this.newest.addEventListener("click", () => this.#toEnd());
    byId("filters").addEventListener("input", () => this.#filter());
    byId("filters").addEventListener("submit", (event) => event.preventDefault());
    // The browser empties the fields after this event.
    byId("filters").addEventListener("reset", () => queueMicrotask(() => this.#filter()));
    byId("thread-clear").addEventListener("click", () => this.store.choose(null));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && this.store.chosen) this.store.choose(null);
    });
  }

  #rebuild() {
    this.#lines = [];
    this.#waiting = [];
    this.#unseen = 0;
    this.list.replaceChildren();
    this.#offerPeople();
    this.#quietly(() => this.#add(this.store.entries));
    this.#showSelection();
    this.#toEnd();
  }

  // A load test adds hundreds of entries a second, so that they are added once per frame. A hidden tab has no frames.
  #later(entry) {
    this.#waiting.push(entry);
    if (this.#waiting.length > ENTRIES_KEPT) this.#waiting.shift();
    this.#frame ??= (document.hidden ? (does) => setTimeout(does, 250) : requestAnimationFrame)(() => {
      this.#frame = null;
      this.#add(this.#waiting.splice(0));
      this.#follower.keep();
      this.#showNewest();
    });
  }

  #add(entries) {
    const filter = this.#wanted();
    const lines = entries.map((entry) =>
      entryLine(entry, {
        choose: (chosen) => this.store.choose(chosen),
        watch: (node, named) => this.store.watch(node, named),
        personName: (address) => this.store.personAt(address)?.name ?? readableAddress(address),
        opened: (node) => this.#opened(node),
      }),
    );
    for (const line of lines) {
      line.shown = passes(line.entry, filter, this.store.links);
      this.#mark(line);
      if (line.shown && !this.#follower.following) this.#unseen += 1;
    }
    this.#lines.push(...lines);
    this.list.append(...lines.filter(({ shown }) => shown).map(({ node }) => node));
    // Entries that the store has removed are removed here too.
    const excess = this.#lines.length - this.store.entries.length;
    if (excess > 0) for (const { node } of this.#lines.splice(0, excess)) node.remove();
    this.#ensureCurrent();
    this.#showEmpty();
  }

  // A screen reader announces only entries that are new.
  #quietly(does) {
    this.log.setAttribute("aria-busy", "true");
    does();
    requestAnimationFrame(() => this.log.setAttribute("aria-busy", "false"));
  }

  #wanted() {
    const address = this.person.value;
    const isOf = address ? (other) => Boolean(other) && this.store.personAt(other)?.address === address : null;
    return { text: this.text.value.trim(), kind: this.kind.value, isOf, thread: this.store.chosen };
  }

  #filter() {
    const wanted = this.#wanted();
    this.clear.hidden = !(wanted.text || wanted.kind || wanted.isOf);
    for (const line of this.#lines) line.shown = passes(line.entry, wanted, this.store.links);
    // Filtered lines are removed and not hidden: with most of 2,000 lines hidden, a browser needs a second for the layout.
    const focused = document.activeElement;
    this.#quietly(() => this.list.replaceChildren(...this.#lines.filter(({ shown }) => shown).map(({ node }) => node)));
    if (this.list.contains(focused)) focused.focus({ preventScroll: true });
    this.#ensureCurrent();
    this.#showEmpty();
    this.#follower.keep();
  }

  #showEmpty() {
    const nothing = this.#lines.length === 0;
    const filtered = !nothing && !this.#lines.some(({ shown }) => shown);
    this.empty.hidden = !(nothing || filtered);
    if (nothing) this.empty.replaceChildren(...emptyTimeline(this.store));
    else if (filtered) this.empty.replaceChildren(element("p", {}, "No entry passes the filter."));
  }

  #showSelection() {
    const { chosen } = this.store;
    const note = byId("thread-note");
    const changed = note.dataset.thread !== JSON.stringify(chosen);
    note.hidden = !chosen;
    if (changed) {
      note.dataset.thread = JSON.stringify(chosen);
      if (chosen)
        setText(
          byId("thread-name"),
          `Only what belongs to ${chosen.message_sid ? shortSid(chosen.message_sid) : chosen.notification_id}`,
        );
      this.#filter();
    }
    this.#lines.forEach((line) => this.#mark(line));
  }

  #mark({ entry, node }) {
    const { attended, links } = this.store;
    node.classList.toggle("related", Boolean(attended) && (entry === attended || links.together(entry, attended)));
  }

  #offerPeople() {
    const chosen = this.person.value;
    this.person.replaceChildren(
      element("option", { value: "" }, "All people"),
      ...this.store.people.map(({ address, name }) => element("option", { value: address }, name)),
    );
    this.person.value = this.store.people.some(({ address }) => address === chosen) ? chosen : "";
  }

  #scrolled() {
    if (this.#follower.following) this.#unseen = 0;
    this.#showNewest();
  }

  // An entry that is being read must not move away.
  #opened(node) {
    if (node !== this.list.lastElementChild) this.#follower.end();
    node.scrollIntoView({ block: "nearest" });
    this.#showNewest();
  }

  #showNewest() {
    this.newest.hidden = this.#follower.following;
    setText(this.count, this.#unseen > 0 ? String(this.#unseen) : "");
  }

  #toEnd() {
    this.#unseen = 0;
    this.#follower.begin();
    this.#showNewest();
  }

  // The list is one stop for the tab key, and arrow keys move within it. Enter presses the button.
  #key(event) {
    const shown = this.#lines.filter((line) => line.shown);
    const place = shown.findIndex(({ line }) => line === document.activeElement);
    const target = { ArrowDown: shown[place + 1], ArrowUp: shown[place - 1], Home: shown[0], End: shown.at(-1) }[
      event.key
    ];
    if (place < 0 || !target) return;
    event.preventDefault();
    this.#makeCurrent(target);
    target.line.focus();
  }

  #ensureCurrent() {
    if (!this.#lines.some(({ line, shown }) => shown && line.tabIndex === 0))
      this.#makeCurrent(this.#lines.findLast(({ shown }) => shown));
  }

  #makeCurrent(current) {
    for (const { line } of this.#lines) if (line.tabIndex === 0) line.tabIndex = -1;
    if (current) current.line.tabIndex = 0;
  }
}
