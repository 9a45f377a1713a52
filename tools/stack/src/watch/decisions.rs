//! A notification's state, in words.

use domain::notification::{Content, Notification};
use sandbox::{TimelineEvent, TimelineOutcome};
use serde_json::{Value, json};
use stores::notifications::{Attempt, NotificationState, StoredNotification};
use twilio_types::{error_code::ErrorCode, sid::MessageSid};

use super::{short, streams::Change};

pub(super) fn told(change: &Change) -> Option<TimelineEvent> {
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
        // Every notification begins on WhatsApp, and its person is one there.
        person: now.recipient.as_ref().map(|to| format!("whatsapp:{to}")),
        message_sid: message(&now).map(str::to_owned),
        notification_id: Some(now.id.to_string()),
        details: details(&now),
    })
}

/// Of all that is written of a notification, what a person would want to know.
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
        NotificationState::Accepted => (format!("accepted by Twilio{}", taken(before, now)), TimelineOutcome::Good),
        NotificationState::AwaitingReply => {
            let words = format!("its template accepted by Twilio{}, the rest follows the answer", taken(before, now));
            (words, TimelineOutcome::Good)
        }
        NotificationState::Waiting => waiting(before, now),
        NotificationState::Suppressed => (format!("suppressed, {reason}"), TimelineOutcome::Refused),
        NotificationState::Expired => (format!("expired, {reason}"), TimelineOutcome::Refused),
        NotificationState::Rejected => (format!("rejected, {reason}"), TimelineOutcome::Bad),
        NotificationState::Unknown => (format!("whether it was sent is not known, {reason}"), TimelineOutcome::Bad),
    }
}

fn claimed(before: Option<&StoredNotification>, now: &StoredNotification) -> String {
    let was_claimed =
        before.is_some_and(|before| before.state == NotificationState::Claimed && before.lease == now.lease);
    match &now.message_sid {
        Some(sid) if was_claimed => format!("a status callback names its message, {}", short(sid.as_str())),
        _ => format!("claimed, goes out as {}", way(now)),
    }
}

/// As which message, and after what.
fn taken(before: Option<&StoredNotification>, now: &StoredNotification) -> String {
    let sid = message(now).map(|sid| format!(" as {}", short(sid))).unwrap_or_default();
    let found = before.is_some_and(|before| before.state == NotificationState::Unknown);
    let after = match tries(now) {
        0 | 1 => String::new(),
        tries => format!(", in attempt {tries}"),
    };
    let found = if found { ", found at Twilio" } else { "" };
    format!("{sid}{after}{found}")
}

/// It waits by its policy, or because an attempt has failed.
fn waiting(before: Option<&StoredNotification>, now: &StoredNotification) -> (String, TimelineOutcome) {
    let known = before.map_or(0, |before| before.attempts.len());
    let title = |code: ErrorCode| format!("code {code} ({})", code.title().unwrap_or("not known"));
    let reason = now.reason.clone().or_else(|| now.code.map(title)).unwrap_or_else(|| "Twilio did not take it".into());
    let Some(failed) = now.attempts.get(known..).and_then(<[_]>::last) else {
        return (format!("waits, {reason}"), TimelineOutcome::Neutral);
    };
    let next = if before.is_some_and(|before| before.route == now.route) {
        "tried again".to_owned()
    } else {
        format!("{} takes over", way(now))
    };
    // What failed after Twilio had taken it says so.
    let how = if failed.message_sid.is_some() { reason } else { format!("failed, {reason}") };
    (format!("attempt {} over {} {how}; {next}", tries(now), failed.channel), TimelineOutcome::Bad)
}

/// A message that failed after Twilio had taken it stands there twice: as taken and as failed.
fn tries(now: &StoredNotification) -> usize {
    let is_try = |attempt: &&Attempt| attempt.outcome != NotificationState::Waiting || attempt.message_sid.is_none();
    now.attempts.iter().filter(is_try).count()
}

/// Its message, or that of its last attempt.
fn message(now: &StoredNotification) -> Option<&str> {
    let last = || now.attempts.last().and_then(|attempt| attempt.message_sid.as_ref());
    now.message_sid.as_ref().or_else(last).map(MessageSid::as_str)
}

/// Which of its ways, as in `its template over whatsapp` or `fallback 1, text over sms`.
fn way(now: &StoredNotification) -> String {
    let number = if now.route == 0 { String::new() } else { format!("fallback {}, ", now.route) };
    let request = now.request.as_deref().and_then(|request| Notification::parse(request).ok());
    let Some((channel, content)) = request.as_ref().and_then(|notification| notification.channel_option(now.route))
    else {
        return format!("{number}what it says");
    };
    let kind = match content {
        Content::Text { .. } => "text",
        Content::Media { .. } => "media",
        Content::Template { .. } => "template",
    };
    format!("{number}{kind} over {}", channel.as_str())
}

/// All but what it says, and what only its functions need.
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
            let happening = told(&change(before, &now)).unwrap();
            assert_eq!(happening.summary, format!("order-1: {words}"));
            assert_eq!(happening.outcome, outcome, "{words}");
            assert_eq!(happening.person.as_deref(), Some("whatsapp:+14155550123"));
            assert_eq!(happening.notification_id.as_deref(), Some("order-1"));
        }
    }

    #[test]
    fn what_is_on_its_way_is_told_with_its_way() {
        let claimed = item("claimed", &json!({"lease": "l"}));
        let fallback = item("claimed", &json!({"lease": "l", "route": 1}));
        let bound = item("claimed", &json!({"lease": "l", "message_sid": SID}));
        let taken = item("accepted", &json!({"message_sid": SID, "attempts": [attempt("accepted", Some(SID))]}));
        let tries = json!({"attempts": [attempt("waiting", None), attempt("accepted", Some(SID))]});
        let template = item("awaiting_reply", &json!({"message_sid": SID}));
        check(vec![
            (None, claimed.clone(), TimelineOutcome::Neutral, "claimed, goes out as text over whatsapp"),
            (None, fallback, TimelineOutcome::Neutral, "claimed, goes out as fallback 1, text over sms"),
            (Some(&claimed), bound, TimelineOutcome::Neutral, "a status callback names its message, SM...00beef"),
            (Some(&claimed), taken, TimelineOutcome::Good, "accepted by Twilio as SM...00beef"),
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
                "its template accepted by Twilio as SM...00beef, the rest follows the answer",
            ),
        ]);
    }

    #[test]
    fn what_failed_is_told_with_what_takes_over() {
        let claimed = item("claimed", &json!({"lease": "l"}));
        let taken = item("accepted", &json!({"message_sid": SID, "attempts": [attempt("accepted", Some(SID))]}));
        let refused = item("waiting", &json!({"code": 20503, "attempts": [attempt("waiting", None)]}));
        let failed = json!({
            "code": 63016, "route": 1, "reason": "failed after Twilio had taken it",
            "attempts": [attempt("accepted", Some(SID)), attempt("waiting", Some(SID))],
        });
        check(vec![
            (
                Some(&claimed),
                refused,
                TimelineOutcome::Bad,
                "attempt 1 over whatsapp failed, code 20503 (Service unavailable); tried again",
            ),
            (
                Some(&taken),
                item("waiting", &failed),
                TimelineOutcome::Bad,
                "attempt 1 over whatsapp failed after Twilio had taken it; fallback 1, text over sms takes over",
            ),
        ]);
    }

    #[test]
    fn what_is_not_sent_is_told_with_its_reason() {
        let because = |state: &str, reason: &str| item(state, &json!({"reason": reason}));
        check(vec![
            (None, because("waiting", "quiet hours"), TimelineOutcome::Neutral, "waits, quiet hours"),
            (None, because("suppressed", "opted out"), TimelineOutcome::Refused, "suppressed, opted out"),
            (None, because("expired", "too late"), TimelineOutcome::Refused, "expired, too late"),
            (None, because("rejected", "no such number"), TimelineOutcome::Bad, "rejected, no such number"),
            (None, because("unknown", "no list"), TimelineOutcome::Bad, "whether it was sent is not known, no list"),
        ]);
    }

    #[test]
    fn the_message_is_named_also_after_it_has_failed() {
        let failed = item("waiting", &json!({"attempts": [attempt("waiting", Some(SID))]}));
        assert_eq!(told(&change(None, &failed)).unwrap().message_sid.as_deref(), Some(SID));
    }

    #[test]
    fn what_says_nothing_new_is_not_told() {
        let taken = item("accepted", &json!({"message_sid": SID, "open": "AC1"}));
        let closed = item("accepted", &json!({"message_sid": SID}));
        assert_eq!(told(&change(Some(&taken), &closed)), None);
        let owner = json!({"notification": "message#AC1#SM1", "owner": "order-1", "expires_at": 1});
        assert_eq!(told(&change(None, &owner)), None);
    }

    #[test]
    fn what_it_says_is_left_out() {
        let happening = told(&change(None, &item("claimed", &json!({})))).unwrap();
        assert!(!serde_json::to_string(&happening).unwrap().contains("Hi"));
    }
}
