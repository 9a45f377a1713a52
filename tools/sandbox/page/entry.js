// One line of the timeline, and its details.

import { codeWithTitle } from "./codes.js";
import { detailsOf } from "./details.js";
import { element, icon, setText } from "./dom.js";
import { codeOf, outcomeOf, textOf } from "./facts.js";
import { timeOfDay, utc } from "./format.js";
import { withShortIds } from "./ids.js";

export const KINDS = {
  webhook: "Webhook",
  callback: "Callback",
  api_call: "API call",
  item: "Item",
  decision: "Decision",
  event: "Event",
  template_event: "Template",
  verification: "Verification",
  typing: "Typing",
  fault: "Misbehaviour",
  rule: "Rule",
  clock: "Clock",
  scenario: "Scenario",
  verdict: "Verdict",
};

/** Icons, since not all readers can distinguish the colours. */
const OUTCOMES = { good: "sent", neutral: "neutral", refused: "refused", bad: "failed" };

/**
 * The line of an entry is kept when its entry changes, so that neither the focus nor an opened entry is lost. `does` has the
 * reader's actions: `choose(entry)` shows only its thread, `sendAgain(entry, said)`, `opened(line)`, `closed(line)`,
 * `watch(node, entry)` and `nameOf(address)`.
 */
export class EntryLine {
  constructor(entry, does) {
    this.does = does;
    this.time = element("time");
    this.kind = element("span", { class: "entry-kind" });
    this.summary = element("span", { class: "entry-summary" });
    this.person = element("span", { class: "entry-person" });
    this.outcome = element("span", { class: "outcome", role: "img" });
    this.details = element("div", { class: "entry-details", id: `details-${entry.number}`, hidden: true });
    this.line = element(
      "button",
      {
        type: "button",
        class: "entry-line",
        "aria-expanded": "false",
        "aria-controls": this.details.id,
        tabindex: -1,
        on: { click: () => this.open(this.details.hidden) },
      },
      this.time,
      this.kind,
      this.summary,
      this.person,
      this.outcome,
    );
    this.node = element("div", { class: "entry", id: `entry-${entry.number}` }, this.line, this.details);
    does.watch(this.node, entry);
    this.update(entry);
  }

  /** Shows a new version of the entry. */
  update(entry) {
    this.entry = entry;
    const kind = KINDS[entry.kind] ?? entry.kind;
    const outcome = outcomeOf(entry) in OUTCOMES ? outcomeOf(entry) : "neutral";
    this.node.dataset.outcome = outcome;
    this.node.dataset.kind = entry.kind;
    this.kind.title = kind;
    this.kind.replaceChildren(icon(entry.kind), element("span", {}, kind));
    this.summary.replaceChildren(...summaryOf(entry));
    this.showPerson();
    this.outcome.setAttribute("aria-label", outcome);
    this.outcome.title = outcome;
    this.outcome.replaceChildren(icon(OUTCOMES[outcome]));
    this.time.dateTime = entry.at;
    this.time.title = utc(entry.at);
    this.setDelta(null);
    // Built again when it is next opened; a reader who has it open sees the change at once.
    this.details.replaceChildren(...(this.details.hidden ? [] : detailsOf(entry, this.does)));
  }

  /** Shows the name of the person, which may have become known. */
  showPerson() {
    const { person } = this.entry;
    setText(this.person, person ? this.does.nameOf(person) : "");
    this.person.title = person ?? "";
  }

  /** Shows the time since the cause; with null the time of day, of `at` where the row began before its entry. */
  setDelta(text, at = this.entry.at) {
    setText(this.time, text ?? timeOfDay(at));
    this.time.classList.toggle("delta", text !== null);
  }

  get isOpen() {
    return !this.details.hidden;
  }

  /** Opens or closes the details. */
  open(opens) {
    if (opens !== this.details.hidden) return;
    this.#show(opens);
    if (opens) this.does.opened(this);
    else this.does.closed(this);
  }

  /** Opens the details of a line that was open before everything was loaded again. */
  reopen() {
    this.#show(true);
  }

  #show(opens) {
    // Most entries are never opened.
    if (opens && !this.details.hasChildNodes()) this.details.append(...detailsOf(this.entry, this.does));
    this.details.hidden = !opens;
    this.line.setAttribute("aria-expanded", String(opens));
  }
}

/** The summary, and in one line what else a reader wants to see without opening the entry. */
function summaryOf(entry) {
  const { summary, reason } = entry;
  const [code, text] = [codeOf(entry), textOf(entry)];
  const more = (content) => element("span", { class: "entry-more", dir: "auto" }, content);
  return [
    ...withShortIds(summary),
    text ? more(`“${text}”`) : null,
    code && !summary.includes(code) ? more(codeWithTitle(code)) : null,
    reason && !summary.includes(reason) ? more(reason) : null,
  ].filter(Boolean);
}
