//! `Debug` shows no number and no text of a person, and no item: it may reach a log.

use std::{collections::BTreeMap, fmt::Debug};

use domain::{
    contact_key::ContactKey,
    limits::Retention,
    notification::{FallbackChannel, NotificationId},
    opt_out_request::Intent,
    preference::{Preference, RecordedPreference},
    progress::{AttemptResult, Outcome},
    suppression::Scope,
    trace_id::TraceId,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_webhook::{form::Form, signature::TrustedForm};

use crate::{
    contacts::{
        ContactOverview, ContactPage, ContactRecord, HistoryEntry, LinkedIdentity, PersonWrite, PreferenceChange,
        RecordedFact, ServiceWindow, StoredPerson, Suppression,
    },
    dynamodb::{ConditionalWrite, FailedCondition, Item, StoreError, TransactionOutcome},
    messages::{MessageArrival, MessageEvent, RecordOutcome, StoredMessage},
    notification_log::{LoggedAttempt, NotificationLog},
    notifications::{
        ClaimOutcome, ClaimState, NotificationFilter, NotificationPage, NotificationState, NotificationWrite,
        StoredNotification, Subject,
    },
    rate_limits::BucketKey,
    record_inbound::InboundOutcome,
};

const NUMBER: &str = "+14155550123";
const SENDER: &str = "whatsapp:+14155238886";
const ACCOUNT: &str = "AC00000000000000000000000000000001";
const SID: &str = "SM00000000000000000000000000000001";

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn item(value: Value) -> Item {
    serde_dynamo::to_item(value).unwrap()
}

fn private_item() -> Item {
    item(json!({"contact": format!("{ACCOUNT}#{NUMBER}"), "facet": format!("window#{SENDER}"), "text": "private"}))
}

fn contact() -> ContactKey {
    ContactKey::of_phone(&ACCOUNT.parse().unwrap(), &NUMBER.parse().unwrap())
}

fn assert_redacted(shown: &[&dyn Debug]) {
    for value in shown {
        let text = format!("{value:?} {value:#?}");
        for hidden in ["415555", "415523", "private"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}

#[test]
fn messages_show_no_form_and_no_answer() {
    let form = format!("MessageSid={SID}&AccountSid={ACCOUNT}&From=whatsapp%3A%2B14155550123&Body=private");
    let form = Form::parse(form.as_bytes());
    let form = TrustedForm::Stored(&form);
    let (sid, account_sid) = (SID.parse().unwrap(), ACCOUNT.parse().unwrap());
    let arrival = MessageArrival::webhook(now());
    let message = StoredMessage {
        answer: Some("private".to_owned()),
        ..StoredMessage::new(&sid, &account_sid, MessageEvent::Inbound, form, arrival, Retention::default())
    };
    assert!(format!("{message:?}").contains(SID));
    let recorded = RecordOutcome::Duplicate(Some(Box::new(message.clone())));
    let outcome = InboundOutcome { answer: message.answer.clone(), intent: Intent::Other, recorded };
    assert_redacted(&[&message, &outcome]);
}

#[test]
fn notifications_show_no_recipient_no_content_and_no_reason() {
    let stored = json!({
        "account_sid": ACCOUNT, "id": "order-1", "state": "rejected", "digest": "d", "recipient": NUMBER,
        "metadata": {"name": "private"}, "notification_json": "private", "reason": format!("private {NUMBER}"),
        "attempts": [{"route": 0, "claimed_at": now(), "at": now(), "channel": "whatsapp", "outcome": "rejected",
                      "reason": "private"}],
        "enqueued_at": now(), "version": 1, "updated_at": now(), "expires_at": 1_795_000_000,
    });
    let stored = StoredNotification::read(item(stored)).unwrap();
    assert!(format!("{stored:?}").contains("order-1"));
    let subject = Subject {
        account_sid: ACCOUNT.parse().unwrap(),
        id: NotificationId::try_from("order-1".to_owned()).unwrap(),
        digest: "d".to_owned(),
        recipient: NUMBER.parse().ok(),
        category: None,
        metadata: BTreeMap::from([("name".to_owned(), "private".to_owned())]),
        request: Some("private".to_owned()),
    };
    let claimable = ClaimState::Claimable(Box::new(stored.clone()));
    let changed = NotificationWrite::Changed(Some(Box::new(stored.clone())));
    let claim = ClaimOutcome::NotificationChanged(Some(Box::new(stored.clone())));
    let page = NotificationPage { listed: vec![stored.clone()], read: 1, unreadable: 0 };
    let filter = NotificationFilter { person: Some(StoredPerson::new(contact())), ..NotificationFilter::default() };
    assert_redacted(&[&stored, &subject, &claimable, &changed, &claim, &stored.progress, &page, &filter]);
}

#[test]
fn notification_logs_show_no_recipient_and_no_reason() {
    let attempt = LoggedAttempt {
        content_sid: None,
        passed_over: Vec::new(),
        external_id: None,
        email: None,
        at: now(),
        claimed_at: now(),
        channel: FallbackChannel::Sms.as_str(),
        route: 0,
        outcome: AttemptResult::Rejected,
        reason: Some("private".to_owned()),
        error: None,
        message: None,
    };
    let (account_sid, id) = (ACCOUNT.parse().unwrap(), NotificationId::try_from("order-1".to_owned()).unwrap());
    let log = NotificationLog {
        trace_id: TraceId::of_notification(&account_sid, &id),
        outcome: Some(Outcome::Rejected),
        account_sid,
        id,
        state: NotificationState::Rejected,
        recipient: NUMBER.parse().ok(),
        category: None,
        reason: Some(format!("private {NUMBER}")),
        waits_for: None,
        due_at: None,
        cancelled_at: None,
        error: None,
        attempts: vec![attempt],
        metadata: BTreeMap::from([("name".to_owned(), "private".to_owned())]),
        updated_at: now(),
    };
    assert_redacted(&[&log]);
}

#[test]
fn contacts_show_no_identity_no_sender_and_no_text() {
    let scope = || Scope::Sender(SENDER.to_owned());
    let preference = || RecordedPreference {
        preference: Preference::OptedOut,
        changed_at: now(),
        message_sid: None,
        reason: Some("private".to_owned()),
    };
    let fact = RecordedFact::Preference { channel: "whatsapp".to_owned(), scope: scope(), preference: preference() };
    let record = ContactRecord { identity: NUMBER.parse().unwrap(), facet: "person".to_owned(), fact };
    let page = ContactPage { listed: vec![record.clone()], scanned: 1, next: Some(private_item()) };
    let overview = ContactOverview {
        suppressions: vec![Suppression { channel: "whatsapp".to_owned(), scope: scope(), preference: preference() }],
        windows: vec![ServiceWindow { sender: SENDER.to_owned(), last_inbound_at: now(), open_until: now() }],
        linked: vec![LinkedIdentity { address: NUMBER.to_owned(), linked_at: now() }],
        ..ContactOverview::default()
    };
    let change = PreferenceChange {
        event_id: format!("{ACCOUNT}#{NUMBER}"),
        preference: Preference::OptedOut,
        channel: "whatsapp".to_owned(),
        identity: NUMBER.to_owned(),
        scope: None,
        scopes: vec![scope()],
        message_sid: None,
        code: None,
        reason: Some("private".to_owned()),
        recorded_by: None,
        at: now(),
    };
    let entry = HistoryEntry { facet: "history#1".to_owned(), change: change.clone() };
    let write = PersonWrite::Preference(Box::new(change.clone()));
    let person = StoredPerson::new(contact());
    let bucket = BucketKey::of_sender(&ACCOUNT.parse().unwrap(), SENDER);
    assert_redacted(&[&record, &page, &overview, &change, &entry, &write, &person, &bucket]);
}

#[test]
fn writes_and_errors_show_no_item() {
    let failed = || FailedCondition { item: private_item() };
    let transaction = TransactionOutcome::Refused(vec![None, Some(failed())]);
    let writes = [ConditionalWrite::Written(private_item()), ConditionalWrite::Refused(private_item())];
    let claim = ClaimOutcome::PersonChanged(private_item());
    let error = StoreError::contended("writing");
    assert!(format!("{error:?}").contains("other writers changed the item"), "{error:?}");
    assert_redacted(&[&transaction, &writes, &claim, &error]);
}
