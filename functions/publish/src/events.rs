//! The events of a change, and what follows from the change. What follows is done before the event is published, so that a
//! consumer of the event finds it done. Everything may be done twice: a record that was not published comes again.

use domain::{consent::ConsentEvidence, progress::Outcome};
use shared::tenants::TenantCache;
use stores::{
    contacts::PreferenceChange,
    messages::{MessageEvent, Messages, StoredEmailEvent, StoredMessage},
    notifications::{Notifications, StoredNotification},
    senders::KnownSenders,
};
use twilio_webhook::{
    form::Form, inbound_message::InboundMessage, signature::TrustedForm, status_callback::StatusCallback,
};

use crate::{
    error::EventError,
    event::Event,
    opt_out::OptOutRecorder,
    received_media::MediaForwarder,
    record::Change,
    report::{ReportHandler, ReportedStatus, log_failure},
    wake::ReplyHandler,
};

/// Makes the events of a change.
#[derive(Debug)]
pub(crate) struct EventBuilder {
    pub(crate) messages: Messages,
    pub(crate) notifications: Notifications,
    /// Both kinds of webhooks say which senders are ours.
    pub(crate) senders: KnownSenders,
    pub(crate) replies: ReplyHandler,
    pub(crate) reports: ReportHandler,
    pub(crate) opt_outs: OptOutRecorder,
    pub(crate) media: MediaForwarder,
    pub(crate) tenants: TenantCache,
}

impl EventBuilder {
    pub(crate) async fn events(&self, change: Change) -> Result<Vec<Event>, EventError> {
        match change {
            Change::Message(stored) => {
                let form = Form::from(stored.raw.clone());
                let form = TrustedForm::Stored(&form);
                let event = match stored.event {
                    MessageEvent::Inbound => self.inbound(InboundMessage::parse(form)?, *stored).await?,
                    MessageEvent::Status(_) | MessageEvent::AttemptStatus(..) => {
                        self.status(StatusCallback::parse(form)?, *stored).await?
                    }
                };
                Ok(vec![event])
            }
            Change::Email(reported) => Ok(vec![self.email(*reported).await?]),
            Change::UnknownForm(form) => Ok(vec![Event::unknown(*form)]),
            Change::Media(media) => Ok(vec![Event::media(*media)]),
            Change::Notification(stored) => {
                log_unreached(&stored);
                Ok(Event::notification(*stored).into_iter().collect())
            }
            Change::Preference(changed) => {
                log_preference(&changed.change);
                Ok(vec![Event::preference(*changed)])
            }
            Change::Consent(changed) => {
                log_consent(&changed.recorded.evidence);
                Ok(vec![Event::consent(*changed)])
            }
            Change::Nothing => Ok(Vec::new()),
        }
    }

    async fn inbound(&self, message: InboundMessage, stored: StoredMessage) -> Result<Event, EventError> {
        self.senders.learn(&message.account_sid, &message.to).await?;
        self.replies.wake_awaiting(&message).await?;
        let settings = self.tenants.of(&message.account_sid).await.media;
        self.media.forward(&message, settings).await?;
        Ok(Event::inbound(message, stored))
    }

    async fn email(&self, reported: StoredEmailEvent) -> Result<Event, EventError> {
        let notification = self.notifications.get(&reported.account_sid, &reported.notification_id).await?;
        if let Some(notification) = &notification {
            self.reports.apply_email(&reported, notification).await?;
        }
        Ok(Event::email(reported, notification))
    }

    async fn status(&self, callback: StatusCallback, stored: StoredMessage) -> Result<Event, EventError> {
        let reported = self.messages.reports(&stored.subject()).await?;
        let of_message = reported.into_iter().filter(|report| report.message_sid == callback.message_sid);
        let statuses: Vec<_> = of_message.filter_map(|report| report.status.known()).collect();
        let notification = match &stored.notification_id {
            Some(id) => self.notifications.get(&callback.account_sid, id).await?,
            None => None,
        };
        if let (Some(_), Some(from)) = (&notification, &callback.from) {
            self.senders.learn(&callback.account_sid, from).await?;
        }
        log_failure(&callback);
        let settings = self.tenants.of(&callback.account_sid).await;
        self.opt_outs.record_report(&callback, settings.opt_out.scope, stored.received_at).await?;
        if let (Some(notification), Some(attempt)) = (&notification, stored.attempt) {
            let reported = ReportedStatus { callback: &callback, attempt, received_at: stored.received_at };
            self.reports.apply(reported, notification, &settings).await?;
        }
        Ok(Event::status(callback, stored, statuses, notification))
    }
}

/// The line that counts notifications by their outcome. Those that reached the person have theirs in [`crate::report`].
fn log_unreached(stored: &StoredNotification) {
    tracing::info!(
        notification_id = %stored.subject.id,
        outcome = stored.progress.outcome.map(Outcome::as_str),
        "a notification did not reach its recipient"
    );
}

/// The line about a consent. It has no address, and not where the person gave it.
fn log_consent(evidence: &ConsentEvidence) {
    let (category, state) = (evidence.category.as_str(), evidence.state.as_str());
    tracing::info!(category, consent = state, "a consent was recorded");
}

/// The line that counts opt-outs and opt-ins, whichever way they came. It has no address.
fn log_preference(change: &PreferenceChange) {
    tracing::info!(
        preference = PreferenceChange::event_type(change.preference),
        origin = change.origin(),
        message_sid = change.message_sid.as_ref().map(tracing::field::display),
        "a person opted out or in"
    );
}
