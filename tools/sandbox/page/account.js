// Controls of the whole sandbox: the auth token, scenarios and the reset.

import * as api from "./api.js";
import { byId, element } from "./dom.js";

/** The groups "Account" and "Play". */
export function accountAndPlay() {
  return [accountGroup(), playGroup()];
}

function accountGroup() {
  const said = element(
    "p",
    { class: "muted", role: "status" },
    "Webhooks are then signed with the new token, and calls with the old one are refused. API keys stay valid.",
  );
  const change = async () => {
    const { auth_token: token } = await api.changeAuthToken();
    said.replaceChildren(
      "The auth token is now ",
      element("code", {}, token),
      ". Webhooks are signed with it, and calls with the old one are refused.",
    );
  };
  return group("Account", said, button("Change the auth token", change, said));
}

function playGroup() {
  const said = element(
    "p",
    { class: "muted", role: "status" },
    "A scenario is a JSON file. Its steps run one after the other, and the timeline shows each.",
  );
  const run = async (file) => {
    await api.runScenario(await file.text());
    said.textContent = `${file.name} runs.`;
  };
  const picker = element("input", {
    type: "file",
    class: "hidden",
    accept: ".json,application/json",
    "aria-label": "Scenario file",
    tabindex: -1,
  });
  picker.addEventListener("change", () => {
    const [file] = picker.files;
    if (file) attempt(() => run(file), said);
    // So that the same file can be selected again after it was edited.
    picker.value = "";
  });
  const dialog = byId("reset-dialog");
  byId("reset-form").addEventListener("submit", () => attempt(api.reset, said));
  return group(
    "Play",
    said,
    picker,
    element(
      "div",
      { class: "actions" },
      button("Run a scenario", () => picker.click(), said),
      button("Reset", () => dialog.showModal(), said),
    ),
  );
}

function group(name, ...children) {
  return element("fieldset", { class: "group" }, element("legend", {}, name), ...children);
}

function button(name, does, said) {
  return element("button", { type: "button", on: { click: () => attempt(does, said) } }, name);
}

async function attempt(does, said) {
  said.classList.remove("error");
  try {
    await does();
  } catch (error) {
    said.classList.add("error");
    said.textContent = error.message;
  }
}
