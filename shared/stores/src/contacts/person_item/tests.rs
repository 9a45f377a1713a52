use domain::consent::ConsentState;
use jiff::SignedDuration;
use proptest::{collection::vec, prelude::*, sample::select};
use twilio_types::address::Channel;

use super::*;

const SENDER: &str = "whatsapp:+14155238886";
const SERVICE: &str = "MG00000000000000000000000000000001";

fn home() -> ContactKey {
    let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
    ContactKey::of_phone(&account_sid, &"+14155550123".parse().unwrap())
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + second).unwrap()
}

fn change() -> PreferenceChange {
    PreferenceChange {
        event_id: "SM00000000000000000000000000000001.contact_opted_out".to_owned(),
        preference: Preference::OptedOut,
        channel: "whatsapp".to_owned(),
        identity: "+14155550123".to_owned(),
        scope: None,
        scopes: vec![Scope::All, Scope::Sender(SENDER.to_owned())],
        message_sid: "SM00000000000000000000000000000001".parse().ok(),
        code: "21610".parse().ok(),
        reason: None,
        recorded_by: None,
        at: at(0),
    }
}

fn any_person() -> impl Strategy<Value = Person> {
    let deeds = select(vec![0, 1, 2, 3, 4, 5, 6, 7, 8]);
    vec(deeds, 0..12).prop_map(|deeds| {
        let mut person = Person::default();
        for (second, deed) in (0..).zip(deeds) {
            let now = at(second);
            let scope = [Scope::All, Scope::Marketing, Scope::Sender(SENDER.to_owned())][deed % 3].clone();
            let preference = |preference| domain::preference::RecordedPreference {
                preference,
                changed_at: now,
                message_sid: None,
                reason: Some("by letter".to_owned()),
            };
            match deed {
                0..3 => {
                    person.record_preference(&Channel::WhatsApp, &[scope], &preference(Preference::OptedOut));
                }
                3 => {
                    person.record_preference(&Channel::Sms, &[scope], &preference(Preference::OptedIn));
                }
                4 => {
                    let category = Category::Marketing;
                    let evidence = format!("consent#marketing#{second}");
                    person.record_consent(Consent {
                        category,
                        state: ConsentState::Given,
                        at: now,
                        text_version: None,
                        evidence,
                    });
                }
                5 => person.open_windows([WindowKey::of(SENDER), WindowKey::of(SERVICE)], now),
                6 => person.reserve(SERVICE, now).unwrap(),
                7 => {
                    person.awaiting.insert(NotificationId::try_from(format!("order {second}")).unwrap());
                    person.marketing_sent.insert(NotificationId::try_from(format!("sale {second}")).unwrap(), now);
                }
                _ => {
                    person.aliases.insert(format!("US.{second}"));
                }
            }
        }
        person
    })
}

proptest! {
    #[test]
    fn person_is_read_as_it_was_written(person in any_person()) {
        let item = item_of(&home(), &person, 7, &PersonWrite::Claim, at(60)).unwrap();
        let PersonItem::Person(read) = PersonItem::read(item).unwrap() else { panic!("a person") };
        prop_assert_eq!(read, StoredPerson { home: home(), person, version: Some(7) });
    }

    #[test]
    fn only_a_person_without_stop_and_consent_expires(person in any_person()) {
        let item = item_of(&home(), &person, 7, &PersonWrite::Claim, at(60)).unwrap();
        prop_assert_eq!(item.contains_key("expires_at"), !person.is_kept());
    }
}

#[test]
fn changed_preference_is_in_the_image_of_its_write_only() {
    let write = |write: &PersonWrite| item_of(&home(), &Person::default(), 1, write, at(0)).unwrap();
    let image = write(&PersonWrite::Preference(Box::new(change())));
    assert_eq!(image.get("last_change"), Some(&text("preference")), "the filter of the stream");
    assert_eq!(PreferenceChange::in_image(&image).unwrap(), Some(change()));
    for other in [PersonWrite::Message, PersonWrite::Evidence, PersonWrite::Claim] {
        let image = write(&other);
        assert_ne!(image.get("last_change"), Some(&text("preference")));
        assert_eq!(PreferenceChange::in_image(&image).unwrap(), None);
    }
}

/// The write units of a claim and of a message are those of an item of 1 KB.
#[test]
fn item_of_an_ordinary_person_has_less_than_a_kilobyte() {
    let mut person = Person { aliases: ["US.13491208655302741918".to_owned()].into(), ..Person::default() };
    let senders = [SENDER, SERVICE];
    person.open_windows(senders.map(WindowKey::of), at(0));
    person.reserve(SENDER, at(0)).unwrap();
    person.reserve(SERVICE, at(0)).unwrap();
    let evidence = "consent#marketing#2026-11-20T09:00:00.000Z#0123456789abcdef0123456789abcdef".to_owned();
    person.record_consent(Consent {
        category: Category::Marketing,
        state: ConsentState::Given,
        at: at(9),
        text_version: None,
        evidence,
    });
    for id in ["campaign-2026-11-20-0001", "campaign-2026-11-20-0002"] {
        person.marketing_sent.insert(NotificationId::try_from(id.to_owned()).unwrap(), at(0));
    }
    let stop = domain::preference::RecordedPreference {
        preference: Preference::OptedIn,
        changed_at: at(0),
        message_sid: "SM00000000000000000000000000000001".parse().ok(),
        reason: None,
    };
    person.record_preference(&Channel::WhatsApp, &[Scope::All], &stop);
    let item = item_of(&home(), &person, 1_795_000_000_000_000, &PersonWrite::Claim, at(0)).unwrap();
    let size: usize = item.iter().map(|(name, value)| name.len() + size_of(value)).sum();
    assert!(size < 1_024, "{size} bytes");
}

/// The size by which DynamoDB counts, at most: "Item sizes and formats" in its Developer Guide.
fn size_of(value: &AttributeValue) -> usize {
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(number) => number.len() / 2 + 2,
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::M(map) => 3 + map.iter().map(|(name, value)| 1 + name.len() + size_of(value)).sum::<usize>(),
        AttributeValue::L(list) => 3 + list.iter().map(|value| 1 + size_of(value)).sum::<usize>(),
        _ => 1,
    }
}

#[test]
fn version_of_a_new_person_is_never_that_of_an_earlier_one() {
    assert_eq!(next_version(Some(41), at(0)), 42);
    assert!(next_version(None, at(0) + SignedDuration::from_secs(1)) > next_version(None, at(0)) + 999_999);
}
