//! What the archive proves of notifications: which of them have messages, and which ended without one.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use domain::{notification::NotificationId, progress::RecoveredMessage};
use jiff::Timestamp;
use stores::notifications::NotificationEvidence;
use twilio_types::{
    message_status::ReportedStatus,
    sid::{AccountSid, MessageSid},
};

use crate::archived_event::{ArchivedEvent, NotificationNews, UnreadableEvent};

/// What a part of the archive proves.
#[derive(Default)]
pub(super) struct Evidence {
    notifications: HashMap<(AccountSid, NotificationId), NotificationEvidence>,
    /// The messages whose notification, or whose lack of one, a status has named.
    pub(super) named: HashSet<MessageSid>,
}

impl Evidence {
    pub(super) fn add(&mut self, event: &ArchivedEvent) -> Result<(), UnreadableEvent> {
        if event.event_type == "twilio_status" {
            self.named.extend(event.message_sid().and_then(|sid| sid.parse().ok()));
        }
        if let Some(news) = event.notification()? {
            self.add_news(&event.account_sid, event.occurred_at, news);
        }
        Ok(())
    }

    fn add_news(&mut self, account_sid: &AccountSid, at: Timestamp, news: NotificationNews) {
        let NotificationNews { id, recipient, messages, end } = news;
        self.named.extend(messages.iter().filter_map(|message| message.message_sid.clone()));
        let known = match self.notifications.entry((account_sid.clone(), id)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => {
                let (account_sid, id) = new.key().clone();
                let evidence = NotificationEvidence {
                    account_sid,
                    id,
                    recipient: None,
                    messages: Vec::new(),
                    end: None,
                    since: at,
                };
                new.insert(evidence)
            }
        };
        known.since = known.since.min(at);
        known.recipient = known.recipient.take().or(recipient);
        known.end = end.or(known.end.take());
        for message in messages {
            add_message(&mut known.messages, message);
        }
    }

    /// All notifications, those of one person in the order of their first events.
    pub(super) fn notifications(&self) -> Vec<&NotificationEvidence> {
        let mut notifications: Vec<_> = self.notifications.values().collect();
        notifications.sort_by(|one, other| (one.since, &one.id).cmp(&(other.since, &other.id)));
        notifications
    }
}

/// Adds a message, or what is newly known of it.
fn add_message(messages: &mut Vec<RecoveredMessage>, message: RecoveredMessage) {
    let is_same = |known: &&mut RecoveredMessage| match &message.message_sid {
        Some(sid) => known.message_sid.as_ref() == Some(sid),
        None => known.message_sid.is_none() && known.attempt == message.attempt,
    };
    let Some(known) = messages.iter_mut().find(is_same) else {
        messages.push(message);
        // A message without its attempt becomes the next attempt after those that are known.
        messages.sort_by_key(|message| (message.attempt.is_none(), message.attempt, message.reported_at));
        return;
    };
    known.attempt = known.attempt.or(message.attempt);
    known.reported_at = known.reported_at.min(message.reported_at);
    let furthest = |status: &Option<ReportedStatus>| status.as_ref().and_then(ReportedStatus::known);
    if furthest(&message.status) > furthest(&known.status) {
        (known.status, known.code) = (message.status, message.code);
    }
}

#[cfg(test)]
mod tests {
    use domain::progress::Outcome;
    use serde_json::{Value, json};
    use twilio_types::message_status::MessageStatus;

    use super::*;

    fn event(event_type: &str, fields: &Value) -> ArchivedEvent {
        let mut event = json!({
            "event_type": event_type, "schema": "x", "event_id": "1", "occurred_at": "2026-11-20T09:00:00Z",
            "account_sid": "AC00000000000000000000000000000001", "to": "whatsapp:+14155550123",
        });
        event.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        ArchivedEvent::read(event).unwrap()
    }

    fn status(id: Option<&str>, number: u32, attempt: u32, status: &str) -> ArchivedEvent {
        let fields = json!({"notification_id": id, "message_sid": format!("SM{number:032}"), "attempt": attempt,
                            "status": status, "error_code": null});
        event("twilio_status", &fields)
    }

    #[test]
    fn furthest_status_of_each_message_counts_in_any_order() {
        let events = [
            status(Some("order-1"), 2, 1, "sent"),
            status(Some("order-1"), 1, 0, "failed"),
            status(Some("order-1"), 2, 1, "delivered"),
            status(Some("order-1"), 1, 0, "sent"),
            status(None, 9, 0, "sent"),
        ];
        for events in [events.iter().collect::<Vec<_>>(), events.iter().rev().collect()] {
            let mut evidence = Evidence::default();
            for event in events {
                evidence.add(event).unwrap();
            }
            let known = evidence.notifications();
            assert_eq!(known.len(), 1);
            let messages: Vec<_> =
                known[0].messages.iter().map(|message| (message.attempt, message.status.clone())).collect();
            let expected = [(0, MessageStatus::Failed), (1, MessageStatus::Delivered)];
            assert_eq!(messages, expected.map(|(attempt, status)| (Some(attempt), Some(status.into()))));
            assert_eq!(known[0].recipient, "+14155550123".parse().ok());
            assert_eq!(evidence.named.len(), 3, "also the message of another system");
        }
    }

    #[test]
    fn end_without_a_message_is_known() {
        let mut evidence = Evidence::default();
        let cancelled =
            json!({"notification_id": "order-1", "outcome": "cancelled", "reason": "cancelled", "attempts": []});
        evidence.add(&event("notification_failed", &cancelled)).unwrap();
        evidence.add(&event("contact_opted_out", &json!({"contact": "+14155550123"}))).unwrap();
        let known = evidence.notifications();
        assert_eq!(known[0].end, Some((Outcome::Cancelled, Some("cancelled".to_owned()))));
        assert!(known[0].messages.is_empty());
    }
}
