//! `Debug` shows no number and no text of a person: it may reach a log.

use std::fmt::Debug;

use jiff::Timestamp;
use serde_json::json;
use twilio_types::address::Channel;

use crate::{
    configured_senders::ConfiguredSenders,
    consent::ConsentRequest,
    contact_key::ContactKey,
    daily_cap::room::{ReservedRoom, RoomGrant},
    notification::{FallbackChannel, Notification},
    pause::{Pause, PauseScope, Pauses},
    person::{Person, WindowKey},
    policy::{Case, Decision, Policy, PolicyRefusal, RecipientRules},
    preference::{Preference, RecordedPreference},
    progress::Progress,
    route::Route,
    suppression::{Scope, SuppressionKey},
    template_settings::TemplateSettings,
    templates::{PassedOver, TemplateProblem, TemplateRegistry},
    tenants::{Tenants, TenantsDocument},
};

const NUMBER: &str = "+14155550123";
const SENDER: &str = "whatsapp:+14155238886";

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn assert_redacted(shown: &[&dyn Debug]) {
    for value in shown {
        let text = format!("{value:?} {value:#?}");
        for hidden in ["415555", "415523", "private", "203.0.113.10"] {
            assert!(!text.contains(hidden), "{hidden} in {text}");
        }
    }
}

#[test]
fn notifications_show_no_number_and_no_body() {
    let text = json!({"type": "text", "body": "private"});
    let template = json!({"type": "template", "name": "order_update", "locale": "en", "variables": {"1": "private"}});
    let media = json!({"type": "media", "media": [{"url": "https://example.com/private.png"}], "body": "private"});
    for content in [text, template, media] {
        let notification = json!({
            "id": "order-1", "to": NUMBER, "from": SENDER, "category": "utility", "content": content,
            "fallback": [{"channel": "sms", "content": content}], "metadata": {"name": "private"},
        });
        let notification = Notification::parse(&notification.to_string()).unwrap();
        assert!(format!("{notification:?}").contains("order-1"));
        assert_redacted(&[&notification, &notification.content, &notification.fallback]);
    }
}

#[test]
fn contacts_show_no_number_and_no_text() {
    let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
    let key = ContactKey::of_phone(&account_sid, &NUMBER.parse().unwrap());
    assert!(format!("{key:?}").contains("AC00000000000000000000000000000001"));
    let preference = RecordedPreference {
        preference: Preference::OptedOut,
        changed_at: now(),
        message_sid: None,
        reason: Some(format!("private, from {NUMBER}")),
    };
    let consent = json!({
        "category": "marketing", "source": "private", "text": "private", "ip": "203.0.113.10", "user_agent": "private",
    });
    let consent = ConsentRequest::parse(&consent.to_string(), now(), Some("private".to_owned())).unwrap();
    assert_redacted(&[&key, &preference, &consent]);
}

#[test]
fn policies_and_decisions_show_no_senders_number() {
    let policy = json!({"rates": {SENDER: {"per_second": 10}}, "daily_cap": {"routes": {SENDER: 10}}});
    let policy: Policy = policy.to_string().parse().unwrap();
    let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
    let counters = policy.daily_cap().counters(&account_sid, None, SENDER, now());
    let mut room = ReservedRoom::default();
    let requests = room.missing([counters.as_slice()], now());
    room.add(counters[0].counter.clone(), RoomGrant { messages: 1, counted: 1 });
    assert_redacted(&[policy.daily_cap(), &counters, &requests, &room]);
    let scope = Scope::Sender(SENDER.to_owned());
    let decision = Decision::Never(PolicyRefusal::OptedOut(scope.clone()));
    let key = SuppressionKey::of(&Channel::WhatsApp, scope.clone());
    let mut person = Person { aliases: [NUMBER.to_owned()].into(), ..Person::default() };
    person.open_windows([WindowKey::of(SENDER)], now());
    person.preferences.insert(
        key.clone(),
        RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: now(),
            message_sid: None,
            reason: Some("private".to_owned()),
        },
    );
    person.reserve(SENDER, now()).unwrap();
    let configured = ConfiguredSenders::default();
    let notification = json!({"id": "a", "to": NUMBER, "from": SENDER, "category": "service",
                              "content": {"type": "text", "body": "private"}});
    let notification = Notification::parse(&notification.to_string()).unwrap();
    let route = Route::of(&notification, FallbackChannel::WhatsApp, &configured).unwrap();
    let progress = Progress { reason: Some("private".to_owned()), ..Progress::default() };
    let rules = RecipientRules::default();
    let case = Case {
        notification: &notification,
        rules: &rules,
        person: &person,
        progress: &progress,
        senders: &configured,
        expires_at: None,
        account_sid: &"AC00000000000000000000000000000001".parse().unwrap(),
        pauses: &Pauses::default(),
        templates: &TemplateRegistry::default(),
        template_settings: &TemplateSettings::default(),
    };
    assert_redacted(&[&policy, &scope, &decision, &key, &person, &route, &route.window(), &progress, &case]);
    let passed_over = PassedOver { option: 1, reason: "private".to_owned() };
    let refusal = PolicyRefusal::Template { passed_over: vec![passed_over], may_be_unknown: false };
    assert_redacted(&[&refusal, &TemplateProblem::UnknownName("private".to_owned())]);
}

#[test]
fn settings_show_no_senders_number_and_no_caller() {
    let account = json!({
        "from": SENDER, "routes": [{"countries": ["BR"], "from": SENDER}],
        "callers": ["arn:aws:iam::123456789012:user/private"],
        "opt_out": {"confirmations": {"en": {"stop": "private"}}}, "policy": {"rates": {SENDER: {"per_second": 1}}},
    });
    let before = json!({"format": 1, "accounts": {"AC00000000000000000000000000000001": account}});
    let document = TenantsDocument::parse(&before.to_string()).unwrap();
    let differences = TenantsDocument::differences(&before, &json!({"format": 1, "accounts": {}}));
    let tenants = Tenants::default().with_document(1, document.clone());
    assert_redacted(&[&document, &differences, &tenants]);
}

#[test]
fn pauses_show_no_senders_number_and_no_reason() {
    let scope = PauseScope::Sender(SENDER.to_owned());
    let pause = Pause {
        scope: scope.clone(),
        since: now(),
        by: Some("arn:aws:iam::123456789012:user/private".to_owned()),
        reason: Some(format!("private {NUMBER}")),
        is_automatic: false,
    };
    let pauses: Pauses = [pause.clone()].into_iter().collect();
    assert_redacted(&[&scope, &pause, &pauses]);
}
