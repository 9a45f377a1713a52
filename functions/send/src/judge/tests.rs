use domain::{
    consent::{Consent, ConsentState},
    notification::{Category, FallbackChannel},
    preference::{Preference, RecordedPreference},
    progress::{AttemptResult, Phase, Purpose},
    templates::TemplateRegistry,
};
use jiff::SignedDuration;
use serde_json::{Value, json};
use twilio_types::address::Channel;

use super::*;
use crate::{
    job::tests::{body, candidate},
    queue_message::{QueueMessage, tests::message},
};

const USER_ID: &str = "US.13491208655302741918";

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

/// The judgement about a notification with these fields, after a change of what is known.
fn judgement(fields: &Value, policy: &str, change: impl FnOnce(&mut Candidate<'_>)) -> Judgement {
    let body = body(fields);
    let message = message(&body, now());
    let mut candidate = candidate(&message, policy);
    change(&mut candidate);
    judge(&candidate, now())
}

fn recipient_of(judgement: Judgement) -> String {
    let Judgement::Send(plan) = judgement else { panic!("expected a plan, not {judgement:?}") };
    plan.recipient.to_string()
}

#[test]
fn times_are_checked_only_while_nothing_is_stored() {
    let long_ago = now() - SignedDuration::from_hours(20 * 24);
    let body = body(&json!({"send_at": (now() - SignedDuration::from_hours(1)).to_string()}));
    let message = QueueMessage { enqueued_at: long_ago, ..message(&body, now()) };
    let mut candidate = candidate(&message, "{}");
    let Judgement::End { outcome, reason } = judge(&candidate, now()) else { panic!("expected an end") };
    assert_eq!(outcome, Outcome::Rejected);
    assert!(reason.contains("send_at"), "{reason}");
    candidate.seen = Some(1);
    assert!(matches!(judge(&candidate, now()), Judgement::Send(_)), "it waited in the queue");
}

#[test]
fn retry_checks_the_times_as_they_were() {
    let long_ago = now() - SignedDuration::from_hours(20 * 24);
    for (send_at, is_rejected) in
        [(long_ago - SignedDuration::from_hours(1), true), (long_ago + SignedDuration::from_hours(1), false)]
    {
        let body = body(&json!({"send_at": send_at.to_string()}));
        let message = QueueMessage { enqueued_at: long_ago, retry_of: Some("given up"), ..message(&body, now()) };
        let mut candidate = candidate(&message, "{}");
        candidate.seen = Some(1);
        let judgement = judge(&candidate, now());
        assert_eq!(matches!(judgement, Judgement::End { .. }), is_rejected, "{judgement:?}");
    }
}

#[test]
fn notification_without_a_sender_is_rejected_with_the_missing_field() {
    let Judgement::End { outcome, reason } = judgement(&json!({"from": null}), "{}", |_| {}) else {
        panic!("expected an end");
    };
    assert_eq!(outcome, Outcome::Rejected);
    assert!(reason.starts_with("from: missing"), "{reason}");
}

#[test]
fn stop_and_withdrawn_consent_change_the_judgement() {
    let marketing = json!({"category": "marketing"});
    let consent = |state| Consent {
        category: Category::Marketing,
        state,
        at: now(),
        text_version: None,
        evidence: String::new(),
    };
    let given = |candidate: &mut Candidate<'_>| {
        candidate.person.person.record_consent(consent(ConsentState::Given));
    };
    assert!(matches!(judgement(&marketing, "{}", given), Judgement::Send(_)));
    let suppressed = |judgement: Judgement| {
        assert!(matches!(judgement, Judgement::End { outcome: Outcome::Suppressed, .. }), "{judgement:?}");
    };
    suppressed(judgement(&marketing, "{}", |candidate| {
        given(candidate);
        let request = RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: now() + SignedDuration::from_secs(1),
            message_sid: None,
            reason: None,
        };
        candidate.person.person.record_preference(&Channel::WhatsApp, &[domain::suppression::Scope::All], &request);
    }));
    suppressed(judgement(&marketing, "{}", |candidate| {
        given(candidate);
        candidate.person.person.record_consent(consent(ConsentState::Withdrawn));
    }));
}

#[test]
fn cap_that_other_notifications_reached_changes_the_judgement() {
    let policy = r#"{"default": {"consent": {}, "marketing_cap": {"messages": 1, "days": 7}}}"#;
    let marketing = json!({"category": "marketing"});
    assert!(matches!(judgement(&marketing, policy, |_| {}), Judgement::Send(_)));
    let judgement = judgement(&marketing, policy, |candidate| {
        let other = "other".to_owned().try_into().unwrap();
        candidate.person.person.marketing_sent.insert(other, now());
    });
    assert!(matches!(judgement, Judgement::End { outcome: Outcome::Suppressed, .. }), "{judgement:?}");
}

#[test]
fn invalid_user_id_is_replaced_by_the_known_number() {
    let to_user = json!({"to": USER_ID});
    let refuse = |candidate: &mut Candidate<'_>, code: &str| {
        let step = Step { option: 0, purpose: Purpose::Deliver };
        candidate.stored.progress.claim(step, FallbackChannel::WhatsApp, now());
        candidate.stored.progress.phase = Phase::Ready { step, not_before: None };
        let attempt = candidate.stored.progress.attempts.last_mut().unwrap();
        (attempt.result, attempt.code) = (AttemptResult::Waiting, code.parse().ok());
    };
    let know_number = |candidate: &mut Candidate<'_>| {
        candidate.person.home = candidate.job.contact.beside("+14155550123");
        candidate.person.person.aliases.insert(USER_ID.to_owned());
    };
    assert_eq!(recipient_of(judgement(&to_user, "{}", know_number)), USER_ID);
    let refused_with = |code: &'static str| {
        judgement(&to_user, "{}", |candidate| {
            know_number(candidate);
            refuse(candidate, code);
        })
    };
    assert_eq!(recipient_of(refused_with("21211")), "+14155550123");
    assert_eq!(recipient_of(refused_with("20429")), USER_ID);
    assert_eq!(recipient_of(judgement(&to_user, "{}", |candidate| refuse(candidate, "21211"))), USER_ID);
}

#[test]
fn refusal_of_a_user_id_leads_to_a_number_only_if_one_is_known() {
    let body = body(&json!({"to": USER_ID}));
    let message = message(&body, now());
    let mut person = candidate(&message, "{}").person;
    let user: Recipient = USER_ID.parse().unwrap();
    let number: Recipient = "+14155550123".parse().unwrap();
    let invalid = "21211".parse().ok();
    assert!(!can_go_to_number(invalid, &user, &person));
    person.person.aliases.insert(number.to_string());
    assert!(can_go_to_number(invalid, &user, &person));
    assert!(!can_go_to_number(invalid, &number, &person), "the number itself is invalid");
    assert!(!can_go_to_number("63016".parse().ok(), &user, &person));
    assert!(!can_go_to_number(None, &user, &person));
}

/// A registry with an approved text in English, with these fields changed, whose list began this many seconds after now.
fn templates(fields: &Value, listed_after: i64) -> TemplateRegistry {
    let mut template = json!({
        "sid": "HX00000000000000000000000000000001", "name": "order", "locale": "en", "status": "approved",
        "status_at": now().to_string(), "registered_at": now().to_string(), "shape": {"whatsapp_type": "twilio/text"},
    });
    for (name, value) in fields.as_object().unwrap() {
        template[name] = value.clone();
    }
    let synced_at = now() + SignedDuration::from_secs(listed_after);
    TemplateRegistry::new([serde_json::from_value(template).unwrap()], Some(synced_at))
}

fn named(name: &str) -> Value {
    json!({"type": "template", "name": name})
}

#[test]
fn plan_has_the_template_and_what_was_passed_over_for_it() {
    let by_name = json!({"content": named("order")});
    let judged = |fields: &Value| {
        let known = templates(&json!({}), 0);
        let Judgement::Send(plan) = judgement(fields, "{}", |candidate| candidate.templates = known) else {
            panic!("expected a plan");
        };
        plan.template
    };
    let sid = "HX00000000000000000000000000000001".parse().ok();
    let direct = judged(&by_name);
    assert_eq!((direct.content_sid, direct.is_known, direct.passed_over.len()), (sid.clone(), true, 0));
    assert!(direct.first_use_on.is_some());
    let over = |content: &Value| json!([{"channel": "whatsapp", "content": content}]);
    let second = judged(&json!({"content": named("no_such"), "fallback": over(&named("order"))}));
    assert_eq!((&second.content_sid, second.passed_over.len()), (&sid, 1));
    assert!(second.passed_over[0].reason.starts_with("content.name: the account has no template"), "{second:?}");
    let stranger = json!({"type": "template", "content_sid": "HX00000000000000000000000000000009"});
    let unknown = judged(&json!({"content": stranger}));
    assert_eq!((unknown.content_sid.is_some(), unknown.is_known, unknown.first_use_on), (true, false, None));
}

#[test]
fn paused_template_without_a_fallback_is_rejected_by_name() {
    let paused = templates(&json!({"status": "paused"}), 0);
    let judgement = judgement(&json!({"content": named("order")}), "{}", |candidate| candidate.templates = paused);
    let Judgement::End { outcome: Outcome::Rejected, reason } = judgement else { panic!("{judgement:?}") };
    assert_eq!(reason, "content: the template is paused at WhatsApp, expected an approved one");
}

#[test]
fn template_that_is_not_known_is_awaited_until_a_list_is_read() {
    let unknown = json!({"content": named("no_such")});
    let judged = |registry: TemplateRegistry, waits_since: Option<Timestamp>| {
        judgement(&unknown, "{}", |candidate| {
            candidate.templates = registry;
            if let Some(since) = waits_since {
                candidate.stored.wait_until(now(), WaitReason::Template, Vec::new(), since);
            }
        })
    };
    let waits = |judgement: Judgement| {
        assert!(matches!(judgement, Judgement::Wait(Wait { reason: WaitReason::Template, .. })), "{judgement:?}");
    };
    let is_rejected = |judgement: Judgement| {
        assert!(matches!(judgement, Judgement::End { outcome: Outcome::Rejected, .. }), "{judgement:?}");
    };
    waits(judged(TemplateRegistry::default(), None));
    waits(judged(templates(&json!({}), 30), None));
    is_rejected(judged(templates(&json!({}), 60), None));
    waits(judged(TemplateRegistry::default(), Some(now() - SignedDuration::from_hours(23))));
    is_rejected(judged(TemplateRegistry::default(), Some(now() - SignedDuration::from_hours(24))));
}

#[test]
fn template_that_is_long_awaited_is_asked_for_less_often() {
    let unknown = json!({"content": named("no_such")});
    let interval_after = |waited: i64| {
        let judgement = judgement(&unknown, "{}", |candidate| {
            let since = now() - SignedDuration::from_secs(waited);
            candidate.stored.wait_until(now(), WaitReason::Template, Vec::new(), since);
        });
        let Judgement::Wait(Wait { until, .. }) = judgement else { panic!("{judgement:?}") };
        until.duration_since(now()).as_secs()
    };
    let intervals = [0, 60, 240, 3_600, 23 * 3_600].map(interval_after);
    assert_eq!(intervals, [30, 30, 60, 900, 900]);
}
