// The form for a contact that a person shares: WhatsApp sends it as a vCard file.

import * as api from "./api.js";
import { shareForm } from "./share-form.js";

/** `share(media)` gives whether it was sent. */
export function cardForm(name, share) {
  const inputs = [
    { label: "Name of the contact", name: "name", value: "Ben Ito", required: true },
    { label: "Number of the contact", name: "number", value: "+1 415 555 0124", required: true },
  ];
  return shareForm(`Contact from ${name}`, inputs, async ({ name, number }) => {
    const file = await api.upload(new Blob([vcard(name, number)]), "text/vcard");
    return share([{ url: file.url, content_type: "text/vcard", name: `${name}.vcf` }]);
  });
}

/** As WhatsApp writes it. Source: RFC 6350, and RFC 2426 for the version. */
export function vcard(name, number) {
  const escaped = name.replace(/[\\;,]/g, "\\$&").replace(/\s+/g, " ");
  const id = number.replace(/\D/g, "");
  return `BEGIN:VCARD\r\nVERSION:3.0\r\nN:;${escaped};;;\r\nFN:${escaped}\r\nTEL;type=CELL;waid=${id}:${number}\r\nEND:VCARD\r\n`;
}
