//! Options that follow a message without a delivery.

use crate::templates::{TemplateRegistry, tests::registry};

use super::*;

/// A template, and after ten minutes without a delivery an SMS.
fn with_sms_after() -> Notification {
    let sms = json!({"channel": "sms", "content": text(), "after": "10m"});
    notification("utility", &template(), &json!({"fallback": [sms]}))
}

/// The content was accepted some minutes ago.
fn accepted_ago(minutes: i64, notification: &Notification) -> Progress {
    let mut progress = Progress::default();
    let claimed_at = now() - SignedDuration::from_mins(minutes);
    progress.claim(Step { option: 0, purpose: Purpose::Deliver }, FallbackChannel::WhatsApp, claimed_at);
    let sid = "SM00000000000000000000000000000001".parse().unwrap();
    let on = Transition { notification, expires_at: None, now: claimed_at };
    progress.answer(0, CreateAnswer::Accepted(sid), &on);
    progress
}

fn decided_after(minutes: i64, notification: &Notification, person: &Person) -> Decision {
    let progress = accepted_ago(minutes, notification);
    decided(notification, &rules(&json!({})), person, &progress, now())
}

#[test]
fn option_follows_at_its_time_and_not_before() {
    let notification = with_sms_after();
    let person = Person::default();
    let until = now() + SignedDuration::from_mins(1);
    let waits = Decision::Later { until, reason: WaitReason::Delivery };
    assert_eq!(decided_after(9, &notification, &person), waits);
    assert_eq!(decided_after(10, &notification, &person), send(1));
}

#[test]
fn option_that_cannot_be_sent_leaves_the_next_one_its_time() {
    let options = json!([
        {"channel": "whatsapp", "content": text(), "after": "10m"},
        {"channel": "sms", "content": text(), "after": "20m"},
    ]);
    let notification = notification("utility", &template(), &json!({"fallback": options}));
    let until = now() + SignedDuration::from_mins(5);
    let waits = Decision::Later { until, reason: WaitReason::Delivery };
    assert_eq!(decided_after(15, &notification, &Person::default()), waits, "the window is closed");
    assert_eq!(decided_after(15, &notification, &wrote(1)), send(1));
    assert_eq!(decided_after(20, &notification, &Person::default()), send(2));
}

#[test]
fn option_whose_template_cannot_be_sent_is_passed_over() {
    let named = |variables: Value| json!({"type": "template", "name": "order_update", "variables": variables});
    let sms = |variables| json!({"channel": "sms", "content": named(variables), "after": "10m"});
    let whatsapp = json!({"channel": "whatsapp", "content": named(json!({"1": "Ava", "2": "7"})), "after": "10m"});
    let decided = |options: Value, templates: &TemplateRegistry, minutes| {
        let notification = notification("utility", &template(), &json!({"fallback": options}));
        let progress = accepted_ago(minutes, &notification);
        let (rules, person) = (RecipientRules::default(), Person::default());
        let case = Case { templates, ..case(&notification, &rules, &person, &progress, service(), no_pauses()) };
        (decide(&case, now()), case.passed_over(Step { option: 2, purpose: Purpose::Deliver }, now()).len())
    };
    let (approved, paused) = (registry(&[json!({})]), registry(&[json!({"status": "paused"})]));
    let text = json!({"channel": "sms", "content": text(), "after": "10m"});
    assert_eq!(
        decided(json!([sms(json!({"1": "Ava"})), text]), &approved, 10),
        (send(2), 1),
        "the sample is never sent"
    );
    assert_eq!(decided(json!([whatsapp, text]), &paused, 10), (send(2), 1));
    assert_eq!(decided(json!([whatsapp, text]), &approved, 10), (send(1), 0));
    let (decision, _) = decided(json!([whatsapp]), &paused, 10);
    assert!(matches!(decision, Decision::Never(PolicyRefusal::Template { may_be_unknown: false, .. })), "{decision:?}");
    let (decision, _) = decided(json!([whatsapp]), &paused, 9);
    assert!(matches!(decision, Decision::Later { reason: WaitReason::Delivery, .. }), "it may be back by then");
    let (decision, _) = decided(json!([whatsapp]), &TemplateRegistry::default(), 10);
    assert!(matches!(decision, Decision::Never(PolicyRefusal::Template { may_be_unknown: true, .. })), "{decision:?}");
}

#[test]
fn option_without_a_time_follows_failures_only() {
    let options = json!([
        {"channel": "whatsapp", "content": template()},
        {"channel": "sms", "content": text(), "after": "10m"},
    ]);
    let notification = notification("utility", &template(), &json!({"fallback": options}));
    assert_eq!(decided_after(10, &notification, &Person::default()), send(2));
}

#[test]
fn option_does_not_follow_an_opt_out_or_the_expiry() {
    let notification = with_sms_after();
    let person = stopped(Person::default(), &Channel::WhatsApp, Scope::All, 0);
    assert_eq!(decided_after(10, &notification, &person), never(PolicyRefusal::OptedOut(Scope::All)));
    let expired = Notification { expires_at: Some(now()), ..with_sms_after() };
    assert_eq!(decided_after(10, &expired, &Person::default()), never(PolicyRefusal::Expired));
}

#[test]
fn option_waits_for_the_end_of_quiet_hours() {
    let notification = Notification { category: Category::Marketing, ..with_sms_after() };
    let progress = accepted_ago(10, &notification);
    let quiet = rules(&json!({"default": {"consent": {}, "quiet_hours": {"from": "00:00", "to": "23:00"}}}));
    let decision = decided(&notification, &quiet, &Person::default(), &progress, now());
    assert!(matches!(decision, Decision::Later { reason: WaitReason::QuietHours, .. }), "{decision:?}");
}

#[test]
fn unanswered_template_is_followed_by_what_needs_no_reply() {
    let options = json!([
        {"channel": "whatsapp", "content": template()},
        {"channel": "sms", "content": text(), "after": "10m"},
    ]);
    let more = json!({"fallback": options, "wait_for_reply": true});
    let notification = notification("utility", &text(), &more);
    let asked = |minutes| {
        let mut progress = Progress::default();
        let claimed_at = now() - SignedDuration::from_mins(minutes);
        progress.claim(Step { option: 1, purpose: Purpose::AskForReply }, FallbackChannel::WhatsApp, claimed_at);
        progress.phase = Phase::AwaitingReply;
        decided(&notification, &rules(&json!({})), &Person::default(), &progress, now())
    };
    assert!(matches!(asked(9), Decision::Later { reason: WaitReason::Delivery, .. }));
    assert_eq!(asked(10), send(2));
}
