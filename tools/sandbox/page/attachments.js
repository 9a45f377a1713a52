// The files that a person is about to send.

import { acceptedType, EXTENSIONS, refusal } from "./accepted.js";
import * as api from "./api.js";
import { element, icon } from "./dom.js";
import { fileSize } from "./format.js";

const MOST = 10;

export class Attachments {
  #files = [];
  #uploads = [];

  /** `say(error)` shows an error, or removes it with null; `settled()` is called when files were added or one was removed. */
  constructor(name, { say, settled }) {
    this.does = { say, settled };
    this.node = element("ul", { class: "files", "aria-label": "Files to send", hidden: true });
    this.picker = element("input", {
      type: "file",
      multiple: true,
      class: "hidden",
      accept: EXTENSIONS,
      "aria-label": `File from ${name}`,
      tabindex: -1,
      on: { change: () => this.#picked() },
    });
  }

  /** Waits until no file is being uploaded, and gives whether all of them were uploaded. */
  async uploaded() {
    return (await Promise.all(this.#uploads)).every(Boolean);
  }

  /** Removes all files, and gives them as they can be sent, and put back with `restore`. */
  take() {
    const files = this.#files;
    this.restore([]);
    return files;
  }

  restore(files) {
    this.#files = files;
    this.#show();
  }

  /** The files of a paste or a drop. */
  transfer(event, transfer) {
    const files = [...(transfer?.files ?? [])];
    if (files.length === 0) return;
    event.preventDefault();
    this.#add(files);
  }

  #picked() {
    this.#add([...this.picker.files]);
    // So that the same file can be selected again.
    this.picker.value = "";
  }

  #add(files) {
    const refusals = files.map(refusal).filter(Boolean);
    const accepted = files.filter((file) => !refusal(file));
    const room = MOST - this.#files.length;
    if (accepted.length > room) refusals.push(`At most ${MOST} files are sent at a time.`);
    this.does.say(refusals.length > 0 ? new Error(refusals.join(" ")) : null);
    const upload = this.#upload(accepted.slice(0, room)).finally(() => {
      this.#uploads = this.#uploads.filter((other) => other !== upload);
      this.#show();
      this.does.settled();
    });
    this.#uploads.push(upload);
    this.#show();
  }

  /** Gives whether all of them were uploaded. */
  async #upload(files) {
    try {
      for (const file of files) {
        const stored = await api.upload(file, acceptedType(file));
        this.#files.push({ ...stored, name: file.name, size: stored.size ?? file.size });
      }
      return true;
    } catch (error) {
      this.does.say(error);
      return false;
    }
  }

  #show() {
    this.node.hidden = this.#files.length === 0;
    this.node.replaceChildren(...this.#files.map((file) => this.#row(file)));
    this.node.setAttribute("aria-busy", String(this.#uploads.length > 0));
  }

  #row(file) {
    const remove = () => {
      this.restore(this.#files.filter((other) => other !== file));
      this.does.settled();
    };
    return element(
      "li",
      {},
      file.content_type.startsWith("image/") ? element("img", { src: file.url, alt: "" }) : icon("file"),
      element("span", { class: "file-name", title: file.name }, file.name),
      element("span", { class: "number" }, fileSize(file.size)),
      element(
        "button",
        { type: "button", class: "icon-button", "aria-label": `Remove ${file.name}`, on: { click: remove } },
        icon("close"),
      ),
    );
  }
}
