//! What is left of an erased person, and that it stops messages.

use domain::{
    callback_url::CallbackOrigin,
    consent::ConsentEvidence,
    limits::Retention,
    notification::Category,
    preference::{Preference, RecordedPreference},
    suppression::Scope,
    suppression_request::SuppressionRequest,
};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use stack::run::ACCOUNT_SID;
use stores::{
    contacts::{Contacts, ErasedPerson, PersonWrite, PreferenceSource, StoredPerson},
    dynamodb::{TransactionOutcome, transact},
    erased_status::ErasedMessage,
    messages::{MessageSubject, Messages},
};
use twilio_types::address::Channel;

use crate::world::{Person, World, new_id, new_sid};

async fn suppress(contacts: &Contacts, person: &Person) {
    let request = SuppressionRequest::parse(r#"{"reason": "erased"}"#, []).unwrap();
    let (contact, now) = (person.key(), Timestamp::now());
    contacts.record_suppression(&contact, &request, Preference::OptedOut, None, now).await.unwrap();
}

/// What `wa erase` does to the Contacts table. Gives what is stored of the person afterwards.
pub(crate) async fn erase(contacts: &Contacts, person: &Person) -> StoredPerson {
    suppress(contacts, person).await;
    let identities = contacts.person(&person.key()).await.unwrap().identities();
    contacts.delete_records(&identities).await.unwrap();
    let erased = contacts.erase_person(&person.key(), &identities, Timestamp::now()).await.unwrap();
    assert_eq!(erased, ErasedPerson::Erased);
    contacts.person(&person.key()).await.unwrap()
}

/// Whether a person can be written by who has read this.
async fn is_written(world: &World, contacts: &Contacts, read: &StoredPerson) -> bool {
    let actions = contacts.write_person_actions(read, &read.person, &PersonWrite::Claim, Timestamp::now()).unwrap();
    matches!(transact(&world.dynamodb, "a claim of the test", actions).await.unwrap(), TransactionOutcome::Written)
}

#[tokio::test]
async fn claim_decided_before_an_erasure_is_refused_after_it() {
    let (world, stranger, known) = (World::new(), Person::new(), Person::new());
    let contacts = world.contacts().await;
    world.write(&known, "Hello").await;
    for person in [&stranger, &known] {
        let read = contacts.person(&person.key()).await.unwrap();
        let erased = erase(&contacts, person).await;
        assert!(erased.is_erased() && erased.person.suppressed_by([&Scope::All]).is_some());
        assert!(!is_written(&world, &contacts, &read).await, "as it was before the erasure");
        assert!(contacts.items_of(&[person.key()]).await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn start_of_an_erased_person_lifts_the_suppression() {
    let (world, person) = (World::new(), Person::new());
    let contacts = world.contacts().await;
    erase(&contacts, &person).await;
    world.write(&person, "Hello again").await;
    let returned = world.person(&person).await;
    assert!(!returned.is_erased() && returned.person.suppressed_by([&Scope::All]).is_some(), "a message lifts nothing");
    world.write(&person, "START").await;
    assert!(world.person(&person).await.person.suppressed_by([&Scope::All]).is_none());
}

#[tokio::test]
async fn consent_of_an_erased_person_lifts_nothing() {
    let (world, person) = (World::new(), Person::new());
    let contacts = world.contacts().await;
    erase(&contacts, &person).await;
    let later = Timestamp::now() + SignedDuration::from_secs(9);
    let mut evidence = ConsentEvidence::withdrawal(Category::Marketing, later, "shop", later);
    evidence.state = domain::consent::ConsentState::Given;
    contacts.record_consent(&person.key(), &evidence, Timestamp::now()).await.unwrap();
    let stored = world.person(&person).await;
    assert!(!stored.is_erased() && stored.person.consent_given_at(Category::Marketing).is_some());
    assert!(stored.person.suppressed_by([&Scope::All]).is_some());
}

#[tokio::test]
async fn late_report_of_an_opt_out_stores_no_person_again() {
    let (world, person) = (World::new(), Person::new());
    let contacts = world.contacts().await;
    erase(&contacts, &person).await;
    let now = Timestamp::now();
    let report = RecordedPreference {
        preference: Preference::OptedOut,
        changed_at: now,
        message_sid: None,
        reason: Some("code 21610".to_owned()),
    };
    let source = PreferenceSource { event_id: "report".to_owned(), code: "21610".parse().ok(), recorded_by: None };
    let (contact, channel) = (person.key(), Some(&Channel::Sms));
    contacts.record_preference(&contact, channel, &[Scope::All], &report, &source, now).await.unwrap();
    assert!(contacts.items_of(&[person.key()]).await.unwrap().is_empty());
}

#[tokio::test]
async fn erasure_stops_at_an_unknown_identity_and_at_a_start() {
    let (world, person) = (World::new(), Person::new());
    let contacts = world.contacts().await;
    let user_id = format!("US.{}", uuid::Uuid::new_v4().as_u128());
    world.write(&person, "Hello").await;
    suppress(&contacts, &person).await;
    let known = contacts.person(&person.key()).await.unwrap().identities();
    world.write_with(&person, json!({"body": "Hi", "external_user_id": format!("whatsapp:{user_id}")})).await;
    let erase_known = async || contacts.erase_person(&person.key(), &known, Timestamp::now()).await.unwrap();
    assert_eq!(erase_known().await, ErasedPerson::HasOtherIdentities);
    let all = contacts.person(&person.key()).await.unwrap().identities();
    assert!(all.len() > known.len());
    world.write(&person, "START").await;
    let erased = contacts.erase_person(&person.key(), &all, Timestamp::now()).await.unwrap();
    assert_eq!(erased, ErasedPerson::OptedIn);
    suppress(&contacts, &person).await;
    let erased = contacts.erase_person(&person.key(), &all, Timestamp::now()).await.unwrap();
    assert_eq!(erased, ErasedPerson::Erased);
    for identity in &all {
        let stored = contacts.person(identity).await.unwrap();
        assert!(stored.is_erased() && stored.person.suppressed_by([&Scope::All]).is_some());
        assert_eq!(contacts.erase_person(identity, &all, Timestamp::now()).await.unwrap(), ErasedPerson::ErasedBefore);
    }
}

/// A notification with the same id may follow, when the person is back: the answer to its first attempt may be lost.
#[tokio::test]
async fn marker_of_an_erased_message_is_no_report() {
    let world = World::new();
    let messages = Messages::new(world.dynamodb.clone(), world.stack.outputs.messages_table_name.clone());
    let origin = CallbackOrigin { notification_id: new_id("welcome").try_into().unwrap(), attempt: 0 };
    let (account_sid, message_sid) = (ACCOUNT_SID.parse().unwrap(), new_sid().parse().unwrap());
    let subject = MessageSubject::of_status(&account_sid, &message_sid, Some(&origin));
    let erased = ErasedMessage { account_sid, message_sid, origin: Some(origin) };
    messages.refuse_statuses(&erased, Timestamp::now(), Retention::default()).await.unwrap();
    assert_eq!(messages.reports(&subject).await.unwrap(), []);
}
