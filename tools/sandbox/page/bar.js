// The bar on top: the connection, the account, the clock, the colours.

import * as api from "./api.js";
import { byId, element, icon, setText } from "./dom.js";
import { ahead, readableAddress, shortDate, timeOfDay, utc } from "./format.js";

const SHARED = "The time has passed for the functions too: quiet hours end, service windows close, and sweeps look again.";
const ALONE = "The time passes at Twilio and on the phones. The functions keep the real time.";
const CONNECTIONS = { connecting: "Connecting", live: "Live", disconnected: "Disconnected" };

export class Bar {
  constructor(store) {
    this.store = store;
    store.addEventListener("connection", () => this.#showConnection());
    for (const topic of ["snapshot", "config"]) store.addEventListener(topic, () => this.#showAccount());
    for (const topic of ["snapshot", "clock"]) store.addEventListener(topic, () => this.#showAhead());
    for (const button of byId("clock").querySelectorAll("[data-advance]"))
      button.addEventListener("click", () => this.#move(() => api.advanceClock(Number(button.dataset.advance))));
    byId("clock-back").addEventListener("click", () => this.#goBack());
    this.#offerTheme();
  }

  /** Shows the present time. */
  tick() {
    if (!this.store.clock) return;
    const now = this.store.now();
    const time = byId("clock-time");
    setText(time, `${shortDate(now)}, ${timeOfDay(now)}`);
    time.dateTime = new Date(now).toISOString();
    time.title = utc(now);
  }

  #showConnection() {
    const { connection } = this.store;
    const node = byId("connection");
    node.dataset.state = connection;
    setText(node, CONNECTIONS[connection]);
    node.title = connection === "disconnected" ? "The page reconnects by itself, and then shows what it missed" : "";
    if (connection === "live") say(null);
  }

  #showAccount() {
    const { sender, account_sid: account, seed, messaging_service_sid: service } = this.store.config;
    const node = byId("account");
    setText(node, readableAddress(sender));
    // JSON.parse has rounded a number this large. A wrong seed would be worse than none.
    const shownSeed = typeof seed === "string" || Number.isSafeInteger(seed) ? `\nSeed ${seed}` : "";
    node.title = `The business' WhatsApp sender\nAccount ${account}\nMessaging service ${service}${shownSeed}`;
    this.#showNeighbours();
  }

  // Each account has its page, which opens beside this one.
  #showNeighbours() {
    const neighbours = this.store.config.neighbours ?? [];
    const links = neighbours.map(({ sender, account_sid: account, url }) =>
      element("a", { href: url, target: "_blank", rel: "noopener", title: `Account ${account}` }, readableAddress(sender)),
    );
    const node = byId("accounts");
    node.replaceChildren(...(links.length ? ["Beside it: ", ...links] : []));
    node.hidden = links.length === 0;
  }

  #showAhead() {
    const { ahead_seconds: seconds, shared } = this.store.clock;
    setText(byId("clock-ahead"), ahead(seconds));
    byId("clock-back").hidden = seconds < 1;
    byId("clock-note").hidden = seconds < 1;
    setText(byId("clock-note"), shared ? SHARED : ALONE);
    this.tick();
  }

  // The button disappears, and the keyboard should not begin at the top of the page again.
  async #goBack() {
    await this.#move(api.returnClock);
    byId("clock").querySelector("button").focus();
  }

  async #move(does) {
    try {
      await does();
      say(null);
    } catch (error) {
      say(error.message);
    }
  }

  #offerTheme() {
    const button = byId("theme");
    button.append(icon("theme"));
    const system = matchMedia("(prefers-color-scheme: dark)");
    const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
    const show = () => button.setAttribute("aria-pressed", String(isDark()));
    button.addEventListener("click", () => {
      const wanted = isDark() ? "light" : "dark";
      document.documentElement.dataset.theme = wanted;
      localStorage.setItem("theme", wanted);
      show();
    });
    system.addEventListener("change", show);
    show();
  }
}

/** Shows an error that belongs to no part of the page. */
function say(text) {
  const node = byId("page-error");
  setText(node, text ?? "");
  node.hidden = !text;
}
