use serde_json::{Value, json};

use super::*;

fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

fn text() -> Value {
    json!({"type": "text", "body": "Hello"})
}

fn template() -> Value {
    json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"})
}

fn notification(category: &str, content: &Value, more: &Value) -> Notification {
    let mut notification = json!({"id": "order-1", "to": "+14155550123", "category": category, "content": content});
    for (name, value) in more.as_object().unwrap() {
        notification[name] = value.clone();
    }
    Notification::parse(&notification.to_string()).unwrap()
}

fn fallback(options: &[(&str, Value)]) -> Value {
    let options = options.iter().map(|(channel, content)| json!({"channel": channel, "content": content}));
    json!({"fallback": options.collect::<Vec<_>>()})
}

fn rules(policy: &Value) -> RecipientRules {
    policy.to_string().parse::<Policy>().unwrap().rules(Some(&"DE".parse().unwrap()))
}

fn send(route: usize) -> Decision {
    Decision::Send(SendPlan { route, awaits_reply: false })
}

const fn never(refusal: PolicyRefusal) -> Decision {
    Decision::Never(refusal)
}

/// One case a line: the notification, the facts, the decision.
#[test]
fn decisions_follow_from_notification_rules_and_facts() {
    let utility_template = notification("utility", &template(), &json!({}));
    let utility_text = notification("utility", &text(), &json!({}));
    let none = Facts::default();
    let wrote = |hours| Facts { last_inbound_at: Some(ago(hours)), ..Facts::default() };
    let plain = RecipientRules::default();
    let marketing = notification("marketing", &template(), &json!({}));
    let consented = |hours| Facts { consent_given_at: Some(ago(hours)), ..Facts::default() };
    let a_year = rules(&json!({"default": {"consent": {"marketing": {"days": 365}}}}));
    let capped = rules(&json!({"default": {"consent": {}, "marketing_cap": {"messages": 2, "days": 7}}}));
    let had = |hours: &[i64]| Facts {
        marketing_sent_at: hours.iter().map(|hours| ago(*hours)).collect(),
        ..Facts::default()
    };
    let stopped = |scope: &Scope| Facts { suppressed: Some(scope.clone()), ..wrote(1) };
    let to_template = notification("utility", &text(), &fallback(&[("whatsapp", text()), ("whatsapp", template())]));
    let to_sms = notification("utility", &text(), &fallback(&[("sms", text())]));
    let cases: Vec<(&str, &Notification, &RecipientRules, Facts, Decision)> = vec![
        ("a template needs no window", &utility_template, &plain, none.clone(), send(0)),
        ("text within the window", &utility_text, &plain, wrote(23), send(0)),
        ("text after the window", &utility_text, &plain, wrote(24), never(PolicyRefusal::OutsideWindow)),
        ("text to a stranger", &utility_text, &plain, none.clone(), never(PolicyRefusal::OutsideWindow)),
        ("the template of its fallback", &to_template, &plain, none.clone(), send(2)),
        ("no template within the window", &to_template, &plain, wrote(1), send(0)),
        ("SMS needs no window", &to_sms, &plain, none.clone(), send(1)),
        ("opted out of all", &utility_text, &plain, stopped(&Scope::All), never(PolicyRefusal::OptedOut(Scope::All))),
        ("marketing without consent", &marketing, &a_year, none.clone(), never(PolicyRefusal::NoConsent("marketing"))),
        ("marketing with consent", &marketing, &a_year, consented(24), send(0)),
        (
            "marketing with expired consent",
            &marketing,
            &a_year,
            consented(24 * 365),
            never(PolicyRefusal::NoConsent("marketing")),
        ),
        ("utility needs no consent", &utility_template, &a_year, none.clone(), send(0)),
        ("below the cap", &marketing, &capped, had(&[1, 24 * 7]), send(0)),
        ("at the cap", &marketing, &capped, had(&[1, 2]), never(PolicyRefusal::Cap { messages: 2, days: 7 })),
        ("the cap is for marketing only", &utility_template, &capped, had(&[1, 2]), send(0)),
    ];
    for (case, notification, rules, facts, expected) in cases {
        assert_eq!(decide(notification, rules, &facts, now()), expected, "{case}");
    }
}

#[test]
fn send_at_comes_before_every_check_but_expiry() {
    let with = |more: Value| notification("authentication", &template(), &more);
    let facts = Facts { suppressed: Some(Scope::All), ..Facts::default() };
    let expired = with(json!({"expires_at": "2026-11-20T12:00:00Z"}));
    assert_eq!(decide(&expired, &RecipientRules::default(), &facts, now()), never(PolicyRefusal::Expired));
    let later = with(json!({"send_at": "2026-11-20T12:00:01Z"}));
    let until = "2026-11-20T12:00:01Z".parse().unwrap();
    assert_eq!(
        decide(&later, &RecipientRules::default(), &facts, now()),
        Decision::Later { until, reason: WaitReason::SendAt },
        "a START may still follow the STOP before send_at"
    );
    assert_eq!(decide(&later, &RecipientRules::default(), &facts, until), never(PolicyRefusal::OptedOut(Scope::All)));
}

#[test]
fn quiet_hours_delay_only_their_categories() {
    let quiet = rules(&json!({"default": {"consent": {}, "quiet_hours": {"from": "21:00", "to": "08:00"}}}));
    let until = now() + SignedDuration::from_hours(3);
    let facts = Facts { quiet_until: Some(until), ..Facts::default() };
    let decided = |category| decide(&notification(category, &template(), &json!({})), &quiet, &facts, now());
    assert_eq!(decided("marketing"), Decision::Later { until, reason: WaitReason::QuietHours });
    assert_eq!(decided("authentication"), send(0));
}

#[test]
fn content_is_sent_after_the_answer_to_its_template() {
    let more = json!({"wait_for_reply": true, "expires_at": "2026-11-21T12:00:00Z",
                      "fallback": [{"channel": "whatsapp", "content": template()}]});
    let notification = notification("utility", &text(), &more);
    let decided = |facts: &Facts, at| decide(&notification, &RecipientRules::default(), facts, at);
    let first = decided(&Facts::default(), now());
    assert_eq!(first, Decision::Send(SendPlan { route: 1, awaits_reply: true }));
    let open = Facts { last_inbound_at: Some(ago(1)), ..Facts::default() };
    assert_eq!(decided(&open, now()), send(0), "no template where the window is open");
    let progress = NotificationProgress { template_sent_at: Some(ago(2)), route: 1, ..NotificationProgress::default() };
    let silent = Facts { progress, ..Facts::default() };
    let expires_at = notification.expires_at.unwrap();
    assert_eq!(decided(&silent, now()), Decision::Later { until: expires_at, reason: WaitReason::Reply });
    let older = Facts { last_inbound_at: Some(ago(3)), ..silent.clone() };
    assert!(matches!(decided(&older, now()), Decision::Later { .. }), "a message from before the template");
    let answered = Facts { last_inbound_at: Some(ago(1)), ..silent.clone() };
    assert_eq!(decided(&answered, now()), send(0));
    assert_eq!(decided(&silent, expires_at), never(PolicyRefusal::Unanswered));
}

#[test]
fn a_failed_option_is_not_sent_again() {
    let notification = notification("utility", &text(), &fallback(&[("whatsapp", template()), ("sms", text())]));
    let at = |route| Facts {
        last_inbound_at: Some(ago(1)),
        progress: NotificationProgress { route, ..NotificationProgress::default() },
        ..Facts::default()
    };
    let routes = [0, 1, 2].map(|route| decide(&notification, &RecipientRules::default(), &at(route), now()));
    assert_eq!(routes, [send(0), send(1), send(2)]);
    let not_before = ago(-1);
    let waiting = Facts {
        progress: NotificationProgress { not_before: Some(not_before), ..NotificationProgress::default() },
        ..at(0)
    };
    let decided = decide(&notification, &RecipientRules::default(), &waiting, now());
    assert_eq!(decided, Decision::Later { until: not_before, reason: WaitReason::Retry });
}

#[test]
fn a_country_overrides_only_what_it_names() {
    let policy: Policy = json!({
        "default": {"marketing_cap": {"messages": 2, "days": 7}},
        "countries": {"DE": {"consent": {"marketing": {"days": 365}, "utility": {}}}},
        "rates": {"default": {"per_second": 10}, "whatsapp:+14155238886": {"per_second": 400, "burst": 5}},
        "on_unknown": {"utility": "resend"},
    })
    .to_string()
    .parse()
    .unwrap();
    let (here, there) = (policy.rules(Some(&"DE".parse().unwrap())), policy.rules(None));
    assert_eq!(here.consent(Category::Utility), Some(ConsentRule { days: None }));
    assert_eq!(there.consent(Category::Utility), None);
    assert_eq!(there.consent(Category::Marketing), Some(ConsentRule { days: None }), "by default");
    assert_eq!((here.marketing_cap, here.marketing_cap.map(|cap| cap.messages)), (there.marketing_cap, Some(2)));
    assert_eq!(policy.rate_limit("whatsapp:+14155238886").per_second(), 400);
    assert_eq!(policy.rate_limit("MG00000000000000000000000000000001").per_second(), 10);
    assert_eq!(Policy::default().rate_limit("any").per_second(), 80);
    assert_eq!(policy.on_unknown(Category::Utility), OnUnknown::Resend);
    assert_eq!(policy.on_unknown(Category::Marketing), OnUnknown::Hold);
    assert_eq!(policy.on_unknown(Category::Authentication), OnUnknown::Resend);
}

#[test]
fn days_and_caps_out_of_range_are_refused_by_name() {
    let days = "days: expected a whole number from 1 to 36500, not";
    let messages = "messages: expected a whole number from 0 to 500, not";
    for (block, expected) in [
        (json!({"consent": {"marketing": {"days": 0}}}), format!("{days} 0")),
        (json!({"consent": {"marketing": {"days": -1}}}), format!("{days} -1")),
        (json!({"consent": {"marketing": {"days": "30"}}}), format!("{days} \"30\"")),
        (json!({"consent": {"marketing": {"day": 30}}}), "unknown field `day`".to_owned()),
        (json!({"marketing_cap": {"messages": 2, "days": 0}}), format!("{days} 0")),
        (json!({"marketing_cap": {"messages": 2, "days": 0.5}}), format!("{days} 0.5")),
        (json!({"marketing_cap": {"messages": 2, "days": 36_501}}), format!("{days} 36501")),
        (json!({"marketing_cap": {"messages": -1, "days": 7}}), format!("{messages} -1")),
        (json!({"marketing_cap": {"messages": 501, "days": 7}}), format!("{messages} 501")),
        (json!({"marketing_cap": {"messages": 2}}), "missing field `days`".to_owned()),
    ] {
        let error = json!({"default": block}).to_string().parse::<Policy>().unwrap_err().to_string();
        assert!(error.contains(&expected), "{block}: {error}");
    }
    let widest =
        json!({"consent": {"marketing": {"days": 36_500}}, "marketing_cap": {"messages": 500, "days": 36_500}});
    let narrowest = json!({"consent": {"marketing": {"days": 1}}, "marketing_cap": {"messages": 0, "days": 1}});
    for block in [widest, narrowest] {
        let read = json!({"default": block}).to_string().parse::<Policy>();
        assert!(read.is_ok(), "{block}: {read:?}");
    }
}

#[test]
fn an_invalid_policy_says_why_once() {
    for (policy, part) in [
        (r#"{"quiet": 1}"#, "unknown field `quiet`"),
        (
            r#"{"rates": {"default": {"per_second": 0}}}"#,
            "per_second: expected a whole number from 1 to 10000, not 0 at line 1 column 40",
        ),
        (
            r#"{"rates": {"default": {"per_second": 1041667}}}"#,
            "per_second: expected a whole number from 1 to 10000, not 1041667",
        ),
        (r#"{"on_unknown": {"marketing": "send"}}"#, "expected `hold` or `resend`"),
        (
            r#"{"default": {"quiet_hours": {"from": "25:00", "to": "08:00"}}}"#,
            "from: not a time of day: expected hours and minutes from 00:00 to 23:59, as in 21:00",
        ),
    ] {
        let error = policy.parse::<Policy>().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(std::error::Error::source(&error).is_none(), "a log of the whole chain says it once");
    }
}
