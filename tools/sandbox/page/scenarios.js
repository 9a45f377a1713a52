// Scenarios: the presets with what to expect of each, a file of the reader, and the verdict at the end.

import * as api from "./api.js";
import { element, setText } from "./dom.js";
import { attempt, button, errorNode, group } from "./group.js";
import { verdictLines } from "./verdict.js";

export class Scenarios {
  #presets = [];

  constructor(store) {
    this.store = store;
    this.select = element("select", { "aria-label": "Preset", on: { change: () => this.#describe() } });
    this.expect = element("p", { class: "muted", id: "preset-expect" });
    this.select.setAttribute("aria-describedby", this.expect.id);
    this.error = errorNode();
    this.running = element("p", {});
    this.stop = button("Stop", api.stopScenario, this.error);
    this.now = element("div", { class: "running", hidden: true }, this.running, this.stop);
    this.verdict = element("div", { class: "scenario-verdict", role: "status", "aria-label": "Verdict", hidden: true });
    this.picker = element("input", {
      type: "file",
      class: "hidden",
      accept: ".json,application/json",
      "aria-label": "Scenario file",
      tabindex: -1,
      on: { change: () => this.#picked() },
    });
    this.run = button("Run it", () => this.#begin(api.runPreset(this.select.value)), this.error);
    const choose = button("Run a file", () => this.picker.click(), this.error);
    this.choice = element("div", { class: "preset", hidden: true }, this.select, this.expect);
    const actions = element("div", { class: "actions" }, this.run, choose);
    this.node = group("Scenarios", this.choice, this.picker, actions, this.error, this.now, this.verdict);
    for (const topic of ["snapshot", "scenario"]) store.addEventListener(topic, () => this.#showRunning());
    store.addEventListener("snapshot", () => this.#load());
    store.addEventListener("entry", ({ detail }) => detail.kind === "verdict" && this.#showVerdict(detail));
  }

  // A sandbox of an earlier version has no presets.
  async #load() {
    if (this.#presets.length === 0) this.#presets = await api.presets().catch(() => []);
    this.choice.hidden = this.#presets.length === 0;
    this.run.hidden = this.choice.hidden;
    if (this.select.options.length === this.#presets.length) return;
    this.select.replaceChildren(...this.#presets.map(({ name, title }) => element("option", { value: name }, title)));
    this.#describe();
  }

  #describe() {
    const preset = this.#presets.find(({ name }) => name === this.select.value);
    setText(this.expect, preset ? `Expect: ${preset.expect}` : "");
  }

  #picked() {
    const [file] = this.picker.files;
    if (file) attempt(async () => this.#begin(api.runScenario(await file.text())), this.error);
    // So that the same file can be selected again after it was edited.
    this.picker.value = "";
  }

  async #begin(started) {
    this.verdict.hidden = true;
    await started;
  }

  #showRunning() {
    const { scenario } = this.store;
    this.now.hidden = !scenario;
    setText(this.running, scenario ? `Running: ${scenario.title ?? "a scenario"}` : "");
  }

  #showVerdict({ outcome, summary, details }) {
    this.verdict.dataset.passed = details?.passed ?? outcome === "good";
    this.verdict.replaceChildren(element("strong", {}, summary), verdictLines(details?.lines ?? []));
    this.verdict.hidden = false;
  }
}
