//! What there is, as the page and others who look on see it.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::{
    api::resource,
    messages::Message,
    people::Person,
    state::{Sandbox, State},
};

/// How many messages and entries a snapshot holds: more than anybody reads, and quick to draw.
const NEWEST: usize = 500;

/// All that is shown, once.
pub(crate) fn snapshot(sandbox: &Sandbox, state: &State) -> Value {
    let mut messages: Vec<_> = state.messages.iter().rev().take(NEWEST).map(|one| message(sandbox, one)).collect();
    messages.reverse();
    let entries: Vec<_> = state.timeline.newest(NEWEST).collect();
    json!({
        "config": config(sandbox), "clock": clock(sandbox), "people": people(state, sandbox.now()),
        "messages": messages, "timeline": entries, "faults": faults(state),
        "rules": sandbox.rules(), "templates": sandbox.products.contents.overview(),
    })
}

pub(crate) fn config(sandbox: &Sandbox) -> Value {
    let config = &sandbox.config;
    json!({
        "account_sid": config.account_sid, "sender": config.sender, "sms_sender": config.sms_sender,
        "messaging_service_sid": config.messaging_service_sid, "inbound_url": sandbox.inbound_urls(&config.sender).0, "seed": config.seed.to_string(),
        "plays": config.plays,
    })
}

pub(crate) fn clock(sandbox: &Sandbox) -> Value {
    json!({"now": sandbox.now(), "ahead_seconds": sandbox.clock.ahead().as_secs()})
}

pub(crate) fn people(state: &State, now: Timestamp) -> Value {
    state.people.iter().map(|one| person(state, one, now)).collect()
}

pub(crate) fn person(state: &State, person: &Person, now: Timestamp) -> Value {
    json!({
        "address": person.address, "name": person.name, "user_id": person.user_id, "opted_out": state.people.has_opted_out(&person.address),
        "window_until": state.people.window_until(&person.address, now),
    })
}

pub(crate) fn faults(state: &State) -> Value {
    json!(state.faults.iter().collect::<Vec<_>>())
}

/// A message as the API shows it, and what the API does not show of it.
pub(crate) fn message(sandbox: &Sandbox, message: &Message) -> Value {
    let outbound = message.direction != "inbound";
    let media: Vec<_> =
        message.media.iter().map(|file| json!({"url": file.url, "content_type": file.content_type})).collect();
    let mut shown = resource(sandbox, message);
    if let Some(fields) = shown.as_object_mut() {
        let besides = json!({
            "person": if outbound { Some(&message.to) } else { message.from.as_ref() }, "outbound": outbound,
            "at": message.created_at, "content_sid": message.content_sid, "buttons": message.buttons, "media": media,
            "location": message.location, "replied_to": message.replied_to,
        });
        fields.insert("sandbox".to_owned(), besides);
    }
    shown
}
