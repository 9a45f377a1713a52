// Controls of the whole sandbox: the auth token and the reset.

import * as api from "./api.js";
import { byId, element } from "./dom.js";
import { attempt, button, errorNode, group } from "./group.js";

/** The groups "Account" and "Everything". */
export function accountAndReset() {
  return [accountGroup(), resetGroup()];
}

function accountGroup() {
  const error = errorNode();
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
  return group("Account", said, button("Change the auth token", change, error), error);
}

function resetGroup() {
  const error = errorNode();
  byId("reset-form").addEventListener("submit", () => attempt(api.reset, error));
  return group("Everything", button("Reset", () => byId("reset-dialog").showModal(), error), error);
}
