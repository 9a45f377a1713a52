// The phones, side by side; in a narrow window one at a time, selected by a swipe or by name.

import { element, setText } from "./dom.js";
import { Phone } from "./phone.js";

/** Ava, Ben and Chloe cannot be removed. */
const ALWAYS = 3;
const COLOURS = 6;

export class Phones {
  #phones = new Map();
  #tabs = new Map();
  #awaited = null;

  constructor(store, strip, navigation) {
    this.store = store;
    this.strip = strip;
    this.navigation = navigation;
    this.seen = new IntersectionObserver((seen) => this.#nowSeen(seen), { root: strip, threshold: 0.6 });
    const on = (topic, does) => store.addEventListener(topic, (event) => does(event.detail));
    on("snapshot", () => this.#rebuild());
    on("people", () => this.#syncPeople());
    on("message", (message) => this.#show(message));
    on("entry", (entry) => this.#heard(entry));
    on("clock", () => this.tick());
    on("selection", () => this.#phones.forEach((phone) => phone.markSelection()));
  }

  /** Scrolls to the phone of a person who was just added. The phone may appear later, with the event from the sandbox. */
  reveal(address) {
    this.#awaited = address;
    this.#tabs.get(address)?.click();
  }

  /** Shows the service windows at the present time. */
  tick() {
    for (const phone of this.#phones.values()) phone.refresh();
  }

  // Phones of people who are still there are kept, so that a short disconnection does not lose what is being typed.
  #rebuild() {
    for (const phone of this.#phones.values()) phone.clear();
    this.#syncPeople();
    for (const message of this.store.messages.values()) this.#phoneOf(message)?.show(message);
  }

  #phoneOf(message) {
    return this.#phones.get(this.store.personOf(message)?.address);
  }

  #syncPeople() {
    const there = new Set(this.store.people.map((person) => person.address));
    for (const address of this.#phones.keys()) if (!there.has(address)) this.#remove(address);
    for (const person of this.store.people) {
      const phone = this.#phones.get(person.address);
      if (phone) phone.refresh(person);
      else this.#add(person);
    }
  }

  #add(person) {
    const place = this.#phones.size;
    const phone = new Phone(this.store, person, place % COLOURS, place >= ALWAYS);
    // Not scrollIntoView, which would also scroll the page.
    const show = () => this.strip.scrollTo({ left: phone.node.offsetLeft - this.strip.firstElementChild.offsetLeft });
    const unread = element("span", { class: "unread", hidden: true });
    const tab = element("button", { type: "button", on: { click: show } }, person.name, unread);
    this.#phones.set(person.address, phone);
    this.#tabs.set(person.address, tab);
    this.strip.append(phone.node);
    this.navigation.append(tab);
    this.seen.observe(phone.node);
    for (const message of this.store.messages.values())
      if (this.store.personOf(message) === person) phone.show(message);
    if (this.#awaited === person.address) show();
  }

  #remove(address) {
    this.#phones.get(address).node.remove();
    this.#tabs.get(address).remove();
    this.#phones.delete(address);
    this.#tabs.delete(address);
  }

  #nowSeen(changes) {
    for (const { target, isIntersecting } of changes) {
      const address = [...this.#phones].find(([, phone]) => phone.node === target)?.[0];
      const tab = this.#tabs.get(address);
      if (!tab) continue;
      if (isIntersecting) {
        tab.setAttribute("aria-current", "true");
        this.#setUnread(tab, 0);
      } else {
        tab.removeAttribute("aria-current");
      }
    }
  }

  #setUnread(tab, count) {
    const badge = tab.querySelector(".unread");
    setText(badge, count > 0 ? String(count) : "");
    badge.hidden = count === 0;
  }

  #show(message) {
    const phone = this.#phoneOf(message);
    if (!phone) return;
    phone.show(message);
    const tab = this.#tabs.get(phone.person.address);
    const arrived = message.sandbox.outbound && message.status === "delivered";
    if (arrived && !tab.hasAttribute("aria-current"))
      this.#setUnread(tab, Number(tab.querySelector(".unread").textContent) + 1);
  }

  // A webhook's entry has the answer to a person's message, and an event may change the opt-out of a person.
  #heard(entry) {
    const message = entry.kind === "webhook" && this.store.messages.get(entry.message_sid);
    if (message) this.#show(message);
    if (entry.kind === "event") this.tick();
  }
}
