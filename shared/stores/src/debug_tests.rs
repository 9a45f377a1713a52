//! `Debug` shows no number and no text of a person, and no item: it may reach a log.

use std::{collections::BTreeMap, fmt::Debug};

use domain::{
    contact_key::ContactKey,
    limits::Retention,
    notification::{FallbackChannel, NotificationId},
    opt_out_request::Intent,
    preference::{Preference, RecordedPreference},
    suppression::Scope,
};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_types::address::Channel;
use twilio_webhook::{form::Form, signature::TrustedForm};

use crate::{
    contacts::{
        ContactFacts, ContactOverview, ContactPage, ContactRecord, FacetKey, LinkedIdentity, RecordedFact,
        ServiceWindow, Suppression,
    },
    dynamodb::{ConditionalWrite, FailedCondition, Item, StoreError, TransactionOutcome},
    messages::{MessageArrival, MessageEvent, RecordOutcome, StoredMessage},
    notification_log::{LoggedAttempt, NotificationLog},
    notifications::{
        Attempt, ClaimOutcome, ClaimState, NextAttempt, NotificationOutcome, NotificationState, StoredNotification,
        Subject,
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
    let recorded = RecordOutcome::Duplicate(Box::new(message.clone()));
    let outcome = InboundOutcome { answer: message.answer.clone(), intent: Intent::Other, recorded };
    assert_redacted(&[&message, &outcome]);
}

#[test]
fn notifications_show_no_recipient_no_content_and_no_reason() {
    let stored = json!({
        "account_sid": ACCOUNT, "id": "order-1", "state": "rejected", "digest": "d", "recipient": NUMBER,
        "metadata": {"name": "private"}, "notification_json": "private", "reason": format!("private {NUMBER}"),
        "attempts": [{"at": now(), "channel": "whatsapp", "outcome": "rejected", "reason": "private"}],
        "updated_at": now(), "expires_at": 1_795_000_000,
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
    let reason = || format!("private {NUMBER}");
    let next = NextAttempt { reason: Some(reason()), code: None, route: 0, not_before: None };
    let outcomes = [
        NotificationOutcome::Waiting(next.clone()),
        NotificationOutcome::Rejected { reason: reason(), code: None },
        NotificationOutcome::Unknown { reason: reason() },
    ];
    let claim = ClaimOutcome::Changed(ClaimState::Claimable(Box::new(stored.clone())));
    let attempt: &Attempt = &stored.attempts[0];
    assert_redacted(&[&stored, &subject, &next, &outcomes, &claim, attempt]);
}

#[test]
fn notification_logs_show_no_recipient_and_no_reason() {
    let attempt = LoggedAttempt {
        at: now(),
        channel: FallbackChannel::Sms.as_str().to_owned(),
        outcome: NotificationState::Rejected,
        reason: Some("private".to_owned()),
        error: None,
        message: None,
    };
    let log = NotificationLog {
        account_sid: ACCOUNT.parse().unwrap(),
        id: NotificationId::try_from("order-1".to_owned()).unwrap(),
        state: NotificationState::Rejected,
        recipient: NUMBER.parse().ok(),
        category: None,
        reason: Some(format!("private {NUMBER}")),
        error: None,
        attempts: vec![attempt],
        bound: None,
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
    let record = ContactRecord { identity: NUMBER.parse().unwrap(), fact };
    let page = ContactPage { listed: vec![record.clone()], scanned: 1, next: Some(private_item()) };
    let overview = ContactOverview {
        suppressions: vec![Suppression { channel: "whatsapp".to_owned(), scope: scope(), preference: preference() }],
        windows: vec![ServiceWindow { sender: SENDER.to_owned(), last_inbound_at: now(), open_until: now() }],
        linked: vec![LinkedIdentity { address: NUMBER.to_owned(), linked_at: now() }],
        ..ContactOverview::default()
    };
    let keys = [FacetKey::Window(Some(SENDER.to_owned())), FacetKey::Suppression(Channel::WhatsApp, scope())];
    let buckets =
        [BucketKey::of_sender(&ACCOUNT.parse().unwrap(), SENDER), BucketKey::of_sender_recipient(SENDER, &contact())];
    let facts = ContactFacts::new(vec![private_item()]);
    assert_redacted(&[&record, &page, &overview, &keys, &buckets, &facts]);
}

#[test]
fn writes_and_errors_show_no_item() {
    let failed = || FailedCondition { item: private_item() };
    let transaction = TransactionOutcome::Refused(vec![None, Some(failed())]);
    let writes = [ConditionalWrite::Written(private_item()), ConditionalWrite::Refused(private_item())];
    let claim = ClaimOutcome::Refused(vec![Some(failed())]);
    let error = StoreError::contended("writing");
    assert!(format!("{error:?}").contains("other writers changed the item"), "{error:?}");
    assert_redacted(&[&transaction, &writes, &claim, &error]);
}
