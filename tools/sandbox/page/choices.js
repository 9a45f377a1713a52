// What the sandbox does where Twilio's documentation leaves it open.

import * as api from "./api.js";
import { element } from "./dom.js";
import { attempt, errorNode, group } from "./group.js";

/** The first value of each is the one from the start. */
export const CHOICES = [
  {
    name: "broken_rule",
    label: "A message that breaks a rule ends as",
    values: { failed: "failed", undelivered: "undelivered" },
  },
  {
    name: "opted_out",
    label: "A message after an opt-out",
    values: { refused: "is refused with 21610", fails: "fails with 21610" },
  },
  {
    name: "long_code_keywords",
    label: "REVOKE and OPTOUT, with advanced opt-out,",
    values: { included: "opt out", excluded: "are only text" },
  },
  {
    name: "late_cancellation",
    label: "A cancellation that is too late is 30409 with",
    values: { 400: "HTTP 400", 409: "HTTP 409" },
  },
  {
    name: "unscheduled",
    label: "SendAt without a Messaging Service",
    values: { refused: "is refused with 35118", sent_at_once: "is sent at once" },
  },
  {
    name: "schedule_lead",
    label: "A message is scheduled at least",
    values: { "15_minutes": "15 minutes ahead", "5_minutes": "5 minutes ahead" },
  },
  {
    name: "media_beside_content",
    label: "MediaUrl beside ContentSid",
    values: { fails: "fails with 63030", ignored: "is ignored" },
  },
  {
    name: "unsent_messages",
    label: "A message that is not sent yet",
    values: { listed: "is first in the list", hidden: "is not in the list" },
  },
  {
    name: "unbatched_event",
    label: "An event for a sink without batches comes",
    values: { array: "in an array of one", object: "by itself" },
  },
  {
    name: "list_answer",
    label: "A row that a person selects comes",
    values: {
      list_parameters: "as ListId and ListTitle",
      button_parameters: "as a button",
      text_alone: "as text alone",
    },
  },
  {
    name: "order_answer",
    label: "An order comes",
    values: { interactive_data: "in InteractiveData", channel_metadata: "in ChannelMetadata", absent: "without its products" },
  },
  {
    name: "reaction",
    label: "A reaction comes",
    values: { message: "as a message", channel_metadata: "in ChannelMetadata", not_posted: "not at all" },
  },
  {
    name: "verification_by_number",
    label: "A verification that is fetched by its number",
    values: { found: "is found", not_found: "is 20404" },
  },
];

export class Choices {
  constructor(store) {
    this.store = store;
    this.error = errorNode();
    this.fields = new Map(CHOICES.map((choice) => [choice.name, this.#field(choice)]));
    this.node = group(
      "Open questions",
      element("p", { class: "muted" }, "Twilio's documentation leaves these open. Your system must be right with every answer."),
      ...[...this.fields.values()].map(({ node }) => node),
      this.error,
    );
    for (const topic of ["snapshot", "choices"]) store.addEventListener(topic, () => this.#refresh());
  }

  #field({ name, label, values }) {
    const id = `choice-${name}`;
    const options = Object.entries(values).map(([value, says]) => element("option", { value }, says));
    const select = element("select", { id, on: { change: () => this.#put(name, select.value) } }, ...options);
    return { node: element("div", { class: "choice" }, element("label", { for: id }, label), select), select };
  }

  #refresh() {
    const { choices } = this.store;
    this.node.hidden = !choices;
    for (const [name, { node, select }] of this.fields) {
      node.hidden = !(name in (choices ?? {}));
      if (!node.hidden) select.value = choices[name];
    }
  }

  async #put(name, value) {
    if (!(await attempt(() => api.putChoices({ [name]: value }), this.error))) this.#refresh();
  }
}
