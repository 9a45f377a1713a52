// The body of a request or an answer, as its content type says how to show it. Pure functions.

/** The value of a header; undefined where it is missing. */
export function header(headers, name) {
  return headers.find(([own]) => own.toLowerCase() === name)?.[1];
}

/** `{pairs}` of a form, or `{text}`, which is indented for JSON. A body that was cut is shown as it is. */
export function bodyOf({ headers, body, body_truncated: cut }) {
  const text = body ?? "";
  const type = header(headers, "content-type") ?? "";
  if (type.startsWith("application/x-www-form-urlencoded") && text) {
    const pairs = [...new URLSearchParams(text)];
    return cut ? { pairs, cut } : { pairs };
  }
  if (cut) return { text, cut };
  if (/[/+]json/.test(type)) {
    try {
      return { text: JSON.stringify(JSON.parse(text), null, 2) };
    } catch {
      // Not what its header says.
    }
  }
  return { text };
}
