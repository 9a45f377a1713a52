// Opening and closing the controls and the dialogs.

import * as api from "./api.js";
import { byId, element, icon, setText } from "./dom.js";

export function openControls(store) {
  const [toggle, panel, title, close] = ["controls-toggle", "controls", "controls-title", "controls-close"].map(byId);
  const count = element("span", { class: "badge", hidden: true });
  toggle.append(count);
  close.append(icon("close"));
  const show = (open) => {
    panel.hidden = !open;
    // A class and not :has(), with which the browser would recompute the style of all timeline lines at each change.
    byId("main").classList.toggle("with-controls", open);
    toggle.setAttribute("aria-expanded", String(open));
    localStorage.setItem("controls", open ? "open" : "closed");
  };
  toggle.addEventListener("click", () => {
    show(panel.hidden);
    if (!panel.hidden) title.focus();
  });
  const leave = () => {
    show(false);
    toggle.focus();
  };
  close.addEventListener("click", leave);
  panel.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    event.preventDefault();
    leave();
  });
  // In a narrow window the controls would cover the phones.
  show(localStorage.getItem("controls") === "open" && matchMedia("(min-width: 861px)").matches);
  for (const topic of ["snapshot", "faults"]) {
    store.addEventListener(topic, () => {
      setText(count, `${store.faults.length} on`);
      count.hidden = store.faults.length === 0;
    });
  }
}

/** `added(person)` is called with a person who was added. */
export function openDialogs(added) {
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.querySelector("[data-cancel]").addEventListener("click", () => dialog.close());
  }
  const dialog = byId("add-dialog");
  const form = byId("add-form");
  const error = form.querySelector(".error");
  const { name, number, without_number: without } = form.elements;
  const show = (text) => {
    setText(error, text ?? "");
    error.hidden = !text;
  };
  byId("add-person").addEventListener("click", () => {
    form.reset();
    number.disabled = false;
    show(null);
    dialog.showModal();
    name.focus();
  });
  without.addEventListener("change", () => {
    number.disabled = without.checked;
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const identity = without.checked
      ? { without_number: true }
      : number.value
        ? { address: `whatsapp:${number.value}` }
        : {};
    try {
      const person = await api.addPerson({ name: name.value.trim(), ...identity });
      dialog.close();
      added(person);
    } catch (problem) {
      show(problem.message);
    }
  });
}
