// Puts the page together: one store, followed from the sandbox; everything else shows it, or asks the sandbox to change it.

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

function showWhoPlays() {
  const nobody = store.config.role === "viewer";
  document.body.classList.toggle("watching-only", nobody);
  byId("watching-only").hidden = !nobody;
}
store.addEventListener("snapshot", showWhoPlays);
store.addEventListener("config", showWhoPlays);

// The clock runs on, and with it the windows of the phones.
setInterval(() => {
  bar.tick();
  if (store.clock) phones.tick();
}, 1000);
follow(store);
