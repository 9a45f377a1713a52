// One message on a phone.

import { element, icon, setText } from "./dom.js";
import { coordinates, fileName, hourAndMinute, mediaKind, shortSid, utc } from "./format.js";
import { inboundStatus, outboundStatus } from "./status.js";

/**
 * `press(button)`, `reply()` and `choose()` are called for the actions of the reader; `named(sid)` finds the message that is
 * replied to. A change of the status leaves the rest as it is, so that a video continues to play and the focus stays.
 */
export class Bubble {
  #content = "";
  #status = "";

  constructor({ author, press, reply, choose, named }) {
    this.does = { author, press, reply, choose, named };
    this.node = element("li", { class: "message" });
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
    this.#showStatus(message.sandbox.outbound ? outboundStatus(message) : inboundStatus(answer, goes));
  }

  #showContent(message) {
    const { outbound, at, media, location, buttons } = message.sandbox;
    this.node.classList.add(outbound ? "from-business" : "from-person");
    this.node.setAttribute("aria-label", `${outbound ? "Business" : this.does.author}, ${hourAndMinute(at)}`);
    const time = element("time", { datetime: at, title: `${utc(at)}\n${message.sid}` }, hourAndMinute(at));
    this.body.replaceChildren(
      ...[
        label(message),
        quote(message, this.does.named),
        ...(media ?? []).map(file),
        location && place(location),
      ].filter(Boolean),
      words(message),
      element("p", { class: "meta" }, time, this.status),
    );
    this.buttons.replaceChildren(...(outbound ? (buttons ?? []) : []).map((button) => this.#button(button)));
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
    const title = element("span", {}, button.title);
    const attributes = { class: "message-button" };
    // Only links to http and https are followed, so that a template cannot run a script.
    if (button.kind === "url" && /^https?:\/\//i.test(button.url ?? "")) {
      return element(
        "a",
        { ...attributes, href: button.url, target: "_blank", rel: "noopener noreferrer", title: button.url },
        icon("link"),
        title,
      );
    }
    if (button.kind === "quick_reply") {
      return element(
        "button",
        { ...attributes, type: "button", on: { click: () => this.does.press(button) } },
        icon("option"),
        title,
      );
    }
    return element(
      "span",
      { ...attributes, title: button.phone ?? button.url },
      icon(button.kind === "url" ? "link" : "phone"),
      title,
    );
  }

  #tools(outbound) {
    const tool = (name, drawing, does) =>
      element(
        "button",
        { type: "button", class: "icon-button", "aria-label": name, title: name, on: { click: does } },
        icon(drawing),
      );
    const thread = tool("Show what belongs to this message", "thread", () => this.does.choose());
    return outbound ? [tool("Reply", "reply", () => this.does.reply()), thread] : [thread];
  }

  // For the keyboard, the button beside the bubble does the same.
  #clicked(event) {
    if (event.target.closest("a, button, audio, video") || String(getSelection())) return;
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

// A message without text and files was redacted.
function words({ body, sandbox: { media, location } }) {
  if (body) return element("p", { class: "text", dir: "auto" }, body);
  return location || media?.length > 0 ? "" : element("p", { class: "text muted" }, "No text");
}

function label(message) {
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
export function summary(message) {
  const { media = [], location } = message.sandbox;
  if (message.body) return message.body;
  if (location) return location.label || "Location";
  return media.length > 0 ? mediaKind(media[0]).replace(/^./, (first) => first.toUpperCase()) : "Message";
}

function place(location) {
  const { label: name, address } = location;
  return element(
    "div",
    { class: "place" },
    icon("pin"),
    element(
      "div",
      {},
      name ? element("strong", {}, name) : null,
      address ? element("span", {}, address) : null,
      element("span", { class: "number" }, coordinates(location)),
    ),
  );
}

function file(media) {
  const kind = mediaKind(media);
  if (kind === "document") return documentCard(media);
  const tag = { image: "img", video: "video", audio: "audio" }[kind];
  const shown = element(tag, {
    class: `media media-${kind}`,
    src: media.url,
    ...(kind === "image"
      ? { alt: fileName(media.url), loading: "lazy" }
      : { controls: true, preload: "metadata", "aria-label": fileName(media.url) }),
  });
  // A file that the browser cannot show gets a link.
  shown.addEventListener("error", () => shown.replaceWith(documentCard(media)));
  return shown;
}

function documentCard(media) {
  return element(
    "a",
    {
      class: "document",
      href: /^https?:\/\//i.test(media.url) ? media.url : null,
      target: "_blank",
      rel: "noopener noreferrer",
    },
    icon("file"),
    element(
      "span",
      {},
      element("strong", {}, fileTitle(media.url)),
      element("span", {}, media.content_type ?? "unknown type"),
    ),
  );
}

// A generated file name is of no use to the reader.
function fileTitle(url) {
  const name = fileName(url);
  return /^(ME)?[0-9a-f-]{24,}$/i.test(name) ? "File" : name;
}
