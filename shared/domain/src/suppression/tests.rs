use jiff::Timestamp;
use proptest::{option, prelude::*};
use twilio_types::{
    address::{Identity, Recipient},
    sid::AccountSid,
};

use super::*;
use crate::{contact_key::ContactKey, person::Person};

fn recorded(preference: Preference, second: i64) -> RecordedPreference {
    let changed_at = Timestamp::from_second(1_790_000_000 + second).unwrap();
    RecordedPreference { preference, changed_at, message_sid: None, reason: None }
}

#[test]
fn each_scope_has_its_facet() {
    for (scope, facet) in [
        (Scope::All, "opt#whatsapp"),
        (Scope::Marketing, "opt#whatsapp#marketing"),
        (Scope::Sender("whatsapp:+14155238886".into()), "opt#whatsapp#whatsapp:+14155238886"),
    ] {
        assert_eq!(scope.facet(&Channel::WhatsApp), facet);
    }
}

#[test]
fn every_channel_is_stored_under_one_that_is_asked_for() {
    for (channel, facet) in [
        (Channel::WhatsApp, "opt#whatsapp"),
        (Channel::Sms, "opt#sms"),
        (Channel::Other("WhatsApp".to_owned()), "opt#whatsapp"),
        (Channel::Other("SMS".to_owned()), "opt#sms"),
        (Channel::Other("rcs".to_owned()), "opt#sms"),
        (Channel::Other("messenger".to_owned()), "opt#sms"),
    ] {
        assert_eq!(Scope::All.facet(&channel), facet);
    }
}

#[test]
fn a_stop_to_an_agent_covers_its_service_or_everything() {
    let service: MessagingServiceSid = "MG00000000000000000000000000000001".parse().unwrap();
    for sender in ["rcs:brand_agent", "+14155550100", "68849", "messenger:108", "ACME Inc", "whatsapp:brand"] {
        let sender: Address = sender.parse().unwrap();
        let stop = |service| OptOutScope::Sender.scopes(Preference::OptedOut, RequestedScope::All, &sender, service);
        assert_eq!(stop(Some(&service)), [Scope::Sender(service.to_string())], "{sender}");
        assert_eq!(stop(None), [Scope::All], "{sender}");
        let start = OptOutScope::Sender.scopes(Preference::OptedIn, RequestedScope::All, &sender, Some(&service));
        let [named, pool] = [sender.to_string(), service.to_string()].map(Scope::Sender);
        let covered = [named, pool, Scope::All, Scope::Marketing];
        assert_eq!(start, covered, "{sender}");
    }
}

#[test]
fn a_requested_scope_is_read_as_it_is_written() {
    for text in ["all", "marketing", "whatsapp:+14155238886", "MG00000000000000000000000000000001"] {
        assert_eq!(Scope::of_request(text).unwrap().as_text(), text);
    }
    for text in ["", "All", "utility", "MG1", "+14155238886", "sms:+14155238886", "whatsapp:US.1349"] {
        assert_eq!(Scope::of_request(text), Err(InvalidScope), "{text}");
    }
}

#[test]
fn a_reported_opt_out_covers_the_configured_scopes() {
    let sender: Address = "whatsapp:+14155238886".parse().unwrap();
    let by_sms: Address = "+14155238886".parse().unwrap();
    let service: MessagingServiceSid = "MG00000000000000000000000000000001".parse().unwrap();
    let (number, pool) = (Scope::Sender(sender.to_string()), Scope::Sender(service.to_string()));
    for (configured, sender, service, expected) in [
        (OptOutScope::All, Some(&sender), Some(&service), vec![Scope::All]),
        (OptOutScope::Sender, Some(&sender), Some(&service), vec![number.clone(), pool.clone()]),
        (OptOutScope::Sender, Some(&sender), None, vec![number]),
        (OptOutScope::Sender, Some(&by_sms), Some(&service), vec![pool.clone()]),
        (OptOutScope::Sender, Some(&by_sms), None, vec![Scope::All]),
        (OptOutScope::Sender, None, Some(&service), vec![pool]),
        (OptOutScope::Sender, None, None, vec![Scope::All]),
    ] {
        assert_eq!(configured.scopes_of_report(sender, service), expected);
    }
}

#[test]
fn a_request_covers_the_configured_scopes() {
    let sender: Address = "WhatsApp:+14155238886".parse().unwrap();
    let service: MessagingServiceSid = "MG00000000000000000000000000000001".parse().unwrap();
    let to = |text: &str| Scope::Sender(text.to_owned());
    let (number, pool) = (to("whatsapp:+14155238886"), to("MG00000000000000000000000000000001"));
    let cases = [
        ("all", Preference::OptedOut, Some(&service), vec![Scope::All]),
        ("all", Preference::OptedIn, Some(&service), vec![Scope::All, Scope::Marketing]),
        ("sender", Preference::OptedOut, Some(&service), vec![number.clone(), pool.clone()]),
        ("sender", Preference::OptedOut, None, vec![number.clone()]),
        ("sender", Preference::OptedIn, Some(&service), vec![number, pool, Scope::All, Scope::Marketing]),
    ];
    for (configured, requested, service, expected) in cases {
        let configured: OptOutScope = configured.parse().unwrap();
        assert_eq!(configured.scopes(requested, RequestedScope::All, &sender, service), expected);
        let of_marketing = configured.scopes(Preference::OptedOut, RequestedScope::Marketing, &sender, service);
        assert_eq!(of_marketing, [Scope::Marketing], "whatever else is configured");
    }
    assert_eq!("marketing".parse::<OptOutScope>(), Err(InvalidOptOutScope));
}

#[test]
fn the_newest_preference_counts_for_all_keys_of_a_person() {
    use CopyDirection::{FirstToSecond, Neither, SecondToFirst};
    use Preference::{OptedIn, OptedOut};
    let cases = [
        (None, None, Neither, "no preferences"),
        (Some((OptedOut, 0)), None, FirstToSecond, "a suppression is copied"),
        (None, Some((OptedOut, 0)), SecondToFirst, "in either direction"),
        (Some((OptedIn, 0)), None, Neither, "nothing to lift"),
        (Some((OptedOut, 0)), Some((OptedOut, 9)), Neither, "both are suppressed"),
        (Some((OptedOut, 9)), Some((OptedIn, 0)), FirstToSecond, "the STOP is newer"),
        (Some((OptedOut, 0)), Some((OptedIn, 9)), SecondToFirst, "the START is newer"),
        (Some((OptedOut, 0)), Some((OptedIn, 1)), FirstToSecond, "within the skew of two clocks: the STOP"),
    ];
    for (first, second, expected, case) in cases {
        let [first, second] = [first, second].map(|said| said.map(|(preference, at)| recorded(preference, at)));
        assert_eq!(copy_direction(first.as_ref(), second.as_ref()), expected, "{case}");
    }
}

#[test]
fn the_newest_preference_counts_and_an_opt_out_wins_a_tie() {
    let [out, lifted, older] =
        [(Preference::OptedOut, 5), (Preference::OptedIn, 5), (Preference::OptedOut, 1)].map(|(p, s)| recorded(p, s));
    assert_eq!(newest([&older, &lifted]), Some(&lifted));
    assert_eq!(newest([&lifted, &out, &older]), Some(&out));
    assert_eq!(newest([]), None);
}

fn any_recorded() -> impl Strategy<Value = Option<RecordedPreference>> {
    let preference = prop_oneof![Just(Preference::OptedOut), Just(Preference::OptedIn)];
    option::of((preference, 0_i64..10).prop_map(|(preference, second)| recorded(preference, second)))
}

proptest! {
    /// Whatever a message comes from and goes to, its STOP is stored where the claim looks: under a channel and a scope
    /// that it asks for, and at the person whom a notification names.
    #[test]
    fn a_stop_from_any_address_suppresses_what_the_claim_asks_for(
        from in "((?i)(whatsapp|rcs|sms|messenger|apple|[a-z0-9_.-]{1,32}):)?(\\+[1-9][0-9]{6,14}|\\PC{1,40})",
        to in prop_oneof![
            "((?i)(whatsapp|rcs):)?(\\+[1-9][0-9]{6,14}|[0-9]{5}|[A-Za-z0-9 _&+-]{1,11})",
            any::<String>().prop_filter("an address", |text| (1..=256).contains(&text.chars().count())),
        ],
        configured in prop_oneof![Just(OptOutScope::All), Just(OptOutScope::Sender)],
        service in option::of(Just("MG00000000000000000000000000000001")),
    ) {
        let [from, to]: [Address; 2] = [from.parse().unwrap(), to.parse().unwrap()];
        let service: Option<MessagingServiceSid> = service.map(|sid| sid.parse().unwrap());
        let scopes = configured.scopes(Preference::OptedOut, RequestedScope::All, &to, service.as_ref());
        prop_assert!(!scopes.is_empty());
        for scope in &scopes {
            let key = SuppressionKey::of(&from.channel, scope.clone());
            prop_assert!(CHANNELS.iter().any(|channel| channel.name() == key.channel), "{}", key.channel);
            // A notification goes out by a Messaging Service or by a sender on WhatsApp.
            let is_asked_for = match scope {
                Scope::All | Scope::Marketing => true,
                Scope::Sender(sender) => {
                    sender.parse::<MessagingServiceSid>().is_ok() || WhatsAppSender::try_from(sender.clone()).is_ok()
                }
            };
            prop_assert!(is_asked_for, "{scope:?}");
            let mut person = Person::default();
            let stop = recorded(Preference::OptedOut, 0);
            person.record_preference(&from.channel, &scopes, &stop);
            prop_assert_eq!(person.suppressed_by([scope]), Some(scope));
        }
        if let Identity::Phone(number) = &from.identity {
            let account: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
            let recipient = Recipient::Phone(number.clone());
            prop_assert_eq!(ContactKey::new(&account, &from.identity), ContactKey::of(&account, &recipient));
        }
    }

    /// The order of the two does not matter, and after the copy there is nothing more to copy.
    #[test]
    fn copying_preferences_is_symmetric_and_final(first in any_recorded(), second in any_recorded()) {
        let direction = copy_direction(first.as_ref(), second.as_ref());
        let mirrored = match direction {
            CopyDirection::SecondToFirst => CopyDirection::FirstToSecond,
            CopyDirection::FirstToSecond => CopyDirection::SecondToFirst,
            CopyDirection::Neither => CopyDirection::Neither,
        };
        prop_assert_eq!(copy_direction(second.as_ref(), first.as_ref()), mirrored);
        let (first, second) = match direction {
            CopyDirection::SecondToFirst => (second.clone(), second),
            CopyDirection::FirstToSecond => (first.clone(), first),
            CopyDirection::Neither => (first, second),
        };
        prop_assert_eq!(copy_direction(first.as_ref(), second.as_ref()), CopyDirection::Neither);
    }
}
