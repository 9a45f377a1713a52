// The messages on a phone: one list, in the order in which they came, with the days between them.

import { Bubble, shownAt } from "./bubble.js";
import { element, icon, setText } from "./dom.js";
import { EndFollower } from "./follow.js";
import { dayKey, dayName, hourAndMinute, shortDate } from "./format.js";
import { MessageKeys } from "./keys.js";

/** The most messages that a phone shows, so that a load test on one person does not stall the page. */
const KEPT = 500;

export class Messages {
  #bubbles = new Map();
  #scheduled = new Map();
  #lastDay = null;
  #days = [];
  #follower;
  #keys;
  /** The time of the newest message that was removed from the phone. */
  #forgotten = "";

  /**
   * `press(message, button)` sends a quick reply and `answer(message, writing)` another answer, and both give whether it was
   * sent; `reply(message)` prepares a reply.
   */
  constructor(store, name, { press, answer, reply }) {
    this.store = store;
    this.name = name;
    this.does = { press, answer, reply };
    this.list = element("ol", {
      class: "messages",
      "aria-label": `Messages on ${name}'s phone`,
      "aria-describedby": "messages-keys",
    });
    this.empty = element("p", { class: "empty" }, `Nothing yet. Write as ${name} below.`);
    this.laterText = element("span", {});
    this.later = element("p", { class: "scheduled", hidden: true }, icon("clock"), this.laterText);
    this.node = element("div", { class: "chat" }, this.empty, this.list, this.later);
    this.#follower = new EndFollower(this.list);
    this.#keys = new MessageKeys(this.list);
  }

  /** The newest message on the phone; undefined without one. */
  get newest() {
    return [...this.#bubbles.values()].at(-1)?.message;
  }

  /** Shows a message that is new or has changed. A scheduled one is not on the phone before its time. */
  show(message) {
    if (this.#isLater(message)) return;
    let bubble = this.#bubbles.get(message.sid);
    const isNew = !bubble;
    if (isNew && message.sandbox.at <= this.#forgotten) return;
    if (isNew) {
      bubble = this.#newBubble(message);
      this.#separateDays(shownAt(message));
      this.#bubbles.set(message.sid, bubble);
      this.list.append(bubble.node);
      this.empty.hidden = true;
      this.#forgetOldest();
    }
    bubble.show(message, this.store.answerTo(message.sid), Boolean(this.store.config.inbound_url));
    bubble.setTemplateName(this.store.templates.find(({ sid }) => sid === message.sandbox.content_sid)?.name);
    this.#keys.changed(bubble.node);
    if (!message.sandbox.outbound) this.#bubbles.get(message.sandbox.replied_to)?.setPressed(message.body, true);
    // A message from this page is shown at once, even to a reader who had scrolled up.
    if (isNew && !message.sandbox.outbound) this.#follower.begin();
    else this.#follower.keep();
  }

  /** A canceled message was scheduled, and never reaches the phone. */
  #isLater({ sid, status, sandbox }) {
    const before = this.#scheduled.size;
    if (status === "scheduled") this.#scheduled.set(sid, sandbox.send_at);
    else this.#scheduled.delete(sid);
    if (this.#scheduled.size !== before) this.#showLater();
    return status === "scheduled" || (status === "canceled" && !this.#bubbles.has(sid));
  }

  #showLater() {
    const count = this.#scheduled.size;
    const next = [...this.#scheduled.values()].filter(Boolean).sort()[0];
    const when = next ? `, next ${shortDate(next)}, ${hourAndMinute(next)}` : "";
    setText(this.laterText, count > 0 ? `${count} scheduled${when}` : "");
    this.later.hidden = count === 0;
  }

  #forgetOldest() {
    if (this.#bubbles.size <= KEPT) return;
    const [sid, { node, message }] = this.#bubbles.entries().next().value;
    this.#forgotten = message.sandbox.at;
    this.#bubbles.delete(sid);
    node.remove();
  }

  /** Removes all messages. */
  clear() {
    this.#bubbles.clear();
    this.#scheduled.clear();
    this.#showLater();
    this.#forgotten = "";
    this.#lastDay = null;
    this.#days = [];
    this.list.replaceChildren();
    this.empty.hidden = false;
  }

  /** Names the days as seen from the present time. */
  nameDays(now) {
    for (const { node, at } of this.#days) setText(node, dayName(at, now));
  }

  #newBubble(message) {
    const named = { message_sid: message.sid, notification_id: null };
    const bubble = new Bubble({
      author: this.name,
      press: (button) => this.does.press(message, button),
      answer: (writing) => this.does.answer(message, writing),
      reply: () => this.does.reply(message),
      choose: () => this.store.choose(named),
      named: (sid) => this.store.messages.get(sid),
    });
    bubble.node.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target === bubble.node) this.store.choose(named);
    });
    this.store.watch(bubble.node, named);
    return bubble;
  }

  #separateDays(at) {
    if (dayKey(at) === this.#lastDay) return;
    this.#lastDay = dayKey(at);
    const node = element("li", { class: "day" }, dayName(at, this.store.now()));
    this.#days.push({ node, at });
    this.list.append(node);
  }

  markSelection() {
    const { attended, chosen, links } = this.store;
    for (const [sid, bubble] of this.#bubbles) {
      const own = { message_sid: sid };
      bubble.mark(Boolean(attended) && links.together(own, attended), Boolean(chosen) && links.together(own, chosen));
    }
  }
}
