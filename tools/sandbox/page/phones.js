// The phones, side by side; in a narrow window one at a time, selected by a swipe or in the list of chats.

import { Chats } from "./chats.js";
import { byId } from "./dom.js";
import { Phone } from "./phone.js";

/** Ava, Ben and Chloe cannot be removed. */
const ALWAYS = 3;
const COLOURS = 6;
/** The narrowest phone with the gap beside it, in pixels, as in phones.css. */
const PHONE = 252;
/** The width from which there is room for the list of chats beside phones that are all in view. */
const ROOMY = 1040;
/** The statuses of a message that is on the phone. */
const ARRIVED = ["delivered", "read"];

export class Phones {
  #phones = new Map();
  #awaited = null;

  constructor(store) {
    this.store = store;
    this.strip = byId("strip");
    this.area = byId("phones-body");
    this.navigation = byId("people-nav");
    this.chats = new Chats(this.navigation, byId("unread-total"), (address) => this.#scrollTo(address));
    this.seen = new IntersectionObserver((seen) => this.#nowSeen(seen), { root: this.strip, threshold: 0.6 });
    const on = (topic, does) => store.addEventListener(topic, (event) => does(event.detail));
    on("snapshot", () => this.#rebuild());
    on("people", () => this.#syncPeople());
    on("message", (message) => this.#show(message, true));
    on("entry", (entry) => this.#heard(entry));
    on("clock", () => this.tick());
    on("selection", () => this.#phones.forEach((phone) => phone.messages.markSelection()));
    const resized = new ResizeObserver(() => this.#offerChats());
    for (const node of [this.area, byId("business")]) resized.observe(node);
  }

  /** Scrolls to the phone of a person who was just added. The phone may appear later, with the event from the sandbox. */
  reveal(address) {
    this.#awaited = address;
    this.#scrollTo(address);
  }

  /** Shows the service windows at the present time. */
  tick() {
    for (const phone of this.#phones.values()) phone.refresh();
  }

  // Not scrollIntoView, which would also scroll the page.
  #scrollTo(address) {
    const phone = this.#phones.get(address);
    if (phone) this.strip.scrollTo({ left: phone.node.offsetLeft - this.strip.firstElementChild.offsetLeft });
  }

  // Phones of people who are still there are kept, so that a short disconnection does not lose what is being typed.
  #rebuild() {
    for (const phone of this.#phones.values()) phone.messages.clear();
    this.#syncPeople();
    for (const message of this.store.messages.values()) this.#show(message, false);
    for (const address of this.#phones.keys()) this.#showNewest(address);
  }

  #syncPeople() {
    const there = new Set(this.store.people.map((person) => person.address));
    for (const address of this.#phones.keys()) if (!there.has(address)) this.#remove(address);
    for (const person of this.store.people) {
      const phone = this.#phones.get(person.address);
      if (phone) phone.refresh(person);
      else this.#add(person);
    }
    this.#offerChats();
  }

  #add(person) {
    const place = this.#phones.size;
    const phone = new Phone(this.store, person, place % COLOURS, place >= ALWAYS);
    this.#phones.set(person.address, phone);
    this.chats.add(person, place % COLOURS);
    this.strip.append(phone.node);
    this.seen.observe(phone.node);
    for (const message of this.store.messages.values())
      if (this.store.personOf(message) === person) phone.messages.show(message);
    this.#showNewest(person.address);
    if (this.#awaited === person.address) this.#scrollTo(person.address);
  }

  #remove(address) {
    this.#phones.get(address).node.remove();
    this.#phones.delete(address);
    this.chats.remove(address);
  }

  /** The list of chats is there as soon as a phone may be out of view: as a row, a rail or a list, by the room there is. */
  #offerChats() {
    const room = this.area.clientWidth - byId("business").offsetWidth;
    const isNarrow = matchMedia("(max-width: 860px)").matches;
    const fit = this.#phones.size * PHONE + 32 <= room;
    this.area.dataset.chats = isNarrow ? "row" : room >= ROOMY ? "list" : fit ? "none" : "rail";
  }

  #nowSeen(changes) {
    for (const { target, isIntersecting } of changes) {
      const [address] = [...this.#phones].find(([, phone]) => phone.node === target) ?? [];
      this.chats.setSeen(address, isIntersecting);
    }
  }

  #phoneOf(message) {
    return this.#phones.get(this.store.personOf(message)?.address);
  }

  #show(message, isNew) {
    const phone = this.#phoneOf(message);
    if (!phone) return;
    phone.messages.show(message);
    const { address } = phone.person;
    if (message.sandbox.outbound && ARRIVED.includes(message.status)) this.chats.came(address, message.sid, isNew);
    if (isNew) this.#showNewest(address);
  }

  #showNewest(address) {
    this.chats.showNewest(address, this.#phones.get(address).messages.newest);
  }

  // A webhook's entry has the answer to a person's message, and an event may change the opt-out of a person.
  #heard(entry) {
    const message = entry.kind === "webhook" && this.store.messages.get(entry.message_sid);
    if (message) this.#phoneOf(message)?.messages.show(message);
    if (entry.kind === "event") this.tick();
  }
}
