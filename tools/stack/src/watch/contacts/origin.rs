//! What a change of a person goes back to.

use domain::{notification::NotificationId, person::Person};
use jiff::Timestamp;
use sandbox::EntryCause;
use stores::contacts::PreferenceChange;

use crate::watch::received::{ReceivedMessage, ReceivedMessages};

/// When a person changed, and why.
#[derive(Clone, Default)]
pub(super) struct ContactOrigin {
    /// None for the moment in which it is seen.
    pub(super) at: Option<Timestamp>,
    pub(super) message_sid: Option<String>,
    pub(super) notification_id: Option<String>,
    /// None for what follows from the message or the notification.
    pub(super) cause: Option<EntryCause>,
}

impl ContactOrigin {
    /// A write of a person goes back to the preference that it records, or to the message that opened a window.
    pub(super) fn of_write(
        preference: Option<&PreferenceChange>,
        before: &Person,
        now: &Person,
        home: &str,
        received: &ReceivedMessages,
    ) -> Self {
        if let Some(change) = preference {
            return Self::preference(change, received);
        }
        let mut changed = now.windows.iter().filter(|(window, at)| before.windows.get(window) != Some(at));
        let message = changed.find_map(|(window, at)| {
            let message = received.by_window(now, home, window.sender(), *at)?;
            Some(Self::message(message, *at))
        });
        message.unwrap_or_default()
    }

    /// A message of the person.
    fn message(received: &ReceivedMessage, at: Timestamp) -> Self {
        Self {
            // What was found has Twilio's time, and was stored when it is shown.
            at: (!received.is_found).then_some(at),
            message_sid: Some(received.sid.to_string()),
            cause: Some(EntryCause::webhook(&received.sid)),
            ..Self::default()
        }
    }

    pub(super) fn preference(change: &PreferenceChange, received: &ReceivedMessages) -> Self {
        let found = change.message_sid.as_ref().and_then(|sid| received.by_sid(sid)).is_some_and(|sent| sent.is_found);
        let cause = match (&change.message_sid, change.code) {
            (Some(sid), None) => Some(EntryCause::webhook(sid)),
            // The message of ours that failed says what it goes back to.
            (Some(_), Some(_)) => None,
            (None, _) => Some(EntryCause::contact_change(&change.event_id)),
        };
        Self {
            at: (!found).then_some(change.at),
            message_sid: change.message_sid.as_ref().map(ToString::to_string),
            cause,
            ..Self::default()
        }
    }

    /// A consent and its evidence, which are written together. The evidence says when it was recorded.
    pub(super) fn consent(facet: &str, recorded_at: Option<Timestamp>) -> Self {
        Self { at: recorded_at, cause: Some(EntryCause::contact_change(facet)), ..Self::default() }
    }

    pub(super) fn notification(id: &NotificationId, at: Timestamp) -> Self {
        Self {
            at: Some(at),
            notification_id: Some(id.to_string()),
            cause: Some(EntryCause::notification(id)),
            ..Self::default()
        }
    }
}
