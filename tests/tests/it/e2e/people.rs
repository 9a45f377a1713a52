//! One person with several identities: spellings of a number, the WhatsApp user id, and the id in a parent portfolio.

use domain::preference::Preference;
use futures::future::join_all;
use serde_json::{Value, json};

use super::{
    consent::{Webhook, assert_consent_ended},
    receive::{agree, marketing, suppressed},
};
use crate::world::{
    Person, World, is, new_id, of_notification, password_notification, template_notification, text_notification,
};

const OPTED_OUT: &str = "the recipient has opted out";

/// A person writes, and the webhook names the number and the user id.
async fn link(world: &World, number: &Person, user: &Person) {
    let writing = json!({"body": "hi", "external_user_id": user.address()});
    assert_eq!(world.write_with(number, writing).await["status"], 200);
}

/// A notification to this identity is refused, because the person has opted out.
async fn assert_stopped(world: &World, person: &Person) {
    let id = new_id("after-stop");
    world.notify(&template_notification(&id, person)).await;
    assert_eq!(suppressed(world, &id).await, OPTED_OUT, "{}", person.identity);
    assert!(world.sent_to(person).await.is_empty(), "{}", person.identity);
}

/// A change of the person at the sandbox, which answers with the ids from then on.
async fn change(world: &World, person: &Person, change: Value) -> Value {
    world.control("PUT", &format!("people/{}", person.address()), &change).await
}

fn at(address: &Value) -> Person {
    Person { identity: address.as_str().unwrap().trim_start_matches("whatsapp:").to_owned() }
}

#[tokio::test]
async fn stop_by_number_holds_for_the_linked_user_id() {
    let (world, number, user) = (World::new(), Person::new(), Person::without_number());
    link(&world, &number, &user).await;
    world.write(&number, "STOP").await;
    assert_stopped(&world, &user).await;
}

#[tokio::test]
async fn stop_during_its_link_holds_for_both_identities() {
    let world = World::new();
    let people: Vec<_> = (0..10).map(|_| (Person::new(), Person::without_number())).collect();
    join_all(people.iter().map(async |(number, user)| {
        let ((), stop) = tokio::join!(link(&world, number, user), world.write(user, "STOP"));
        assert_eq!(stop["status"], 200);
    }))
    .await;
    for (number, user) in &people {
        assert_eq!(world.person(user).await, world.person(number).await, "one person");
        assert_eq!(world.preference(number).await, Some(Preference::OptedOut), "{}", number.identity);
    }
    assert_stopped(&world, &people[0].0).await;
}

#[tokio::test]
async fn link_keeps_the_stop_and_ends_the_consent_of_either() {
    let (world, number, user) = (World::new(), Person::new(), Person::without_number());
    agree(&world, &user).await;
    world.write(&number, "STOP").await;
    // Only now one message names both.
    link(&world, &number, &user).await;
    assert_stopped(&world, &user).await;
    world.write(&number, "START").await;
    assert_consent_ended(&world, &user).await;
}

#[tokio::test]
async fn stop_by_parent_id_holds_for_number_and_user_id() {
    let (world, number) = (World::new(), Person::new());
    world.control("PUT", "portfolio", &json!({"parent_linked": true, "to": number.address()})).await;
    world.write(&number, "hi").await;
    let ids = change(&world, &number, json!({"hides_number": true})).await;
    let (user, parent) = (at(&ids["user_id"]), at(&ids["parent_user_id"]));
    assert!(parent.identity.contains(".ENT."), "{ids}");
    let stop = world.write(&number, "STOP").await;
    let event = world.event("the STOP", is("event_id", stop["message_sid"].as_str().unwrap())).await;
    assert_eq!(event["from"], parent.address(), "the webhook has no number");
    assert_eq!(event["parent_external_user_id"], parent.address());
    for identity in [&number, &user, &parent] {
        assert_stopped(&world, identity).await;
    }
}

#[tokio::test]
async fn stop_by_the_parent_id_alone_holds_for_the_number() {
    let (world, number) = (World::new(), Person::new());
    world.control("PUT", "portfolio", &json!({"parent_linked": true, "to": number.address()})).await;
    let hello = world.write(&number, "hi").await;
    let event = world.event("the message", is("event_id", hello["message_sid"].as_str().unwrap())).await;
    assert_eq!(event["from"], number.address());
    Webhook::new(&at(&event["parent_external_user_id"]), "STOP").post(&world).await;
    assert_stopped(&world, &number).await;
}

#[tokio::test]
async fn stop_holds_for_old_and_new_spellings_of_a_number() {
    let world = World::new();
    let digits = uuid::Uuid::new_v4().as_u128() % 1_000_000;
    for (one, other) in [
        // Argentina: 15 behind the area code, or 9 before it.
        (format!("+54111540{digits:06}"), format!("+5491140{digits:06}")),
        // Côte d'Ivoire and Benin: the old eight digits, or ten.
        (format!("+22507{digits:06}"), format!("+2250707{digits:06}")),
        (format!("+22997{digits:06}"), format!("+2290197{digits:06}")),
    ] {
        let (one, other) = (Person { identity: one }, Person { identity: other });
        world.write(&one, "STOP").await;
        assert_stopped(&world, &other).await;
    }
}

#[tokio::test]
async fn new_number_with_its_new_user_id_is_another_person() {
    let (world, old, new, id) = (World::new(), Person::new(), Person::new(), new_id("new-number"));
    world.write(&old, "STOP").await;
    let ids = change(&world, &old, json!({"number": new.address()})).await;
    world.write(&new, "hi").await;
    let (status, overview) = world.call("GET", &format!("/contacts/{}", new.identity), "").await;
    assert_eq!(status, 200, "{overview}");
    assert_eq!(overview["linked"][0]["address"], at(&ids["user_id"]).identity);
    assert_eq!(overview["linked"].as_array().unwrap().len(), 1, "not the old number: {overview}");
    world.notify(&template_notification(&id, &new)).await;
    world.until_outcome(&id, "read").await;
    assert_stopped(&world, &old).await;
}

#[tokio::test]
async fn text_and_template_to_a_user_id_arrive() {
    let (world, user) = (World::new(), Person::without_number());
    world.write(&user, "Where is my order?").await;
    for notification in [text_notification(&new_id("text"), &user), template_notification(&new_id("template"), &user)] {
        world.notify(&notification).await;
        let log = world.until_outcome(notification["id"].as_str().unwrap(), "read").await;
        assert_eq!(log["recipient"], user.identity, "{log}");
    }
    let bodies: Vec<_> = world.sent_to(&user).await.iter().map(|sent| sent["body"].clone()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], "On its way.");
}

#[tokio::test]
async fn authentication_template_to_a_user_id_is_rejected() {
    let (world, user, id) = (World::new(), Person::without_number(), new_id("password"));
    world.write(&user, "hi").await;
    world.notify(&password_notification(&id, &user, "4711")).await;
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    assert!(event["reason"].as_str().unwrap().starts_with("to: expected a phone number"), "{event}");
    assert!(world.sent_to(&user).await.is_empty());
}

#[tokio::test]
async fn refused_user_id_goes_to_the_known_number() {
    let (world, number, user) = (World::new(), Person::new(), Person::without_number());
    let (first, second) = (new_id("to-number"), new_id("to-id"));
    link(&world, &number, &user).await;
    world.plan(&user, 1, json!({"kind": "refuse", "status": 400, "code": 21211})).await;
    world.notify(&template_notification(&first, &user)).await;
    let log = world.until_outcome(&first, "read").await;
    assert_eq!(log["attempts"].as_array().unwrap().len(), 2, "{log}");
    assert_eq!((&log["attempts"][0]["code"], &log["attempts"][1]["outcome"]), (&json!(21211), &json!("accepted")));
    assert_eq!(world.sent_to(&number).await.len(), 1);
    assert_eq!(world.preference(&user).await, None, "a refused id is no opt-out");
    world.notify(&template_notification(&second, &user)).await;
    world.until_outcome(&second, "read").await;
    assert_eq!(world.sent_to(&user).await.len(), 1, "the id can be written to again");
}

#[tokio::test]
async fn refused_user_id_without_a_number_suppresses_no_one() {
    let (world, user, id) = (World::new(), Person::without_number(), new_id("only-id"));
    world.write(&user, "hi").await;
    world.plan(&user, 1, json!({"kind": "refuse", "status": 400, "code": 21211})).await;
    world.notify(&template_notification(&id, &user)).await;
    let event = world.event("the failure", of_notification("notification_failed", &id)).await;
    assert_eq!((&event["code"], &event["outcome"]), (&json!(21211), &json!("rejected")));
    let after = new_id("after");
    world.notify(&template_notification(&after, &user)).await;
    world.until_outcome(&after, "read").await;
}

#[tokio::test]
async fn contact_is_read_and_agrees_by_its_user_id() {
    let (world, number, user, id) = (World::new(), Person::new(), Person::without_number(), new_id("agreed"));
    link(&world, &number, &user).await;
    agree(&world, &user).await;
    for (identity, other) in [(&user, &number), (&number, &user)] {
        let (status, overview) = world.call("GET", &format!("/contacts/{}", identity.identity), "").await;
        assert_eq!(status, 200, "{overview}");
        assert_eq!(overview["contact"], identity.identity);
        assert_eq!(overview["linked"][0]["address"], other.identity);
        assert_eq!(overview["consents"][0]["current"]["state"], "given");
        assert!(!overview["windows"].as_array().unwrap().is_empty(), "{overview}");
    }
    world.notify(&marketing(&id, &number)).await;
    world.until_outcome(&id, "read").await;
    assert_ne!(world.preference(&user).await, Some(Preference::OptedOut));
}
