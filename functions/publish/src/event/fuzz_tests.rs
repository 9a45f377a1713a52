//! Fuzz tests from a form, or a record of a stream, to an event.

use aws_lambda_events::dynamodb::EventRecord;
use fuzz::{
    Understood, fuzz,
    seeds::{forms, stream_records},
};
use schemas::Schemas;
use serde_json::{Value, json};
use shared::queues::MessageBody;
use stores::messages::Messages;
use twilio_webhook::{form::Form, signature::TrustedForm, webhook::Webhook};

use super::{
    tests::{is_accepted_by_sqs, stored_form, stored_message},
    *,
};
use crate::record::Change;

/// A message as the table keeps it.
pub(super) fn kept(messages: &Messages, stored: &StoredMessage) -> StoredMessage {
    let action = messages.record_action(stored).unwrap();
    let read = Messages::read(action.put.unwrap().item).unwrap();
    assert!(read == *stored, "another message is read");
    read
}

pub(super) fn messages() -> Messages {
    let config = aws_sdk_dynamodb::Config::builder();
    let config = config.behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest()).build();
    Messages::new(aws_sdk_dynamodb::Client::from_conf(config), "Messages".to_owned())
}

/// The event of a form, by way of the table; none if it names no account, or says nothing else.
pub(super) fn event_of(form: &Form, messages: &Messages) -> Option<Event> {
    let webhook = Webhook::of(TrustedForm::Stored(form)).ok()?;
    Some(match webhook {
        Webhook::Inbound(message) => {
            let mut stored = stored_message("inbound", form, "order-1");
            stored.message_sid = message.message_sid.clone();
            stored.unreadable_parameters.clone_from(&message.unreadable_parameters);
            Event::inbound(*message, kept(messages, &stored))
        }
        Webhook::Status(callback) => {
            let mut stored = stored_message(&format!("status#{}", callback.status), form, "order-1");
            stored.message_sid = callback.message_sid.clone();
            stored.unreadable_parameters.clone_from(&callback.unreadable_parameters);
            Event::status(*callback, kept(messages, &stored), [], None)
        }
        Webhook::Unknown(_) => Event::unknown(stored_form(form)),
        Webhook::Empty(_) => return None,
    })
}

/// The event as it is read from the queue.
pub(super) fn published(event: &Event) -> Value {
    let json = event.to_json().unwrap();
    let body = MessageBody::json(json.as_str());
    assert!(body.as_str().chars().all(is_accepted_by_sqs));
    let read: Value = serde_json::from_str(body.as_str()).unwrap();
    assert_eq!(read, serde_json::from_str::<Value>(&json).unwrap());
    read
}

#[test]
fn forms_become_events_that_read_back_equal() {
    let (messages, schemas) = (messages(), Schemas::read());
    fuzz(|mutator| {
        let form = Form::parse(&mutator.form(forms()));
        let Some(event) = event_of(&form, &messages) else { return Understood::No };
        let published = published(&event);
        assert_eq!(schemas.problems_of_event(&published), [""; 0], "{published}");
        assert_eq!(published["raw"], json!(form.to_raw()));
        if published["event_type"] == "twilio_inbound" {
            assert_eq!(published["body"], json!(form.get("Body").unwrap_or_default()));
        }
        Understood::Yes
    });
}

#[test]
fn records_of_streams_are_read_without_a_panic() {
    fuzz(|mutator| {
        let record = mutator.json(stream_records());
        let Ok(record) = serde_json::from_value::<EventRecord>(record) else { return Understood::No };
        match Change::read(record) {
            Ok(Change::Message(stored)) => {
                let form = Form::from(stored.raw.clone());
                if let Ok(message) = InboundMessage::parse(TrustedForm::Stored(&form)) {
                    published(&Event::inbound(message, *stored));
                }
            }
            Ok(Change::Email(stored)) => drop(published(&Event::email(*stored, None))),
            Ok(Change::UnknownForm(stored)) => drop(published(&Event::unknown(*stored))),
            Ok(Change::Media(media)) => drop(published(&Event::media(*media))),
            Ok(Change::Notification(stored)) => drop(Event::notification(*stored).as_ref().map(published)),
            Ok(Change::Preference(changed)) => drop(published(&Event::preference(*changed))),
            Ok(Change::Consent(changed)) => drop(published(&Event::consent(*changed))),
            Ok(Change::Nothing) => {}
            Err(_) => return Understood::No,
        }
        Understood::Yes
    });
}
