use serde_json::{Value, json};

use twilio_types::address::Channel;

use super::*;
use crate::{
    consent::{Consent, ConsentState},
    notification::NotificationId,
    pause::Pause,
    person::WindowKey,
    preference::{Preference, RecordedPreference},
    progress::{CreateAnswer, Transition},
};

mod undelivered;

const SENDER: &str = "whatsapp:+14155238886";
const SERVICE: &str = "MG00000000000000000000000000000001";

fn account_sid() -> &'static AccountSid {
    static ACCOUNT_SID: std::sync::OnceLock<AccountSid> = std::sync::OnceLock::new();
    ACCOUNT_SID.get_or_init(|| "AC00000000000000000000000000000001".parse().unwrap())
}

pub(super) fn service() -> &'static ConfiguredSenders {
    static SENDERS: std::sync::LazyLock<ConfiguredSenders> =
        std::sync::LazyLock::new(|| ConfiguredSenders::from(Some(SERVICE.parse().unwrap())));
    &SENDERS
}

pub(super) fn no_pauses() -> &'static Pauses {
    static PAUSES: std::sync::LazyLock<Pauses> = std::sync::LazyLock::new(Pauses::default);
    &PAUSES
}

fn no_templates() -> &'static TemplateRegistry {
    static TEMPLATES: std::sync::LazyLock<TemplateRegistry> = std::sync::LazyLock::new(TemplateRegistry::default);
    &TEMPLATES
}

fn settings() -> &'static TemplateSettings {
    static SETTINGS: std::sync::LazyLock<TemplateSettings> = std::sync::LazyLock::new(TemplateSettings::default);
    &SETTINGS
}

pub(super) fn now() -> Timestamp {
    "2026-11-20T12:00:00Z".parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    now() - SignedDuration::from_hours(hours)
}

pub(super) fn text() -> Value {
    json!({"type": "text", "body": "Hello"})
}

fn template() -> Value {
    json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"})
}

pub(super) fn notification(category: &str, content: &Value, more: &Value) -> Notification {
    let mut notification = json!({"id": "order-1", "to": "+14155550123", "category": category, "content": content});
    for (name, value) in more.as_object().unwrap() {
        notification[name] = value.clone();
    }
    Notification::parse(&notification.to_string()).unwrap()
}

pub(super) fn fallback(options: &[(&str, Value)]) -> Value {
    let options = options.iter().map(|(channel, content)| json!({"channel": channel, "content": content}));
    json!({"fallback": options.collect::<Vec<_>>()})
}

fn rules(policy: &Value) -> RecipientRules {
    policy.to_string().parse::<Policy>().unwrap().rules(Some(&"DE".parse().unwrap()))
}

pub(super) const fn send(option: usize) -> Decision {
    Decision::Send(Step { option, purpose: Purpose::Deliver })
}

pub(super) const fn never(refusal: PolicyRefusal) -> Decision {
    Decision::Never(refusal)
}

fn decided(
    notification: &Notification,
    rules: &RecipientRules,
    person: &Person,
    progress: &Progress,
    now: Timestamp,
) -> Decision {
    let service = service();
    let pauses = Pauses::default();
    decide(&case(notification, rules, person, progress, service, &pauses), now)
}

/// The case of a notification that a service sends.
pub(super) fn case<'a>(
    notification: &'a Notification,
    rules: &'a RecipientRules,
    person: &'a Person,
    progress: &'a Progress,
    senders: &'a ConfiguredSenders,
    pauses: &'a Pauses,
) -> Case<'a> {
    Case {
        notification,
        rules,
        person,
        progress,
        senders,
        expires_at: notification.expires_at,
        account_sid: account_sid(),
        pauses,
        templates: no_templates(),
        template_settings: settings(),
    }
}

/// A person who wrote to the configured service this many hours ago.
pub(super) fn wrote(hours: i64) -> Person {
    let mut person = Person::default();
    person.open_windows([WindowKey::of(SERVICE)], ago(hours));
    person
}

fn stopped(mut person: Person, channel: &Channel, scope: Scope, hours: i64) -> Person {
    let stop = RecordedPreference {
        preference: Preference::OptedOut,
        changed_at: ago(hours),
        message_sid: None,
        reason: None,
    };
    person.record_preference(channel, &[scope], &stop);
    person
}

fn consented(hours: i64) -> Person {
    let mut person = Person::default();
    person.record_consent(Consent {
        category: Category::Marketing,
        state: ConsentState::Given,
        at: ago(hours),
        text_version: None,
        evidence: String::new(),
    });
    person
}

/// A person who was sent other marketing this many hours ago.
fn had(hours: &[i64]) -> Person {
    let sent = hours.iter().map(|hours| (NotificationId::try_from(format!("other-{hours}")).unwrap(), ago(*hours)));
    Person { marketing_sent: sent.collect(), ..Person::default() }
}

/// One case a line: the notification, the rules, the person, the decision.
#[test]
fn decisions_follow_from_notification_rules_and_person() {
    let utility_template = notification("utility", &template(), &json!({}));
    let utility_text = notification("utility", &text(), &json!({}));
    let none = Person::default();
    let plain = RecipientRules::default();
    let marketing = notification("marketing", &template(), &json!({}));
    let a_year = rules(&json!({"default": {"consent": {"marketing": {"days": 365}}}}));
    let capped = rules(&json!({"default": {"consent": {}, "marketing_cap": {"messages": 2, "days": 7}}}));
    let to_template = notification("utility", &text(), &fallback(&[("whatsapp", text()), ("whatsapp", template())]));
    let to_sms = notification("utility", &text(), &fallback(&[("sms", text())]));
    let all_stopped = stopped(wrote(1), &Channel::Sms, Scope::All, 2);
    let marketing_stopped = stopped(wrote(1), &Channel::WhatsApp, Scope::Marketing, 2);
    let counted_itself = {
        let mut person = had(&[1]);
        person.marketing_sent.insert(marketing.id.clone(), ago(1));
        person
    };
    let cases: Vec<(&str, &Notification, &RecipientRules, Person, Decision)> = vec![
        ("a template needs no window", &utility_template, &plain, none.clone(), send(0)),
        ("text within the window", &utility_text, &plain, wrote(23), send(0)),
        ("text after the window", &utility_text, &plain, wrote(24), never(PolicyRefusal::OutsideWindow)),
        ("text to a stranger", &utility_text, &plain, none.clone(), never(PolicyRefusal::OutsideWindow)),
        ("the template of its fallback", &to_template, &plain, none.clone(), send(2)),
        ("no template within the window", &to_template, &plain, wrote(1), send(0)),
        ("SMS needs no window", &to_sms, &plain, none.clone(), send(1)),
        ("opted out by SMS", &utility_text, &plain, all_stopped, never(PolicyRefusal::OptedOut(Scope::All))),
        ("opted out of marketing", &utility_text, &plain, marketing_stopped.clone(), send(0)),
        (
            "marketing to a person who opted out of it",
            &marketing,
            &plain,
            marketing_stopped,
            never(PolicyRefusal::OptedOut(Scope::Marketing)),
        ),
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
        ("its own earlier claim does not count", &marketing, &capped, counted_itself, send(0)),
        ("the cap is for marketing only", &utility_template, &capped, had(&[1, 2]), send(0)),
    ];
    for (case, notification, rules, person, expected) in cases {
        assert_eq!(decided(notification, rules, &person, &Progress::default(), now()), expected, "{case}");
    }
}

#[test]
fn consent_from_before_a_stop_does_not_count_after_a_start() {
    let rules = rules(&json!({"default": {"consent": {"marketing": {}}}}));
    let marketing = notification("marketing", &template(), &json!({}));
    let mut person = stopped(consented(3), &Channel::WhatsApp, Scope::All, 2);
    let start =
        RecordedPreference { preference: Preference::OptedIn, changed_at: ago(1), message_sid: None, reason: None };
    person.record_preference(&Channel::WhatsApp, &[Scope::All], &start);
    let refused = never(PolicyRefusal::NoConsent("marketing"));
    assert_eq!(decided(&marketing, &rules, &person, &Progress::default(), now()), refused);
}

#[test]
fn window_is_that_of_the_sender_or_service_that_sends() {
    let by_sender = notification("service", &text(), &json!({"from": SENDER}));
    let by_service = notification("service", &text(), &json!({}));
    let written_to = |window: &str| {
        let mut person = Person::default();
        person.open_windows([WindowKey::of(window)], ago(1));
        person
    };
    for (window, of_sender, of_service) in
        [(SENDER, true, false), (SERVICE, false, true), ("whatsapp:+14155550000", false, false)]
    {
        for (notification, open) in [(&by_sender, of_sender), (&by_service, of_service)] {
            let expected = if open { send(0) } else { never(PolicyRefusal::OutsideWindow) };
            let person = written_to(window);
            let decided = decided(notification, &RecipientRules::default(), &person, &Progress::default(), now());
            assert_eq!(decided, expected, "{window}");
        }
    }
}

#[test]
fn fallback_that_a_scope_covers_is_left_out() {
    let fallback = [("whatsapp", template()), ("sms", text())];
    let fallback = fallback.map(|(channel, content)| json!({"channel": channel, "content": content}));
    let sms_only = notification("utility", &text(), &json!({"from": SENDER, "fallback": [fallback[1]]}));
    let both = notification("utility", &text(), &json!({"from": SENDER, "fallback": fallback}));
    let service = Scope::Sender(SERVICE.to_owned());
    let of_service = stopped(Person::default(), &Channel::Sms, service.clone(), 1);
    let of_sender = stopped(Person::default(), &Channel::WhatsApp, Scope::Sender(SENDER.to_owned()), 1);
    let decided =
        |notification, person| decided(notification, &RecipientRules::default(), person, &Progress::default(), now());
    assert_eq!(decided(&sms_only, &of_service), never(PolicyRefusal::OptedOut(service)), "the SMS goes by the service");
    assert_eq!(decided(&both, &of_service), send(1), "the template goes by the sender");
    let refused = never(PolicyRefusal::OptedOut(Scope::Sender(SENDER.to_owned())));
    assert_eq!(decided(&both, &of_sender), refused, "no SMS instead of the sender that was stopped");
}

#[test]
fn send_at_comes_before_every_check_but_expiry() {
    let with = |more: Value| notification("authentication", &template(), &more);
    let person = stopped(Person::default(), &Channel::WhatsApp, Scope::All, 1);
    let plain = RecipientRules::default();
    let decided = |notification: &Notification, at| decided(notification, &plain, &person, &Progress::default(), at);
    let expired = with(json!({"expires_at": "2026-11-20T12:00:00Z"}));
    assert_eq!(decided(&expired, now()), never(PolicyRefusal::Expired));
    let later = with(json!({"send_at": "2026-11-20T12:00:01Z"}));
    let until = "2026-11-20T12:00:01Z".parse().unwrap();
    let waits = Decision::Later { until, reason: WaitReason::SendAt };
    assert_eq!(decided(&later, now()), waits, "a START may still follow the STOP before send_at");
    assert_eq!(decided(&later, until), never(PolicyRefusal::OptedOut(Scope::All)));
}

#[test]
fn quiet_hours_delay_only_their_categories() {
    // Twelve o'clock UTC is seven in the morning in New York, where a number of New Jersey is.
    let quiet = rules(&json!({"default": {"consent": {}, "quiet_hours": {"from": "21:00", "to": "08:00"}}}));
    let decided = |category| {
        let to = json!({"to": "+12015550123"});
        let notification = notification(category, &template(), &to);
        decided(&notification, &quiet, &Person::default(), &Progress::default(), now())
    };
    let until = now() + SignedDuration::from_hours(1);
    assert_eq!(decided("marketing"), Decision::Later { until, reason: WaitReason::QuietHours });
    assert_eq!(decided("authentication"), send(0));
}

fn asked(notification: &Notification, hours: i64) -> Progress {
    let mut progress = Progress::default();
    let step = Step { option: 1, purpose: Purpose::AskForReply };
    let attempt = progress.claim(step, FallbackChannel::WhatsApp, ago(hours));
    let sid = "SM00000000000000000000000000000001".parse().unwrap();
    let on = Transition { notification, expires_at: None, now: ago(hours) };
    progress.answer(attempt, CreateAnswer::Accepted(sid), &on);
    progress
}

#[test]
fn content_is_sent_after_the_answer_to_its_template() {
    let more = json!({"wait_for_reply": true, "expires_at": "2026-11-21T12:00:00Z",
                      "fallback": [{"channel": "whatsapp", "content": template()}]});
    let notification = notification("utility", &text(), &more);
    let plain = RecipientRules::default();
    let decided = |person: &Person, progress: &Progress, at| decided(&notification, &plain, person, progress, at);
    let (new, stranger) = (Progress::default(), Person::default());
    let ask = Decision::Send(Step { option: 1, purpose: Purpose::AskForReply });
    assert_eq!(decided(&stranger, &new, now()), ask);
    assert_eq!(decided(&wrote(1), &new, now()), send(0), "no template where the window is open");
    let asked = asked(&notification, 2);
    let expires_at = notification.expires_at.unwrap();
    let waits = Decision::Later { until: expires_at, reason: WaitReason::Reply };
    assert_eq!(decided(&stranger, &asked, now()), waits);
    assert_eq!(decided(&wrote(3), &asked, now()), waits, "a message from before the template");
    assert_eq!(decided(&wrote(1), &asked, now()), send(0));
    assert_eq!(decided(&stranger, &asked, expires_at), never(PolicyRefusal::Unanswered));
    let opted_out = stopped(wrote(1), &Channel::WhatsApp, Scope::All, 1);
    assert_eq!(decided(&opted_out, &asked, now()), never(PolicyRefusal::OptedOut(Scope::All)));
}

#[test]
fn failed_option_is_not_sent_again() {
    let notification = notification("utility", &text(), &fallback(&[("whatsapp", template()), ("sms", text())]));
    let plain = RecipientRules::default();
    let ready = |option, not_before| Progress {
        phase: Phase::Ready { step: Step { option, purpose: Purpose::Deliver }, not_before },
        ..Progress::default()
    };
    let decided = |progress: &Progress| decided(&notification, &plain, &wrote(1), progress, now());
    assert_eq!([0, 1, 2].map(|option| decided(&ready(option, None))), [send(0), send(1), send(2)]);
    let not_before = ago(-1);
    let waits = Decision::Later { until: not_before, reason: WaitReason::Retry };
    assert_eq!(decided(&ready(0, Some(not_before))), waits);
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
    let days = "days: expected a whole number from 1 to 36500";
    let messages = "messages: expected a whole number from 0 to 500";
    for (block, expected) in [
        (json!({"consent": {"marketing": {"days": 0}}}), days.to_owned()),
        (json!({"consent": {"marketing": {"days": -1}}}), days.to_owned()),
        (json!({"consent": {"marketing": {"days": "30"}}}), days.to_owned()),
        (
            json!({"consent": {"marketing": {"day": 30}}}),
            "default.consent.marketing.day: unknown field, expected one of days".to_owned(),
        ),
        (json!({"marketing_cap": {"messages": 2, "days": 0}}), days.to_owned()),
        (json!({"marketing_cap": {"messages": 2, "days": 0.5}}), days.to_owned()),
        (json!({"marketing_cap": {"messages": 2, "days": 36_501}}), days.to_owned()),
        (json!({"marketing_cap": {"messages": -1, "days": 7}}), messages.to_owned()),
        (json!({"marketing_cap": {"messages": 501, "days": 7}}), messages.to_owned()),
        (json!({"marketing_cap": {"messages": 2}}), "default.marketing_cap.days: missing, and required".to_owned()),
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
        (r#"{"quiet": 1}"#, "quiet: unknown field, expected one of default, countries"),
        (
            r#"{"rates": {"default": {"per_second": 0}}}"#,
            "rates.default.per_second: expected a whole number from 1 to 10000",
        ),
        (
            r#"{"rates": {"default": {"per_second": 1041667}}}"#,
            "rates.default.per_second: expected a whole number from 1 to 10000",
        ),
        (r#"{"on_unknown": {"marketing": "send"}}"#, "on_unknown.marketing: expected hold or resend"),
        (
            r#"{"default": {"quiet_hours": {"from": "25:00", "to": "08:00"}}}"#,
            "default.quiet_hours.from: not a time of day: expected hours and minutes from 00:00 to 23:59, as in 21:00",
        ),
        (
            r#"{"daily_cap": {"countries": {"BR": 0}}}"#,
            "daily_cap.countries.BR: expected a whole number from 1 to 1000000000",
        ),
        (
            r#"{"pause_on_failures": {"share_percent": 0, "at_least": 100}}"#,
            "pause_on_failures.share_percent: expected a whole number from 1 to 100",
        ),
    ] {
        let error = policy.parse::<Policy>().unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(std::error::Error::source(&error).is_none(), "a log of the whole chain says it once");
    }
}

/// Whether a notification is paused, by the scope of a pause. A pause is the last check: it delays nothing that would not be
/// sent.
#[test]
fn a_pause_delays_what_it_covers() {
    let named = notification("utility", &template(), &json!({"from": SENDER}));
    let by_service = notification("marketing", &template(), &json!({}));
    let to_sms = notification("utility", &text(), &fallback(&[("sms", text())]));
    let (none, plain, progress, service) =
        (Person::default(), RecipientRules::default(), Progress::default(), service());
    let decision = |notification, scope: &str, person: &Person| {
        let pause = Pause { scope: scope.parse().unwrap(), since: ago(1), by: None, reason: None, is_automatic: false };
        let pauses = Pauses::from_iter([pause]);
        decide(&case(notification, &plain, person, &progress, service, &pauses), now())
    };
    let paused = |option| Decision::Paused(Step { option, purpose: Purpose::Deliver });
    let sms_service = format!("sender#sms:{SERVICE}");
    let account = format!("account#{}", account_sid());
    let (from, by_the_service) = (format!("sender#{SENDER}"), format!("sender#{SERVICE}"));
    for (notification, scope, expected) in [
        (&named, "all", paused(0)),
        (&named, account.as_str(), paused(0)),
        (&named, "account#AC00000000000000000000000000000002", send(0)),
        (&named, from.as_str(), paused(0)),
        (&named, by_the_service.as_str(), send(0)),
        (&named, "category#utility", paused(0)),
        (&named, "category#marketing", send(0)),
        (&by_service, by_the_service.as_str(), paused(0)),
        (&by_service, from.as_str(), send(0)),
        (&to_sms, by_the_service.as_str(), paused(1)),
        (&to_sms, sms_service.as_str(), paused(1)),
    ] {
        assert_eq!(decision(notification, scope, &none), expected, "{scope}");
    }
    let opted_out = stopped(Person::default(), &Channel::WhatsApp, Scope::All, 1);
    assert_eq!(decision(&named, "all", &opted_out), never(PolicyRefusal::OptedOut(Scope::All)));
}
