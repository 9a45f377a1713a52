// The form in which a person writes: text, files, a location.

import * as api from "./api.js";
import { summary } from "./bubble.js";
import { element, icon, setText } from "./dom.js";
import { fileSize } from "./format.js";

const MAX_FILES = 10;

/** `send(writing)` sends the message: the fields of /sandbox/inbound without the person. */
export class Compose {
  #files = [];
  #repliedTo = null;
  #uploading = 0;

  constructor(name, send) {
    this.send = send;
    this.name = name;
    this.text = element("textarea", {
      rows: 1,
      "aria-label": `Message as ${name}`,
      placeholder: `Message as ${name}`,
      maxlength: 4096,
      dir: "auto",
      on: {
        keydown: (event) => this.#key(event),
        input: () => this.#fit(),
        paste: (event) => this.#takeFiles(event, event.clipboardData),
      },
    });
    this.error = element("p", { class: "error", role: "alert", hidden: true });
    this.reply = element("div", { class: "replying", hidden: true });
    this.list = element("ul", { class: "files", "aria-label": "Files to send", hidden: true });
    this.place = placeForm(name, (location) => this.#deliver({ location }));
    this.picker = element("input", {
      type: "file",
      multiple: true,
      class: "hidden",
      "aria-label": `File from ${name}`,
      tabindex: -1,
      on: { change: () => this.#picked() },
    });
    this.node = element(
      "form",
      { class: "compose", on: { submit: (event) => this.#submit(event) } },
      this.error,
      this.reply,
      this.list,
      this.picker,
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
        { type: "button", class: "word", title: `Send ${text}`, on: { click: () => this.#deliver({ body: text }) } },
        text,
      );
    return element(
      "div",
      { class: "compose-tools" },
      tool("Attach a file", "attach", () => this.picker.click()),
      tool("Share a location", "pin", () => this.place.toggle()),
      element("span", { class: "spring" }),
      word("STOP"),
      word("START"),
    );
  }

  /** Files that were dropped on the phone. */
  drop(event) {
    this.#takeFiles(event, event.dataTransfer);
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
    const media = this.#files.map(({ url, content_type }) => ({ url, content_type }));
    if ((!body.trim() && media.length === 0) || this.#uploading > 0) return;
    const kept = { body, files: this.#files };
    this.text.value = "";
    this.#files = [];
    this.#fit();
    this.#showFiles();
    if (await this.#deliver({ body, media })) return;
    // The message was not sent. Its text comes back, unless the person has typed another one meanwhile.
    if (!this.text.value) this.text.value = kept.body;
    this.#files = kept.files;
    this.#fit();
    this.#showFiles();
  }

  async #deliver(writing) {
    const reply = this.#repliedTo ? { replied_to: this.#repliedTo } : {};
    this.#noReply();
    try {
      await this.send({ ...writing, ...reply });
      this.say(null);
      return true;
    } catch (error) {
      this.say(error);
      return false;
    }
  }

  #takeFiles(event, transfer) {
    const files = [...(transfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.#attach(files);
  }

  #picked() {
    this.#attach([...this.picker.files]);
    // So that the same file can be selected again.
    this.picker.value = "";
  }

  async #attach(files) {
    this.say(
      this.#files.length + files.length > MAX_FILES ? new Error(`A message has at most ${MAX_FILES} files.`) : null,
    );
    this.#uploading += 1;
    this.node.setAttribute("aria-busy", "true");
    try {
      for (const file of files.slice(0, MAX_FILES - this.#files.length)) {
        const stored = await api.upload(file);
        this.#files.push({ ...stored, name: file.name, size: stored.size ?? file.size });
      }
    } catch (error) {
      this.say(error);
    }
    this.#uploading -= 1;
    this.node.setAttribute("aria-busy", String(this.#uploading > 0));
    this.#showFiles();
    this.text.focus();
  }

  #showFiles() {
    const remove = (file) => {
      this.#files = this.#files.filter((other) => other !== file);
      this.#showFiles();
      this.text.focus();
    };
    this.list.hidden = this.#files.length === 0;
    this.list.replaceChildren(
      ...this.#files.map((file) =>
        element(
          "li",
          {},
          file.content_type.startsWith("image/") ? element("img", { src: file.url, alt: "" }) : icon("file"),
          element("span", { class: "file-name" }, file.name),
          element("span", { class: "number" }, fileSize(file.size)),
          element(
            "button",
            {
              type: "button",
              class: "icon-button",
              "aria-label": `Remove ${file.name}`,
              on: { click: () => remove(file) },
            },
            icon("close"),
          ),
        ),
      ),
    );
  }
}

/** A form for a location, which `share(location)` gets. It is outside of the text's form, so that Enter in it shares. */
function placeForm(name, share) {
  const input = (label, field, value, pattern) =>
    element(
      "label",
      { class: "field" },
      element("span", {}, label),
      element("input", {
        name: field,
        value,
        required: pattern ? true : null,
        pattern,
        autocomplete: "off",
        inputmode: pattern ? "decimal" : null,
      }),
    );
  const form = element(
    "form",
    { class: "place-form", "aria-label": `Location of ${name}`, hidden: true },
    input("Latitude", "latitude", "37.7955", "-?[0-9]{1,2}(\\.[0-9]+)?"),
    input("Longitude", "longitude", "-122.3937", "-?[0-9]{1,3}(\\.[0-9]+)?"),
    input("Place", "label", "Ferry Building"),
    input("Street", "address", "1 Ferry Building, San Francisco"),
    element(
      "div",
      { class: "actions" },
      element("button", { type: "button", on: { click: () => form.toggle() } }, "Cancel"),
      element("button", { class: "primary" }, "Share"),
    ),
  );
  form.toggle = () => {
    form.hidden = !form.hidden;
    if (!form.hidden) form.elements.latitude.focus();
  };
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const given = new FormData(form);
    const location = { latitude: Number(given.get("latitude")), longitude: Number(given.get("longitude")) };
    for (const part of ["label", "address"]) if (given.get(part)) location[part] = given.get(part);
    if (await share(location)) form.hidden = true;
  });
  return form;
}
