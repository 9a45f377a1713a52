//! A batch of notifications of all kinds, and what becomes of them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, ensure};
use domain::progress::{Attempt, Outcome, Phase, Purpose};
use fastrand::Rng;
use futures::future::{join_all, try_join_all};
use jiff::Timestamp;
use serde_json::{Value, json};
use stores::notifications::StoredNotification;
use tests::harness::{sender::Record, wire::Moment};
use twilio_types::message_status::{MessageStatus, Stage};

use super::{
    faults::{control, lose_callbacks, plan_random_faults},
    kind::Kind,
    let_time_pass, write_until_answered,
};
use crate::world::{Person, World, new_id};

/// Notifications that are delivered together.
pub(crate) struct Batch {
    recipients: Vec<Recipient>,
    /// The leases of all claims by the test's own processes. No other function works on a notification with such a lease.
    leases: BTreeSet<String>,
}

/// A person, and the notifications to this person.
pub(crate) struct Recipient {
    pub(crate) kind: Kind,
    pub(crate) person: Person,
    /// Twilio may try to send the messages for a few seconds only.
    pub(crate) is_short: bool,
    records: Vec<Record>,
    /// How the person ends the notifications between two deliveries.
    refusal: Option<Refusal>,
    /// When that was answered.
    refused_at: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Stop,
    WithdrawConsent,
}

/// A message at Twilio.
#[derive(Debug)]
struct Message {
    sid: String,
    status: MessageStatus,
    code: Option<u32>,
}

/// A notification without an outcome.
pub(crate) struct Open {
    pub(crate) record: Record,
    pub(crate) stored: Option<StoredNotification>,
}

impl Batch {
    /// Makes random people and notifications. People who get a text write first, so that their service window is open.
    pub(crate) async fn prepare(world: &World, rng: &mut Rng, size: usize) -> Self {
        let mut kinds = Vec::new();
        let mut left = size;
        while left > 0 {
            let kind = Kind::ALL[rng.usize(..Kind::ALL.len())];
            if kind.notifications() <= left {
                left -= kind.notifications();
                kinds.push(kind);
            }
        }
        let mut recipients: Vec<_> = kinds.into_iter().map(|kind| Recipient::new(kind, rng.u8(0..24) == 0)).collect();
        for recipient in &mut recipients {
            recipient.refusal = match rng.u8(0..8) {
                0 => Some(Refusal::Stop),
                1..4 if recipient.kind == Kind::Marketing => Some(Refusal::WithdrawConsent),
                _ => None,
            };
        }
        Self::of(world, recipients).await
    }

    /// One person, who refuses nothing.
    pub(crate) async fn of_kind(world: &World, kind: Kind) -> Self {
        Self::of(world, vec![Recipient::new(kind, false)]).await
    }

    async fn of(world: &World, recipients: Vec<Recipient>) -> Self {
        let prepared = recipients.iter().map(|recipient| recipient.kind.prepare(world, &recipient.person));
        join_all(prepared).await;
        Self { recipients, leases: BTreeSet::new() }
    }

    /// Plans random faults of Twilio for the people.
    pub(crate) async fn plan_faults(&self, world: &World, rng: &mut Rng) {
        for recipient in &self.recipients {
            plan_random_faults(world, rng, recipient).await;
        }
    }

    /// Twilio creates each person's first message and answers with an error. Where `is_reported` is false, no callback says so.
    pub(crate) async fn lose_answers(&self, world: &World, is_reported: bool) {
        for recipient in &self.recipients {
            let lost = json!({"kind": "accept_then_refuse", "status": 500, "code": 20500});
            for address in recipient.addresses() {
                control(world, "POST", "faults", &json!({"to": address, "fault": lost})).await;
            }
            if !is_reported {
                lose_callbacks(world, recipient, 1.0, 0).await;
            }
        }
    }

    pub(crate) fn records(&self) -> Vec<Record> {
        self.recipients.iter().flat_map(|recipient| recipient.records.clone()).collect()
    }

    pub(crate) fn kinds(&self) -> impl Iterator<Item = Kind> + '_ {
        self.recipients.iter().map(|recipient| recipient.kind)
    }

    /// What the batch is, for the message of a failure.
    pub(crate) fn describe(&self) -> String {
        let describe = |recipient: &Recipient| {
            let ids: Vec<_> = recipient.records.iter().map(|record| record.message_id.as_str()).collect();
            format!("{:?} {:?} to {}: {}", recipient.kind, recipient.refusal, recipient.person.identity, ids.join(", "))
        };
        self.recipients.iter().map(describe).collect::<Vec<_>>().join("; ")
    }

    /// Remembers the claims that a process of the test asked for.
    pub(crate) fn note_claims(&mut self, moments: &[Moment]) {
        let requests = moments.iter().filter(|moment| moment.operation.starts_with("TransactWriteItems"));
        for request in requests {
            let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
            let items = body["TransactItems"].as_array().cloned().unwrap_or_default();
            let lease = |item: &Value| item["Put"]["Item"]["lease"]["S"].as_str().map(str::to_owned);
            self.leases.extend(items.iter().filter_map(lease));
        }
    }

    /// Lets time pass for all that waits, as far as that is certain to be what Twilio's time would do too.
    pub(crate) async fn let_time_pass(&self, world: &World) -> Result<()> {
        let passed = self.recipients.iter().map(|recipient| recipient.let_time_pass(world, &self.leases));
        try_join_all(passed).await?;
        Ok(())
    }

    /// Twilio sends the messages that it has held, except where it gives up soon.
    pub(crate) async fn release_held(&self, world: &World) {
        for recipient in self.recipients.iter().filter(|recipient| !recipient.is_short) {
            for message in recipient.messages(world).await.iter().filter(|message| message.status < MessageStatus::Sent)
            {
                let url = format!("{}/sandbox/messages/{}/release", world.stack.sandbox_url, message.sid);
                // It is not found if it was sent meanwhile.
                world.http.post(url).send().await.unwrap();
            }
        }
    }

    /// Some of those who will refuse do so now.
    pub(crate) async fn refuse_some(&mut self, world: &World, rng: &mut Rng) {
        for recipient in &mut self.recipients {
            if recipient.refused_at.is_none() && recipient.refusal.is_some() && rng.bool() {
                recipient.refuse(world).await;
            }
        }
    }

    /// The notifications without an outcome.
    pub(crate) async fn open(&self, world: &World) -> Result<Vec<Open>> {
        let read = self.records().into_iter().map(async |record| {
            let stored = stored(world, &record.message_id).await?;
            anyhow::Ok(Open { record, stored })
        });
        let has_outcome = |open: &Open| open.stored.as_ref().is_some_and(|stored| stored.progress.outcome.is_some());
        Ok(try_join_all(read).await?.into_iter().filter(|open| !has_outcome(open)).collect())
    }

    /// Twilio's messages go on to their ends: who got a template answers it, and lost final statuses are reported once more,
    /// as `reconcile` would find them.
    pub(crate) async fn bring_outcomes(&self, world: &World, open: &[Open]) {
        let brought = open.iter().map(async |open| {
            let is_of = |recipient: &&Recipient| {
                recipient.records.iter().any(|record| record.message_id == open.record.message_id)
            };
            if let (Some(recipient), Some(stored)) = (self.recipients.iter().find(is_of), &open.stored) {
                recipient.bring_outcome(world, stored).await;
            }
        });
        join_all(brought).await;
    }

    /// Checks that each notification has its outcome and became the messages that it should.
    pub(crate) async fn check(&self, world: &World) -> Result<()> {
        for recipient in &self.recipients {
            let mut notifications = Vec::new();
            for record in &recipient.records {
                let stored = stored(world, &record.message_id).await?;
                notifications.push(stored.with_context(|| format!("{} is not stored", record.message_id))?);
            }
            let messages = recipient.messages(world).await;
            let checked = recipient.check(&notifications, &messages);
            checked.with_context(|| format!("{:?} {notifications:#?} {messages:#?}", recipient.kind))?;
        }
        Ok(())
    }
}

impl Recipient {
    fn new(kind: Kind, is_short: bool) -> Self {
        let person = kind.person();
        let record = || {
            let (id, mut request) = (new_id("crash"), kind.request());
            (request["id"], request["to"]) = (json!(id), json!(person.identity));
            if is_short {
                request["validity_period"] = json!(5);
            }
            Record { message_id: id, body: request.to_string() }
        };
        let records = (0..kind.notifications()).map(|_| record()).collect();
        Self { kind, is_short, records, person, refusal: None, refused_at: None }
    }

    /// The person's addresses at Twilio.
    pub(crate) fn addresses(&self) -> Vec<String> {
        let number = Some(&self.person.identity).filter(|identity| identity.starts_with('+'));
        [self.person.address()].into_iter().chain(number.cloned()).collect()
    }

    /// The messages that Twilio created for the person.
    async fn messages(&self, world: &World) -> Vec<Message> {
        let mut messages = Vec::new();
        for address in self.addresses() {
            messages.extend(world.messages_at_twilio_of(&address).await.iter().filter_map(Message::read));
        }
        messages
    }

    async fn let_time_pass(&self, world: &World, ours: &BTreeSet<String>) -> Result<()> {
        for record in &self.records {
            let Some(stored) = stored(world, &record.message_id).await? else { continue };
            let is_unsent = |message: &Message| message.status < MessageStatus::Sent;
            let may_be_sent = stored.lease.is_some() && self.messages(world).await.iter().any(is_unsent);
            let_time_pass(world, &stored, ours, may_be_sent).await;
        }
        Ok(())
    }

    async fn bring_outcome(&self, world: &World, stored: &StoredNotification) {
        let Some(sid) = stored.message_sid().map(ToString::to_string) else { return };
        let messages = self.messages(world).await;
        let Some(message) = messages.iter().find(|message| message.sid == sid) else { return };
        match (stored.progress.phase, message.status.stage()) {
            (Phase::AwaitingReply, Stage::Arrived) => self.say(world, "Yes").await,
            (Phase::AwaitingReply | Phase::Accepted, Stage::Lost) | (Phase::Accepted, Stage::Arrived) => {
                lose_callbacks(world, self, 0.0, 0).await;
                let status = json!({"status": message.status, "error_code": message.code});
                control(world, "POST", &format!("messages/{sid}/status"), &status).await;
            }
            _ => {}
        }
    }

    /// The person writes a message whose webhook arrives.
    async fn say(&self, world: &World, body: &str) {
        lose_callbacks(world, self, 0.0, 0).await;
        write_until_answered(world, &self.person, &json!({"body": body})).await;
    }

    async fn refuse(&mut self, world: &World) {
        match self.refusal {
            Some(Refusal::Stop) => self.say(world, "STOP").await,
            Some(Refusal::WithdrawConsent) => withdraw_consent(world, &self.person).await,
            None => return,
        }
        self.refused_at = Some(Timestamp::now());
    }

    fn check(&self, notifications: &[StoredNotification], messages: &[Message]) -> Result<()> {
        let attempts: Vec<_> = notifications.iter().flat_map(|stored| &stored.progress.attempts).collect();
        let named: Vec<_> = attempts.iter().filter_map(|attempt| attempt.message_sid.as_ref()).collect();
        let distinct: BTreeSet<_> = named.iter().map(ToString::to_string).collect();
        ensure!(distinct.len() == named.len(), "one message is that of two attempts");
        for message in messages.iter().filter(|message| !distinct.contains(&message.sid)) {
            ensure!(message.is_lost(), "{} belongs to no attempt", message.sid);
        }
        if let Some(refused_at) = self.refused_at {
            let late = attempts.iter().find(|attempt| attempt.claimed_at > refused_at);
            ensure!(late.is_none(), "claimed after the answer of {refused_at}: {late:?}");
        }
        let mut delivered = 0;
        for stored in notifications {
            delivered += self.check_notification(stored, messages)?;
        }
        let expected = self.kind.delivered();
        let is_right = if self.refused_at.is_some() { delivered <= expected } else { delivered == expected };
        ensure!(is_right, "{delivered} notifications were delivered, and not {expected}");
        Ok(())
    }

    /// Gives the number of messages that delivered the notification: 1 or 0.
    fn check_notification(&self, stored: &StoredNotification, messages: &[Message]) -> Result<usize> {
        let is_good = |attempt: &&Attempt| {
            let sid = attempt.message_sid.as_ref().map(ToString::to_string);
            messages.iter().any(|message| sid.as_deref() == Some(&message.sid) && !message.is_lost())
        };
        let good = |purpose| {
            let attempts = stored.progress.attempts.iter().filter(|attempt| attempt.purpose == purpose);
            attempts.filter(is_good).count()
        };
        let (asked, delivered) = (good(Purpose::AskForReply), good(Purpose::Deliver));
        let expected = match stored.progress.outcome.context("a notification has no outcome")? {
            Outcome::Delivered | Outcome::Read => 1,
            Outcome::Suppressed if self.refused_at.is_some() || self.kind == Kind::Cap => 0,
            // A message that waited at Twilio was cancelled after a STOP.
            Outcome::Failed if self.refused_at.is_some() => 0,
            other => anyhow::bail!("the outcome is {other:?}"),
        };
        ensure!(delivered == expected && asked <= 1, "{delivered} messages delivered it, {asked} asked for a reply");
        Ok(delivered)
    }
}

impl Message {
    /// None of what the person wrote.
    fn read(message: &Value) -> Option<Self> {
        let is_ours = message["direction"] == "outbound-api";
        is_ours.then(|| Self {
            sid: message["sid"].as_str().unwrap().to_owned(),
            status: serde_json::from_value(message["status"].clone()).unwrap(),
            code: message["error_code"].as_u64().and_then(|code| code.try_into().ok()),
        })
    }

    fn is_lost(&self) -> bool {
        self.status.stage() == Stage::Lost
    }
}

async fn stored(world: &World, id: &str) -> Result<Option<StoredNotification>> {
    Ok(world.notification(id).await.map(StoredNotification::read).transpose()?)
}

/// A person's consent to marketing is withdrawn over the API.
pub(crate) async fn withdraw_consent(world: &World, person: &Person) {
    let withdrawal = json!({"category": "marketing", "state": "withdrawn", "source": "call-centre"});
    let path = format!("/contacts/{}/consent", person.identity);
    let (status, answer) = world.call("PUT", &path, &withdrawal.to_string()).await;
    assert_eq!(status, 201, "{answer}");
}
