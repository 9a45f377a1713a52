// The files that WhatsApp accepts from a person, by their types. Source: Twilio, "Guidance on WhatsApp Media Messages".

/** All types by the usual extensions of their files. A browser does not know the types of all of them. */
const TYPES = {
  jpg: "image/jpeg",
  jpeg: "image/jpeg",
  png: "image/png",
  webp: "image/webp",
  ogg: "audio/ogg",
  amr: "audio/amr",
  "3gp": "audio/3gpp",
  aac: "audio/aac",
  mp3: "audio/mpeg",
  mp4: "video/mp4",
  pdf: "application/pdf",
  doc: "application/msword",
  docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
  pptx: "application/vnd.openxmlformats-officedocument.presentationml.presentation",
  xlsx: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
  vcf: "text/vcard",
};
const ALIASES = {
  "image/jpg": "image/jpeg",
  "audio/mp3": "audio/mpeg",
  "video/3gpp": "audio/3gpp",
  "audio/vnd.dlna.adts": "audio/aac",
  "text/x-vcard": "text/vcard",
  "text/directory": "text/vcard",
  "application/vcard": "text/vcard",
};
const ACCEPTED = new Set(Object.values(TYPES));
/** The largest file on WhatsApp, in bytes. */
const LARGEST = 16 * 1024 * 1024;
const KINDS = "It accepts JPEG, PNG and WebP pictures, MP4 videos, sounds, PDF and Office documents, and contacts.";

/** The value of `accept` of a file input. */
export const EXTENSIONS = Object.keys(TYPES)
  .map((extension) => `.${extension}`)
  .join(",");

/** The type that a file is sent with; undefined where WhatsApp does not accept it. */
export function acceptedType({ name, type }) {
  const [bare] = type.toLowerCase().split(";");
  const known = ALIASES[bare] ?? bare;
  if (ACCEPTED.has(known)) return known;
  return bare ? undefined : TYPES[/\.([a-z0-9]+)$/i.exec(name)?.[1]?.toLowerCase()];
}

/** Why WhatsApp does not accept a file; null where it does. */
export function refusal(file) {
  if (!acceptedType(file)) return `WhatsApp does not accept ${file.name} (${file.type || "of an unknown type"}). ${KINDS}`;
  if (file.size === 0) return `${file.name} is empty: WhatsApp does not accept empty files.`;
  return file.size > LARGEST ? `${file.name} is too large: WhatsApp accepts at most 16 MB.` : null;
}
