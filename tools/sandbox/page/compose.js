// The form in which a person writes: text, files, a location.

import { Attachments } from "./attachments.js";
import { summary } from "./bubble.js";
import { cardForm } from "./card-form.js";
import { element, icon, setText } from "./dom.js";
import { errorNode } from "./group.js";
import { placeForm } from "./place.js";

/** `send(writing)` sends the message: the fields of /sandbox/inbound without the person. */
export class Compose {
  #repliedTo = null;

  constructor(name, send) {
    this.send = send;
    this.text = element("textarea", {
      rows: 1,
      "aria-label": `Message as ${name}`,
      placeholder: `Message as ${name}`,
      maxlength: 4096,
      dir: "auto",
      on: {
        keydown: (event) => this.#key(event),
        input: () => this.#fit(),
        paste: (event) => this.files.transfer(event, event.clipboardData),
      },
    });
    this.error = errorNode();
    this.reply = element("div", { class: "replying", hidden: true });
    this.place = placeForm(name, (location) => this.deliver({ location }));
    this.card = cardForm(name, (media) => this.deliver({ media }));
    this.files = new Attachments(name, { say: (error) => this.say(error), settled: () => this.text.focus() });
    this.node = element(
      "form",
      { class: "compose", on: { submit: (event) => this.#submit(event) } },
      this.error,
      this.reply,
      this.files.node,
      this.files.picker,
      element(
        "div",
        { class: "compose-row" },
        this.text,
        element("button", { class: "send", "aria-label": "Send", title: "Send (Enter)" }, icon("send")),
      ),
      this.#toolRow(),
    );
  }

  #toolRow() {
    const tool = (label, drawing, click) =>
      element(
        "button",
        { type: "button", class: "icon-button", "aria-label": label, title: label, on: { click } },
        icon(drawing),
      );
    const word = (text) =>
      element(
        "button",
        { type: "button", class: "word", title: `Send ${text}`, on: { click: () => this.deliver({ body: text }) } },
        text,
      );
    return element(
      "div",
      { class: "compose-tools" },
      tool("Attach a file", "attach", () => this.files.picker.click()),
      tool("Share a location", "pin", () => this.place.toggle()),
      tool("Share a contact", "person", () => this.card.toggle()),
      element("span", { class: "spring" }),
      word("STOP"),
      word("START"),
    );
  }

  /** Files that were dropped on the phone. */
  drop(event) {
    this.files.transfer(event, event.dataTransfer);
  }

  replyTo(message) {
    this.#repliedTo = message.sid;
    const cancel = element(
      "button",
      {
        type: "button",
        class: "icon-button",
        "aria-label": "Do not reply to it",
        on: { click: () => this.#noReply() },
      },
      icon("close"),
    );
    this.reply.replaceChildren(element("span", { class: "quote" }, summary(message)), cancel);
    this.reply.hidden = false;
    this.text.focus();
  }

  say(error) {
    setText(this.error, error?.message ?? "");
    this.error.hidden = !error;
  }

  /** Sends a message, and gives whether it was sent. */
  async deliver(writing) {
    const reply = this.#repliedTo ? { replied_to: this.#repliedTo } : {};
    this.#noReply();
    try {
      await this.send({ ...reply, ...writing });
      this.say(null);
      return true;
    } catch (error) {
      this.say(error);
      return false;
    }
  }

  #noReply() {
    this.#repliedTo = null;
    this.reply.hidden = true;
  }

  #key(event) {
    // With an input method, as for Japanese, Enter first accepts the composed text, and does not send.
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.node.requestSubmit();
    } else if (event.key === "Escape" && this.#repliedTo) {
      event.stopPropagation();
      this.#noReply();
    }
  }

  #fit() {
    this.text.style.height = "auto";
    this.text.style.height = `${Math.min(this.text.scrollHeight + 2, 140)}px`;
  }

  async #submit(event) {
    event.preventDefault();
    const body = this.text.value;
    this.text.value = "";
    this.#fit();
    // A file that is still being uploaded belongs to this message, which does not go without it.
    if (!(await this.files.uploaded())) return this.#giveBack(body);
    const files = this.files.take();
    if (!body.trim() && files.length === 0) return;
    const unsent = await this.#deliverEach(body, files);
    if (!unsent) return;
    this.files.restore(unsent.files);
    this.#giveBack(unsent.body);
  }

  /** Puts a text back that was not sent, unless the person has typed another one meanwhile. */
  #giveBack(body) {
    if (!this.text.value) this.text.value = body;
    this.#fit();
  }

  // A WhatsApp message has one file: several files are several messages, of which the first has the text.
  async #deliverEach(body, files) {
    const parts = files.length > 0 ? files.map((file, place) => [place === 0 ? body : "", file]) : [[body, null]];
    for (const [place, [text, file]] of parts.entries()) {
      const media = file ? [{ url: file.url, content_type: file.content_type, name: file.name }] : [];
      if (!(await this.deliver({ body: text, media }))) return { body: text, files: files.slice(place) };
    }
    return null;
  }
}
