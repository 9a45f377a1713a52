// What the usual error codes mean and what helps against them. Source: Twilio, the pages "Error <code>" of the "Error and
// Warning Dictionary", in short and in our words.

import { TITLES } from "./codes.js";

/** Titles of codes that a message never ends with, which the controls do not offer. */
const OTHER_TITLES = new Map([
  [11200, "HTTP retrieval failure"],
  [11205, "HTTP connection failure"],
  [12100, "TwiML does not parse"],
  [12300, "Invalid Content-Type"],
  [21481, "Invalid PageToken"],
  [21602, "Body required"],
  [21603, "From or MessagingServiceSid required"],
  [21604, "To required"],
  [21606, "'From' is not a valid number for this destination"],
  [21609, "Invalid 'StatusCallback'"],
  [21619, "Body, Media URL or Content SID required"],
  [21623, "Too many media files"],
  [21654, "ContentSid required"],
  [21659, "'From' is not a Twilio number"],
  [21660, "'From' belongs to another account"],
  [21661, "'From' cannot send SMS"],
  [21703, "Messaging Service: no number available"],
  [21704, "Messaging Service is empty"],
  [30400, "Parameters not valid"],
  [30409, "Cannot be canceled"],
  [35111, "SendAt timestamp is missing"],
  [35114, "Scheduling does not support this timestamp"],
  [35126, "ScheduleType is not supported for this channel"],
]);

/** By code: the cause, and the cure. */
const CURES = new Map([
  [
    11200,
    [
      "The webhook's URL did not answer, or answered with an error.",
      "Look at the answer below and at the logs of the function.",
    ],
  ],
  [
    11205,
    ["Twilio got no connection to the webhook's URL.", "Check that the URL is public and answers within 15 seconds."],
  ],
  [12100, ["The answer to the webhook is no valid TwiML.", "Answer with XML whose root is <Response>."]],
  [12300, ["The answer to the webhook has no Content-Type that Twilio knows.", "Answer with Content-Type: text/xml."]],
  [
    20003,
    [
      "The credentials are wrong, or the account is suspended.",
      "Check the API key or the auth token, and the account SID.",
    ],
  ],
  [20404, ["The resource does not exist in this account.", "Check the SID and the account."]],
  [
    20429,
    [
      "Too many calls of the account were open at once.",
      "Wait as long as Retry-After says, then send it again: nothing was created.",
    ],
  ],
  [
    20500,
    ["Twilio failed. The message may have been created.", "Look for it in the list of messages before you send it again."],
  ],
  [
    20503,
    [
      "Twilio is not available. The message may have been created.",
      "Look for it in the list of messages before you send it again.",
    ],
  ],
  [
    21211,
    [
      "The number in To does not exist or is written wrongly.",
      "Write it as whatsapp:+<country code><number>, or +… for SMS.",
    ],
  ],
  [
    21408,
    ["The account may not send to this country.", "Enable the country in the Console under Messaging, Geo permissions."],
  ],
  [21481, ["The PageToken is not one that Twilio gave.", "Begin again with the first page."]],
  [21602, ["The message has no text.", "Add Body, MediaUrl or ContentSid."]],
  [21603, ["The message has no sender.", "Add From or MessagingServiceSid."]],
  [21604, ["The message has no recipient.", "Add To."]],
  [21606, ["From cannot send to this recipient.", "Use a sender of the account that has the recipient's channel."]],
  [21609, ["The StatusCallback is no valid URL.", "Use a public http or https URL."]],
  [21610, ["The person has opted out with STOP or a similar word.", "Send nothing until the person writes START."]],
  [21611, ["More messages wait for this sender than its queue may hold.", "Send more slowly, or over more senders."]],
  [21617, ["The text has more than 1,600 characters.", "Shorten it, or send it in parts."]],
  [21619, ["The message has neither text nor a file nor a template.", "Add Body, MediaUrl or ContentSid."]],
  [21620, ["A MediaUrl is no valid URL.", "Use a public http or https URL of the file."]],
  [21623, ["The message has too many files.", "Send one file in each WhatsApp message."]],
  [21654, ["There are ContentVariables without a template.", "Add ContentSid."]],
  [
    21655,
    ["The template does not exist in this account.", "Check the ContentSid, and that it is of the same account."],
  ],
  [
    21656,
    [
      "The ContentVariables are no JSON object of texts, or do not match the template.",
      "Give each placeholder a text that is not empty.",
    ],
  ],
  [21659, ["From is no number of Twilio.", "Use a sender of this account."]],
  [21660, ["From belongs to another account.", "Use a sender of this account."]],
  [21661, ["From cannot send SMS.", "Use a number with SMS, or the WhatsApp sender with a whatsapp: recipient."]],
  [
    21703,
    ["The Messaging Service has no sender for this recipient.", "Add a sender of the recipient's channel to its pool."],
  ],
  [21704, ["The Messaging Service has no senders.", "Add a sender to its pool."]],
  [21910, ["From and To are of different channels.", "Write whatsapp: before both, or before neither."]],
  [30003, ["The phone is switched off or out of reach.", "Try again later."]],
  [30005, ["The number is unknown to its carrier.", "Check the number."]],
  [30006, ["The number is a landline, or its carrier cannot be reached.", "Use a mobile number."]],
  [30007, ["Twilio or a carrier has filtered the message.", "Check the text against the messaging policy."]],
  [30008, ["The carrier gave no reason.", "Send it again once; if that fails too, ask Twilio's support."]],
  [30036, ["The message waited longer than its ValidityPeriod.", "Send it again if it is still of use."]],
  [30400, ["A parameter is not valid.", "Compare the request below with the reference of the API."]],
  [30409, ["The message has gone out already, or is not scheduled.", "Only scheduled messages can be canceled."]],
  [35111, ["The message is scheduled without a time.", "Add SendAt."]],
  [35114, ["SendAt is out of the range that can be scheduled.", "Use a time from 5 minutes to 35 days ahead."]],
  [35126, ["This ScheduleType is not supported for the channel.", "Use ScheduleType=fixed."]],
  [
    63001,
    [
      "WhatsApp does not accept the sender's credentials.",
      "Check the sender in the Console; it may have to be added again.",
    ],
  ],
  [63003, ["The number has no WhatsApp.", "Use another channel, and do not try this number again."]],
  [63005, ["WhatsApp did not accept the content for this recipient.", "Check the file, the template and the window."]],
  [63007, ["From is no WhatsApp sender of this account.", "Check the sender, its approval and the account."]],
  [63010, ["Twilio failed while it processed the message.", "Send it again later."]],
  [63012, ["WhatsApp failed while it processed the message.", "Send it again later."]],
  [
    63013,
    ["The content is against a policy of WhatsApp.", "Change the content; more than four spaces in a variable are enough."],
  ],
  [63014, ["The person has blocked the sender.", "Send nothing more to this person."]],
  [
    63016,
    ["The person has not written within the last 24 hours.", "Send an approved template, or wait until the person writes."],
  ],
  [63017, ["The account sends faster than Twilio allows.", "Send more slowly."]],
  [
    63018,
    [
      "The sender sends faster, or to more people, than WhatsApp allows.",
      "Send more slowly; after the messaging limit wait 24 hours.",
    ],
  ],
  [63019, ["Twilio could not fetch the file.", "Check that the URL is public and that its Content-Type is right."]],
  [63020, ["The Business Manager has not accepted Twilio.", "Accept Twilio's request in Meta's Business Manager."]],
  [
    63021,
    ["WhatsApp does not accept the content.", "Check the file's type, and that the text has at most 1,024 characters."],
  ],
  [
    63024,
    [
      "The recipient cannot get the message: no WhatsApp, an old version, or its terms are not accepted.",
      "Use another channel.",
    ],
  ],
  [63027, ["The template does not exist in this language.", "Check the template's languages."]],
  [
    63028,
    ["The number of variables is not that of the template.", "Give each placeholder a value, numbered without gaps."],
  ],
  [63030, ["This type of message does not have this parameter.", "Send no MediaUrl and no Body with a template."]],
  [63032, ["WhatsApp holds messages to this person back, as part of an experiment.", "Use another channel."]],
  [63033, ["The person has opted out of messages.", "Send this person no marketing."]],
  [63034, ["The file is too large.", "Make it smaller: images 5 MB, other files 16 MB."]],
  [
    63038,
    ["The account has used up its messages of the day.", "Wait until tomorrow, or ask Twilio to raise the limit."],
  ],
  [63040, ["WhatsApp has rejected the template.", "Change the template and submit it again."]],
  [63041, ["WhatsApp has paused the template.", "Use another template until the pause ends."]],
  [63042, ["WhatsApp has disabled the template.", "Create a new template."]],
  [63049, ["Meta limits how much marketing a person gets.", "Do not send it again at once; to the USA, not at all."]],
  [
    63050,
    ["The person has opted out of marketing in WhatsApp.", "Send this person no marketing; utility messages are allowed."],
  ],
  [
    63051,
    ["WhatsApp has locked the sender or the account.", "Register the sender again, or appeal in the Business Manager."],
  ],
]);

/** `{code, title, cause, cure, url}` of an error code; cause and cure are empty for codes that are less usual. */
export function explain(code) {
  const [cause, cure] = CURES.get(Number(code)) ?? ["", ""];
  return {
    code: Number(code),
    title: TITLES.get(Number(code)) ?? OTHER_TITLES.get(Number(code)) ?? "",
    cause,
    cure,
    url: `https://www.twilio.com/docs/api/errors/${code}`,
  };
}
