//! What is done about what is published: a person's window opens, a failure is cured, an opt-out that Twilio knows of
//! becomes ours.
//!
//! Done here, from the streams, so that a webhook and a message that was found at Twilio later are treated alike, and so
//! that an interruption is made up for: a record that was not published comes again. Everything here may be done twice.

use std::time::Duration;

use domain::{
    contact_key::ContactKey,
    failure_response::{FailureResponse, asks_to_slow_down, needs_operator, next_option, retry_pause},
    limits::MAX_ATTEMPTS,
    notification::{Category, FallbackChannel, Notification},
    policy::Policy,
    preference::{Preference, PreferenceEffect},
    suppression::Scope,
};
use jiff::{SignedDuration, Timestamp};
use shared::queues::{MessageBody, OutboundProducer, QueueEntry};
use stores::{
    contacts::Contacts,
    notifications::{FailedMessage, NextAttempt, NotificationState, Notifications, StoredNotification},
    rate_limits::{BucketKey, RateLimits},
};
use twilio_types::{
    address::Channel,
    error_code::ErrorCode,
    message_status::Stage,
    sid::{AccountSid, MessageSid},
};
use twilio_webhook::{inbound_message::InboundMessage, status_callback::StatusCallback};

use crate::{
    error::EventError,
    event::{Event, ReportedOptOut},
};

/// Does it.
#[derive(Debug)]
pub(crate) struct Reactor {
    pub(crate) contacts: Contacts,
    pub(crate) notifications: Notifications,
    pub(crate) rate_limits: RateLimits,
    pub(crate) outbound: OutboundProducer,
    pub(crate) policy: Policy,
}

impl Reactor {
    /// A person wrote: who they are, what they wish, and that they may be answered. The window opens before the event is
    /// out, so that whoever answers the event may do so in free form.
    pub(crate) async fn to_inbound(
        &self,
        message: &InboundMessage,
        preference: Option<Preference>,
        at: Timestamp,
    ) -> Result<(), EventError> {
        let contacts = ContactKey::all_of_sender(message);
        self.contacts.record_identities(&contacts, at).await?;
        if let Some(preference) = preference {
            for contact in &contacts {
                self.contacts.share_preferences(contact).await?;
                if preference == Preference::OptedOut {
                    let source = format!("opt-out by {}", message.message_sid);
                    self.contacts.withdraw_consents(contact, &Category::ALL, at, &source, Timestamp::now()).await?;
                }
            }
        }
        let service = message.details.messaging_service_sid.as_ref();
        for contact in &contacts {
            let awaiting = self.contacts.open_window(contact, &message.to, service, at).await?;
            for id in &awaiting {
                let waiting = self.notifications.get(&message.account_sid, id).await?;
                if let Some(found) = waiting.filter(|found| found.state == NotificationState::AwaitingReply) {
                    self.put_back(&found, Duration::ZERO).await?;
                }
            }
            if !awaiting.is_empty() {
                self.contacts.stop_awaiting(contact, &awaiting).await?;
            }
        }
        Ok(())
    }

    /// A message failed after Twilio had taken it.
    pub(crate) async fn to_status(
        &self,
        callback: &StatusCallback,
        notification: Option<&StoredNotification>,
        at: Timestamp,
    ) -> Result<Option<Event>, EventError> {
        let Some(code) = callback.error_code.filter(|_| callback.status.stage() == Stage::Lost) else {
            return Ok(None);
        };
        if needs_operator(code) {
            tracing::error!(message_sid = %callback.message_sid, %code, alarm = "configuration", "message failed");
        }
        let reaction = FailureResponse::of_code(Some(code));
        if let Some(is_marketing_only) = opt_out_of(reaction) {
            let (Some(contact), Some(to)) = (ContactKey::of_recipient(callback), callback.to.as_ref()) else {
                return Ok(None);
            };
            let reported = ReportedOptOut {
                account_sid: &callback.account_sid,
                contact: &contact,
                channel: to.channel.name(),
                is_marketing_only,
                code,
                report: callback.message_sid.to_string(),
                message_sid: Some(&callback.message_sid),
                at,
            };
            return self.opt_out(&reported, &to.channel).await;
        }
        if let Some(notification) = notification {
            self.cure(callback, notification, code, reaction).await?;
        }
        Ok(None)
    }

    /// A notification ended with a code by which Twilio says that the person has opted out.
    pub(crate) async fn to_end(&self, stored: &StoredNotification) -> Result<Option<Event>, EventError> {
        let (Some(code), Some(to)) = (stored.code, stored.recipient.as_ref()) else { return Ok(None) };
        let opt_out =
            opt_out_of(FailureResponse::of_code(Some(code))).filter(|_| stored.state == NotificationState::Suppressed);
        let Some(is_marketing_only) = opt_out else { return Ok(None) };
        let contact = ContactKey::of_phone(&stored.account_sid, to);
        let by_sms = stored.attempts.last().is_some_and(|last| last.channel == FallbackChannel::Sms.as_str());
        let channel = if by_sms { Channel::Sms } else { Channel::WhatsApp };
        let reported = ReportedOptOut {
            account_sid: &stored.account_sid,
            contact: &contact,
            channel: channel.name(),
            is_marketing_only,
            code,
            report: stored.event_id(),
            message_sid: None,
            at: stored.updated_at,
        };
        self.opt_out(&reported, &channel).await
    }

    async fn opt_out(&self, reported: &ReportedOptOut<'_>, channel: &Channel) -> Result<Option<Event>, EventError> {
        let (scope, categories): (_, &[Category]) = if reported.is_marketing_only {
            (Scope::Marketing, &[Category::Marketing])
        } else {
            (Scope::All, &Category::ALL)
        };
        let at = reported.at;
        let effect = self.contacts.suppress(reported.contact, channel, &scope, at, reported.message_sid).await?;
        let source = format!("Twilio's code {}", reported.code);
        self.contacts.withdraw_consents(reported.contact, categories, at, &source, Timestamp::now()).await?;
        Ok((effect != PreferenceEffect::Stale).then(|| Event::reported_opt_out(reported)))
    }

    /// Tries a failed notification again, or by another of its ways.
    async fn cure(
        &self,
        callback: &StatusCallback,
        stored: &StoredNotification,
        code: ErrorCode,
        reaction: FailureResponse,
    ) -> Result<(), EventError> {
        let Some(notification) = stored.request.as_deref().and_then(|request| Notification::parse(request).ok()) else {
            return Ok(());
        };
        if asks_to_slow_down(code) {
            self.throttle(callback, &notification, stored).await?;
        }
        let now = Timestamp::now();
        let (route, pause) = match reaction {
            FailureResponse::NextOption(cure) => (next_option(&notification, stored.route, cure), None),
            FailureResponse::RetryAfter(pause) if stored.attempts.len() < MAX_ATTEMPTS => {
                (Some(stored.route), Some(retry_pause(pause, stored.attempts.len())))
            }
            _ => (None, None),
        };
        let Some(route) = route else { return Ok(()) };
        let title = code.title().unwrap_or("not known");
        let next = NextAttempt {
            reason: Some(format!("failed after Twilio had taken it, code {code} ({title})")),
            code: Some(code),
            route,
            not_before: pause.and_then(|pause| now.saturating_add(pause).ok()),
        };
        let failure = failure(&callback.account_sid, stored, &notification, &callback.message_sid);
        if let Some(opened) = self.notifications.reopen(&failure, &next, now).await? {
            tracing::info!(notification_id = %stored.id, %code, route, "opened for another try");
            self.put_back(&opened, pause.map(SignedDuration::unsigned_abs).unwrap_or_default()).await?;
        }
        Ok(())
    }

    async fn throttle(
        &self,
        callback: &StatusCallback,
        notification: &Notification,
        stored: &StoredNotification,
    ) -> Result<(), EventError> {
        let from = notification.from.as_ref().map(ToString::to_string);
        let service = callback.messaging_service_sid.as_ref().map(ToString::to_string);
        let chosen = || callback.from.as_ref().map(ToString::to_string);
        let Some(sender) = from.or(service).or_else(chosen) else { return Ok(()) };
        let key = BucketKey::of_sender(&callback.account_sid, &sender);
        let since = stored.claimed_at.unwrap_or(stored.updated_at);
        Ok(self.rate_limits.throttle(&key, self.policy.rate_limit(&sender), since, Timestamp::now()).await?)
    }

    /// Puts a notification on the outbound queue once more. Twice does no harm: its claim is won once.
    async fn put_back(&self, stored: &StoredNotification, delay: Duration) -> Result<(), EventError> {
        let Some(request) = &stored.request else { return Ok(()) };
        let send_at = Notification::parse(request).ok().and_then(|notification| notification.send_at);
        let now = Timestamp::now();
        // Its own time was judged when it came; it has not become wrong since.
        let enqueued_at = send_at.map_or(now, |send_at| send_at.min(now));
        let group = stored.account_sid.clone();
        let body = MessageBody::json(request.as_str());
        Ok(self.outbound.enqueue(QueueEntry { body, group, enqueued_at, delay }).await?)
    }
}

/// Whether a reaction is an opt-out, and whether of marketing alone.
fn opt_out_of(reaction: FailureResponse) -> Option<bool> {
    match reaction {
        FailureResponse::OptOut => Some(false),
        FailureResponse::OptOutOfMarketing => Some(true),
        _ => None,
    }
}

fn failure<'a>(
    account_sid: &'a AccountSid,
    stored: &'a StoredNotification,
    notification: &Notification,
    message_sid: &'a MessageSid,
) -> FailedMessage<'a> {
    let channel =
        notification.channel_option(stored.route).map_or_else(FallbackChannel::default, |(channel, _)| channel);
    FailedMessage { account_sid, id: &stored.id, message_sid, channel }
}
