// The filters of the timeline, and the button that unfolds all rows.

import { byId, element, icon, setText } from "./dom.js";
import { KINDS } from "./entry.js";

export class Toolbar {
  constructor(store, does) {
    this.store = store;
    this.form = byId("filters");
    [this.text, this.person, this.kind, this.problems, this.empty, this.unfold] = [
      "filter-text",
      "filter-person",
      "filter-kind",
      "filter-problems",
      "filter-clear",
      "unfold",
    ].map(byId);
    this.does = does;
    this.kind.append(
      element("option", { value: "" }, "All kinds"),
      ...Object.entries(KINDS).map(([value, name]) => element("option", { value }, name)),
    );
    this.count = element("span", { class: "number" });
    this.problems.prepend(icon("problem"));
    this.problems.append(this.count);
    this.unfold.append(icon("unfold"));
    this.form.addEventListener("input", () => this.#changed());
    this.form.addEventListener("submit", (event) => event.preventDefault());
    this.empty.addEventListener("click", () => this.clear());
    this.problems.addEventListener("click", () => this.#press(this.problems, () => this.#changed()));
    this.unfold.addEventListener("click", () =>
      this.#press(this.unfold, (pressed) => this.does.unfoldAll(pressed)),
    );
    this.text.addEventListener("keydown", (event) => {
      // The browser's own Escape empties the field.
      if (event.key === "Escape" && this.text.value) event.stopPropagation();
    });
  }

  /** What the reader wants to see. `narrows` is whether the entries of a row are chosen one by one. */
  wanted() {
    const { store } = this;
    const address = this.person.value;
    const isOf = address ? (other) => Boolean(other) && store.personAt(other)?.address === address : null;
    const [text, kind] = [this.text.value.trim(), this.kind.value];
    const problems = isPressed(this.problems);
    const nameOf = (other) => store.personAt(other)?.name ?? "";
    return { text, kind, problems, isOf, nameOf, thread: store.chosen, narrows: Boolean(text || kind || problems) };
  }

  clear() {
    this.form.reset();
    this.problems.setAttribute("aria-pressed", "false");
    this.#changed();
  }

  /** How many rows have a problem. */
  showProblems(count) {
    setText(this.count, count > 0 ? String(count) : "");
  }

  offerPeople() {
    const chosen = this.person.value;
    this.person.replaceChildren(
      element("option", { value: "" }, "All people"),
      ...this.store.people.map(({ address, name }) => element("option", { value: address }, name)),
    );
    this.person.value = this.store.people.some(({ address }) => address === chosen) ? chosen : "";
  }

  #changed() {
    const { text, kind, problems, isOf } = this.wanted();
    this.empty.hidden = !(text || kind || problems || isOf);
    this.does.filter();
  }

  #press(button, then) {
    const pressed = !isPressed(button);
    button.setAttribute("aria-pressed", String(pressed));
    then(pressed);
  }
}

const isPressed = (button) => button.getAttribute("aria-pressed") === "true";
