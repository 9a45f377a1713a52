//! A person is suppressed, and a suppression lifted, by a request instead of a message of the person.

use domain::preference::Preference;
use futures::future::join_all;
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, MESSAGING_SERVICE_SID};

use super::{
    receive::{agree, marketing, suppressed},
    reconcile::schedule_at_twilio,
};
use crate::world::{Person, World, events_so_far, is, new_id, template_notification};

fn path(person: &Person) -> String {
    format!("/contacts/{}/suppression", person.identity)
}

/// Suppresses a person, or lifts a suppression, and returns the answer.
async fn request(world: &World, method: &str, person: &Person, body: &Value) -> Value {
    let (status, answer) = world.call(method, &path(person), &body.to_string()).await;
    assert_eq!(status, 200, "{answer}");
    assert_eq!((&answer["account_sid"], &answer["contact"]), (&json!(ACCOUNT_SID), &json!(person.identity)));
    answer
}

async fn overview(world: &World, person: &Person) -> Value {
    world.call("GET", &format!("/contacts/{}", person.identity), "").await.1
}

fn preference_events(event_type: &'static str, person: &Person) -> impl Fn(&Value) -> bool {
    let contact = is("contact", &person.identity);
    move |event| event["event_type"] == event_type && contact(event)
}

#[tokio::test]
async fn suppressed_person_gets_nothing_until_it_is_lifted() {
    let (world, person) = (World::new(), Person::new());
    let (before, after) = (new_id("suppressed"), new_id("lifted"));
    schedule_at_twilio(&world, &person).await;

    let answer = request(&world, "PUT", &person, &json!({"scope": "all", "reason": "asked by letter"})).await;
    assert_eq!(
        (&answer["recorded"], &answer["changed"], &answer["before"]),
        (&json!("current"), &json!(true), &json!([]))
    );
    assert_eq!((&answer["scope"], &answer["lifted_own_stop"]), (&json!("all"), &json!(false)));
    let [suppression] = answer["suppressions"].as_array().unwrap().as_slice() else { panic!("{answer}") };
    assert_eq!((&suppression["preference"], &suppression["reason"]), (&json!("opted_out"), &json!("asked by letter")));

    world.notify(&template_notification(&before, &person)).await;
    assert_eq!(suppressed(&world, &before).await, "the recipient has opted out");
    let event = world.event("the suppression", preference_events("contact_opted_out", &person)).await;
    assert_eq!(
        (&event["origin"], &event["reason"], &event["scope"]),
        (&json!("request"), &json!("asked by letter"), &json!("all"))
    );
    assert!(event["recorded_by"].as_str().unwrap().starts_with("arn:aws:"), "{event}");
    world
        .until("the cancelled message", async || {
            let sent = world.sent_to(&person).await;
            sent.iter().any(|message| message["status"] == "canceled").then_some(())
        })
        .await;

    let (status, answer) = world.call("DELETE", &format!("{}?reason=called%20us", path(&person)), "").await;
    assert_eq!((status, &answer["changed"], &answer["suppressions"]), (200, &json!(true), &json!([])), "{answer}");
    assert_eq!(
        (&answer["lifted_own_stop"], &answer["before"][0]["reason"]),
        (&json!(false), &json!("asked by letter"))
    );
    world.notify(&template_notification(&after, &person)).await;
    world.until_outcome(&after, "read").await;
    world.event("the lifting", preference_events("contact_opted_in", &person)).await;
    let history = overview(&world, &person).await["history"].clone();
    let entries: Vec<_> =
        history.as_array().unwrap().iter().map(|entry| (&entry["preference"], &entry["reason"])).collect();
    assert_eq!(entries, [(&json!("opted_in"), &json!("called us")), (&json!("opted_out"), &json!("asked by letter"))]);
    assert_eq!(history[0]["recorded_by"], event["recorded_by"]);
}

#[tokio::test]
async fn repeated_suppressions_are_one_event() {
    let (world, person) = (World::new(), Person::new());
    let body = json!({"reason": "asked by letter"});
    let answers = join_all((0..5).map(|_| request(&world, "PUT", &person, &body))).await;
    assert_eq!(answers.iter().filter(|answer| answer["changed"] == true).count(), 1, "{answers:?}");
    request(&world, "DELETE", &person, &json!({"reason": "called us"})).await;
    world.event("the lifting", preference_events("contact_opted_in", &person)).await;
    assert_eq!(events_so_far(preference_events("contact_opted_out", &person)).len(), 1);
    let history = overview(&world, &person).await["history"].clone();
    assert!((2..=6).contains(&history.as_array().unwrap().len()), "{history}");
    assert_eq!(history[0]["preference"], "opted_in", "{history}");
}

#[tokio::test]
async fn lifting_says_that_the_stop_was_the_persons() {
    let (world, person, id) = (World::new(), Person::new(), new_id("after-lifting"));
    agree(&world, &person).await;
    let stop = world.write(&person, "STOP").await;
    let answer = request(&world, "DELETE", &person, &json!({"reason": "called us"})).await;
    assert_eq!((&answer["changed"], &answer["lifted_own_stop"]), (&json!(true), &json!(true)), "{answer}");
    assert_eq!(answer["before"][0]["message_sid"], stop["message_sid"]);
    assert_eq!(world.preference(&person).await, Some(Preference::OptedIn));
    world.notify(&marketing(&id, &person)).await;
    assert!(suppressed(&world, &id).await.starts_with("no living consent"), "lifting is no consent");
}

#[tokio::test]
async fn suppression_of_marketing_or_a_sender_covers_nothing_else() {
    let (world, person, other) = (World::new(), Person::new(), Person::new());
    let [offer, order, by_service, by_sender] = ["offer", "order", "by-service", "by-sender"].map(new_id);
    agree(&world, &person).await;
    let answer = request(&world, "PUT", &person, &json!({"scope": "marketing", "reason": "asked by letter"})).await;
    assert_eq!(answer["ended_consents"], json!(["marketing"]), "{answer}");
    world.notify(&marketing(&offer, &person)).await;
    assert_eq!(suppressed(&world, &offer).await, "the recipient has opted out of marketing");
    world.notify(&template_notification(&order, &person)).await;
    world.until_outcome(&order, "read").await;

    request(&world, "PUT", &other, &json!({"scope": MESSAGING_SERVICE_SID, "reason": "asked by letter"})).await;
    world.notify(&template_notification(&by_service, &other)).await;
    assert_eq!(suppressed(&world, &by_service).await, "the recipient has opted out of this sender");
    let mut notification = template_notification(&by_sender, &other);
    notification["from"] = json!("whatsapp:+14155238886");
    world.notify(&notification).await;
    world.until_outcome(&by_sender, "read").await;
}

#[tokio::test]
async fn suppression_holds_for_a_user_id_as_twilio_writes_it() {
    let (world, user, id) = (World::new(), Person::without_number(), new_id("user-id"));
    let path = format!("/contacts/{}/suppression", user.address());
    let (status, answer) = world.call("PUT", &path, r#"{"reason": "asked by letter"}"#).await;
    assert_eq!((status, &answer["contact"]), (200, &json!(user.identity)), "{answer}");
    let mut notification = template_notification(&id, &user);
    notification["to"] = json!(user.address());
    world.notify(&notification).await;
    assert_eq!(suppressed(&world, &id).await, "the recipient has opted out");
}

#[tokio::test]
async fn invalid_suppression_is_refused_by_field_and_not_stored() {
    let (world, person) = (World::new(), Person::new());
    let other = "AC00000000000000000000000000000009";
    for (query, body, field) in [
        ("", json!({"reason": "my-secret-value", "scope": "my-secret-value"}).to_string(), "scope"),
        ("", json!({"scope": "all"}).to_string(), "reason"),
        ("", json!({"reason": "x", "channel": "my-secret-value"}).to_string(), "channel"),
        ("", json!({"reason": "x", "until": "my-secret-value"}).to_string(), "until"),
        ("", r#"{"reason": "x", "scope": "all", "scope": "marketing"}"#.to_owned(), "scope"),
        ("", "my-secret-value".to_owned(), "body"),
        (
            &format!("?account_sid={other}"),
            json!({"reason": "x", "account_sid": ACCOUNT_SID}).to_string(),
            "account_sid",
        ),
        ("?scope=my-secret-value&reason=x", String::new(), "scope"),
    ] {
        for method in ["PUT", "DELETE"] {
            let (status, problem) = world.call(method, &format!("{}{query}", path(&person)), &body).await;
            assert_eq!((status, &problem["error"]["field"]), (400, &json!(field)), "{problem}");
            assert!(!problem.to_string().contains("my-secret-value"), "{problem}");
        }
    }
    let (status, problem) = world.call("PUT", "/contacts/0123/suppression", r#"{"reason": "x"}"#).await;
    assert_eq!((status, &problem["error"]["field"]), (400, &json!("contact")), "{problem}");
    let overview = overview(&world, &person).await;
    assert_eq!((&overview["suppressions"], &overview["history"]), (&json!([]), &json!([])), "{overview}");
    let url = format!("{}{}", world.stack.api_url, path(&person));
    let unsigned = world.http.put(url).json(&json!({"reason": "x"})).send().await.unwrap();
    assert_eq!(unsigned.status(), 403, "without a signature");
}
