// Times, addresses and sizes as text for the reader. Pure functions.

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** The customer service window: a day from the person's last message. */
export const WINDOW = DAY;

const dateFormat = new Intl.DateTimeFormat("en-GB", { weekday: "long", day: "numeric", month: "long" });
const shortDateFormat = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

const two = (number) => String(number).padStart(2, "0");

/** As in `11:02`, in the viewer's zone. */
export function hourAndMinute(at) {
  const date = new Date(at);
  return `${two(date.getHours())}:${two(date.getMinutes())}`;
}

/** As in `11:02:09`, in the viewer's zone. */
export function timeOfDay(at) {
  return `${hourAndMinute(at)}:${two(new Date(at).getSeconds())}`;
}

/** As in `21 Nov`, in the viewer's zone. */
export function shortDate(at) {
  return shortDateFormat.format(new Date(at));
}

/** As in `2026-11-21 11:02:09.123 UTC`. */
export function utc(at) {
  return new Date(at).toISOString().replace("T", " ").replace("Z", " UTC");
}

/** A key that is different for each day, in the viewer's zone. */
export function dayKey(at) {
  const date = new Date(at);
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** `Today`, `Yesterday`, or as in `Saturday 21 November`, as seen from `now`. */
export function dayName(at, now) {
  const key = dayKey(at);
  if (key === dayKey(now)) return "Today";
  const yesterday = new Date(now);
  // By the calendar: a day in which the clocks change is not 24 hours long.
  yesterday.setDate(yesterday.getDate() - 1);
  return key === dayKey(yesterday) ? "Yesterday" : dateFormat.format(new Date(at)).replace(",", "");
}

/** As in `23 h 12 min`, `12 min` or `40 s`: the two largest units, rounded down. */
export function duration(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [days, hours, minutes] = [
    Math.floor(seconds / 86400),
    Math.floor(seconds / 3600) % 24,
    Math.floor(seconds / 60) % 60,
  ];
  if (days > 0) return hours > 0 ? `${days} d ${hours} h` : `${days} d`;
  if (hours > 0) return `${hours} h ${minutes} min`;
  return minutes > 0 ? `${minutes} min` : `${seconds} s`;
}

/** The service window at `now`: whether it is open, its text, and the part of it that is left, 0 to 1. */
export function serviceWindow(until, now) {
  const left = until ? new Date(until).getTime() - now : 0;
  if (left <= 0) return { open: false, text: "window closed", left: 0 };
  return { open: true, text: `window open, ${duration(left)}`, left: Math.min(1, left / WINDOW) };
}

/** How far the sandbox's clock is ahead; empty where it is not. */
export function ahead(seconds) {
  return seconds >= 1 ? `${duration(seconds * 1000)} ahead` : "";
}

/** An address without its channel: `+1 415 555 0123`, or a user id with its middle left out. */
export function readableAddress(address) {
  const bare = bareAddress(address);
  const american = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(bare);
  if (american) return `+1 ${american[1]} ${american[2]} ${american[3]}`;
  return bare.startsWith("+") || bare.length <= 16 ? bare : `${bare.slice(0, 8)}…${bare.slice(-4)}`;
}

/** An address without its channel. A person's SMS and WhatsApp messages reach the same phone. */
export function bareAddress(address) {
  return (address ?? "").replace(/^[a-z]+:/, "");
}

/** As in `SM3f2a…91c4`. */
export function shortSid(sid) {
  return sid.length > 14 ? `${sid.slice(0, 6)}…${sid.slice(-4)}` : sid;
}

/** As in `2.4 MB`. */
export function fileSize(bytes) {
  if (bytes < 1000) return `${bytes} bytes`;
  if (bytes < 1_000_000) return `${Math.round(bytes / 1000)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** As in `37.7955° N, 122.3937° W`, to the metre. */
export function coordinates({ latitude, longitude }) {
  const part = (value, positive, negative) =>
    `${Number(Math.abs(value).toFixed(5))}°\u00a0${value < 0 ? negative : positive}`;
  return `${part(Number(latitude), "N", "S")}, ${part(Number(longitude), "E", "W")}`;
}

/** What the system has done with a person's file: a short text, all of it for a tooltip, and a tone; null while nothing is known. */
export function publishedText(published) {
  const { stored, failed } = published ?? {};
  if (stored) {
    const text = `Stored · ${stored.content_type} · ${fileSize(stored.bytes)} · SHA-256 ${stored.sha256.slice(0, 8)}`;
    return { text, title: `${stored.key}\nSHA-256 ${stored.sha256}`, tone: "stored" };
  }
  return failed ? { text: `Not stored: ${failed.reason}`, title: failed.detail, tone: "failed" } : null;
}

/** How a file is shown: as `image`, `video`, `audio` or `document`. The type is unknown until the file was fetched. */
export function mediaKind({ url, content_type: type }) {
  const kind = (type ?? "").split("/")[0];
  if (["image", "video", "audio"].includes(kind)) return kind;
  if (type) return "document";
  const extension = /\.([a-z0-9]+)(?:[?#]|$)/i.exec(url)?.[1]?.toLowerCase() ?? "";
  if (["mp4", "3gp", "webm", "mov"].includes(extension)) return "video";
  if (["mp3", "ogg", "amr", "aac", "m4a", "opus"].includes(extension)) return "audio";
  return ["jpg", "jpeg", "png", "webp", "gif", ""].includes(extension) ? "image" : "document";
}

/** The last part of a URL's path. */
export function fileName(url) {
  try {
    return decodeURIComponent(new URL(url, "http://sandbox").pathname.split("/").pop()) || url;
  } catch {
    return url;
  }
}
