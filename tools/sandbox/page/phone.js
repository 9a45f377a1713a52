// A person's phone: the person, the messages, and the form to write.

import * as api from "./api.js";
import { Compose } from "./compose.js";
import { element, icon, setText } from "./dom.js";
import { readableAddress, serviceWindow } from "./format.js";
import { Messages } from "./messages.js";

export class Phone {
  constructor(store, person, colour, removable) {
    this.store = store;
    this.person = person;
    this.compose = new Compose(person.name, (writing) =>
      api.write({ from: person.address, profile_name: person.name, ...writing }),
    );
    this.messages = new Messages(store, person.name, {
      press: ({ sid }, { title, id }) =>
        this.compose.deliver({ body: title, button: { title, id: id ?? title }, replied_to: sid }),
      answer: ({ sid }, writing) => this.compose.deliver({ ...writing, replied_to: sid }),
      reply: (message) => this.compose.replyTo(message),
    });
    this.window = element("span", { class: "window" });
    this.optedOut = element("span", { class: "opted-out", hidden: true });
    this.typing = element("span", { class: "typing", role: "status", hidden: true });
    this.bar = element("div", { class: "window-bar", "aria-hidden": "true" });
    this.node = element(
      "section",
      { class: "phone", "aria-label": `${person.name}'s phone`, "data-colour": colour, on: this.#dropping() },
      this.#head(removable),
      element("p", { class: "phone-state" }, this.window, this.optedOut, this.typing),
      this.bar,
      this.messages.node,
      this.compose.place,
      this.compose.card,
      this.compose.node,
    );
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
      avatar(name),
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
    setText(this.typing, isTyping(person, now) ? "The business is typing…" : "");
    this.typing.hidden = !this.typing.textContent;
    this.messages.nameDays(now);
  }
}

/** Whether the person sees a typing indicator of the business at this time, in milliseconds. */
export function isTyping({ typing_until: until }, now) {
  return Boolean(until) && new Date(until).getTime() > now;
}

/** The first letter of a name, in the colour of the person. It is drawn by the style, and is no part of the text. */
export function avatar(name) {
  return element("span", { class: "avatar", "data-letter": [...name][0] ?? "?" });
}
