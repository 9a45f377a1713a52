//! States of a notification as timeline entries.

use domain::notification::{Content, Notification};
use sandbox::{TimelineEvent, TimelineOutcome};
use serde_json::{Value, json};
use stores::notifications::{Attempt, NotificationState, StoredNotification};
use twilio_types::{error_code::ErrorCode, sid::MessageSid};

use super::{short, streams::ItemChange};

pub(super) fn timeline_event(change: &ItemChange) -> Option<TimelineEvent> {
    let now: StoredNotification = change.read()?;
    let before: Option<StoredNotification> = change.read_old();
    if !is_news(before.as_ref(), &now) {
        return None;
    }
    let (words, outcome) = words(before.as_ref(), &now);
    Some(TimelineEvent {
        kind: "decision".to_owned(),
        outcome,
        summary: format!("{}: {words}", now.id),
        // A notification is first sent over WhatsApp, and the timeline shows it with the person's WhatsApp address.
        person: now.recipient.as_ref().map(|to| format!("whatsapp:{to}")),
        message_sid: message(&now).map(str::to_owned),
        notification_id: Some(now.id.to_string()),
        details: details(&now),
    })
}

/// Whether the change is of interest to a person: many writes concern only the functions.
fn is_news(before: Option<&StoredNotification>, now: &StoredNotification) -> bool {
    let Some(before) = before else { return true };
    before.state != now.state
        || before.attempts.len() != now.attempts.len()
        || (now.reason.is_some() && before.reason != now.reason)
        || (now.message_sid.is_some() && before.message_sid != now.message_sid)
}

fn words(before: Option<&StoredNotification>, now: &StoredNotification) -> (String, TimelineOutcome) {
    let reason = now.reason.as_deref().unwrap_or("no reason given");
    match now.state {
        NotificationState::Claimed => (claimed(before, now), TimelineOutcome::Neutral),
        NotificationState::Accepted => {
            (format!("accepted by Twilio{}", message_details(before, now)), TimelineOutcome::Good)
        }
        NotificationState::AwaitingReply => {
            let words = format!(
                "its template accepted by Twilio{}, the rest is sent after the reply",
                message_details(before, now)
            );
            (words, TimelineOutcome::Good)
        }
        NotificationState::Waiting => waiting(before, now),
        NotificationState::Suppressed => (format!("suppressed, {reason}"), TimelineOutcome::Refused),
        NotificationState::Expired => (format!("expired, {reason}"), TimelineOutcome::Refused),
        NotificationState::Rejected => (format!("rejected, {reason}"), TimelineOutcome::Bad),
        NotificationState::Unknown => (format!("it is unknown whether it was sent, {reason}"), TimelineOutcome::Bad),
    }
}

fn claimed(before: Option<&StoredNotification>, now: &StoredNotification) -> String {
    let was_claimed =
        before.is_some_and(|before| before.state == NotificationState::Claimed && before.lease == now.lease);
    match &now.message_sid {
        Some(sid) if was_claimed => format!("a status callback names its message, {}", short(sid.as_str())),
        _ => format!("claimed, goes out as {}", channel_option(now)),
    }
}

/// The message SID, the number of the attempt if it is not the first, and whether the message was found at Twilio.
fn message_details(before: Option<&StoredNotification>, now: &StoredNotification) -> String {
    let sid = message(now).map(|sid| format!(" as {}", short(sid))).unwrap_or_default();
    let found = before.is_some_and(|before| before.state == NotificationState::Unknown);
    let after = match tries(now) {
        0 | 1 => String::new(),
        tries => format!(", in attempt {tries}"),
    };
    let found = if found { ", found at Twilio" } else { "" };
    format!("{sid}{after}{found}")
}

/// The notification waits because of the policy, or because an attempt failed.
fn waiting(before: Option<&StoredNotification>, now: &StoredNotification) -> (String, TimelineOutcome) {
    let known = before.map_or(0, |before| before.attempts.len());
    let title = |code: ErrorCode| format!("code {code} ({})", code.title().unwrap_or("unknown code"));
    let reason =
        now.reason.clone().or_else(|| now.code.map(title)).unwrap_or_else(|| "Twilio did not accept it".into());
    let Some(failed) = now.attempts.get(known..).and_then(<[_]>::last) else {
        return (format!("waits, {reason}"), TimelineOutcome::Neutral);
    };
    let next = if before.is_some_and(|before| before.route == now.route) {
        "it is retried".to_owned()
    } else {
        format!("{} takes over", channel_option(now))
    };
    // The reason of a message that failed after Twilio had accepted it begins with "failed".
    let how = if failed.message_sid.is_some() { reason } else { format!("failed, {reason}") };
    (format!("attempt {} over {} {how}; {next}", tries(now), failed.channel), TimelineOutcome::Bad)
}

/// The number of attempts. A message that failed after Twilio had accepted it is in the list twice: as accepted, and as
/// failed with its message SID.
fn tries(now: &StoredNotification) -> usize {
    let is_try = |attempt: &&Attempt| attempt.outcome != NotificationState::Waiting || attempt.message_sid.is_none();
    now.attempts.iter().filter(is_try).count()
}

/// The SID of the notification's message, or of the message of its last attempt.
fn message(now: &StoredNotification) -> Option<&str> {
    let last = || now.attempts.last().and_then(|attempt| attempt.message_sid.as_ref());
    now.message_sid.as_ref().or_else(last).map(MessageSid::as_str)
}

/// The current channel option, as in `template over whatsapp` or `fallback 1, text over sms`.
fn channel_option(now: &StoredNotification) -> String {
    let number = if now.route == 0 { String::new() } else { format!("fallback {}, ", now.route) };
    let request = now.request.as_deref().and_then(|request| Notification::parse(request).ok());
    let Some((channel, content)) = request.as_ref().and_then(|notification| notification.channel_option(now.route))
    else {
        return format!("{number}its content");
    };
    let kind = match content {
        Content::Text { .. } => "text",
        Content::Media { .. } => "media",
        Content::Template { .. } => "template",
    };
    format!("{number}{kind} over {}", channel.as_str())
}

/// The details of the entry: without the content, and without attributes that only the functions need.
fn details(now: &StoredNotification) -> Value {
    json!({
        "table": "Notifications",
        "key": format!("{}#{}", now.account_sid, now.id),
        "state": now.state,
        "reason": now.reason,
        "code": now.code,
        "title": now.code.and_then(ErrorCode::title),
        "category": now.category,
        "route": now.route,
        "not_before": now.not_before,
        "lease_until": now.lease_until,
        "attempts": now.attempts,
        "metadata": now.metadata,
        "updated_at": now.updated_at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::tests::change;

    const SID: &str = "SM0000000000000000000000000000beef";

    fn item(state: &str, fields: &Value) -> Value {
        let notification = json!({
            "id": "order-1", "to": "+14155550123", "category": "utility", "content": {"type": "text", "body": "Hi"},
            "fallback": [{"channel": "sms", "content": {"type": "text", "body": "Hi"}}],
        });
        let mut item = json!({
            "notification": "AC00000000000000000000000000000001#order-1", "id": "order-1",
            "account_sid": "AC00000000000000000000000000000001", "state": state, "digest": "d", "route": 0,
            "recipient": "+14155550123", "category": "utility", "metadata": {}, "expires_at": 1_795_000_000,
            "notification_json": notification.to_string(), "updated_at": "2026-11-20T09:00:00Z",
        });
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item
    }

    fn attempt(outcome: &str, message_sid: Option<&str>) -> Value {
        json!({"at": "2026-11-20T09:00:00Z", "channel": "whatsapp", "outcome": outcome, "message_sid": message_sid})
    }

    fn check(cases: Vec<(Option<&Value>, Value, TimelineOutcome, &str)>) {
        for (before, now, outcome, words) in cases {
            let entry = timeline_event(&change(before, &now)).unwrap();
            assert_eq!(entry.summary, format!("order-1: {words}"));
            assert_eq!(entry.outcome, outcome, "{words}");
            assert_eq!(entry.person.as_deref(), Some("whatsapp:+14155550123"));
            assert_eq!(entry.notification_id.as_deref(), Some("order-1"));
        }
    }

    #[test]
    fn sent_notification_is_shown_with_its_channel_option() {
        let claimed = item("claimed", &json!({"lease": "l"}));
        let fallback = item("claimed", &json!({"lease": "l", "route": 1}));
        let bound = item("claimed", &json!({"lease": "l", "message_sid": SID}));
        let accepted = item("accepted", &json!({"message_sid": SID, "attempts": [attempt("accepted", Some(SID))]}));
        let tries = json!({"attempts": [attempt("waiting", None), attempt("accepted", Some(SID))]});
        let template = item("awaiting_reply", &json!({"message_sid": SID}));
        check(vec![
            (None, claimed.clone(), TimelineOutcome::Neutral, "claimed, goes out as text over whatsapp"),
            (None, fallback, TimelineOutcome::Neutral, "claimed, goes out as fallback 1, text over sms"),
            (Some(&claimed), bound, TimelineOutcome::Neutral, "a status callback names its message, SM...00beef"),
            (Some(&claimed), accepted, TimelineOutcome::Good, "accepted by Twilio as SM...00beef"),
            (
                Some(&claimed),
                item("accepted", &tries),
                TimelineOutcome::Good,
                "accepted by Twilio as SM...00beef, in attempt 2",
            ),
            (
                Some(&claimed),
                template,
                TimelineOutcome::Good,
                "its template accepted by Twilio as SM...00beef, the rest is sent after the reply",
            ),
        ]);
    }

    #[test]
    fn failed_attempt_is_shown_with_the_next_one() {
        let claimed = item("claimed", &json!({"lease": "l"}));
        let accepted = item("accepted", &json!({"message_sid": SID, "attempts": [attempt("accepted", Some(SID))]}));
        let refused = item("waiting", &json!({"code": 20503, "attempts": [attempt("waiting", None)]}));
        let failed = json!({
            "code": 63016, "route": 1, "reason": "failed after Twilio had accepted it",
            "attempts": [attempt("accepted", Some(SID)), attempt("waiting", Some(SID))],
        });
        check(vec![
            (
                Some(&claimed),
                refused,
                TimelineOutcome::Bad,
                "attempt 1 over whatsapp failed, code 20503 (Service unavailable); it is retried",
            ),
            (
                Some(&accepted),
                item("waiting", &failed),
                TimelineOutcome::Bad,
                "attempt 1 over whatsapp failed after Twilio had accepted it; fallback 1, text over sms takes over",
            ),
        ]);
    }

    #[test]
    fn unsent_notification_is_shown_with_its_reason() {
        let because = |state: &str, reason: &str| item(state, &json!({"reason": reason}));
        check(vec![
            (None, because("waiting", "quiet hours"), TimelineOutcome::Neutral, "waits, quiet hours"),
            (None, because("suppressed", "opted out"), TimelineOutcome::Refused, "suppressed, opted out"),
            (None, because("expired", "too late"), TimelineOutcome::Refused, "expired, too late"),
            (None, because("rejected", "no such number"), TimelineOutcome::Bad, "rejected, no such number"),
            (None, because("unknown", "no list"), TimelineOutcome::Bad, "it is unknown whether it was sent, no list"),
        ]);
    }

    #[test]
    fn failed_message_is_still_named_by_its_entry() {
        let failed = item("waiting", &json!({"attempts": [attempt("waiting", Some(SID))]}));
        assert_eq!(timeline_event(&change(None, &failed)).unwrap().message_sid.as_deref(), Some(SID));
    }

    #[test]
    fn write_of_no_interest_has_no_entry() {
        let accepted = item("accepted", &json!({"message_sid": SID, "open": "AC1"}));
        let closed = item("accepted", &json!({"message_sid": SID}));
        assert_eq!(timeline_event(&change(Some(&accepted), &closed)), None);
        let owner = json!({"notification": "message#AC1#SM1", "owner": "order-1", "expires_at": 1});
        assert_eq!(timeline_event(&change(None, &owner)), None);
    }

    #[test]
    fn notification_entry_leaves_out_its_content() {
        let entry = timeline_event(&change(None, &item("claimed", &json!({})))).unwrap();
        assert!(!serde_json::to_string(&entry).unwrap().contains("Hi"));
    }
}
