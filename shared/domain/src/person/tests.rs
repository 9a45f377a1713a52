use proptest::{collection::vec, prelude::*, sample::select};
use twilio_types::sid::AccountSid;

use super::*;

const SENDER: &str = "whatsapp:+14155238886";

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn said(preference: Preference, second: i64) -> RecordedPreference {
    RecordedPreference { preference, changed_at: at(second), message_sid: None, reason: None }
}

fn consent(state: ConsentState, second: i64) -> Consent {
    Consent {
        category: Category::Marketing,
        state,
        at: at(second),
        text_version: None,
        evidence: format!("consent#marketing#{second}"),
    }
}

fn stop(person: &mut Person, second: i64) -> PreferenceEffect {
    person.record_preference(&Channel::WhatsApp, &[Scope::All], &said(Preference::OptedOut, second))
}

fn start(person: &mut Person, second: i64) -> PreferenceEffect {
    person.record_preference(&Channel::WhatsApp, &[Scope::All], &said(Preference::OptedIn, second))
}

fn is_stopped(person: &Person) -> bool {
    person.suppressed_by([&Scope::All]).is_some()
}

#[test]
fn stop_holds_on_every_channel_until_a_start_on_its_own() {
    let mut person = Person::default();
    person.record_preference(&Channel::Other("rcs".to_owned()), &[Scope::All], &said(Preference::OptedOut, 0));
    assert!(is_stopped(&person));
    start(&mut person, 9);
    assert!(is_stopped(&person), "a START on WhatsApp does not lift a STOP by SMS, which Twilio keeps by itself");
    person.record_preference(&Channel::Sms, &[Scope::All], &said(Preference::OptedIn, 9));
    assert!(!is_stopped(&person));
}

/// What a person did, in the order in which it arrived.
fn arrived(arrivals: &[(Deed, i64)]) -> Person {
    let mut person = Person::default();
    for (deed, second) in arrivals {
        act(&mut person, deed, *second);
    }
    person
}

/// In whatever order they arrive: the consent was given before the STOP.
#[test]
fn consent_older_than_a_stop_never_counts() {
    let (give, stop, start) = ((Deed::Give, 5), (Deed::Stop, 10), (Deed::Start, 20));
    let orders = [
        ("consent, STOP, START", [give.clone(), stop.clone(), start.clone()]),
        ("STOP, START, consent that arrives late", [stop.clone(), start.clone(), give.clone()]),
        ("STOP, late consent, START", [stop.clone(), give.clone(), start.clone()]),
        ("START, then the STOP that a sweep found", [give, start, stop]),
    ];
    for (order, arrivals) in orders {
        let mut person = arrived(&arrivals);
        assert_eq!(person.consent_given_at(Category::Marketing), None, "{order}");
        assert!(!is_stopped(&person), "{order}");
        person.record_consent(consent(ConsentState::Given, 30));
        assert_eq!(person.consent_given_at(Category::Marketing), Some(at(30)), "{order}: a new consent counts");
    }
}

#[test]
fn late_consent_is_historic_where_a_newer_one_or_a_stop_counts() {
    let mut person = Person::default();
    stop(&mut person, 10);
    let ConsentEffect::Historic(counts) = person.record_consent(consent(ConsentState::Given, 9)) else { panic!() };
    assert_eq!((counts.state, counts.at), (ConsentState::Withdrawn, at(10)));
    let same_moment = person.record_consent(consent(ConsentState::Given, 10));
    assert!(matches!(same_moment, ConsentEffect::Historic(_)), "at the same moment the STOP counts");
    assert!(matches!(person.record_consent(consent(ConsentState::Given, 11)), ConsentEffect::Current(_)));
    assert!(matches!(person.record_consent(consent(ConsentState::Withdrawn, 11)), ConsentEffect::Current(_)));
    assert!(matches!(person.record_consent(consent(ConsentState::Given, 11)), ConsentEffect::Historic(_)));
    assert!(matches!(person.record_consent(consent(ConsentState::Withdrawn, 3)), ConsentEffect::Historic(_)));
}

#[test]
fn stop_of_marketing_ends_only_consents_to_marketing() {
    let mut person = Person::default();
    for category in [Category::Marketing, Category::Utility] {
        person.record_consent(Consent { category, ..consent(ConsentState::Given, 0) });
    }
    let scopes = [Scope::Marketing];
    person.record_preference(&Channel::WhatsApp, &scopes, &said(Preference::OptedOut, 5));
    assert_eq!(person.consent_given_at(Category::Marketing), None);
    assert_eq!(person.consent_given_at(Category::Utility), Some(at(0)));
    stop(&mut person, 6);
    assert_eq!(person.consent_given_at(Category::Utility), None);
}

#[test]
fn old_start_never_lifts_a_newer_stop() {
    let mut person = Person::default();
    stop(&mut person, 100);
    assert_eq!(start(&mut person, 50), PreferenceEffect::Stale);
    assert!(is_stopped(&person));
    person.prune(at(400 * 86_400));
    assert_eq!(start(&mut person, 50), PreferenceEffect::Stale, "not even after a year");
}

#[test]
fn person_is_kept_for_a_stop_or_a_consent() {
    let mut person = Person::default();
    person.open_windows([WindowKey::of(SENDER)], at(0));
    person.awaiting.insert(NotificationId::try_from("a".to_owned()).unwrap());
    assert!(!person.is_kept());
    start(&mut person, 0);
    assert!(!person.is_kept(), "a START that lifts nothing");
    let mut stopped = person.clone();
    stop(&mut stopped, 5);
    start(&mut stopped, 9);
    assert!(stopped.is_kept(), "a lifted STOP still ends older consents");
    person.record_consent(consent(ConsentState::Withdrawn, 0));
    assert!(person.is_kept());
}

#[test]
fn pruning_forgets_only_what_decides_nothing() {
    let mut person = Person::default();
    person.open_windows([WindowKey::of(SENDER)], at(0));
    person.reserve(SENDER, at(0)).unwrap();
    start(&mut person, 0);
    let mut kept = person.clone();
    kept.prune(at(50));
    assert_eq!(kept, person);
    kept.prune(at(30 * 86_400 - 1));
    assert!(!kept.windows.is_empty(), "the last second of the time for which people are kept");
    kept.prune(at(30 * 86_400));
    assert!(kept.windows.is_empty());
    stop(&mut person, 3);
    person.prune(at(40 * 86_400));
    assert!(person.windows.is_empty() && person.buckets.is_empty());
    assert!(is_stopped(&person));
}

#[test]
fn window_has_one_key_for_a_sender_and_for_a_service() {
    for (sender, key) in
        [(SENDER, SENDER), ("MG00000000000000000000000000000001", "whatsapp:MG00000000000000000000000000000001")]
    {
        let window = WindowKey::of(sender);
        assert_eq!((window.as_str(), window.sender()), (key, sender));
        assert_eq!(WindowKey::of(window.as_str()), window);
    }
}

#[test]
fn pair_of_sender_and_person_has_a_burst_and_then_an_interval() {
    let mut person = Person::default();
    let burst = (0..100).take_while(|_| person.reserve(SENDER, at(0)).is_ok()).count();
    assert_eq!(burst, 45);
    let next = person.reserve(SENDER, at(0)).unwrap_err();
    assert_eq!(next, at(6));
    assert!(person.reserve("MG00000000000000000000000000000001", at(0)).is_ok(), "another sender");
    assert!(person.reserve(SENDER, next).is_ok());
}

#[test]
fn home_is_a_number_where_one_is_known() {
    let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
    let key = |text: &str| ContactKey::new(&account_sid, &text.parse().unwrap());
    let keys = |texts: &[&str]| texts.iter().map(|text| key(text)).collect::<Vec<_>>();
    for (homes, named, expected) in [
        (&[][..], &["+14155550123", "US.1"][..], "+14155550123"),
        (&[], &["US.1"], "US.1"),
        (&["US.1"], &["+14155550123", "US.1"], "+14155550123"),
        (&["+14155550123"], &["+14155550199", "US.1"], "+14155550123"),
        (&["+14155550199", "+14155550123"], &["US.1"], "+14155550123"),
        (&["US.2"], &["US.ENT.9", "US.2"], "US.2"),
    ] {
        assert_eq!(choose_home(&keys(homes), &keys(named)), Some(&key(expected)), "{homes:?} {named:?}");
    }
    assert_eq!(choose_home(&[], &[]), None);
}

/// Something that a person did, at a time.
#[derive(Debug, Clone)]
enum Deed {
    Stop,
    Start,
    StopMarketing,
    Give,
    Withdraw,
    Write,
}

fn act(person: &mut Person, deed: &Deed, second: i64) {
    match deed {
        Deed::Stop => {
            stop(person, second);
        }
        Deed::Start => {
            start(person, second);
        }
        Deed::StopMarketing => {
            let request = said(Preference::OptedOut, second);
            person.record_preference(&Channel::WhatsApp, &[Scope::Marketing], &request);
        }
        Deed::Give => {
            person.record_consent(consent(ConsentState::Given, second));
        }
        Deed::Withdraw => {
            person.record_consent(consent(ConsentState::Withdrawn, second));
        }
        Deed::Write => person.open_windows([WindowKey::of(SENDER)], at(second)),
    }
}

/// What decides about the person's messages.
fn decisive(person: &Person) -> (bool, bool, Option<Timestamp>, Option<Timestamp>) {
    (
        is_stopped(person),
        person.suppressed_by([&Scope::Marketing]).is_some(),
        person.consent_given_at(Category::Marketing),
        person.last_inbound_at(&WindowKey::of(SENDER)),
    )
}

fn deeds() -> impl Strategy<Value = Vec<(Deed, i64)>> {
    let deed = select(vec![Deed::Stop, Deed::Start, Deed::StopMarketing, Deed::Give, Deed::Withdraw, Deed::Write]);
    // Ten seconds apart, so that no two are within the difference of two clocks.
    vec(deed, 1..9).prop_map(|deeds| deeds.into_iter().zip((0..).step_by(10)).collect())
}

proptest! {
    /// Whatever the order of arrival, what the person did last counts.
    #[test]
    fn order_of_arrival_changes_no_decision(deeds in deeds(), seed in any::<u64>()) {
        let in_order = arrived(&deeds);
        let mut shuffled = deeds;
        fastrand::Rng::with_seed(seed).shuffle(&mut shuffled);
        prop_assert_eq!(decisive(&arrived(&shuffled)), decisive(&in_order), "{:?}", shuffled);
    }

    /// What was said under two identities is one person's, once both are known to be the same.
    #[test]
    fn merged_people_decide_as_one_who_did_it_all(deeds in deeds(), sides in vec(any::<bool>(), 9)) {
        let (mut one, mut left, mut right) = (Person::default(), Person::default(), Person::default());
        for ((deed, second), is_left) in deeds.iter().zip(&sides) {
            act(&mut one, deed, *second);
            act(if *is_left { &mut left } else { &mut right }, deed, *second);
        }
        let mut merged = left.clone();
        merged.merge(right.clone());
        prop_assert_eq!(decisive(&merged), decisive(&one));
        right.merge(left);
        prop_assert_eq!(decisive(&right), decisive(&one), "in either direction");
    }
}
