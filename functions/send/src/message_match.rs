//! A message whose creation was never confirmed, looked for in Twilio's list of messages.
//!
//! Twilio has no idempotency key and shows nothing of ours in its list, so that a message is recognised by what was to
//! be sent: to whom, when, and what it says. Whatever could be it counts as it: taken for sent by mistake, a message is
//! missing and seen to be missing; sent again by mistake, a person gets it twice.

use jiff::{SignedDuration, Timestamp};
use twilio_client::{MessageResource, MessageSender, NewContent, NewMessage};

/// Twilio's clock and ours differ, and its list counts in seconds.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// A claim's message is asked for at once, and Twilio's answer is waited for within the function's 45 s: what came to be
/// later is another claim's.
const CREATED_WITHIN: SignedDuration = SignedDuration::from_secs(45);

/// How much older than the claim a message may be. Two that say the same to one person, claimed this close to each other,
/// may have been taken for each other: then the one that is left is the other's, and as old as its claim.
const MADE_BEFORE: SignedDuration = SignedDuration::from_secs(105);

/// What was to be sent, and when.
pub(crate) struct Sent<'a> {
    /// The message.
    pub(crate) message: &'a NewMessage,
    /// Its `To`, in every spelling that Twilio may list it under.
    pub(crate) recipients: &'a [String],
    /// The values of its template's variables, where it has one.
    pub(crate) variables: Vec<&'a str>,
    /// When it was claimed.
    pub(crate) since: Timestamp,
}

/// Whether a listed message could be the one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// It could.
    Same,
    /// It says something else, comes from another sender, or is from later.
    Other,
    /// It is from before the claim, and so is all that follows in the list.
    Older,
}

impl Sent<'_> {
    /// Compares with a message of the list.
    pub(crate) fn likeness(&self, listed: &MessageResource) -> Likeness {
        let created_at = listed.created_at();
        let since = self.since.saturating_sub(MADE_BEFORE).unwrap_or(Timestamp::MIN);
        if created_at.is_some_and(|created_at| created_at < since) {
            return Likeness::Older;
        }
        let until = self.since.saturating_add(CREATED_WITHIN + CLOCK_SKEW).unwrap_or(Timestamp::MAX);
        if created_at.is_some_and(|created_at| created_at > until) {
            return Likeness::Other;
        }
        let same = listed.direction == "outbound-api" && self.recipients.contains(&listed.to) && self.is_sender(listed);
        if same && self.says(listed) { Likeness::Same } else { Likeness::Other }
    }

    fn is_sender(&self, listed: &MessageResource) -> bool {
        let wanted = match &self.message.sender {
            MessageSender::From(from) | MessageSender::Both(from, _) => Some(from),
            MessageSender::Service(_) => None,
        };
        // A service has not chosen its sender at once.
        wanted.is_none_or(|wanted| listed.from.as_ref().is_none_or(|from| from == wanted))
    }

    fn says(&self, listed: &MessageResource) -> bool {
        let body = listed.body.as_deref().unwrap_or_default().trim();
        match &self.message.content {
            NewContent::Text(text) => body == text.trim(),
            NewContent::Media(urls, caption) => {
                // Twilio may not have fetched them yet.
                let files = usize::try_from(listed.num_media).unwrap_or(usize::MAX);
                (files == 0 || files == urls.len())
                    && caption.as_deref().is_none_or(|caption| body.is_empty() || body == caption.trim())
            }
            // Only Twilio knows the template's text; the values are in it.
            NewContent::Template(..) => {
                body.is_empty() || self.variables.iter().all(|value| body.contains(value.trim()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TO: &str = "whatsapp:+14155550123";

    fn message(content: NewContent) -> NewMessage {
        NewMessage::new(TO, MessageSender::From("whatsapp:+14155238886".to_owned()), content)
    }

    fn listed(change: &serde_json::Value) -> MessageResource {
        let mut resource = json!({
            "sid": "SM00000000000000000000000000000001", "status": "sent", "to": TO, "from": "whatsapp:+14155238886",
            "error_code": null, "direction": "outbound-api", "body": "Hello Ava, your order 18473 is on its way.",
            "num_media": "0", "date_created": "Fri, 20 Nov 2026 09:00:00 +0000", "date_sent": null,
        });
        for (name, value) in change.as_object().unwrap() {
            resource[name] = value.clone();
        }
        serde_json::from_value(resource).unwrap()
    }

    #[test]
    fn a_listed_message_is_recognised_by_all_that_is_known_of_it() {
        let text = message(NewContent::Text("Hello Ava, your order 18473 is on its way. ".to_owned()));
        let sid = "HX00000000000000000000000000000001".parse().unwrap();
        let template = message(NewContent::Template(sid, String::new()));
        let media = message(NewContent::Media(vec!["https://a.example/1.png".to_owned()], Some("Look".to_owned())));
        let cases = [
            (&text, json!({}), Likeness::Same, "the same text"),
            (&text, json!({"body": "Hello"}), Likeness::Other, "another text"),
            (&text, json!({"direction": "inbound"}), Likeness::Other, "the person's own"),
            (&text, json!({"from": "whatsapp:+14155550100"}), Likeness::Other, "another sender's"),
            (&text, json!({"from": null}), Likeness::Same, "a sender that is not chosen yet"),
            (&text, json!({"date_created": "Fri, 20 Nov 2026 08:59:40 +0000"}), Likeness::Same, "a clock that is slow"),
            (&text, json!({"date_created": "Fri, 20 Nov 2026 08:58:00 +0000"}), Likeness::Older, "before the claim"),
            (&text, json!({"date_created": "Fri, 20 Nov 2026 09:02:00 +0000"}), Likeness::Other, "another claim's"),
            (&template, json!({}), Likeness::Same, "the template's values"),
            (&template, json!({"body": "Hello Eve, your order 18473"}), Likeness::Other, "other values"),
            (&template, json!({"body": ""}), Likeness::Same, "a body that Twilio does not show"),
            (&media, json!({"body": "Look", "num_media": "1"}), Likeness::Same, "the file and its caption"),
            (&media, json!({"body": "Look", "num_media": "2"}), Likeness::Other, "another number of files"),
        ];
        for (message, change, expected, case) in cases {
            let variables = vec!["Ava", "18473"];
            let recipients = &[TO.to_owned()];
            let sent = Sent { message, recipients, variables, since: "2026-11-20T09:00:00Z".parse().unwrap() };
            assert_eq!(sent.likeness(&listed(&change)), expected, "{case}");
        }
    }
}
