// One message on a phone.

import { copyButton, element, icon, setText } from "./dom.js";
import { hourAndMinute, mediaKind, shortSid, utc } from "./format.js";
import { formatted, plain } from "./formatting.js";
import { file, place, title } from "./media.js";
import { answered, answeredText, offer } from "./rich.js";
import { inboundStatus, outboundStatus } from "./status.js";

/**
 * `press(button)`, `answer(writing)`, `reply()` and `choose()` are called for the actions of the reader; `named(sid)` finds the message that is
 * replied to. A change of the status leaves the rest as it is, so that a video continues to play and the focus stays.
 */
export class Bubble {
  #content = "";
  #status = "";
  #pressed = new Set();

  constructor({ author, press, answer, reply, choose, named }) {
    this.does = { author, press, answer, reply, choose, named };
    this.node = element("li", { class: "message", tabindex: -1 });
    this.body = element("div", { class: "bubble", on: { click: (event) => this.#clicked(event) } });
    this.status = element("span", { class: "status" });
    this.buttons = element("div", { class: "message-buttons" });
    this.tools = element("div", { class: "message-tools" });
    this.node.append(element("div", { class: "message-row" }, this.body, this.tools), this.buttons);
  }

  /** For a message of the person, `answer` is the answer to its webhook, and `goes` is whether it has a webhook. */
  show(message, answer, goes) {
    this.message = message;
    const content = JSON.stringify([message.body, message.sandbox]);
    if (content !== this.#content) this.#showContent(message);
    this.#content = content;
    this.#showStatus(message.sandbox.outbound ? outboundStatus(message) : inboundStatus(answer, goes, message.sandbox.read_at));
  }

  #showContent(message) {
    const { outbound, media, location, buttons, rich } = message.sandbox;
    const at = shownAt(message);
    this.node.classList.add(outbound ? "from-business" : "from-person");
    this.node.setAttribute("aria-label", `${outbound ? "Business" : this.does.author}, ${hourAndMinute(at)}`);
    const time = element("time", { datetime: at, title: `${utc(at)}\n${message.sid}` }, hourAndMinute(at));
    this.body.replaceChildren(
      ...[
        label(message),
        quote(message, this.does.named),
        ...(media ?? []).map((one) => file(one, message.body)),
        location && place(location),
        answered(rich),
      ].filter(Boolean),
      words(message),
      element("p", { class: "meta" }, time, this.status),
    );
    const offered = outbound ? offer(rich, { answer: this.does.answer, button: (one) => this.#button(one) }) : null;
    const shown = (outbound ? (buttons ?? []) : []).map((button) => this.#button(button));
    this.buttons.replaceChildren(...shown, ...(offered ? [offered] : []));
    this.node.classList.toggle("with-buttons", this.buttons.hasChildNodes());
    this.tools.replaceChildren(...this.#tools(outbound));
  }

  #showStatus(status) {
    const key = JSON.stringify(status);
    if (key === this.#status) return;
    this.#status = key;
    this.node.dataset.tone = status.tone;
    this.status.dataset.tone = status.tone;
    this.status.replaceChildren(...(status.icon ? [icon(status.icon)] : []), element("span", {}, status.text));
  }

  #button(button) {
    const text = element("span", {}, button.title);
    const attributes = { class: "message-button" };
    // Only links to http and https are followed, so that a template cannot run a script.
    if (button.kind === "url" && /^https?:\/\//i.test(button.url ?? "")) {
      return element(
        "a",
        { ...attributes, href: button.url, target: "_blank", rel: "noopener noreferrer", title: button.url },
        icon("link"),
        text,
      );
    }
    if (button.kind === "quick_reply") return this.#quickReply(button, text);
    if (button.kind === "copy_code") {
      const copy = copyButton(button.title, () => button.code ?? "");
      copy.classList.add("message-button");
      copy.title = button.code ?? "";
      return copy;
    }
    return element(
      "span",
      { ...attributes, title: button.phone ?? button.url },
      icon(button.kind === "url" ? "link" : "phone"),
      text,
    );
  }

  #quickReply(button, text) {
    const press = async () => {
      if (this.#pressed.has(button.title)) return;
      this.setPressed(button.title, true);
      // It was not sent: it can be pressed again.
      if (!(await this.does.press(button))) this.setPressed(button.title, false);
    };
    const made = element(
      "button",
      { class: "message-button", type: "button", "data-title": button.title, on: { click: press } },
      icon("option"),
      text,
    );
    if (this.#pressed.has(button.title)) made.setAttribute("aria-disabled", "true");
    return made;
  }

  /** A quick reply can be pressed once. It keeps the focus, which a button that is `disabled` would lose. */
  setPressed(wanted, is) {
    if (is) this.#pressed.add(wanted);
    else this.#pressed.delete(wanted);
    const made = [...this.buttons.querySelectorAll("[data-title]")].find(({ dataset }) => dataset.title === wanted);
    if (is) made?.setAttribute("aria-disabled", "true");
    else made?.removeAttribute("aria-disabled");
  }

  #tools(outbound) {
    const tool = (name, drawing, does) =>
      element(
        "button",
        { type: "button", class: "icon-button", "aria-label": name, title: name, on: { click: does } },
        icon(drawing),
      );
    const thread = tool("Show what belongs to this message", "thread", () => this.does.choose());
    if (!outbound) return [thread];
    const react = tool("React with 👍", "react", () => this.does.answer({ reaction: "👍" }));
    return [tool("Reply", "reply", () => this.does.reply()), react, thread];
  }

  // For the keyboard, Enter on the message does the same.
  #clicked(event) {
    if (event.target.closest("a, button, audio, video, form") || String(getSelection())) return;
    this.does.choose();
  }

  /** Marks the message while the reader points at something of the same thread, and while its thread is chosen. */
  mark(related, chosen) {
    this.node.classList.toggle("related", related);
    this.node.classList.toggle("chosen", chosen);
  }

  setTemplateName(name) {
    const tag = this.body.querySelector(".tag-template");
    if (tag && name) setText(tag, `Template · ${name}`);
  }
}

/** When a message is on the phone: for a scheduled one that is its time, and not that of its creation. */
export function shownAt({ sandbox: { at, send_at: sendAt } }) {
  return sendAt ?? at;
}

function words({ body, sandbox: { media, location, rich } }) {
  if (rich?.kind === "reaction") return "";
  if (body) return element("p", { class: "text", dir: "auto" }, ...formatted(body));
  if (location || media?.length > 0 || answeredText(rich)) return "";
  // No message is created without a text, a file or a place.
  const says = "Redacted: Twilio has removed the text. On a real phone it stays.";
  return element("p", { class: "text muted redacted" }, says);
}

function label(message) {
  const { email } = message.sandbox;
  if (email) return element("p", { class: "tag", title: email.to }, `E-mail · ${email.to}`);
  if (message.sandbox.content_sid)
    return element("p", { class: "tag tag-template", title: message.sandbox.content_sid }, "Template");
  const address = message.sandbox.outbound ? message.to : message.from;
  return address?.includes(":") === false ? element("p", { class: "tag" }, "SMS") : null;
}

function quote(message, named) {
  const sid = message.sandbox.replied_to;
  if (!sid) return null;
  const replied = named(sid);
  return element("blockquote", { class: "quote" }, replied ? summary(replied) : shortSid(sid));
}

/** A message in one line. */
export function summary({ body, sandbox: { media = [], location, rich } }) {
  if (body) return plain(body);
  if (answeredText(rich)) return answeredText(rich);
  if (location) return location.label || "Location";
  const [first] = media;
  if (!first) return "Redacted";
  return mediaKind(first) === "document" ? title(first) : mediaKind(first).replace(/^./, (letter) => letter.toUpperCase());
}
