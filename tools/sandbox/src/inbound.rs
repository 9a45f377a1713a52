//! A person writes.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use shared::{form::Form, message_status::MessageStatus};

use crate::state::{Message, Sandbox, new_message_sid};

/// What a person sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writing {
    /// The person, as in `whatsapp:+14155550123`.
    from: String,
    #[serde(default)]
    body: String,
    #[serde(default)]
    media: Vec<File>,
    #[serde(default = "ava")]
    profile_name: String,
    /// Parameters besides, or instead of, the usual ones: `{"ButtonPayload": "yes"}`.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    url: String,
    content_type: String,
}

fn ava() -> String {
    "Ava".to_owned()
}

/// How the system under test took it.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    message_sid: String,
    /// None where no answer came.
    status: Option<u16>,
    content_type: Option<String>,
    twiml: Option<String>,
    /// What the TwiML says to the person.
    reply: Option<String>,
}

impl Sandbox {
    /// Delivers what a person sends, and what the answer sends back.
    pub(crate) async fn receive(&self, writing: Writing) -> Taken {
        let now = Timestamp::now();
        let sid = new_message_sid(!writing.media.is_empty());
        let form = self.inbound_form(&writing, sid.as_str());
        let message = Message {
            sid: sid.clone(),
            direction: "inbound",
            from: Some(writing.from.clone()),
            to: self.config.sender.clone(),
            body: writing.body,
            media_urls: writing.media.into_iter().map(|file| file.url).collect(),
            content_sid: None,
            messaging_service_sid: None,
            status: MessageStatus::Received,
            error_code: None,
            status_callback: None,
            created_at: now,
            updated_at: now,
            sent_at: Some(now),
        };
        {
            let mut state = self.state();
            state.person_wrote(&writing.from, now);
            state.messages.push(message.clone());
        }
        let answer = self.post_webhook(&self.config.inbound_url, &form, sid.as_str(), None).await;
        let reply = answer.as_ref().and_then(|answer| reply_in(&answer.body));
        if let Some(body) = &reply {
            self.send_reply(&message, body.clone());
        }
        Taken {
            message_sid: sid.to_string(),
            status: answer.as_ref().map(|answer| answer.status),
            content_type: answer.as_ref().map(|answer| answer.content_type.clone()),
            twiml: answer.map(|answer| answer.body),
            reply,
        }
    }

    /// The parameters of a real request.
    fn inbound_form(&self, writing: &Writing, sid: &str) -> Form {
        let identity = writing.from.trim_start_matches("whatsapp:");
        let message_type = if writing.media.is_empty() { "text" } else { "image" };
        let mut parameters: BTreeMap<String, String> = [
            ("SmsMessageSid", sid),
            ("NumMedia", &writing.media.len().to_string()),
            ("ProfileName", &writing.profile_name),
            ("MessageType", message_type),
            ("SmsSid", sid),
            ("WaId", identity.trim_start_matches('+')),
            ("SmsStatus", "received"),
            ("Body", &writing.body),
            ("To", &self.config.sender),
            ("NumSegments", "1"),
            ("ReferralNumMedia", "0"),
            ("MessageSid", sid),
            ("AccountSid", self.config.account_sid.as_str()),
            ("From", &writing.from),
            ("ApiVersion", "2010-04-01"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        for (index, file) in writing.media.iter().enumerate() {
            parameters.insert(format!("MediaUrl{index}"), file.url.clone());
            parameters.insert(format!("MediaContentType{index}"), file.content_type.clone());
        }
        parameters.extend(writing.parameters.clone());
        parameters.into_iter().collect()
    }

    fn send_reply(&self, inbound: &Message, body: String) {
        let now = Timestamp::now();
        let reply = Message {
            sid: new_message_sid(false),
            direction: "outbound-reply",
            from: Some(self.config.sender.clone()),
            to: inbound.from.clone().unwrap_or_default(),
            body,
            status: MessageStatus::Delivered,
            media_urls: Vec::new(),
            created_at: now,
            updated_at: now,
            ..inbound.clone()
        };
        self.state().messages.push(reply);
    }
}

/// The text of the first `<Message>`, with or without a `<Body>`.
fn reply_in(twiml: &str) -> Option<String> {
    let document = roxmltree::Document::parse(twiml).ok()?;
    let message = document.descendants().find(|node| node.has_tag_name("Message"))?;
    let text: String = message.descendants().filter_map(|node| node.is_text().then(|| node.text()).flatten()).collect();
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_from_twiml() {
        assert_eq!(reply_in("<Response/>"), None);
        assert_eq!(reply_in("<Response><Message>a &amp; b</Message></Response>").as_deref(), Some("a & b"));
        assert_eq!(reply_in("<Response><Message><Body>a</Body></Message></Response>").as_deref(), Some("a"));
        assert_eq!(reply_in("no xml"), None);
    }
}
