// The keyboard in the timeline. The list is one stop for the tab key, and the arrow keys move within it.

export class TimelineKeys {
  /** `rows()` gives the rows from top to bottom; `sendAgain(line)` is called for the key R. */
  constructor(log, rows, sendAgain) {
    this.rows = rows;
    this.sendAgain = sendAgain;
    log.addEventListener("keydown", (event) => this.#key(event));
  }

  /** Makes sure that the tab key reaches a line. */
  ensureCurrent() {
    const lines = this.#lines();
    if (!lines.includes(this.current)) this.makeCurrent(lines.at(-1));
  }

  makeCurrent(line) {
    if (this.current) this.current.line.tabIndex = -1;
    this.current = line;
    if (line) line.line.tabIndex = 0;
  }

  #lines() {
    return this.rows().flatMap((row) => row.lines());
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const lines = this.#lines();
    const line = lines.find(({ node }) => node.contains(document.activeElement));
    if (!line) return;
    const used = line.line === document.activeElement ? this.#onLine(event, line, lines) : this.#inDetails(event, line);
    if (used) event.preventDefault();
  }

  #onLine(event, line, lines) {
    const place = lines.indexOf(line);
    const target = {
      ArrowDown: lines[place + 1],
      ArrowUp: lines[place - 1],
      Home: lines[0],
      End: lines.at(-1),
    }[event.key];
    if (target) return this.#go(target);
    const row = this.rows().find((one) => one.lines().includes(line));
    if (event.key === "ArrowRight") return row.unfold(true) ?? true;
    if (event.key === "ArrowLeft") {
      row.unfold(false);
      return this.#go(row.lines()[0]);
    }
    return this.#inDetails(event, line);
  }

  #inDetails(event, line) {
    if (event.key === "Escape" && !line.details.hidden) {
      line.open(false);
      return this.#go(line);
    }
    if (event.key.toLowerCase() === "r" && line.entry.exchange) {
      this.sendAgain(line);
      return true;
    }
    return false;
  }

  #go(line) {
    this.makeCurrent(line);
    line.line.focus();
    return true;
  }
}
