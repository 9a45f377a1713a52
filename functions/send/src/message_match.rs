//! Whether a message of Twilio's list is the one whose creation was never confirmed.
//!
//! Twilio has no idempotency key, and its list shows nothing of ours. So a message is recognised by what was to be sent: to
//! whom, when, and what it says. Whatever could be the message counts as the message. If a wrong one is recognised, a
//! message is missing, which its sender can see; if the right one is not recognised, a person gets a message twice.

use jiff::{SignedDuration, Timestamp};
use twilio_client::{MessageResource, NewContent, NewMessage};

/// Twilio's clock and ours differ, and its list counts in seconds.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The request follows the claim at once, within the function's timeout of 45 s. What was created later belongs to another
/// claim.
const CREATED_WITHIN: SignedDuration = SignedDuration::from_secs(45);

/// How much older than the claim a message may be. Of two notifications that say the same to one person and were claimed this
/// close to each other, each may have been assigned the other's message: then the message that is left is the other's, and as
/// old as its claim.
const CREATED_BEFORE: SignedDuration = SignedDuration::from_secs(105);

/// The message whose creation was never confirmed.
pub(crate) struct UnconfirmedMessage<'a> {
    pub(crate) message: &'a NewMessage,
    /// The sender that its notification names. A configured sender may be another one since, and a Messaging Service chooses its
    /// sender later.
    pub(crate) from: Option<String>,
    /// Its `To`, in every spelling that Twilio may list it under.
    pub(crate) recipients: &'a [String],
    /// The values of its template's variables, if it is a template.
    pub(crate) variables: Vec<&'a str>,
    pub(crate) claimed_at: Timestamp,
}

impl UnconfirmedMessage<'_> {
    /// Whether a message of the list could be this one.
    pub(crate) fn could_be(&self, listed: &MessageResource) -> bool {
        listed.direction == "outbound-api"
            && self.recipients.contains(&listed.to)
            && listed.created_at().is_none_or(|created_at| self.is_time_of(created_at))
            && self.is_sender_of(listed)
            && self.is_content_of(listed)
    }

    fn is_time_of(&self, created_at: Timestamp) -> bool {
        let earliest = self.claimed_at.saturating_sub(CREATED_BEFORE).unwrap_or(Timestamp::MIN);
        let latest = self.claimed_at.saturating_add(CREATED_WITHIN + CLOCK_SKEW).unwrap_or(Timestamp::MAX);
        (earliest..=latest).contains(&created_at)
    }

    fn is_sender_of(&self, listed: &MessageResource) -> bool {
        self.from.as_ref().is_none_or(|wanted| listed.from.as_ref().is_none_or(|from| from == wanted))
    }

    fn is_content_of(&self, listed: &MessageResource) -> bool {
        let body = listed.body.as_deref().unwrap_or_default().trim();
        match &self.message.content {
            NewContent::Text(text) => body == text.trim(),
            NewContent::Media(urls, caption) => {
                // Twilio may not have fetched the files yet.
                let files = usize::try_from(listed.num_media).unwrap_or(usize::MAX);
                (files == 0 || files == urls.len())
                    && caption.as_deref().is_none_or(|caption| body.is_empty() || body == caption.trim())
            }
            // Only Twilio knows the template's text, which contains the values.
            NewContent::Template(..) => {
                body.is_empty() || self.variables.iter().all(|value| body.contains(value.trim()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twilio_client::MessageSender;

    use super::*;

    const TO: &str = "whatsapp:+14155550123";
    const FROM: &str = "whatsapp:+14155238886";

    fn message(content: NewContent) -> NewMessage {
        NewMessage::new(TO, MessageSender::From(FROM.to_owned()), content)
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
            (&text, json!({}), true, "the same text"),
            (&text, json!({"body": "Hello"}), false, "another text"),
            (&text, json!({"direction": "inbound"}), false, "the person's own"),
            (&text, json!({"from": "whatsapp:+14155550100"}), false, "another sender's"),
            (&text, json!({"from": null}), true, "a sender that is not chosen yet"),
            (&text, json!({"date_created": "Fri, 20 Nov 2026 08:59:40 +0000"}), true, "a clock that is slow"),
            (&text, json!({"date_created": "Fri, 20 Nov 2026 08:58:00 +0000"}), false, "before the claim"),
            (&text, json!({"date_created": "Fri, 20 Nov 2026 09:02:00 +0000"}), false, "another claim's"),
            (&template, json!({}), true, "the template's values"),
            (&template, json!({"body": "Hello Eve, your order 18473"}), false, "other values"),
            (&template, json!({"body": ""}), true, "a body that Twilio does not show"),
            (&media, json!({"body": "Look", "num_media": "1"}), true, "the file and its caption"),
            (&media, json!({"body": "Look", "num_media": "2"}), false, "another number of files"),
        ];
        for (message, change, expected, case) in cases {
            let variables = vec!["Ava", "18473"];
            let recipients = &[TO.to_owned()];
            let claimed_at = "2026-11-20T09:00:00Z".parse().unwrap();
            let from = Some(FROM.to_owned());
            let unconfirmed = UnconfirmedMessage { message, from, recipients, variables, claimed_at };
            assert_eq!(unconfirmed.could_be(&listed(&change)), expected, "{case}");
        }
    }

    /// Without that, a message that exists would be sent a second time after the settings were changed.
    #[test]
    fn message_by_a_sender_that_is_configured_no_more_is_recognised() {
        let text = message(NewContent::Text("Hello Ava, your order 18473 is on its way.".to_owned()));
        let claimed_at = "2026-11-20T09:00:00Z".parse().unwrap();
        let recipients = &[TO.to_owned()];
        let unconfirmed =
            UnconfirmedMessage { message: &text, from: None, recipients, variables: Vec::new(), claimed_at };
        assert!(unconfirmed.could_be(&listed(&json!({"from": "whatsapp:+14155550100"}))));
    }
}
