// The files that a person is about to send.

import { acceptedType, EXTENSIONS, refusal } from "./accepted.js";
import * as api from "./api.js";
import { element, icon } from "./dom.js";
import { fileSize } from "./format.js";

const MOST = 10;

export class Attachments {
  #files = [];
  #uploading = 0;

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

  get isBusy() {
    return this.#uploading > 0;
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

  async #add(files) {
    const refusals = files.map(refusal).filter(Boolean);
    const accepted = files.filter((file) => !refusal(file));
    const room = MOST - this.#files.length;
    if (accepted.length > room) refusals.push(`At most ${MOST} files are sent at a time.`);
    this.does.say(refusals.length > 0 ? new Error(refusals.join(" ")) : null);
    this.#uploading += 1;
    this.node.setAttribute("aria-busy", "true");
    try {
      for (const file of accepted.slice(0, room)) {
        const stored = await api.upload(file, acceptedType(file));
        this.#files.push({ ...stored, name: file.name, size: stored.size ?? file.size });
      }
    } catch (error) {
      this.does.say(error);
    }
    this.#uploading -= 1;
    this.#show();
    this.does.settled();
  }

  #show() {
    this.node.hidden = this.#files.length === 0;
    this.node.replaceChildren(...this.#files.map((file) => this.#row(file)));
    this.node.setAttribute("aria-busy", String(this.isBusy));
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
