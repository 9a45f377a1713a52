// A request and its answer, with headers, bodies and times.

import { bodyOf } from "./bodies.js";
import { copyButton, element } from "./dom.js";
import { withShortIds } from "./ids.js";
import { parametersOf, scrolling } from "./tables.js";

/** The names of the usual statuses. Source: RFC 9110, "Status Codes", and of 429 RFC 6585. */
const REASONS = new Map([
  [200, "OK"],
  [201, "Created"],
  [202, "Accepted"],
  [204, "No Content"],
  [400, "Bad Request"],
  [401, "Unauthorized"],
  [403, "Forbidden"],
  [404, "Not Found"],
  [405, "Method Not Allowed"],
  [409, "Conflict"],
  [413, "Content Too Large"],
  [422, "Unprocessable Content"],
  [429, "Too Many Requests"],
  [500, "Internal Server Error"],
  [502, "Bad Gateway"],
  [503, "Service Unavailable"],
  [504, "Gateway Timeout"],
]);

/** As in `403 Forbidden`. */
export const statusText = (status) => [status, REASONS.get(status)].filter(Boolean).join(" ");

export function exchangeView(exchange) {
  const { request, response, attempts = [], milliseconds } = exchange;
  return element(
    "div",
    { class: "exchange" },
    element(
      "p",
      { class: "call" },
      element("span", { class: "method" }, request.method),
      element("span", { class: "call-url" }, ...withShortIds(request.url)),
      status(response),
      Number.isFinite(milliseconds) ? element("span", { class: "took" }, `${milliseconds} ms`) : null,
    ),
    attempts.length > 1 ? attemptList(attempts) : null,
    part("Request", request),
    response ? part("Response", response) : null,
  );
}

function status(response) {
  const tone = !response || response.status >= 500 ? "bad" : response.status >= 400 ? "refused" : "good";
  return element("span", { class: "http-status", "data-tone": tone }, response ? statusText(response.status) : "no answer");
}

function attemptList(attempts) {
  const line = ({ status: answered, error, milliseconds }) =>
    element("li", {}, `${answered ? statusText(answered) : (error ?? "no answer")}, ${milliseconds} ms`);
  return element("ol", { class: "attempts", "aria-label": "Attempts" }, ...attempts.map(line));
}

/** A request or an answer: its headers, which are closed at first, and its body. */
function part(name, sent) {
  const body = bodyOf(sent);
  const shown = body.pairs?.length ? parametersOf(body.pairs) : body.text ? scrolling(`${name} body`, body.text) : null;
  return element(
    "section",
    { class: "exchange-part", "aria-label": name },
    element(
      "div",
      { class: "exchange-head" },
      element("h3", {}, name),
      sent.body ? copyButton("Copy body", () => sent.body) : null,
    ),
    sent.headers.length
      ? element(
          "details",
          {},
          element("summary", {}, `${sent.headers.length} ${sent.headers.length === 1 ? "header" : "headers"}`),
          parametersOf(sent.headers),
        )
      : null,
    shown ?? element("p", { class: "muted" }, "No body"),
    body.cut ? element("p", { class: "muted" }, "The first 16 KiB. The rest is not kept.") : null,
  );
}
