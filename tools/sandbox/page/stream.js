// Follows the sandbox. Each connection begins with a snapshot, so after a break nothing has to be asked for.

/** The longest a page waits before it tries again, in milliseconds. */
const LONGEST_WAIT = 5000;

export function follow(store) {
  let wait = 500;
  const connect = () => {
    const source = new EventSource("/sandbox/stream");
    const on = (name, take) => source.addEventListener(name, (event) => take(JSON.parse(event.data)));
    on("snapshot", (snapshot) => {
      wait = 500;
      store.load(snapshot);
      store.set("connection", "live");
    });
    on("message", (message) => store.putMessage(message));
    on("entry", (entry) => store.addEntry(entry));
    on("clock", (clock) => store.setClock(clock));
    for (const part of ["people", "faults", "rules", "config", "templates"]) on(part, (value) => store.set(part, value));
    source.addEventListener("error", () => {
      store.set("connection", "disconnected");
      // The browser tries again by itself after a break, and gives up where it got an answer that is no stream.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    });
  };
  connect();
}
