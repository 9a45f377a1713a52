// The timeline: one row for each cause, by the time at which it happened. The newest row is the last, and the view follows it
// until the reader scrolls up.

import * as api from "./api.js";
import { Causes } from "./causes.js";
import { Days } from "./days.js";
import { byId, element, icon, setText } from "./dom.js";
import { emptyTimeline } from "./empty.js";
import { EntryLine } from "./entry.js";
import { statusText } from "./exchange.js";
import { isProblem } from "./facts.js";
import { passes } from "./filter.js";
import { EndFollower } from "./follow.js";
import { readableAddress, shortSid } from "./format.js";
import { TimelineKeys } from "./timeline-keys.js";
import { OlderEntries } from "./older.js";
import { Row } from "./row.js";
import { ENTRIES_KEPT } from "./store.js";
import { Toolbar } from "./toolbar.js";

export class Timeline {
  #causes = new Causes();
  /** By the entry's number. */
  #lines = new Map();
  /** By the cause. */
  #rows = new Map();
  /** The rows that pass the filter, from top to bottom. */
  #shown = [];
  #days = new Days();
  #waiting = [];
  #dropped = [];
  #frame = null;
  #unseen = 0;
  #unfoldAll = false;

  constructor(store) {
    this.store = store;
    [this.log, this.list, this.newest, this.empty] = ["log", "entries", "newest", "timeline-empty"].map(byId);
    this.count = element("span", { class: "number" });
    this.newest.append(icon("down"), element("span", {}, "Newest"), this.count);
    this.follower = new EndFollower(this.log, () => this.#scrolled());
    this.toolbar = new Toolbar(store, {
      filter: () => this.#filter(),
      unfoldAll: (unfolded) => this.#unfold(unfolded),
    });
    this.keys = new TimelineKeys(this.log, () => this.#shown, (line) => this.sendAgain(line));
    this.older = new OlderEntries(store, this.log);
    const on = (topic, does) => store.addEventListener(topic, (event) => does(event.detail));
    on("snapshot", () => this.#rebuild());
    on("entry", (entry) => this.#later(entry));
    on("dropped", (entry) => this.#dropped.push(entry));
    on("older", (entries) => this.#prepend(entries));
    on("people", () => this.#showNames());
    on("selection", () => this.#showSelection());
    on("clock", () => this.#days.name(this.store.now()));
    this.newest.addEventListener("click", () => this.#toEnd());
    byId("thread-clear").addEventListener("click", () => store.choose(null));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.defaultPrevented && store.chosen) store.choose(null);
    });
  }

  // What the reader had opened stays open, after a disconnection too.
  #rebuild() {
    const open = [...this.#lines.values()].filter(({ isOpen }) => isOpen).map(({ entry }) => entry.number);
    const unfolded = new Set([...this.#rows.values()].filter((row) => row.unfolded).map(({ cause }) => cause.key));
    this.#causes = new Causes();
    this.#lines.clear();
    this.#rows.clear();
    this.#days = new Days();
    this.#waiting = [];
    this.#dropped = [];
    this.#unseen = 0;
    this.toolbar.offerPeople();
    this.#quietly(() => this.#put(this.store.entries));
    for (const [cause, row] of this.#rows) if (unfolded.has(cause.key)) row.unfold(true);
    for (const number of open) this.#lines.get(number)?.reopen();
    this.#showSelection();
    this.#toEnd();
  }

  // A load test adds hundreds of entries a second, so that they are added once per frame. A hidden tab has no frames.
  #later(entry) {
    this.#waiting.push(entry);
    if (this.#waiting.length > ENTRIES_KEPT) this.#waiting.shift();
    this.#frame ??= (document.hidden ? (does) => setTimeout(does, 250) : requestAnimationFrame)(() => {
      this.#frame = null;
      const entries = this.#waiting.splice(0);
      if (!this.follower.following) this.#unseen += entries.filter(({ number }) => !this.#lines.has(number)).length;
      this.#put(entries);
      this.follower.keep();
      this.#showNewest();
    });
  }

  // What the reader looks at stays where it is.
  #prepend(entries) {
    const below = this.log.scrollHeight - this.log.scrollTop;
    this.#quietly(() => this.#put(entries));
    this.older.show();
    if (!this.follower.following) this.log.scrollTop = this.log.scrollHeight - below;
  }

  #put(entries) {
    const touched = new Set();
    for (const entry of entries) {
      touched.add(this.#causes.of(entry));
      this.#lines.get(entry.number)?.update(entry);
      touched.add(this.#causes.put(entry));
    }
    for (const entry of this.#dropped.splice(0)) {
      touched.add(this.#causes.of(entry));
      this.#causes.remove(entry);
      this.#lines.delete(entry.number);
    }
    touched.delete(undefined);
    const wanted = this.toolbar.wanted();
    for (const cause of touched) this.#showCause(cause, wanted);
    this.#arrange();
  }

  #showCause(cause, wanted) {
    let row = this.#rows.get(cause);
    if (cause.entries.length === 0) {
      this.#rows.delete(cause);
      return;
    }
    if (!row) {
      row = new Row(cause, (entry) => this.#line(entry), () => this.keys.ensureCurrent());
      this.#rows.set(cause, row);
      if (this.#unfoldAll) row.unfold(true);
    }
    row.node.dataset.problem = cause.entries.some(isProblem);
    this.#match(row, wanted);
    row.sync();
  }

  #match(row, wanted) {
    const found = row.cause.entries.filter((entry) => passes(entry, wanted, this.store.links));
    row.passes = found.length > 0;
    row.find(wanted.narrows ? new Set(found.map(({ number }) => number)) : null);
  }

  #line(entry) {
    let line = this.#lines.get(entry.number);
    if (!line) {
      line = new EntryLine(entry, {
        choose: (chosen) => this.store.choose(chosen),
        sendAgain: (_, said) => this.sendAgain(line, said),
        watch: (node, named) => this.store.watch(node, named),
        nameOf: (address) => this.store.personAt(address)?.name ?? readableAddress(address),
        opened: () => this.#opened(line),
        closed: () => history.replaceState(null, "", location.pathname + location.search),
      });
      this.#lines.set(entry.number, line);
      this.#mark(line);
    }
    return line;
  }

  /** Puts the rows that pass the filter, and the days between them, into the list. */
  #arrange() {
    const rows = this.#causes.sorted().map((cause) => this.#rows.get(cause));
    this.#shown = rows.filter((row) => row.passes);
    this.toolbar.showProblems(rows.filter((row) => row.node.dataset.problem === "true").length);
    // In a thread, what matters is the time since its beginning.
    const since = this.store.chosen ? this.#shown[0]?.cause.at : null;
    for (const [place, row] of this.#shown.entries()) row.showSince(place > 0 ? since : null);
    const wanted = this.#days.between(this.#shown);
    const stay = new Set(wanted);
    // Filtered rows are removed and not hidden: with most of 2,000 rows hidden, a browser needs a second for the layout.
    for (const node of [...this.list.children]) if (!stay.has(node)) node.remove();
    let next = this.list.firstElementChild;
    for (const node of wanted) {
      if (node === next) next = next.nextElementSibling;
      else this.list.insertBefore(node, next);
    }
    this.#days.name(this.store.now());
    this.keys.ensureCurrent();
    this.#showEmpty();
  }

  // A screen reader announces only entries that are new.
  #quietly(does) {
    this.log.setAttribute("aria-busy", "true");
    does();
    requestAnimationFrame(() => this.log.setAttribute("aria-busy", "false"));
  }

  #filter() {
    const wanted = this.toolbar.wanted();
    const focused = document.activeElement;
    this.#quietly(() => {
      for (const row of this.#rows.values()) this.#match(row, wanted);
      this.#arrange();
    });
    if (this.list.contains(focused)) focused.focus({ preventScroll: true });
    this.follower.keep();
    this.older.show();
  }

  #unfold(unfolded) {
    this.#unfoldAll = unfolded;
    this.#quietly(() => {
      for (const row of this.#rows.values()) row.unfold(unfolded);
    });
    this.keys.ensureCurrent();
    this.follower.keep();
  }

  #showEmpty() {
    const nothing = this.#rows.size === 0;
    this.empty.hidden = this.#shown.length > 0;
    if (nothing) this.empty.replaceChildren(...emptyTimeline(this.store));
    else this.empty.replaceChildren(element("p", {}, "No entry passes the filter."));
    this.older.show();
  }

  #showSelection() {
    const { chosen } = this.store;
    const note = byId("thread-note");
    const changed = note.dataset.thread !== JSON.stringify(chosen);
    note.hidden = !chosen;
    if (changed) {
      note.dataset.thread = JSON.stringify(chosen);
      const name = chosen?.message_sid ? shortSid(chosen.message_sid) : (chosen?.notification_id ?? chosen?.cause);
      if (chosen) setText(byId("thread-name"), `Only what belongs to ${name}`);
      this.#filter();
    }
    for (const line of this.#lines.values()) this.#mark(line);
  }

  #mark({ entry, node }) {
    const { attended, links } = this.store;
    const related = Boolean(attended) && (entry.number === attended.number || links.together(entry, attended));
    node.classList.toggle("related", related);
  }

  // Names may have become known that stand on the lines.
  #showNames() {
    this.toolbar.offerPeople();
    for (const line of this.#lines.values()) line.showPerson();
  }

  #scrolled() {
    if (this.follower.following) this.#unseen = 0;
    this.#showNewest();
  }

  // An entry that is being read must not move away.
  #opened({ entry, node }) {
    history.replaceState(null, "", `#entry-${entry.number}`);
    const row = node.closest(".row");
    if (row && row !== this.list.lastElementChild) this.follower.end();
    node.scrollIntoView({ block: "nearest" });
    this.#showNewest();
  }

  #showNewest() {
    this.newest.hidden = this.follower.following;
    setText(this.count, this.#unseen > 0 ? String(this.#unseen) : "");
  }

  #toEnd() {
    this.#unseen = 0;
    this.follower.begin();
    this.#showNewest();
  }

  /** Sends the request of a line's entry again. `said` is where the result is reported. */
  async sendAgain(line, said) {
    if (!line.entry.exchange) return;
    line.open(true);
    const place = said ?? line.details.querySelector(".said");
    setText(place, "Sending…");
    try {
      const { status } = (await api.sendAgain(line.entry.number)) ?? {};
      setText(place, `Sent again: ${status ? statusText(status) : "no answer"}`);
    } catch (error) {
      setText(place, error.message);
    }
  }

  /** Opens an entry, with a row that is unfolded where it hides it. Returns whether the page has the entry. */
  reveal(number) {
    const cause = this.#causes.of({ number });
    if (!cause) return false;
    this.store.choose(null);
    const row = this.#rows.get(cause);
    if (!row.passes) this.toolbar.clear();
    if (cause.lead.number !== number) row.unfold(true);
    const line = this.#lines.get(number);
    this.follower.end();
    line.open(true);
    this.keys.makeCurrent(line);
    line.line.focus({ preventScroll: true });
    line.node.scrollIntoView({ block: "start" });
    this.#showNewest();
    return true;
  }
}
