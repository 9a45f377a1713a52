// Assembles the page: one store follows the sandbox; all other parts show it, or ask the sandbox for changes.

import { accountAndPlay } from "./account.js";
import { Bar } from "./bar.js";
import { byId } from "./dom.js";
import { openControls, openDialogs } from "./panels.js";
import { Phones } from "./phones.js";
import { Rules } from "./rules.js";
import { Store } from "./store.js";
import { follow } from "./stream.js";
import { Switches } from "./switches.js";
import { Timeline } from "./timeline.js";

const store = new Store();
const bar = new Bar(store);
const phones = new Phones(store, byId("strip"), byId("people-nav"));
new Timeline(store);
byId("controls-body").append(new Switches(store).node, new Rules(store).node, ...accountAndPlay());
openControls(store);
openDialogs((person) => phones.reveal(person.address));

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
