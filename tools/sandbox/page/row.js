// One row of the timeline: a cause, and the entries that followed from it folded under it.

import { delta, signed } from "./causes.js";
import { element, icon, setText } from "./dom.js";
import { isProblem } from "./facts.js";

/**
 * `lineOf(entry)` gives the line of an entry. The lead is always visible. All others are visible while the row is unfolded;
 * while it is folded, those that a filter has found although it has not found the lead.
 */
export class Row {
  #found = null;
  #unfolded = false;
  #since = null;

  constructor(cause, lineOf, folded) {
    this.cause = cause;
    this.lineOf = lineOf;
    this.count = element("span", { class: "number" });
    this.fold = element(
      "button",
      {
        type: "button",
        class: "fold",
        tabindex: -1,
        on: {
          click: () => {
            this.unfold(!this.#unfolded);
            folded(this);
          },
        },
      },
      icon("fold"),
      this.count,
    );
    this.head = element("div", { class: "row-head" });
    this.effects = element("ol", { class: "effects" });
    this.node = element("li", { class: "row" }, this.head, this.effects);
  }

  get unfolded() {
    return this.#unfolded;
  }

  /** Shows the cause's present entries. */
  sync() {
    const { lead, effects } = this.cause;
    const focused = this.node.contains(document.activeElement) ? document.activeElement : null;
    const line = this.lineOf(lead);
    line.setDelta(this.#since === null ? null : signed(this.cause.at - this.#since), this.cause.at);
    if (this.head.firstElementChild !== this.fold) this.head.prepend(this.fold);
    if (line.node.parentElement !== this.head) this.head.replaceChildren(this.fold, line.node);
    this.#showFold(effects);
    this.#showEffects(effects);
    // A node that moves loses the focus.
    if (focused?.isConnected && focused !== document.activeElement) focused.focus({ preventScroll: true });
  }

  unfold(unfolded) {
    if (unfolded === this.#unfolded) return;
    this.#unfolded = unfolded;
    this.sync();
  }

  /** The numbers of the entries that a filter has found; null without a filter. */
  find(found) {
    const before = this.#found;
    this.#found = found;
    if (found?.size !== before?.size || [...(found ?? [])].some((number) => !before.has(number))) this.sync();
  }

  /** Shows the time since `since`, in milliseconds; null for the time of day. */
  showSince(since) {
    if (since === this.#since) return;
    this.#since = since;
    this.sync();
  }

  /** The lines that are visible, from top to bottom. */
  lines() {
    return [this.cause.lead, ...this.#visible(this.cause.effects)].map(this.lineOf);
  }

  #visible(effects) {
    if (this.#unfolded) return effects;
    if (!this.#found || this.#found.has(this.cause.lead.number)) return [];
    return effects.filter(({ number }) => this.#found.has(number));
  }

  #showFold(effects) {
    const count = effects.length;
    this.fold.hidden = count === 0;
    this.fold.setAttribute("aria-expanded", String(this.#unfolded));
    const problems = effects.filter(isProblem).length;
    this.fold.dataset.problems = problems > 0;
    setText(this.count, String(count));
    const what = `${count} more ${count === 1 ? "entry" : "entries"}`;
    this.fold.setAttribute("aria-label", problems ? `${what}, ${problems} with a problem` : what);
    this.fold.title = this.fold.getAttribute("aria-label");
  }

  #showEffects(effects) {
    const visible = this.#visible(effects);
    const items = visible.map((entry) => {
      const line = this.lineOf(entry);
      line.setDelta(delta(this.cause, entry));
      return line.node.parentElement?.localName === "li" ? line.node.parentElement : element("li", {}, line.node);
    });
    const { children } = this.effects;
    const same = items.length === children.length && items.every((item, at) => item === children[at]);
    if (!same) this.effects.replaceChildren(...items);
    this.effects.hidden = items.length === 0;
  }
}
