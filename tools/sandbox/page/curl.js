// A request as a shell command. Pure functions.

/** What curl writes by itself. */
const OWN_HEADERS = ["host", "content-length", "accept-encoding", "connection", "authorization"];

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/**
 * The command that sends the request of an exchange again. A webhook keeps its signature. The secret of a call is not on the
 * timeline, so that the command reads it from the environment.
 */
export function curl({ request }, origin) {
  const { method, url, headers, body, body_truncated: cut } = request;
  const authorization = headers.find(([name]) => name.toLowerCase() === "authorization")?.[1];
  const user = /^Basic ([^:]+):/.exec(authorization ?? "")?.[1];
  const parts = [
    `curl -X ${method} ${quoted(new URL(url, origin).href)}`,
    ...(user ? [`-u "${user}:$TWILIO_SECRET"`] : []),
    ...headers
      .filter(([name]) => !OWN_HEADERS.includes(name.toLowerCase()))
      .map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...(body ? [`--data-raw ${quoted(body)}`] : []),
  ];
  const command = parts.join(" \\\n  ");
  return cut ? `# The sandbox keeps the first 16 KiB of a body, so that the rest of this one is missing.\n${command}` : command;
}
