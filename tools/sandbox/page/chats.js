// The list of chats: the people, the newest message of each, and how many of their messages are unread.

import { summary } from "./bubble.js";
import { element, setText } from "./dom.js";
import { hourAndMinute } from "./format.js";
import { arrowKeys } from "./keys.js";
import { avatar } from "./phone.js";

export class Chats {
  #chats = new Map();
  #orderKeys;

  /** `show(address)` scrolls to the phone of a person; `total` is a button that leads to the first phone with something new. */
  constructor(area, total, show) {
    this.area = area;
    this.total = total;
    this.show = show;
    this.#orderKeys = arrowKeys(area);
    total.addEventListener("click", () => {
      const [address] = [...this.#chats].find(([, { unread }]) => unread > 0) ?? [];
      if (address) show(address);
    });
  }

  add({ address, name }, colour) {
    const count = element("span", {});
    const badge = element("span", { class: "unread", hidden: true }, count, element("span", { class: "hidden" }, " unread"));
    const last = element("span", { class: "chat-last" });
    const time = element("span", { class: "chat-time" });
    const button = element(
      "button",
      { type: "button", "data-colour": colour, on: { click: () => this.show(address) } },
      avatar(name),
      element("span", { class: "chat-name" }, name),
      time,
      last,
      badge,
    );
    this.#chats.set(address, { button, count, badge, last, time, counted: new Set(), unread: 0, isSeen: false });
    this.area.append(button);
    this.#orderKeys();
  }

  remove(address) {
    this.#chats.get(address)?.button.remove();
    this.#chats.delete(address);
    this.#orderKeys();
    this.#count();
  }

  /** Shows the newest message of a person; none after a reset. */
  showNewest(address, message) {
    const { last, time } = this.#chats.get(address);
    setText(last, message ? summary(message) : "");
    setText(time, message ? hourAndMinute(message.sandbox.at) : "");
  }

  /** Counts a message that has come once, unless the phone is in view or the message was there when the page was opened. */
  came(address, sid, isNew) {
    const chat = this.#chats.get(address);
    if (chat.counted.has(sid)) return;
    chat.counted.add(sid);
    if (chat.isSeen || !isNew) return;
    chat.unread += 1;
    this.#showUnread(chat);
  }

  /** Whether the phone of a person is in view now. */
  setSeen(address, isSeen) {
    const chat = this.#chats.get(address);
    if (!chat) return;
    chat.isSeen = isSeen;
    if (isSeen) {
      chat.button.setAttribute("aria-current", "true");
      chat.unread = 0;
      this.#showUnread(chat);
    } else {
      chat.button.removeAttribute("aria-current");
    }
  }

  #showUnread({ count, badge, unread }) {
    setText(count, unread > 99 ? "99+" : String(unread));
    badge.hidden = unread === 0;
    this.#count();
  }

  #count() {
    const all = [...this.#chats.values()].reduce((sum, { unread }) => sum + unread, 0);
    setText(this.total, `${all} unread`);
    this.total.hidden = all === 0;
  }
}
