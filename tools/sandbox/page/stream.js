// Follows the sandbox's events. Each connection begins with a snapshot, so that nothing is missing after a disconnection.

/** The longest wait before a reconnection, in milliseconds. */
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
    on("entry", (entry) => store.putEntry(entry));
    on("clock", (clock) => store.setClock(clock));
    const parts = ["people", "faults", "rules", "choices", "config", "templates", "scenario"];
    for (const part of parts) on(part, (value) => store.set(part, value));
    source.addEventListener("error", () => {
      store.set("connection", "disconnected");
      // The browser reconnects by itself, except after an answer that is no event stream.
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(connect, wait);
      wait = Math.min(wait * 2, LONGEST_WAIT);
    });
  };
  connect();
}
