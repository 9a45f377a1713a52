//! A batch of notifications of all kinds.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use fastrand::Rng;
use serde_json::{Value, json};
use tests::harness::sender::Record;

use super::stranger;
use crate::world::{Person, World, new_id, text};

/// Notifications that are delivered together.
pub(crate) struct Batch(Vec<Recipient>);

/// A person, and the notifications to this person.
struct Recipient {
    person: Person,
    records: Vec<Record>,
}

#[derive(Clone, Copy)]
enum Kind {
    Template,
    Text,
    Authentication,
    /// Two notifications with the same content.
    Twins,
}

impl Batch {
    /// Makes random people and notifications. People who get a text write first, so that their service window is open.
    pub(crate) async fn prepare(world: &World, rng: &mut Rng, size: usize) -> Self {
        let mut recipients = Vec::new();
        let mut left = size;
        while left > 0 {
            let kind = match rng.u8(0..6) {
                0 => Kind::Text,
                1 => Kind::Authentication,
                2..5 if left > 1 => Kind::Twins,
                _ => Kind::Template,
            };
            let recipient = Recipient::new(kind);
            left -= recipient.records.len();
            if matches!(kind, Kind::Text) {
                open_window(world, &recipient.person).await;
            }
            recipients.push(recipient);
        }
        Self(recipients)
    }

    /// Plans random faults of Twilio for some of the people.
    pub(crate) async fn plan_faults(&self, world: &World, rng: &mut Rng) {
        for recipient in &self.0 {
            plan_random_faults(world, rng, &recipient.person).await;
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.0.iter().flat_map(|recipient| recipient.records.clone()).collect()
    }

    pub(crate) fn ids(&self) -> Vec<&str> {
        self.0.iter().flat_map(|recipient| &recipient.records).map(|record| record.message_id.as_str()).collect()
    }

    pub(crate) async fn state(&self, world: &World, id: &str) -> Option<String> {
        text(&world.notification(id).await?, "state").map(str::to_owned)
    }

    /// Checks that Twilio has one message for each notification, and that each notification names a different one.
    pub(crate) async fn check(&self, world: &World) -> Result<()> {
        for Recipient { person, records } in &self.0 {
            let sent = world.sent_to(person).await;
            let at_twilio: BTreeSet<_> = sent.iter().filter_map(|message| message["sid"].as_str()).collect();
            let ids: Vec<_> = records.iter().map(|record| &record.message_id).collect();
            ensure!(at_twilio.len() == records.len(), "{} messages for {ids:?}: {at_twilio:?}", at_twilio.len());
            let mut known = BTreeSet::new();
            for id in &ids {
                let stored = world.notification(id).await.unwrap_or_default();
                ensure!(text(&stored, "state") == Some("accepted"), "{id} is {:?}", text(&stored, "state"));
                known.insert(text(&stored, "message_sid").unwrap_or_default().to_owned());
            }
            let known: BTreeSet<_> = known.iter().map(String::as_str).collect();
            ensure!(known == at_twilio, "{ids:?} are {known:?} in the table and {at_twilio:?} at Twilio");
        }
        Ok(())
    }
}

impl Recipient {
    fn new(kind: Kind) -> Self {
        let person = stranger();
        let (category, content) = match kind {
            Kind::Template | Kind::Twins => ("utility", template(sandbox::ORDER_UPDATE_SID, &json!({"1": "Ava"}))),
            Kind::Text => ("service", json!({"type": "text", "body": "On its way."})),
            Kind::Authentication => ("authentication", template(sandbox::VERIFICATION_CODE_SID, &json!({"1": "4711"}))),
        };
        let record = || {
            let id = new_id("crash");
            let body = json!({"id": id, "to": person.identity, "category": category, "content": content}).to_string();
            Record { message_id: id, body }
        };
        let count = if matches!(kind, Kind::Twins) { 2 } else { 1 };
        Self { records: (0..count).map(|_| record()).collect(), person }
    }
}

fn template(content_sid: &str, variables: &Value) -> Value {
    json!({"type": "template", "content_sid": content_sid, "variables": variables})
}

async fn open_window(world: &World, person: &Person) {
    world.write(person, "Where is my order?").await;
    world.until("the window open", async || world.contact(person, "window").await).await;
}

/// Drops none, some or all of a person's callbacks, and may make Twilio slow or make its first response an error, with or
/// without a created message.
async fn plan_random_faults(world: &World, rng: &mut Rng, person: &Person) {
    let fraction = [0.0, 0.0, 0.5, 1.0, 1.0][rng.usize(..5)];
    if fraction > 0.0 {
        let loss = json!({"to_prefix": person.address(), "fraction": fraction, "seed": rng.u32(..)});
        let url = format!("{}/sandbox/drops", world.stack.sandbox_url);
        let answer = world.http.put(url).json(&loss).send().await.unwrap();
        assert!(answer.status().is_success(), "the sandbox refused the loss");
    }
    let fault = match rng.u8(0..8) {
        0 => json!({"kind": "slow", "milliseconds": rng.u64(50..500)}),
        1 => json!({"kind": "accept_then_refuse", "status": 500, "code": 20500}),
        2 => json!({"kind": "refuse", "status": 500, "code": 20500}),
        3 => json!({"kind": "report_first"}),
        _ => return,
    };
    world.plan(person, 1, fault).await;
}
