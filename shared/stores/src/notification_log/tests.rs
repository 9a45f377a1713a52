use serde_json::{Value, json};

use super::*;

const SID: &str = "SM00000000000000000000000000000001";
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const AT: &str = "2026-11-20T09:00:00Z";

fn shown(item: Value, statuses: &[&[(&str, Option<u32>)]]) -> Value {
    let found = StoredNotification::read(serde_dynamo::to_item(item).unwrap()).unwrap();
    let report = |(status, code): &(&str, Option<u32>)| {
        let item =
            json!({"message_sid": SID, "event": format!("{SID}#{status}"), "received_at": AT, "error_code": code});
        serde_json::from_value(item).unwrap()
    };
    let reports: Vec<Vec<StatusReport>> =
        statuses.iter().map(|statuses| statuses.iter().map(report).collect()).collect();
    let of_callbacks = |statuses| AttemptReports { statuses, ..AttemptReports::default() };
    let reports: Vec<_> = reports.into_iter().map(of_callbacks).collect();
    serde_json::to_value(NotificationLog::of(found, &reports)).unwrap()
}

fn attempt(outcome: &str, more: &Value) -> Value {
    let mut attempt = json!({"route": 0, "claimed_at": AT, "at": AT, "channel": "whatsapp", "outcome": outcome});
    attempt.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    attempt
}

fn stored(state: &str, attempts: &[Value]) -> Value {
    json!({"notification": format!("{ACCOUNT}#order-1"), "account_sid": ACCOUNT, "id": "order-1", "state": state,
           "digest": "d", "recipient": "+14155550123", "category": "utility", "metadata": {"order": "1"},
           "attempts": attempts, "enqueued_at": AT, "version": 1, "updated_at": AT, "expires_at": 1_795_000_000,
           "notification_json": "{\"content\": {\"body\": \"private\"}}"})
}

#[test]
fn each_attempt_is_shown_once_with_the_statuses_of_its_message() {
    let attempts = [
        attempt("waiting", &json!({"code": 20429})),
        attempt("failed", &json!({"message_sid": SID, "status": "failed", "code": 63016})),
    ];
    let mut item = stored("accepted", &attempts);
    item["outcome"] = json!("failed");
    item["code"] = json!(63016);
    let shown = shown(item, &[&[], &[("sent", None), ("failed", Some(63016))]]);
    let expected = json!({
        "outcome": "failed", "code": 63016, "title": "Free-form outside the allowed window",
        "account_sid": ACCOUNT, "id": "order-1", "state": "accepted", "recipient": "+14155550123",
        "category": "utility", "reason": null, "metadata": {"order": "1"}, "updated_at": AT,
        "trace_id": "5641854c6a83aba6d1e88f79199b4377",
        "attempts": [
            {"at": AT, "claimed_at": AT, "channel": "whatsapp", "route": 0, "outcome": "waiting", "code": 20429,
             "title": "Too Many Requests"},
            {"at": AT, "claimed_at": AT, "channel": "whatsapp", "route": 0, "outcome": "failed", "code": 63016,
             "title": "Free-form outside the allowed window", "message_sid": SID, "current_status": "failed",
             "statuses": [
                {"status": "sent", "at": AT},
                {"status": "failed", "at": AT, "code": 63016, "title": "Free-form outside the allowed window"},
             ]},
        ],
    });
    assert_eq!(shown, expected);
}

#[test]
fn message_that_only_a_callback_names_is_shown() {
    let shown = shown(stored("claimed", &[attempt("claimed", &json!({}))]), &[&[("sent", None)]]);
    let attempt = &shown["attempts"][0];
    assert_eq!((&attempt["message_sid"], &attempt["current_status"]), (&json!(SID), &json!("sent")));
    assert_eq!(shown["outcome"], Value::Null);
}

#[test]
fn read_is_shown_as_soon_as_it_is_reported() {
    let mut item = stored("accepted", &[attempt("accepted", &json!({"message_sid": SID, "status": "delivered"}))]);
    item["outcome"] = json!("delivered");
    let outcome = |statuses: &[(&str, Option<u32>)]| shown(item.clone(), &[statuses])["outcome"].clone();
    assert_eq!(outcome(&[("delivered", None)]), "delivered");
    assert_eq!(outcome(&[("delivered", None), ("read", None)]), "read");
}

#[test]
fn content_is_not_shown() {
    assert!(!shown(stored("waiting", &[]), &[]).to_string().contains("private"));
}

#[test]
fn email_is_shown_with_what_sendgrid_reported() {
    let of = ("AC00000000000000000000000000000001".parse().unwrap(), "order-1".to_owned().try_into().unwrap(), 0);
    let event = |status, second: i64| {
        let at = Timestamp::from_second(1_790_000_000 + second).unwrap();
        let of: (AccountSid, NotificationId, u32) = of.clone();
        StoredEmailEvent::new(of, status, at, at, domain::limits::Retention::default())
    };
    let events = [event(EmailStatus::Delivered, 2), event(EmailStatus::Processed, 1)];
    let shown = serde_json::to_value(LoggedEmail::of(&events)).unwrap();
    assert_eq!(shown["current_status"], "delivered");
    assert_eq!(
        (&shown["statuses"][0]["status"], &shown["statuses"][1]["status"]),
        (&json!("processed"), &json!("delivered"))
    );
    assert!(LoggedEmail::of(&[]).is_none());
}
