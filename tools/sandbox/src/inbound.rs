//! A person writes.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use shared::{
    address::{Address, Channel},
    form::Form,
    message_status::MessageStatus,
};

use crate::{
    messages::{Media, Message},
    state::Sandbox,
};

/// What a person sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writing {
    /// The person: `whatsapp:+14155550123`, `whatsapp:US.123` who withholds the number, or `+14155550123` by SMS.
    #[serde(deserialize_with = "address")]
    from: Address,
    /// The person's WhatsApp user id, as in `whatsapp:US.123`.
    #[serde(default)]
    external_user_id: Option<String>,
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

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
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
        let message = self.inbound_message(&writing);
        let (sid, person) = (message.sid.as_str(), writing.from.to_string());
        let form = self.inbound_form(&writing, sid);
        {
            let mut state = self.state();
            state.person_wrote(&person, message.created_at);
            state.messages.add(message.clone());
        }
        let answer = self.post_inbound(&message, form).await;
        let reply = answer.as_ref().and_then(|answer| reply_in(&answer.body));
        if let Some(body) = &reply {
            self.send_reply(&message, body.clone());
        }
        Taken {
            message_sid: sid.to_owned(),
            status: answer.as_ref().map(|answer| answer.status),
            content_type: answer.as_ref().map(|answer| answer.content_type.clone()),
            twiml: answer.map(|answer| answer.body),
            reply,
        }
    }

    fn inbound_message(&self, writing: &Writing) -> Message {
        let now = self.now();
        let media =
            writing.media.iter().map(|file| Media::new(&self.sids, file.url.clone(), Some(file.content_type.clone())));
        Message {
            sid: self.sids.next_message(!writing.media.is_empty()),
            channel: writing.from.channel.clone(),
            direction: "inbound",
            from: Some(writing.from.to_string()),
            to: self.config.sender_on(&writing.from.channel).to_owned(),
            body: writing.body.clone(),
            media: media.collect(),
            content_sid: None,
            content_variables: BTreeMap::new(),
            buttons: Vec::new(),
            location: None,
            messaging_service_sid: Some(self.config.messaging_service_sid.to_string()),
            status: MessageStatus::Received,
            error_code: None,
            status_callback: None,
            send_at: None,
            created_at: now,
            updated_at: now,
            sent_at: Some(now),
        }
    }

    /// The parameters of a real request.
    fn inbound_form(&self, writing: &Writing, sid: &str) -> Form {
        let mut parameters: BTreeMap<String, String> = [
            ("SmsMessageSid", sid),
            ("NumMedia", &writing.media.len().to_string()),
            ("SmsSid", sid),
            ("SmsStatus", "received"),
            ("Body", &writing.body),
            ("To", self.config.sender_on(&writing.from.channel)),
            ("NumSegments", "1"),
            ("MessageSid", sid),
            ("MessagingServiceSid", self.config.messaging_service_sid.as_str()),
            ("AccountSid", self.config.account_sid.as_str()),
            ("From", &writing.from.to_string()),
            ("ApiVersion", "2010-04-01"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if writing.from.channel == Channel::WhatsApp {
            parameters.extend(of_whatsapp(writing));
        }
        for (index, file) in writing.media.iter().enumerate() {
            parameters.insert(format!("MediaUrl{index}"), file.url.clone());
            parameters.insert(format!("MediaContentType{index}"), file.content_type.clone());
        }
        parameters.extend(writing.parameters.clone());
        parameters.into_iter().collect()
    }

    fn send_reply(&self, inbound: &Message, body: String) {
        let now = self.now();
        let reply = Message {
            sid: self.sids.next_message(false),
            direction: "outbound-reply",
            from: Some(inbound.to.clone()),
            to: inbound.from.clone().unwrap_or_default(),
            body,
            status: MessageStatus::Delivered,
            media: Vec::new(),
            created_at: now,
            updated_at: now,
            ..inbound.clone()
        };
        self.state().messages.add(reply);
    }
}

/// The parameters that SMS does not have.
fn of_whatsapp(writing: &Writing) -> impl Iterator<Item = (String, String)> {
    let message_type = if writing.media.is_empty() { "text" } else { "image" };
    let user_id = writing.external_user_id.as_deref().map(|id| ("ExternalUserId", id));
    [
        ("ProfileName", writing.profile_name.as_str()),
        ("MessageType", message_type),
        ("WaId", writing.from.identity.as_str().trim_start_matches('+')),
        ("ReferralNumMedia", "0"),
    ]
    .into_iter()
    .chain(user_id)
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
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
    use crate::Config;

    use super::*;

    #[test]
    fn a_webhook_says_who_wrote_on_which_channel() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let cases = [
            (r#"{"from": "whatsapp:+14155550123"}"#, Some("14155550123"), None, "whatsapp:+14155238886"),
            (
                r#"{"from": "whatsapp:+14155550123", "external_user_id": "whatsapp:US.123"}"#,
                Some("14155550123"),
                Some("whatsapp:US.123"),
                "whatsapp:+14155238886",
            ),
            (r#"{"from": "whatsapp:US.123"}"#, Some("US.123"), None, "whatsapp:+14155238886"),
            (r#"{"from": "+14155550123"}"#, None, None, "+14155550100"),
        ];
        for (writing, wa_id, user_id, to) in cases {
            let form = sandbox.inbound_form(&serde_json::from_str(writing).unwrap(), "SM1");
            assert_eq!((form.get("WaId"), form.get("ExternalUserId"), form.get("To")), (wa_id, user_id, Some(to)));
            assert_eq!(form.get("MessagingServiceSid"), Some("MG00000000000000000000000000000001"));
        }
        assert!(serde_json::from_str::<Writing>(r#"{"from": "whatsapp:"}"#).is_err());
    }

    #[test]
    fn a_reply_is_read_from_twiml() {
        assert_eq!(reply_in("<Response/>"), None);
        assert_eq!(reply_in("<Response><Message>a &amp; b</Message></Response>").as_deref(), Some("a & b"));
        assert_eq!(reply_in("<Response><Message><Body>a</Body></Message></Response>").as_deref(), Some("a"));
        assert_eq!(reply_in("no xml"), None);
    }
}
