// The usual error codes of WhatsApp messages, and their titles. Source: Twilio, "Error and warning dictionary".

export const TITLES = new Map([
  [20003, "Permission denied"],
  [20404, "Not found"],
  [20429, "Too many requests"],
  [20500, "Internal server error"],
  [20503, "Service unavailable"],
  [21211, "Invalid 'To' phone number"],
  [21408, "Permission to send to this region is not enabled"],
  [21610, "Attempt to send to unsubscribed recipient"],
  [21611, "This 'From' number has exceeded its queue of messages"],
  [21617, "The message body is too long"],
  [21620, "Invalid media URL"],
  [21655, "The ContentSid is invalid"],
  [21656, "The ContentVariables parameter is invalid"],
  [21910, "From and To are not of the same channel"],
  [30003, "Unreachable destination handset"],
  [30005, "Unknown destination handset"],
  [30006, "Landline or unreachable carrier"],
  [30007, "Message filtered"],
  [30008, "Unknown error"],
  [30036, "Validity period expired"],
  [63001, "Channel could not authenticate the request"],
  [63003, "Channel could not find To address"],
  [63005, "Channel did not accept given content"],
  [63007, "Channel could not find a sender with the specified From"],
  [63010, "Twilio's internal error"],
  [63012, "Channel provider's internal error"],
  [63013, "Channel policy violation"],
  [63014, "Message blocked by user action"],
  [63016, "Free-form message outside the allowed window"],
  [63017, "Rate limit exceeded"],
  [63018, "Rate limit exceeded for channel"],
  [63019, "Media failed to download"],
  [63020, "Business Manager account error"],
  [63021, "Channel invalid content error"],
  [63024, "Invalid message recipient"],
  [63027, "Template does not exist for this language"],
  [63028, "Number of template parameters does not match"],
  [63030, "Unsupported parameter for this type of message"],
  [63032, "WhatsApp limitation: user is in an experiment"],
  [63033, "Recipient opted out to receive messages"],
  [63034, "Media exceeds size limit"],
  [63038, "Account exceeded its daily messages limit"],
  [63040, "Template rejected"],
  [63041, "Template paused"],
  [63042, "Template disabled"],
  [63049, "Meta chose not to deliver this marketing message"],
  [63050, "User opted out of marketing messages"],
  [63051, "WhatsApp sender or account is locked"],
]);

/** What a code means: its title, or that it is not a usual one. Empty while it is not complete. */
export function meaning(code) {
  if (!/^[0-9]{5}$/.test(code)) return "";
  return TITLES.get(Number(code)) ?? `${code} is not one of Twilio's usual codes`;
}

/** `63016 Free-form message ...`, or the number alone. */
export function codeWithTitle(code) {
  const title = TITLES.get(Number(code));
  return title ? `${code} ${title}` : String(code);
}
