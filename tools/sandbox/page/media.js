// The files and places in a message.

import { element, icon } from "./dom.js";
import { coordinates, fileName, mediaKind, publishedText } from "./format.js";
import { openViewer } from "./viewer.js";

/** A file as people see it, and beneath it what the system has done with it. */
export function file(media, caption) {
  const said = publishedText(media.published);
  const shown = fileItself(media, caption);
  if (!said) return shown;
  const { text, title: whole, tone } = said;
  return element("div", { class: "file" }, shown, element("p", { class: "published", title: whole, "data-tone": tone }, text));
}

/** A picture that opens, a player, or a card with its name. */
function fileItself(media, caption) {
  const kind = mediaKind(media);
  if (kind === "document") return documentCard(media);
  const name = title(media);
  if (kind === "image") {
    const drawn = element("img", { class: "media media-image", src: media.url, alt: name, loading: "lazy" });
    const open = () => openViewer({ url: media.url, name, caption });
    const button = { type: "button", class: "picture", "aria-label": `Open ${name}`, on: { click: open } };
    return orCard(element("button", button, drawn), drawn, media);
  }
  const attributes = { src: media.url, controls: true, preload: "metadata", "aria-label": name };
  const player = element(kind, { class: `media media-${kind}`, ...attributes });
  return orCard(player, player, media);
}

/** Where the browser cannot show the file, a card with a link takes the place of the node. */
function orCard(node, shown, media) {
  shown.addEventListener("error", () => {
    const card = documentCard(media);
    card.tabIndex = node.tabIndex;
    node.replaceWith(card);
  });
  return node;
}

function documentCard(media) {
  const name = title(media);
  const isWeb = /^https?:\/\//i.test(media.url);
  // A browser shows a PDF; what it cannot show is stored under its name.
  const download = media.name && media.content_type !== "application/pdf" ? media.name : null;
  return element(
    "a",
    { class: "document", href: isWeb ? media.url : null, target: "_blank", rel: "noopener noreferrer", download },
    element("span", { class: "document-kind", "aria-hidden": "true" }, extension(media, name)),
    element(
      "span",
      { class: "document-name" },
      element("strong", { title: name }, name),
      element("span", {}, media.content_type ?? "unknown type"),
    ),
  );
}

/** The name of a file on the phone. A generated name is of no use to the reader. */
export function title({ name, url, content_type: type }) {
  const last = name ?? fileName(url);
  if (!/^(ME)?[0-9a-f-]{24,}$/i.test(last)) return last;
  return type ? mediaKind({ url, content_type: type }).replace(/^./, (first) => first.toUpperCase()) : "File";
}

/** As in `PDF`, for the icon of a document. */
function extension({ content_type: type }, name) {
  const [, ending] = /\.([a-z0-9]{1,4})$/i.exec(name) ?? [];
  return (ending ?? /\/([a-z0-9]{1,4})$/i.exec(type ?? "")?.[1] ?? "file").toUpperCase();
}

export function place(location) {
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
