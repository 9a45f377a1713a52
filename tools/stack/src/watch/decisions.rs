//! States of a notification as timeline entries.

use domain::{
    notification::Content,
    progress::{Attempt, AttemptResult, Outcome, Phase},
};
use sandbox::{EntryCause, TimelineEvent, TimelineOutcome};
use serde_json::{Value, json};
use stores::notifications::{NotificationState, StoredNotification};
use twilio_types::{error_code::ErrorCode, sid::MessageSid};

use super::{short, streams::ItemChange};

pub(super) fn timeline_event(change: &ItemChange) -> Option<TimelineEvent> {
    let now = StoredNotification::read(change.new.clone()).ok()?;
    let before = change.old.clone().and_then(|old| StoredNotification::read(old).ok());
    if !is_news(before.as_ref(), &now) {
        return None;
    }
    let (words, outcome) = words(before.as_ref(), &now);
    let subject = &now.subject;
    Some(TimelineEvent {
        // A notification is first sent over WhatsApp, and the timeline shows it with the person's WhatsApp address.
        person: subject.recipient.as_ref().map(|to| format!("whatsapp:{to}")),
        message_sid: now.message_sid().map(ToString::to_string),
        notification_id: Some(subject.id.to_string()),
        details: details(&now),
        at: Some(now.updated_at),
        cause: Some(EntryCause::notification(&subject.id)),
        ..TimelineEvent::new("decision", outcome, format!("{}: {words}", subject.id))
    })
}

/// Whether the change is of interest to a person: many writes concern only the functions.
fn is_news(before: Option<&StoredNotification>, now: &StoredNotification) -> bool {
    let Some(before) = before else { return true };
    before.state() != now.state()
        || before.progress.outcome != now.progress.outcome
        || before.progress.attempts.len() != now.progress.attempts.len()
        || (now.progress.reason.is_some() && before.progress.reason != now.progress.reason)
        || (now.message_sid().is_some() && before.message_sid() != now.message_sid())
}

fn words(before: Option<&StoredNotification>, now: &StoredNotification) -> (String, TimelineOutcome) {
    let reason = now.progress.reason.as_deref().unwrap_or("no reason given");
    match now.state() {
        NotificationState::Claimed => {
            (format!("claimed, goes out as {}{}", channel_option(now), passed_over(now)), TimelineOutcome::Neutral)
        }
        NotificationState::Accepted => accepted(before, now),
        NotificationState::AwaitingReply => {
            let words = format!(
                "its template accepted by Twilio{}, the rest is sent after the reply",
                message_details(before, now)
            );
            (words, TimelineOutcome::Good)
        }
        NotificationState::Waiting => waiting(before, now),
        NotificationState::Suppressed => (format!("suppressed, {}", why(now)), TimelineOutcome::Refused),
        NotificationState::Expired => (format!("expired, {reason}"), TimelineOutcome::Refused),
        NotificationState::Cancelled => (format!("cancelled, {reason}"), TimelineOutcome::Refused),
        NotificationState::Rejected => (format!("rejected, {}", why(now)), TimelineOutcome::Bad),
        NotificationState::Unknown => (format!("it is unknown whether it was sent, {reason}"), TimelineOutcome::Bad),
    }
}

/// Twilio accepted it, or what became of its message is known.
fn accepted(before: Option<&StoredNotification>, now: &StoredNotification) -> (String, TimelineOutcome) {
    let sid = now.message_sid().map(|sid| format!(" as {}", short(sid.as_str()))).unwrap_or_default();
    match now.progress.outcome {
        None => (format!("accepted by Twilio{}", message_details(before, now)), TimelineOutcome::Good),
        Some(outcome @ (Outcome::Delivered | Outcome::Read)) => {
            (format!("{}{sid}", outcome.as_str()), TimelineOutcome::Good)
        }
        Some(outcome) => (format!("{}{sid}, {}", outcome.as_str(), why(now)), TimelineOutcome::Bad),
    }
}

/// The message SID, the number of the attempt if it is not the first, and whether the message was found at Twilio.
fn message_details(before: Option<&StoredNotification>, now: &StoredNotification) -> String {
    let sid = now.message_sid().map(|sid: &MessageSid| format!(" as {}", short(sid.as_str()))).unwrap_or_default();
    let found = before.is_some_and(|before| before.state() == NotificationState::Unknown);
    let after = match now.progress.attempts.len() {
        0 | 1 => String::new(),
        attempts => format!(", in attempt {attempts}"),
    };
    let found = if found { ", found at Twilio" } else { "" };
    format!("{sid}{after}{found}")
}

/// The reason, or else Twilio's code.
fn why(now: &StoredNotification) -> String {
    let title = |code: ErrorCode| format!("code {code} ({})", code.title().unwrap_or("unknown code"));
    let reason = now.progress.reason.clone().or_else(|| now.progress.code.map(title));
    reason.unwrap_or_else(|| "no reason given".to_owned())
}

/// The notification waits because of the policy, or because an attempt failed.
fn waiting(before: Option<&StoredNotification>, now: &StoredNotification) -> (String, TimelineOutcome) {
    let Some((number, failed)) = newly_failed(before, now) else {
        return (format!("waits, {}", why(now)), TimelineOutcome::Neutral);
    };
    let how = match failed.result {
        AttemptResult::Failed => format!("failed after Twilio had accepted it, {}", why(now)),
        AttemptResult::Unknown => {
            format!("was not sent, {}", failed.reason.as_deref().unwrap_or("Twilio's list does not have it"))
        }
        _ => format!("failed, {}", why(now)),
    };
    let next = match now.progress.ready_step() {
        Some(step) if step.option != failed.option => format!("{} takes over", channel_option(now)),
        _ => "it is retried".to_owned(),
    };
    (format!("attempt {number} over {} {how}; {next}", failed.channel.as_str()), TimelineOutcome::Bad)
}

/// The last attempt with its number, counted from 1, if its result is new.
fn newly_failed<'a>(before: Option<&StoredNotification>, now: &'a StoredNotification) -> Option<(usize, &'a Attempt)> {
    let last = now.progress.last()?;
    let number = now.progress.attempts.len();
    let known = before.and_then(|before| before.progress.attempts.get(number - 1));
    known.is_none_or(|known| known.result != last.result).then_some((number, last))
}

/// The options that cannot be sent because of their templates, for the end of a sentence.
fn passed_over(now: &StoredNotification) -> String {
    let reasons = now.progress.last().into_iter().flat_map(|attempt| &attempt.passed_over);
    let reasons: Vec<_> = reasons.map(|option| option.reason.as_str()).collect();
    if reasons.is_empty() { String::new() } else { format!("; passed over: {}", reasons.join("; ")) }
}

/// The option that is sent or comes next, as in `template over whatsapp` or `fallback 1, text over sms`.
fn channel_option(now: &StoredNotification) -> String {
    let option = option(now);
    let number = if option == 0 { String::new() } else { format!("fallback {option}, ") };
    let notification = now.notification();
    let Some((channel, content)) = notification.as_ref().and_then(|notification| notification.channel_option(option))
    else {
        return format!("{number}its content");
    };
    let kind = match content {
        Content::Text { .. } => "text",
        Content::Media { .. } => "media",
        Content::Template { .. } | Content::EmailTemplate { .. } => "template",
        Content::Studio { .. } => "flow",
    };
    format!("{number}{kind} over {}", channel.as_str())
}

fn option(now: &StoredNotification) -> usize {
    let next = now.progress.ready_step().map(|step| step.option);
    next.or_else(|| now.progress.last().map(|attempt| attempt.option)).unwrap_or_default()
}

/// The details of the entry: without the content, and without attributes that only the functions need.
fn details(now: &StoredNotification) -> Value {
    let StoredNotification { subject, progress, lease, .. } = now;
    let not_before = if let Phase::Ready { not_before, .. } = progress.phase { not_before } else { None };
    json!({
        "table": "Notifications",
        "key": format!("{}#{}", subject.account_sid, subject.id),
        "state": now.state(),
        "outcome": progress.outcome,
        "reason": progress.reason,
        "code": progress.code,
        "title": progress.code.and_then(ErrorCode::title),
        "category": subject.category,
        "route": option(now),
        "not_before": not_before,
        "lease_until": lease.as_ref().map(|lease| lease.until),
        "attempts": progress.attempts,
        "metadata": subject.metadata,
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
            "account_sid": "AC00000000000000000000000000000001", "state": state, "digest": "d",
            "recipient": "+14155550123", "category": "utility", "metadata": {}, "expires_at": 1_795_000_000,
            "notification_json": notification.to_string(), "updated_at": "2026-11-20T09:00:00Z",
            "enqueued_at": "2026-11-20T09:00:00Z", "version": 1,
        });
        item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        item
    }

    fn attempt(outcome: &str, message_sid: Option<&str>) -> Value {
        let at = "2026-11-20T09:00:00Z";
        json!({"at": at, "claimed_at": at, "route": 0, "channel": "whatsapp", "outcome": outcome,
               "message_sid": message_sid})
    }

    fn claimed() -> Value {
        item("claimed", &json!({"lease": "l", "attempts": [attempt("claimed", None)]}))
    }

    fn accepted() -> Value {
        item("accepted", &json!({"message_sid": SID, "attempts": [attempt("accepted", Some(SID))]}))
    }

    fn check(cases: Vec<(Option<&Value>, Value, TimelineOutcome, &str)>) {
        for (before, now, outcome, words) in cases {
            let entry = timeline_event(&change(before, &now)).unwrap();
            assert_eq!(entry.summary, format!("order-1: {words}"));
            assert_eq!(entry.outcome, outcome, "{words}");
            assert_eq!(entry.person.as_deref(), Some("whatsapp:+14155550123"));
            assert_eq!(entry.notification_id.as_deref(), Some("order-1"));
            assert_eq!(entry.cause, Some(EntryCause::notification("order-1")));
            assert_eq!(entry.at, "2026-11-20T09:00:00Z".parse().ok());
        }
    }

    #[test]
    fn sent_notification_is_shown_with_its_channel_option() {
        let mut second = attempt("claimed", None);
        second["route"] = json!(1);
        let fallback = item("claimed", &json!({"lease": "l", "attempts": [attempt("failed", Some(SID)), second]}));
        let mut instead = attempt("claimed", None);
        instead["passed_over"] = json!([{"route": 0, "reason": "content: the template is paused at WhatsApp"}]);
        let instead = item("claimed", &json!({"lease": "l", "attempts": [instead]}));
        let tries = json!({"attempts": [attempt("waiting", None), attempt("accepted", Some(SID))]});
        let template = item("awaiting_reply", &json!({"attempts": [attempt("accepted", Some(SID))]}));
        let unknown = item("unknown", &json!({"outcome": "unknown", "attempts": [attempt("claimed", None)]}));
        check(vec![
            (None, claimed(), TimelineOutcome::Neutral, "claimed, goes out as text over whatsapp"),
            (None, fallback, TimelineOutcome::Neutral, "claimed, goes out as fallback 1, text over sms"),
            (
                None,
                instead,
                TimelineOutcome::Neutral,
                "claimed, goes out as text over whatsapp; passed over: content: the template is paused at WhatsApp",
            ),
            (Some(&claimed()), accepted(), TimelineOutcome::Good, "accepted by Twilio as SM...00beef"),
            (Some(&unknown), accepted(), TimelineOutcome::Good, "accepted by Twilio as SM...00beef, found at Twilio"),
            (
                Some(&claimed()),
                item("accepted", &tries),
                TimelineOutcome::Good,
                "accepted by Twilio as SM...00beef, in attempt 2",
            ),
            (
                Some(&claimed()),
                template,
                TimelineOutcome::Good,
                "its template accepted by Twilio as SM...00beef, the rest is sent after the reply",
            ),
        ]);
    }

    #[test]
    fn outcome_of_a_message_is_shown() {
        let ended = |outcome: &str, fields: Value| {
            let mut item = accepted();
            item["outcome"] = json!(outcome);
            item.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            item
        };
        check(vec![
            (Some(&accepted()), ended("delivered", json!({})), TimelineOutcome::Good, "delivered as SM...00beef"),
            (
                Some(&ended("delivered", json!({}))),
                ended("read", json!({})),
                TimelineOutcome::Good,
                "read as SM...00beef",
            ),
            (
                Some(&accepted()),
                ended("failed", json!({"code": 63016})),
                TimelineOutcome::Bad,
                "failed as SM...00beef, code 63016 (Free-form outside the allowed window)",
            ),
        ]);
    }

    #[test]
    fn failed_attempt_is_shown_with_the_next_one() {
        let refused = item("waiting", &json!({"code": 20503, "attempts": [attempt("waiting", None)]}));
        let failed = json!({"code": 63016, "route": 1, "attempts": [attempt("failed", Some(SID))]});
        let mut lost = attempt("unknown", None);
        lost["reason"] = json!("Twilio's list does not have it");
        check(vec![
            (
                Some(&claimed()),
                refused.clone(),
                TimelineOutcome::Bad,
                "attempt 1 over whatsapp failed, code 20503 (Service unavailable); it is retried",
            ),
            (
                Some(&accepted()),
                item("waiting", &failed),
                TimelineOutcome::Bad,
                "attempt 1 over whatsapp failed after Twilio had accepted it, code 63016 (Free-form outside the \
                 allowed window); fallback 1, text over sms takes over",
            ),
            (
                Some(&claimed()),
                item("waiting", &json!({"attempts": [lost]})),
                TimelineOutcome::Bad,
                "attempt 1 over whatsapp was not sent, Twilio's list does not have it; it is retried",
            ),
            (
                Some(&refused),
                item("waiting", &json!({"reason": "quiet hours", "attempts": [attempt("waiting", None)]})),
                TimelineOutcome::Neutral,
                "waits, quiet hours",
            ),
        ]);
    }

    #[test]
    fn unsent_notification_is_shown_with_its_reason() {
        let because = |state: &str, reason: &str| {
            let outcome = if state == "waiting" { Value::Null } else { json!(state) };
            item(state, &json!({"reason": reason, "outcome": outcome}))
        };
        check(vec![
            (None, because("waiting", "quiet hours"), TimelineOutcome::Neutral, "waits, quiet hours"),
            (None, because("suppressed", "opted out"), TimelineOutcome::Refused, "suppressed, opted out"),
            (None, because("expired", "too late"), TimelineOutcome::Refused, "expired, too late"),
            (None, because("cancelled", "by the shop"), TimelineOutcome::Refused, "cancelled, by the shop"),
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
        let mut open = accepted();
        open["open"] = json!("AC00000000000000000000000000000001#0");
        assert_eq!(timeline_event(&change(Some(&open), &accepted())), None);
        let owner = json!({"notification": "message#AC1#SM1", "owner": "order-1", "expires_at": 1});
        assert_eq!(timeline_event(&change(None, &owner)), None);
    }

    #[test]
    fn notification_entry_leaves_out_its_content() {
        let entry = timeline_event(&change(None, &claimed())).unwrap();
        assert!(!serde_json::to_string(&entry).unwrap().contains("Hi"));
    }
}
