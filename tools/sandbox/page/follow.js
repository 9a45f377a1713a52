// Keeps a scrolled area at its end for as long as its reader is there.

/** A reader who is this near to the end, in pixels, follows new content. */
const AT_THE_END = 40;

export class EndFollower {
  #area;
  #following = true;

  /** `changed()` is called after each scroll, which may have begun or ended the following. */
  constructor(area, changed = () => {}) {
    this.#area = area;
    area.addEventListener(
      "scroll",
      () => {
        this.#following = area.scrollHeight - area.scrollTop - area.clientHeight < AT_THE_END;
        changed();
      },
      { passive: true },
    );
    // An image that loads after its message, and an area that changes its size, move the end: the reader has not scrolled.
    for (const event of ["load", "loadedmetadata"]) area.addEventListener(event, () => this.keep(), { capture: true });
    new ResizeObserver(() => this.keep()).observe(area);
  }

  get following() {
    return this.#following;
  }

  /** Moves to the end where the reader follows it. */
  keep() {
    if (this.#following) this.#area.scrollTop = this.#area.scrollHeight;
  }

  /** Moves to the end, and follows it from now on. */
  begin() {
    this.#following = true;
    this.keep();
  }

  /** Leaves the reader where they are. */
  end() {
    this.#following = false;
  }
}
