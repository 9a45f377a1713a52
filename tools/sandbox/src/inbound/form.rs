//! A person's message as Twilio stores it, and the parameters of its webhook.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use twilio_types::{address::Channel, message_status::MessageStatus};
use twilio_webhook::form::Form;

use super::{answers, person_message::PersonMessage};
use crate::{
    messages::{Feedback, Media, Message, MessageLocation, WebhookTally},
    state::Sandbox,
};

/// The message as Twilio stores it.
pub(super) fn message(sandbox: &Sandbox, sent: &PersonMessage) -> Message {
    let (config, sids, now) = (&sandbox.config, &sandbox.sids, sandbox.now());
    let choices = sandbox.memory().choices;
    let media = sent.media.iter().map(|file| {
        let media = Media::new(sids, file.url.clone(), Some(file.content_type.clone()));
        Media { name: file.name.clone(), ..media }
    });
    Message {
        sid: sids.next_message(!sent.media.is_empty()),
        channel: sent.from.channel.clone(),
        direction: "inbound",
        from: Some(sandbox.memory().people.portfolio.shown_address(&sent.from.to_string())),
        to: sent.to.as_ref().map_or_else(|| config.sender_on(&sent.from.channel).to_owned(), ToString::to_string),
        body: sent.text(choices).to_owned(),
        media: media.collect(),
        content_sid: None,
        content_variables: BTreeMap::new(),
        media_beside_content: false,
        buttons: Vec::new(),
        location: sent.location.clone(),
        rich: sent.rich(),
        feedback: Feedback::NotAsked,
        replied_to: sent.replied_to.clone(),
        answers: None,
        webhooks: WebhookTally::default(),
        messaging_service_sid: Some(config.messaging_service_sid.to_string()),
        status: MessageStatus::Received,
        error_code: None,
        status_callback: None,
        send_at: None,
        valid_until: None,
        hold: None,
        created_at: now,
        updated_at: now,
        sent_at: Some(now),
        read_at: None,
    }
}

/// The parameters of the webhook, as in Twilio's own requests.
pub(super) fn form(sandbox: &Sandbox, sent: &PersonMessage, message: &Message) -> Form {
    let (config, sid) = (&sandbox.config, message.sid.as_str());
    let from = message.from.as_deref().unwrap_or_default();
    let mut parameters: BTreeMap<String, String> = [
        ("SmsMessageSid", sid),
        ("NumMedia", &sent.media.len().to_string()),
        ("SmsSid", sid),
        ("SmsStatus", "received"),
        ("Body", &message.body),
        ("To", &message.to),
        ("NumSegments", "1"),
        ("MessageSid", sid),
        ("MessagingServiceSid", config.messaging_service_sid.as_str()),
        ("AccountSid", config.account_sid.as_str()),
        ("From", from),
        ("ApiVersion", "2010-04-01"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if sent.from.channel == Channel::WhatsApp {
        parameters.extend(whatsapp_parameters(sent));
        parameters.extend(person_parameters(sandbox, sent, from));
        parameters.extend(original_message(sandbox, sent));
        let choices = sandbox.memory().choices;
        let answers = answers::parameters(sent, choices).into_iter();
        parameters.extend(answers.map(|(name, value)| (name.to_owned(), value)));
        let metadata = channel_metadata(&parameters, &answers::metadata(sent, choices));
        parameters.insert("ChannelMetadata".to_owned(), metadata);
    }
    for (index, (file, kept)) in sent.media.iter().zip(&message.media).enumerate() {
        parameters.insert(format!("MediaUrl{index}"), media_url(sandbox, message, kept));
        parameters.insert(format!("MediaContentType{index}"), file.content_type.clone());
    }
    parameters.extend(sent.parameters.clone());
    parameters.into_iter().collect()
}

/// The URL of a file in the webhook: a file that was uploaded here is under Twilio's own path, as Twilio serves it.
fn media_url(sandbox: &Sandbox, message: &Message, file: &Media) -> String {
    if !file.url.starts_with(&sandbox.own_url("/sandbox/files/")) {
        return file.url.clone();
    }
    let account = &sandbox.config.account_sid;
    sandbox.api_url(&format!("/2010-04-01/Accounts/{account}/Messages/{}/Media/{}", message.sid, file.sid))
}

/// The parameters about the message that is replied to; its sender only where the message is still stored.
fn original_message(sandbox: &Sandbox, sent: &PersonMessage) -> Vec<(String, String)> {
    let Some(sid) = &sent.replied_to else { return Vec::new() };
    let sender = sandbox.memory().messages.get(sid).and_then(|original| original.from.clone());
    let sender = sender.map(|sender| ("OriginalRepliedMessageSender".to_owned(), sender));
    sender.into_iter().chain([("OriginalRepliedMessageSid".to_owned(), sid.to_string())]).collect()
}

/// The parameters about the person: name, number and user ids.
fn person_parameters(sandbox: &Sandbox, sent: &PersonMessage, from: &str) -> Vec<(String, String)> {
    let memory = sandbox.memory();
    let name = sent.profile_name.as_deref().or(memory.people.at(from).map(|person| person.name.as_str()));
    let mut parameters = vec![
        ("ProfileName", name.unwrap_or("Ava").to_owned()),
        ("WaId", from.trim_start_matches("whatsapp:").trim_start_matches('+').to_owned()),
    ];
    let ids = memory.people.portfolio.ids(&sent.from.to_string());
    let (user_id, parent) = ids.map(|ids| (ids.user_id, ids.parent_user_id)).unzip();
    parameters.extend(sent.external_user_id.clone().or(user_id).map(|id| ("ExternalUserId", id)));
    parameters.extend(parent.flatten().map(|id| ("ParentExternalUserId", id)));
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// `ChannelMetadata`: JSON, as in Twilio's own requests, with some of the other parameters.
fn channel_metadata(parameters: &BTreeMap<String, String>, answers: &Map<String, Value>) -> String {
    let is_context = |name: &str| CONTEXT.contains(&name);
    let context: BTreeMap<_, _> = parameters.iter().filter(|(name, _)| is_context(name)).collect();
    let mut data = Map::from_iter([("context".to_owned(), json!(context))]);
    data.extend(answers.clone());
    format!(r#"{{"type":"whatsapp","data":{}}}"#, Value::Object(data))
}

/// Source: Twilio, "Twilio's request to your incoming message Webhook URL", `ChannelMetadata`.
const CONTEXT: [&str; 5] = ["ButtonText", "Forwarded", "FrequentlyForwarded", "ProfileName", "WaId"];

/// The parameters that only WhatsApp has.
fn whatsapp_parameters(sent: &PersonMessage) -> Vec<(String, String)> {
    let mut parameters = vec![("MessageType", sent.message_type().to_owned()), ("ReferralNumMedia", "0".to_owned())];
    // Twilio's requests have both, or none in a message without a context.
    if sent.has_context() {
        parameters.push(("Forwarded", (sent.forwarded || sent.frequently_forwarded).to_string()));
        parameters.push(("FrequentlyForwarded", sent.frequently_forwarded.to_string()));
    }
    if let Some(MessageLocation { latitude, longitude, label, address }) = &sent.location {
        parameters.extend([("Latitude", latitude.to_string()), ("Longitude", longitude.to_string())]);
        parameters.extend(label.clone().map(|label| ("Label", label)));
        parameters.extend(address.clone().map(|address| ("Address", address)));
    }
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use crate::{config::Config, user_id};

    use super::*;

    fn stored(sandbox: &Sandbox, sent: &PersonMessage) -> Message {
        message(sandbox, sent)
    }

    fn form_of(sandbox: &Sandbox, sent: &str) -> Form {
        let sent = serde_json::from_str(sent).unwrap();
        form(sandbox, &sent, &stored(sandbox, &sent))
    }

    #[test]
    fn webhook_has_button_location_and_original_message() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let form = |rest: &str| form_of(&sandbox, &format!(r#"{{"from": "whatsapp:+14155550124", {rest}}}"#));
        let pressed = form(r#""button": {"title": "Confirm", "id": "confirm"}, "forwarded": true"#);
        let values = ["Body", "ButtonText", "ButtonPayload", "MessageType", "Forwarded", "ProfileName"];
        let expected = ["Confirm", "Confirm", "confirm", "interactive", "true", "Ben"];
        assert_eq!(values.map(|name| pressed.get(name)), expected.map(Some));
        let shared = form(r#""location": {"latitude": 52.5, "longitude": -13.4, "label": "Office"}"#);
        let values = ["Latitude", "Longitude", "Label", "Address", "MessageType", "Body"];
        let expected = [Some("52.5"), Some("-13.4"), Some("Office"), None, Some("location"), Some("")];
        assert_eq!(values.map(|name| shared.get(name)), expected);
        let original = r#"{"from": "whatsapp:+14155550124", "body": "hi"}"#;
        let original = stored(&sandbox, &serde_json::from_str(original).unwrap());
        sandbox.memory().messages.add(original.clone());
        let reply = form(&format!(r#""body": "yes", "replied_to": "{}""#, original.sid));
        assert_eq!(reply.get("OriginalRepliedMessageSid"), Some(original.sid.as_str()));
        assert_eq!(reply.get("OriginalRepliedMessageSender"), Some("whatsapp:+14155550124"));
    }

    #[test]
    fn webhook_has_channel_metadata_and_how_often_it_was_forwarded() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let form = |rest: &str| form_of(&sandbox, &format!(r#"{{"from": "whatsapp:+14155550124"{rest}}}"#));
        let forwarded =
            |form: &Form| ["Forwarded", "FrequentlyForwarded"].map(|name| form.get(name).map(str::to_owned));
        let says = |forwarded: &str, often: &str| [Some(forwarded.to_owned()), Some(often.to_owned())];
        let plain = form(r#", "body": "hi""#);
        let metadata = r#"{"type":"whatsapp","data":{"context":{"ProfileName":"Ben","WaId":"14155550124"}}}"#;
        assert_eq!((plain.get("ChannelMetadata"), forwarded(&plain)), (Some(metadata), [None, None]));
        let pressed = form(r#", "button": {"title": "\"Yes\"", "id": "yes"}"#);
        let metadata = r#"{"type":"whatsapp","data":{"context":{"ButtonText":"\"Yes\"","Forwarded":"false","FrequentlyForwarded":"false","ProfileName":"Ben","WaId":"14155550124"}}}"#;
        assert_eq!((pressed.get("ChannelMetadata"), forwarded(&pressed)), (Some(metadata), says("false", "false")));
        assert_eq!(forwarded(&form(r#", "forwarded": true"#)), says("true", "false"));
        assert_eq!(forwarded(&form(r#", "frequently_forwarded": true"#)), says("true", "true"));
        assert_eq!(form_of(&sandbox, r#"{"from": "+14155550124"}"#).get("ChannelMetadata"), None, "by SMS");
    }

    #[test]
    fn webhook_has_the_persons_address_on_each_channel() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let ava = user_id::address(&user_id::derived_from("whatsapp:+14155550123"));
        let cases = [
            (r#"{"from": "whatsapp:+14155550123"}"#, Some("14155550123"), Some(ava.as_str()), "whatsapp:+14155238886"),
            (
                r#"{"from": "whatsapp:+14155550123", "external_user_id": "whatsapp:US.123"}"#,
                Some("14155550123"),
                Some("whatsapp:US.123"),
                "whatsapp:+14155238886",
            ),
            (
                r#"{"from": "whatsapp:US.13491208655302741918"}"#,
                Some("US.13491208655302741918"),
                Some("whatsapp:US.13491208655302741918"),
                "whatsapp:+14155238886",
            ),
            (r#"{"from": "whatsapp:US.123"}"#, Some("US.123"), Some("whatsapp:US.123"), "whatsapp:+14155238886"),
            (
                r#"{"from": "whatsapp:US.123", "to": "whatsapp:+14155238887"}"#,
                Some("US.123"),
                Some("whatsapp:US.123"),
                "whatsapp:+14155238887",
            ),
            (r#"{"from": "+14155550123"}"#, None, None, "+14155550100"),
        ];
        for (sent, wa_id, user_id, to) in cases {
            let form = form_of(&sandbox, sent);
            assert_eq!((form.get("WaId"), form.get("ExternalUserId"), form.get("To")), (wa_id, user_id, Some(to)));
            assert_eq!(form.get("MessagingServiceSid"), Some("MG00000000000000000000000000000001"));
        }
        assert!(serde_json::from_str::<PersonMessage>(r#"{"from": "whatsapp:"}"#).is_err());
    }
}
