// Assembles the page: one store follows the sandbox; all other parts show it, or ask the sandbox for changes.

import { accountAndReset } from "./account.js";
import { Bar } from "./bar.js";
import { Business } from "./business.js";
import { Choices } from "./choices.js";
import { byId } from "./dom.js";
import { pageKeys } from "./keys.js";
import { openControls, openDialogs } from "./panels.js";
import { followPermalinks } from "./permalink.js";
import { Phones } from "./phones.js";
import { Rules } from "./rules.js";
import { Scenarios } from "./scenarios.js";
import { openSplit } from "./split.js";
import { Store } from "./store.js";
import { follow } from "./stream.js";
import { Switches } from "./switches.js";
import { Templates } from "./templates.js";
import { Timeline } from "./timeline.js";

const store = new Store();
const bar = new Bar(store);
const phones = new Phones(store);
const timeline = new Timeline(store);
new Business(store);
openSplit();
followPermalinks(store, timeline);
const controls = [Scenarios, Switches, Templates, Rules, Choices].map((Control) => new Control(store));
byId("controls-body").append(...controls.map(({ node }) => node), ...accountAndReset());
openControls(store);
openDialogs((person) => phones.reveal(person.address));
pageKeys();

function showRole() {
  const isViewer = store.config.role === "viewer";
  document.body.classList.toggle("watching-only", isViewer);
  byId("watching-only").hidden = !isViewer;
}
store.addEventListener("snapshot", showRole);
store.addEventListener("config", showRole);

// The clock and the service windows change without an event from the sandbox.
setInterval(() => {
  bar.tick();
  if (store.clock) phones.tick();
}, 1000);
follow(store);
