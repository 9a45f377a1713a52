//! What a webhook's answer promises holds although no stream is read: the tests share a stack whose `publish` gets no records.
//! In that stack a STOP covers only the sender that received it, and words are added to the keywords and removed from them.

use std::{path::Path, sync::LazyLock};

use domain::{preference::Preference, suppression::Scope};
use serde_json::{Value, json};
use stack::movable::{MovableStack, StackSettings};
use tokio::{runtime::Runtime, sync::OnceCell};

use super::{
    consent::assert_consent_ended,
    receive::{agree, with_fallback},
};
use crate::world::{Person, World, new_id, template_notification, text, text_notification};

const SENDER: &str = "whatsapp:+14155238886";
const KEYWORDS: &str =
    r#"{"es": {"stop": {"add": ["NO QUIERO MÁS"], "remove": ["DETENER"]}, "start": {"add": ["VOLVER"]}}}"#;

/// The stack. The first test starts it.
async fn unread() -> World {
    // The stack runs in a runtime that does not end with the test that started it.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static STACK: OnceCell<MovableStack> = OnceCell::const_new();
    let start = async || {
        let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
        let (opt_out_scope, opt_out_keywords) = (Some("sender"), Some(KEYWORDS));
        let settings = StackSettings { opt_out_scope, opt_out_keywords, ..StackSettings::default() };
        let started = RUNTIME.spawn(async move { MovableStack::start(Path::new(&built), "unread", &settings).await });
        let started = started.await.unwrap().unwrap();
        stop_reading(&World::of(started.stack.clone())).await;
        started
    };
    World::of(STACK.get_or_init(start).await.stack.clone())
}

/// Disables every event source mapping that reads a stream.
async fn stop_reading(world: &World) {
    let url = format!("{}/2015-03-31/event-source-mappings/", world.stack.aws_endpoint);
    let listed: Value = world.signed("lambda", "GET", &url, "").send().await.unwrap().json().await.unwrap();
    let mappings = listed["EventSourceMappings"].as_array().unwrap_or_else(|| panic!("{listed}"));
    let of_streams = |mapping: &&Value| mapping["EventSourceArn"].as_str().unwrap().contains("/stream/");
    let of_streams: Vec<_> = mappings.iter().filter(of_streams).collect();
    assert_eq!(of_streams.len(), 4, "three of publish, one of reconcile: {listed}");
    for mapping in of_streams {
        let url = format!("{url}{}", mapping["UUID"].as_str().unwrap());
        let answer = world.signed("lambda", "PUT", &url, r#"{"Enabled": false}"#).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }
}

/// The reason of a notification that is not sent.
async fn reason(world: &World, id: &str) -> String {
    let stored = world.notification_in(id, "suppressed").await;
    text(&stored, "reason").unwrap().to_owned()
}

fn by_sms(id: &str, person: &Person) -> Value {
    let sms = json!({"type": "text", "body": "Your order is on its way."});
    let mut notification = with_fallback(text_notification(id, person), &[("sms", sms)]);
    notification["from"] = json!(SENDER);
    notification
}

#[tokio::test]
async fn reply_right_after_a_message_is_sent() {
    let (world, person, id) = (unread().await, Person::new(), new_id("reply"));
    world.write(&person, "Where is my order?").await;
    world.notify(&text_notification(&id, &person)).await;
    world.notification_in(&id, "accepted").await;
    assert_eq!(world.sent_to(&person).await[0]["body"], "On its way.");
}

#[tokio::test]
async fn consent_ends_with_a_stop_before_a_start() {
    let (world, person) = (unread().await, Person::new());
    agree(&world, &person).await;
    world.write(&person, "STOP").await;
    world.write(&person, "START").await;
    assert_consent_ended(&world, &person).await;
}

#[tokio::test]
async fn stop_by_a_user_id_right_after_its_link_holds() {
    let (world, number, user) = (unread().await, Person::new(), Person::without_number());
    let id = new_id("linked");
    world.write_with(&number, json!({"body": "hi", "external_user_id": user.address()})).await;
    world.write(&user, "STOP").await;
    world.notify(&template_notification(&id, &number)).await;
    assert!(reason(&world, &id).await.starts_with("the recipient has opted out"));
    assert!(world.sent_to(&number).await.is_empty());
}

#[tokio::test]
async fn refused_opt_out_counts_for_the_next_notification() {
    let (world, person) = (unread().await, Person::new());
    let (first, second, third) = (new_id("refused"), new_id("known"), new_id("other-sender"));
    world.plan(&person, 1, json!({"kind": "refuse", "status": 400, "code": 21610})).await;
    world.notify(&template_notification(&first, &person)).await;
    world.notification_in(&first, "suppressed").await;
    world.notify(&template_notification(&second, &person)).await;
    assert_eq!(reason(&world, &second).await, "the recipient has opted out of this sender");
    assert!(world.sent_to(&person).await.is_empty());
    // The service was refused. The sender, named without a service, is another one.
    let mut notification = template_notification(&third, &person);
    notification["from"] = json!(SENDER);
    world.notify(&notification).await;
    world.notification_in(&third, "accepted").await;
}

#[tokio::test]
async fn sms_fallback_respects_the_stop_to_its_service() {
    let (world, person) = (unread().await, Person::new());
    let (free, stopped, template) = (new_id("by-sms"), new_id("stopped"), new_id("template"));
    world.notify(&by_sms(&free, &person)).await;
    world.notification_in(&free, "accepted").await;
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 1);
    world.write_with(&person, json!({"from": person.identity, "body": "STOP"})).await;
    world.notify(&by_sms(&stopped, &person)).await;
    assert_eq!(reason(&world, &stopped).await, "the recipient has opted out of this sender");
    assert_eq!(world.sent_by_sms_to(&person).await.len(), 1, "no SMS past the STOP");
    // The STOP covers the SMS service. The WhatsApp sender, named without a service, is another one.
    let mut notification = template_notification(&template, &person);
    notification["from"] = json!(SENDER);
    world.notify(&notification).await;
    world.notification_in(&template, "accepted").await;
}

#[tokio::test]
async fn configured_words_are_added_and_removed() {
    let (world, person) = (unread().await, Person::new());
    let stopped = Scope::Sender(SENDER.to_owned());
    let preference = async || world.preference_in(&person, stopped.clone()).await;
    assert_eq!(world.write(&person, "Detener").await["twiml"], "<Response/>", "a removed word");
    assert_eq!(preference().await, None);
    let receipt = world.write(&person, "¡no quiero mas!").await;
    assert!(
        receipt["reply"].as_str().unwrap().contains("REANUDAR"),
        "an added word, answered in its language: {receipt}"
    );
    assert_eq!(preference().await, Some(Preference::OptedOut));
    world.write(&person, "volver").await;
    assert_eq!(preference().await, Some(Preference::OptedIn));
    world.write(&person, "STOP").await;
    assert_eq!(preference().await, Some(Preference::OptedOut));
}
