// The line between the phones and the timeline, which the reader can move.

import { byId } from "./dom.js";

/** The timeline's part of the width, in percent. */
const LEAST = 25;
const MOST = 75;
const USUAL = 44;
const STEP = 2;

export function openSplit() {
  const [split, main] = ["split", "main"].map(byId);
  const set = (percent) => {
    const width = Math.round(Math.min(MOST, Math.max(LEAST, percent)) * 10) / 10;
    main.style.setProperty("--timeline", `${width}%`);
    split.setAttribute("aria-valuenow", String(Math.round(width)));
    localStorage.setItem("split", String(width));
    return width;
  };
  split.setAttribute("aria-valuemin", String(LEAST));
  split.setAttribute("aria-valuemax", String(MOST));
  let width = set(Number(localStorage.getItem("split")) || USUAL);
  const moveTo = (percent) => {
    width = set(percent);
  };
  split.addEventListener("keydown", (event) => {
    const target = { ArrowLeft: width + STEP, ArrowRight: width - STEP, Home: MOST, End: LEAST }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    moveTo(target);
  });
  split.addEventListener("dblclick", () => moveTo(USUAL));
  split.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    split.setPointerCapture(event.pointerId);
    split.focus();
  });
  split.addEventListener("pointermove", (event) => {
    if (!split.hasPointerCapture(event.pointerId)) return;
    const right = byId("timeline").getBoundingClientRect().right;
    moveTo(((right - event.clientX) / main.clientWidth) * 100);
  });
}
