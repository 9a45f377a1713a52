//! `POST /twilio/events`: Twilio's Event Streams report the change of a template, and the registry has it within a second.
//!
//! 1. The request is verified ([`shared::webhook::EventStreamVerifier`]).
//! 2. What is stored of its templates is read. A template that is not stored is read from Twilio: it may be new.
//! 3. The updates are applied in their order ([`domain::templates::RegisteredTemplate::after_update`]), and written on the
//!    condition that no other writer changed the template meanwhile. One that is older than what is stored changes nothing.
//! 4. The answer is 204. If something was not written, it is 500 after the rest was: then Event Streams repeats the events, for
//!    up to four hours (Twilio, "Event delivery retries and event duplication"), and repetitions change nothing.
//!
//! Events of other types are accepted and not stored.
//!
//! Environment: `TEMPLATES_TABLE`, `TWILIO_SECRET_ID`, and optionally `PUBLIC_BASE_URL` (the API's own domain),
//! `TWILIO_API_BASE_URL` (Twilio's) and `SECRET_MAX_AGE_SECONDS` (300).

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    time::Duration,
};

use domain::templates::{RegisteredTemplate, StreamedEvent, StreamedEvents, TemplateUpdate};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use lambda_http::{
    LambdaEvent,
    aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::StatusCode,
};
use shared::{
    deadline::{Deadline, DeadlineExceeded},
    http_reply,
    report::Chain,
    templates::{ListedTemplates, log_change},
    twilio::AccountCallError,
    webhook::{EventStreamVerifier, accepted},
};
use stores::{
    dynamodb::StoreError,
    templates::{FoundTemplate, StoredTemplate, TemplateChange, TemplateStore, UnreadableTemplate},
};
use twilio_types::sid::{AccountSid, ContentSid};

mod config;

/// The function.
#[derive(Debug)]
pub struct TemplateEventsFunction {
    verifier: EventStreamVerifier,
    store: TemplateStore,
    listed: ListedTemplates,
}

/// Updates were not written. Event Streams repeats them.
#[derive(Debug, thiserror::Error)]
enum UpdateError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a template cannot be read from Twilio")]
    Twilio(#[from] AccountCallError),
    #[error(transparent)]
    Deadline(#[from] DeadlineExceeded),
}

/// Twilio waits for 5 s, of which one is for the way and the answer. Source: Twilio, Event Streams, "Webhook Quickstart".
const TIME_TO_WRITE: Duration = Duration::from_secs(4);

/// If other writers change the templates before each of these attempts, Event Streams repeats the events.
const MAX_ROUNDS: usize = 3;

/// How many templates are read at a time.
const CONCURRENT_READS: usize = 10;

/// This many templates are written before the next ones are read. So a request with more of them than can be written in time is
/// done by its repetitions.
const PORTION: usize = 25;

impl TemplateEventsFunction {
    /// Answers once the updates are written.
    pub async fn handle(
        &self,
        event: LambdaEvent<ApiGatewayV2httpRequest>,
    ) -> Result<ApiGatewayV2httpResponse, Infallible> {
        let now = Timestamp::now();
        let deadline = Deadline::of_answer(event.context.deadline).min(Deadline::after(TIME_TO_WRITE));
        let events = match self.verifier.verify(event.payload, now).await {
            Ok(events) => events,
            Err(answer) => return Ok(answer),
        };
        let written = async { deadline.run(self.record(&events, deadline, now)).await? };
        Ok(match written.await {
            Ok(()) => accepted(),
            Err(error) => {
                tracing::error!(error = %Chain(&error), "updates of templates were not written, and come again");
                let answer =
                    http_reply::text(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "internal error".to_owned());
                http_reply::for_api_gateway(answer)
            }
        })
    }

    /// Records all updates that can be recorded. The first failure is given after that: with the repetition of the request the
    /// others change nothing.
    async fn record(&self, events: &StreamedEvents, deadline: Deadline, now: Timestamp) -> Result<(), UpdateError> {
        let mut recorded = Ok(());
        log_others(&events.others);
        for (account_sid, events) in &events.by_account {
            let updates: Vec<_> = events.iter().filter_map(|event| update_in(account_sid, event)).collect();
            let of_account = self.record_account(account_sid, &updates, deadline, now).await;
            recorded = recorded.and(of_account);
        }
        recorded
    }

    async fn record_account(
        &self,
        account_sid: &AccountSid,
        updates: &[&TemplateUpdate],
        deadline: Deadline,
        now: Timestamp,
    ) -> Result<(), UpdateError> {
        let templates: BTreeSet<_> = updates.iter().map(|update| update.sid.clone()).collect();
        if templates.is_empty() {
            return Ok(());
        }
        let synced_at = self.store.sync_state(account_sid).await?.synced_at;
        let templates: Vec<_> = templates.into_iter().collect();
        let mut recorded = Ok(());
        for portion in templates.chunks(PORTION) {
            let portion = Portion { account_sid, updates, templates: portion.to_vec(), synced_at };
            recorded = recorded.and(self.record_portion(portion, deadline, now).await);
        }
        recorded
    }

    async fn record_portion(
        &self,
        mut portion: Portion<'_>,
        deadline: Deadline,
        now: Timestamp,
    ) -> Result<(), UpdateError> {
        let account_sid = portion.account_sid;
        let mut recorded = Ok(());
        for _ in 0..MAX_ROUNDS {
            let (found, failed) = self.find(account_sid, &portion.templates, deadline, now).await;
            recorded = recorded.and(failed.map_or(Ok(()), Err));
            let changes = found.iter().filter_map(|found| change(found, portion.updates, portion.synced_at));
            let changes: Vec<_> = changes.collect();
            let refused = self.store.write(account_sid, &changes).await?;
            let refused: BTreeSet<_> = refused.iter().map(|change| change.sid().clone()).collect();
            for change in changes.iter().filter(|change| !refused.contains(change.sid())) {
                log(account_sid, &found, change);
            }
            if refused.is_empty() {
                return recorded;
            }
            portion.templates = refused.into_iter().collect();
        }
        Err(StoreError::contended("writing updates of templates").into())
    }

    /// What is known of these templates, and the first failure to read one. One that neither the registry nor Twilio has was
    /// deleted, and is left out.
    async fn find(
        &self,
        account_sid: &AccountSid,
        templates: &[ContentSid],
        deadline: Deadline,
        now: Timestamp,
    ) -> (Vec<KnownTemplate>, Option<UpdateError>) {
        let reads = stream::iter(templates).map(async |sid| -> Result<_, UpdateError> {
            let seen = match self.store.get(account_sid, sid).await? {
                Some(FoundTemplate::Stored(stored)) => return Ok(Some(KnownTemplate::Stored(stored))),
                // It is written again, as Twilio has it.
                Some(FoundTemplate::Unreadable(UnreadableTemplate { revision, .. })) => revision,
                None => None,
            };
            let listed = self.listed.one(account_sid, sid, deadline).await?;
            Ok(listed.map(|listed| KnownTemplate::New { template: Box::new(listed.registered(now)), seen }))
        });
        let reads: Vec<_> = reads.buffer_unordered(CONCURRENT_READS).collect().await;
        let (mut found, mut failed) = (Vec::new(), None);
        for read in reads {
            match read {
                Ok(known) => found.extend(known),
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        (found, failed)
    }
}

/// Some of the templates of an account, which are read and written together.
struct Portion<'a> {
    account_sid: &'a AccountSid,
    /// All updates of the account.
    updates: &'a [&'a TemplateUpdate],
    templates: Vec<ContentSid>,
    synced_at: Option<Timestamp>,
}

/// A template as it was before the updates.
enum KnownTemplate {
    Stored(Box<StoredTemplate>),
    /// It was read from Twilio. `seen` is the revision of what is stored, if that cannot be read.
    New {
        template: Box<RegisteredTemplate>,
        seen: Option<i64>,
    },
}

impl KnownTemplate {
    fn sid(&self) -> &ContentSid {
        match self {
            Self::Stored(stored) => &stored.template.sid,
            Self::New { template, .. } => &template.sid,
        }
    }
}

/// Says in the log what events say that name no account. None of them changes anything.
fn log_others(events: &[StreamedEvent]) {
    for event in events {
        if let StreamedEvent::Unreadable { field } = event {
            tracing::error!(field, alarm = "event", "an event about a template cannot be read");
        } else {
            tracing::info!("an event that is not about a template is not stored");
        }
    }
}

/// The update of an event, if it is one.
fn update_in<'a>(account_sid: &AccountSid, event: &'a StreamedEvent) -> Option<&'a TemplateUpdate> {
    match event {
        StreamedEvent::Update(update) => return Some(update),
        StreamedEvent::Notice { sid, kind } => {
            let content_sid = sid.as_ref().map(tracing::field::display);
            tracing::warn!(%account_sid, content_sid, kind, "WhatsApp has a notice about a template");
        }
        StreamedEvent::Unreadable { field } => {
            tracing::error!(%account_sid, field, alarm = "event", "an event about a template cannot be read");
        }
        StreamedEvent::Other => {
            tracing::info!(%account_sid, "an event that is not about a template is not stored");
        }
    }
    None
}

/// The change that all updates of a template lead to, in their order; none if they say nothing new.
fn change(known: &KnownTemplate, updates: &[&TemplateUpdate], synced_at: Option<Timestamp>) -> Option<TemplateChange> {
    let of_template = updates.iter().filter(|update| update.sid == *known.sid());
    let (before, seen) = match known {
        KnownTemplate::Stored(stored) => (&stored.template, Some(stored.revision)),
        KnownTemplate::New { template, seen } => (&**template, *seen),
    };
    let is_new = matches!(known, KnownTemplate::New { .. });
    // What was just read from Twilio was confirmed now, not by the last list.
    let confirmed_at = synced_at.filter(|_| !is_new);
    let after =
        of_template.fold(before.clone(), |before, update| before.after_update(update, confirmed_at).unwrap_or(before));
    let is_changed = is_new || after != *before;
    is_changed.then(|| TemplateChange::Put { template: Box::new(after), seen })
}

fn log(account_sid: &AccountSid, found: &[KnownTemplate], change: &TemplateChange) {
    let stored = |known: &KnownTemplate| match known {
        KnownTemplate::Stored(stored) => Some((stored.template.sid.clone(), stored.template.clone())),
        KnownTemplate::New { .. } => None,
    };
    let before: BTreeMap<_, _> = found.iter().filter_map(stored).collect();
    if let TemplateChange::Put { template, .. } = change {
        log_change(account_sid, before.get(&template.sid), template);
    }
}

#[cfg(test)]
mod tests;
