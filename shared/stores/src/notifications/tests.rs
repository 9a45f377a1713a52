use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{
    digest::sha256_hex,
    limits::CLAIM_LEASE,
    notification::{Category, FallbackChannel},
    progress::{
        CreateAnswer, CreateFailure, MessageReport, Outcome, Phase, Progress, Purpose, Reopening, Step, Transition,
    },
    waiting::WaitReason,
};
use jiff::SignedDuration;
use serde_json::json;
use twilio_types::message_status::MessageStatus;

use super::{claim::after_refusal, *};

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn request(category: &str, more: &serde_json::Value) -> String {
    let content = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
    let mut request = json!({
        "id": "order-1", "to": "+14155550123", "category": category, "content": content, "metadata": {"order": "1"},
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    request.to_string()
}

fn stored() -> StoredNotification {
    let request =
        request("utility", &json!({"fallback": [{"channel": "sms", "content": {"type": "text", "body": "Hi"}}]}));
    let subject = Subject {
        account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
        id: NotificationId::try_from("order-1".to_owned()).unwrap(),
        digest: "d1".to_owned(),
        recipient: "+14155550123".parse().ok(),
        category: Some(Category::Utility),
        metadata: BTreeMap::from([("order".to_owned(), "1".to_owned())]),
        request: Some(request),
    };
    StoredNotification { expires_at: at(1_000).as_second(), ..StoredNotification::new(subject, at(0)) }
}

fn claimed(until: i64) -> StoredNotification {
    let mut stored = stored();
    stored.progress.claim(Step { option: 0, purpose: Purpose::Deliver }, FallbackChannel::WhatsApp, at(0));
    stored.lease = Some(Lease { id: LeaseId::random(), until: at(until), resolvable_at: at(until + 900) });
    stored
}

fn with(change: impl FnOnce(&mut StoredNotification)) -> StoredNotification {
    let mut stored = claimed(60);
    change(&mut stored);
    stored
}

fn rejected() -> StoredNotification {
    let mut stored = stored();
    stored.progress.end(Outcome::Rejected, "why".to_owned());
    stored
}

fn reopened() -> StoredNotification {
    let mut stored = rejected();
    assert_eq!(stored.reopen(at(9)), Reopening::Reopened);
    stored
}

fn accepted() -> StoredNotification {
    with(|stored| {
        let notification = stored.notification().unwrap();
        let on = Transition { notification: &notification, expires_at: None, now: at(1) };
        let sid = "SM00000000000000000000000000000001".parse().unwrap();
        stored.progress.answer(0, CreateAnswer::Accepted(sid), &on);
        stored.lease = None;
        stored.open_until = Some(at(900));
    })
}

fn state_of(found: StoredNotification) -> ClaimState {
    ClaimState::of(Some(found), "d1", at(0))
}

#[test]
fn claim_state_follows_from_the_stored_item() {
    assert!(matches!(ClaimState::of(None, "d1", at(0)), ClaimState::New));
    assert!(matches!(state_of(accepted()), ClaimState::Finished(NotificationState::Accepted)));
    assert!(matches!(state_of(stored()), ClaimState::Claimable(_)));
    let awaiting = with(|stored| stored.progress.phase = Phase::AwaitingReply);
    assert!(matches!(state_of(awaiting), ClaimState::Claimable(_)));
    assert!(matches!(state_of(claimed(1)), ClaimState::LeasedUntil(until) if until == at(1)));
    assert!(matches!(state_of(claimed(0)), ClaimState::OutcomeUnknown(_)));
    let held = with(|stored| stored.progress.hold("no answer"));
    assert!(matches!(state_of(held), ClaimState::OutcomeUnknown(_)), "its message is searched for again");
    let ended = with(|stored| stored.progress.end(Outcome::Suppressed, String::new()));
    assert!(matches!(state_of(ended), ClaimState::Finished(NotificationState::Suppressed)));
    let mut other = accepted();
    other.subject.digest = "d2".to_owned();
    assert!(matches!(state_of(other), ClaimState::IdReused));
    let over = StoredNotification { expires_at: at(-1).as_second(), ..accepted() };
    assert!(matches!(state_of(over), ClaimState::New), "DynamoDB deletes late");
}

#[test]
fn our_own_claim_with_a_lost_answer_is_claimed() {
    let ours = claimed(60);
    let outcome = |of: &StoredNotification| after_refusal(of.to_item(None, at(0)).unwrap(), &ours).unwrap();
    assert!(matches!(outcome(&ours), ClaimOutcome::Claimed));
    assert!(matches!(outcome(&claimed(60)), ClaimOutcome::NotificationChanged(Some(_))));
    let nothing = after_refusal(Item::new(), &ours).unwrap();
    assert!(matches!(nothing, ClaimOutcome::NotificationChanged(None)));
}

#[test]
fn every_phase_is_read_as_it_was_written() {
    let retried = with(|stored| {
        let notification = stored.notification().unwrap();
        let on = Transition { notification: &notification, expires_at: None, now: at(1) };
        let failure = CreateFailure { reason: Some("busy".to_owned()), code: "20429".parse().ok() };
        stored.progress.answer(0, CreateAnswer::NotDone(failure, SignedDuration::from_secs(30)), &on);
    });
    let ended = |outcome| with(|stored| stored.progress.end(outcome, "why".to_owned()));
    for before in [
        stored(),
        claimed(60),
        accepted(),
        retried,
        with(|stored| stored.progress.phase = Phase::AwaitingReply),
        with(|stored| stored.progress.hold("no answer")),
        ended(Outcome::Rejected),
        ended(Outcome::Suppressed),
        ended(Outcome::Expired),
        ended(Outcome::Cancelled),
        reopened(),
    ] {
        let read = StoredNotification::read(before.to_item(Some(7), at(5)).unwrap()).unwrap();
        assert_eq!((read.version, read.updated_at), (8, at(5)));
        let StoredNotification { version, updated_at, expires_at, .. } = read;
        assert_eq!(read, StoredNotification { version, updated_at, expires_at, ..before });
    }
}

#[test]
fn subject_is_read_as_it_was_written_with_and_without_its_request() {
    let mut unreadable = stored();
    unreadable.subject.request = None;
    let reused = StoredNotification { reuse: true, ..stored() };
    let mut password = with(|stored| stored.progress.end(Outcome::Expired, String::new()));
    password.subject.category = Some(Category::Authentication);
    let mut marked = stored();
    marked.subject.request = marked.subject.request.map(|request| format!("\u{feff}{request}"));
    for before in [stored(), unreadable, reused, password, marked] {
        let read = StoredNotification::read(before.to_item(None, at(5)).unwrap()).unwrap();
        let request = read.subject.request.clone();
        assert_eq!(read.subject, Subject { request, ..before.subject });
        assert_eq!(read.reuse, before.reuse);
    }
    let mut other = stored().to_item(None, at(5)).unwrap();
    other.insert("notification".to_owned(), text("order-1"));
    assert!(StoredNotification::read(other).is_err(), "a key without an account");
}

/// The notification and its metadata are as long as those of a shop.
#[test]
fn item_of_an_ordinary_notification_costs_one_write_unit() {
    let variables = json!({"1": "Ava Marie", "2": "2026-11-18473", "3": "Friday, 27 November, 9 to 12"});
    let more = json!({
        "id": "order-shipped-0d9a4c39-5a7e-4d0e-9b0a-3c1f5a7e4d0e", "expires_at": "2026-11-20T09:00:00Z",
        "content": {"type": "template", "content_sid": "HX00000000000000000000000000000001", "variables": variables},
        "metadata": {"order": "2026-11-18473", "customer": "C-0048213", "trace": "4b0e7a0c-99b7-4b5e-8b39-1a5d2f7c6e90"},
    });
    let real = |stored: StoredNotification| {
        let mut stored = stored;
        stored.subject.digest = "d".repeat(64);
        stored.subject.id = more["id"].as_str().unwrap().to_owned().try_into().unwrap();
        stored.subject.request = Some(request("utility", &more));
        let now = Timestamp::from_nanosecond(1_790_000_000_123_456_789).unwrap();
        size(&stored.to_item(Some(1_790_000_000_000_000), now).unwrap())
    };
    let sizes = [claimed(60), accepted()].map(real);
    assert!(sizes.iter().all(|size| *size <= 1_024), "{sizes:?}");
}

/// Source: Amazon DynamoDB Developer Guide, "DynamoDB item sizes and formats".
fn size(item: &Item) -> usize {
    item.iter().map(|(name, value)| name.len() + value_size(value)).sum()
}

fn value_size(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len().div_ceil(2) + 1,
        AttributeValue::L(items) => 3 + items.iter().map(|item| 1 + value_size(item)).sum::<usize>(),
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>(),
        _ => 1,
    }
}

#[test]
fn unreadable_notification_is_recognised_by_its_body() {
    let mut unreadable = rejected();
    (unreadable.subject.recipient, unreadable.subject.request) = (None, None);
    unreadable.subject.digest = sha256_hex(b"{}");
    assert!(unreadable.was_unreadable("{}"));
    assert!(!unreadable.was_unreadable("{\"id\": \"order-1\"}"), "another notification");
    let mut readable = rejected();
    readable.subject.digest = sha256_hex(b"{}");
    assert!(!readable.was_unreadable("{}"));
}

#[test]
fn reopened_notification_is_claimable() {
    let state = |stored: StoredNotification| ClaimState::of(Some(stored), "d1", at(9));
    assert!(matches!(state(rejected()), ClaimState::Finished(_)));
    assert!(matches!(state(reopened()), ClaimState::Claimable(_)));
}

#[test]
fn outcome_after_a_retry_is_another_event() {
    let first = rejected().event_id();
    assert_eq!(first, "AC00000000000000000000000000000001#order-1.rejected");
    let mut again = reopened();
    again.progress.end(Outcome::Rejected, "why".to_owned());
    assert_eq!(again.event_id(), format!("{first}.1790000009000"));
}

#[test]
fn notification_is_open_until_its_outcome_is_known() {
    let item = |stored: &StoredNotification| stored.to_item(Some(1), at(5)).unwrap();
    assert!(item(&accepted()).contains_key("open") && item(&accepted()).contains_key("open_until"));
    let mut delivered = accepted();
    delivered.progress.outcome = Some(Outcome::Delivered);
    assert!(!item(&delivered).contains_key("open") && !item(&delivered).contains_key("open_until"));
    assert!(!item(&claimed(60)).contains_key("open"));
}

#[test]
fn version_of_a_new_item_is_never_that_of_an_earlier_one() {
    let version = |seen, now| StoredNotification::read(stored().to_item(seen, now).unwrap()).unwrap().version;
    assert_eq!(version(Some(41), at(0)), 42);
    assert!(version(None, at(86_400)) > version(None, at(0)) + 1_000_000);
}

/// A delivered notification has no content, and a waiting one must outlive its wait.
#[test]
fn content_of_an_ended_notification_is_kept_as_messages_are() {
    let config =
        aws_sdk_dynamodb::Config::builder().behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest());
    let table = Notifications::new(Client::from_conf(config.build()), "Notifications".to_owned());
    let table = table.with_retention("14".parse().unwrap());
    let days = |outcome: Option<Outcome>| {
        let stored = StoredNotification { progress: Progress { outcome, ..accepted().progress }, ..accepted() };
        let item = table.item(&stored, Some(1), at(0)).unwrap();
        (StoredNotification::read(item).unwrap().expires_at - at(0).as_second()) / 86_400
    };
    assert_eq!(days(Some(Outcome::Failed)), 14);
    assert_eq!(days(Some(Outcome::Suppressed)), 14);
    assert_eq!([days(None), days(Some(Outcome::Unknown)), days(Some(Outcome::Delivered))], [45, 45, 45]);
}

#[test]
fn one_time_password_expires_by_default() {
    let ends_at = |category: &str, more: serde_json::Value| {
        let mut stored = stored();
        stored.subject.request = Some(request(category, &more));
        stored.ends_at(&stored.notification().unwrap())
    };
    let ten_minutes = Some(at(600));
    assert_eq!(ends_at("authentication", json!({})), ten_minutes);
    assert_eq!(ends_at("authentication", json!({"send_at": at(60).to_string()})), Some(at(660)));
    assert_eq!(ends_at("authentication", json!({"expires_at": at(60).to_string()})), Some(at(60)));
    assert_eq!(ends_at("utility", json!({})), None);
}

#[test]
fn request_is_stored_as_long_as_a_step_may_follow() {
    let has_request = |category: Category, outcome: Option<Outcome>| {
        let mut stored = accepted();
        stored.subject.category = Some(category);
        stored.progress.outcome = outcome;
        stored.to_item(Some(1), at(5)).unwrap().contains_key("notification_json")
    };
    for (category, outcome, expected) in [
        (Category::Authentication, None, true),
        (Category::Authentication, Some(Outcome::Unknown), true),
        (Category::Authentication, Some(Outcome::Delivered), false),
        (Category::Authentication, Some(Outcome::Expired), false),
        (Category::Utility, None, true),
        (Category::Utility, Some(Outcome::Unknown), true),
        (Category::Utility, Some(Outcome::Failed), true),
        (Category::Utility, Some(Outcome::Delivered), false),
        (Category::Utility, Some(Outcome::Read), false),
    ] {
        assert_eq!(has_request(category, outcome), expected, "{category:?} {outcome:?}");
    }
}

#[test]
fn lease_outlasts_the_function_and_ends_before_the_lookup() {
    assert!(CLAIM_LEASE > SignedDuration::from_secs(45), "the timeout of SendFunction in template.yaml");
}

/// A notification that an SMS follows without a delivery, with its message accepted.
fn followed_by_sms() -> StoredNotification {
    with(|stored| {
        let text = json!({"type": "text", "body": "Hello"});
        let mut request: serde_json::Value = serde_json::from_str(stored.subject.request.as_deref().unwrap()).unwrap();
        request["fallback"] = json!([{"channel": "sms", "content": text, "after": "10m"}]);
        stored.subject.request = Some(request.to_string());
        let notification = stored.notification().unwrap();
        let sid = "SM00000000000000000000000000000001".parse().unwrap();
        stored.apply(&notification, at(1), |progress, on| progress.answer(0, CreateAnswer::Accepted(sid), on));
    })
}

#[test]
fn accepted_message_is_due_when_the_next_option_follows() {
    let mut stored = followed_by_sms();
    let claimed_at = stored.progress.attempts[0].claimed_at;
    let due = stored.due.clone().unwrap();
    assert_eq!((due.at, due.reason), (claimed_at + SignedDuration::from_mins(10), WaitReason::Delivery));
    let read = StoredNotification::read(stored.to_item(None, at(1)).unwrap()).unwrap();
    assert!(matches!(state_of(read), ClaimState::AwaitingDelivery(_)));
    let notification = stored.notification().unwrap();
    let report = MessageReport {
        attempt: 0,
        message_sid: stored.message_sid().cloned(),
        status: MessageStatus::Delivered.into(),
        code: None,
        reason: None,
    };
    stored.apply(&notification, at(2), |progress, on| progress.report(&report, on));
    assert_eq!(stored.due, None, "a delivery is the end of the waiting");
    assert!(matches!(state_of(stored), ClaimState::Finished(NotificationState::Accepted)));
}

/// An option followed because nothing was delivered, and was refused or passed over: the message before it is looked up.
#[test]
fn earlier_message_is_looked_up_when_the_last_attempt_has_none() {
    let after = json!({"fallback": [{"channel": "sms", "after": "10m", "content": {"type": "text", "body": "Hi"}}]});
    let mut undelivered = stored();
    undelivered.subject.request = Some(request("utility", &after));
    let notification = undelivered.notification().unwrap();
    let step = |option| Step { option, purpose: Purpose::Deliver };
    undelivered.progress.claim(step(0), FallbackChannel::WhatsApp, at(0));
    let accepted = CreateAnswer::Accepted("SM00000000000000000000000000000001".parse().unwrap());
    undelivered.apply(&notification, at(1), |progress, on| progress.answer(0, accepted, on));
    assert_eq!(undelivered.open_until, Some(at(900)));
    let mut refused = undelivered.clone();
    refused.progress.claim(step(1), FallbackChannel::Sms, at(600));
    refused.open_until = None;
    let answer = CreateAnswer::Refused(CreateFailure { reason: None, code: "21211".parse().ok() });
    refused.apply(&notification, at(601), |progress, on| progress.answer(1, answer, on));
    let mut ended = undelivered.clone();
    ended.open_until = None;
    ended.end(&notification, Outcome::Suppressed, "the recipient has opted out".to_owned());
    for stored in [refused, ended] {
        assert_eq!((stored.progress.outcome, stored.open_until), (None, Some(at(900))));
        let item = stored.to_item(Some(1), at(700)).unwrap();
        assert!(item.contains_key("open") && item.contains_key("open_until"), "it is in the index");
    }
    undelivered.cancel(None, at(60));
    let read = StoredNotification::read(undelivered.to_item(Some(1), at(61)).unwrap()).unwrap();
    assert_eq!((read.progress.cancelled_at, read.due, read.open_until), (Some(at(60)), None, Some(at(900))));
}
