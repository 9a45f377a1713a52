// A person's phone: the person, the messages, and the form to write.

import * as api from "./api.js";
import { Bubble } from "./bubble.js";
import { Compose } from "./compose.js";
import { element, icon, setText } from "./dom.js";
import { EndFollower } from "./follow.js";
import { dayKey, dayName, readableAddress, serviceWindow } from "./format.js";

/** The most messages that a phone shows, so that a load test on one person does not stall the page. */
const KEPT = 500;

export class Phone {
  #bubbles = new Map();
  #lastDay = null;
  #days = [];
  #follower;
  /** The time of the newest message that was removed from the phone. */
  #forgotten = "";

  constructor(store, person, colour, removable) {
    this.store = store;
    this.person = person;
    this.compose = new Compose(person.name, (writing) =>
      api.write({ from: person.address, profile_name: person.name, ...writing }),
    );
    this.messages = element("ol", {
      class: "messages",
      "aria-label": `Messages on ${person.name}'s phone`,
      tabindex: 0,
    });
    this.empty = element("p", { class: "empty" }, `Nothing yet. Write as ${person.name} below.`);
    this.window = element("p", { class: "window" });
    this.optedOut = element("span", { class: "opted-out", hidden: true });
    this.bar = element("div", { class: "window-bar", "aria-hidden": "true" });
    this.node = element(
      "section",
      { class: "phone", "aria-label": `${person.name}'s phone`, "data-colour": colour, on: this.#dropping() },
      this.#head(removable),
      this.window,
      this.bar,
      element("div", { class: "chat" }, this.empty, this.messages),
      this.compose.place,
      this.compose.node,
    );
    this.#follower = new EndFollower(this.messages);
    this.refresh(person);
  }

  #head(removable) {
    const { name, address, user_id: userId } = this.person;
    const withheld = address === userId || this.person.hides_number;
    const remove =
      removable &&
      element(
        "button",
        {
          type: "button",
          class: "icon-button",
          "aria-label": `Remove ${name}`,
          title: `Remove ${name}`,
          on: { click: () => this.#remove() },
        },
        icon("close"),
      );
    return element(
      "header",
      { class: "phone-head" },
      element("span", { class: "avatar", "aria-hidden": "true" }, [...name][0] ?? "?"),
      element(
        "div",
        { class: "who" },
        element("h3", {}, name),
        element(
          "p",
          { class: "number", title: withheld ? `${address}: this person withholds the number` : address },
          readableAddress(address),
        ),
      ),
      this.optedOut,
      remove || null,
    );
  }

  async #remove() {
    try {
      await api.removePerson(this.person.address);
    } catch (error) {
      this.compose.say(error);
    }
  }

  #dropping() {
    const over = (is) => this.node.classList.toggle("dropping", is);
    return {
      dragover: (event) => {
        if (!event.dataTransfer?.types.includes("Files")) return;
        event.preventDefault();
        over(true);
      },
      dragleave: (event) => over(this.node.contains(event.relatedTarget)),
      drop: (event) => {
        over(false);
        this.compose.drop(event);
      },
    };
  }

  /** Shows the person again, after a change or as time passes. */
  refresh(person = this.person) {
    this.person = person;
    const now = this.store.now();
    const { open, text, left } = serviceWindow(person.window_until, now);
    setText(this.window, text);
    this.window.dataset.open = open;
    this.window.title = open
      ? "Until then the business may send free-form messages"
      : "Only templates are delivered until this person writes";
    this.bar.style.setProperty("--left", left);
    setText(this.optedOut, this.store.optedOut(person));
    this.optedOut.hidden = !this.optedOut.textContent;
    for (const { node, at } of this.#days) setText(node, dayName(at, now));
  }

  /** Shows a message that is new or has changed. */
  show(message) {
    let bubble = this.#bubbles.get(message.sid);
    const isNew = !bubble;
    if (isNew && message.sandbox.at <= this.#forgotten) return;
    if (isNew) {
      bubble = this.#newBubble(message);
      this.#separateDays(message.sandbox.at);
      this.#bubbles.set(message.sid, bubble);
      this.messages.append(bubble.node);
      this.empty.hidden = true;
      this.#forgetOldest();
    }
    bubble.show(message, this.store.answerTo(message.sid), Boolean(this.store.config.inbound_url));
    bubble.setTemplateName(this.store.templates.find(({ sid }) => sid === message.sandbox.content_sid)?.name);
    // A message from this page is shown at once, even to a reader who had scrolled up.
    if (isNew && !message.sandbox.outbound) this.#follower.begin();
    else this.#follower.keep();
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
    this.#forgotten = "";
    this.#lastDay = null;
    this.#days = [];
    this.messages.replaceChildren();
    this.empty.hidden = false;
  }

  #newBubble(message) {
    const named = { message_sid: message.sid, notification_id: null };
    const bubble = new Bubble({
      author: this.person.name,
      press: (button) => this.#press(message, button),
      reply: () => this.compose.replyTo(message),
      choose: () => this.store.choose(named),
      named: (sid) => this.store.messages.get(sid),
    });
    this.store.watch(bubble.node, named);
    return bubble;
  }

  async #press(message, { title, id }) {
    try {
      await this.compose.send({ body: title, button: { title, id: id ?? title }, replied_to: message.sid });
      this.compose.say(null);
    } catch (error) {
      this.compose.say(error);
    }
  }

  #separateDays(at) {
    if (dayKey(at) === this.#lastDay) return;
    this.#lastDay = dayKey(at);
    const node = element("li", { class: "day" }, dayName(at, this.store.now()));
    this.#days.push({ node, at });
    this.messages.append(node);
  }

  markSelection() {
    const { attended, chosen, links } = this.store;
    for (const [sid, bubble] of this.#bubbles) {
      const own = { message_sid: sid };
      bubble.mark(Boolean(attended) && links.together(own, attended), Boolean(chosen) && links.together(own, chosen));
    }
  }
}
