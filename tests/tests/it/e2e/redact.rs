//! Texts are deleted at Twilio once their messages are settled here. The test has its own stack, because it moves the clock, and
//! the other stacks keep the texts.

use std::{path::Path, time::Duration};

use domain::preference::Preference;
use futures::future::join_all;
use serde_json::{Value, json};
use stack::{
    deploy::STACK_NAME,
    movable::{MovableStack, StackSettings},
    run::{ACCOUNT_SID, AUTH_TOKEN},
};
use tokio::sync::Mutex;

use crate::{
    e2e::{
        clock::DAY,
        event_bus::call,
        reconcile::{lose, sweep},
        trace::lines_with,
    },
    support::break_list,
    world::{Person, World, new_id, template_notification, text},
};

const SENDER: &str = "whatsapp:+14155238886";
const QUESTION: &str = "Where is my order?";

/// The text of the template for an order.
fn template(order: &str) -> String {
    format!("Hello Ava, your order {order} is on its way.")
}

/// One of these stacks at a time: to start one keeps a processor busy.
static TURN: Mutex<()> = Mutex::const_new(());

async fn redacting(name: &str, second_account: bool) -> MovableStack {
    let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
    let further = ["RedactAtTwilio=true".to_owned()];
    let settings = StackSettings { further: &further, second_account, ..StackSettings::default() };
    MovableStack::start(Path::new(&built), name, &settings).await.unwrap()
}

/// The only message of a person at Twilio.
async fn at_twilio(world: &World, person: &Person) -> Value {
    let messages = world.messages_at_twilio(person).await;
    let [message] = messages.as_slice() else { panic!("expected one message: {messages:?}") };
    message.clone()
}

async fn body(world: &World, person: &Person) -> String {
    at_twilio(world, person).await["body"].as_str().unwrap().to_owned()
}

async fn until_delivered(world: &World, person: &Person) {
    let is_delivered = async || {
        let sent = world.sent_to(person).await;
        sent.iter().any(|message| message["status"] == "delivered" || message["status"] == "read").then_some(())
    };
    world.until("a message that is delivered", is_delivered).await;
}

/// Another system of the account sends the same template from the same number.
async fn send_past_us(world: &World, person: &Person) {
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", world.stack.sandbox_url);
    let message = [
        ("To", person.address()),
        ("From", SENDER.to_owned()),
        ("ContentSid", sandbox::ORDER_UPDATE_SID.to_owned()),
        ("ContentVariables", json!({"1": "Ava", "2": "18473"}).to_string()),
    ];
    let created = world.http.post(url).basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN)).form(&message).send().await.unwrap();
    assert!(created.status().is_success(), "{}", created.text().await.unwrap());
    until_delivered(world, person).await;
}

/// The message of a notification exists at Twilio. The answer to its request, its callbacks and the list are lost.
async fn send_with_unknown_outcome(world: &World, person: &Person) -> String {
    let id = new_id("unknown");
    let faults = json!([{"kind": "accept_then_refuse", "status": 500, "code": 20500}, {"kind": "lost"}]);
    world.plan(person, 1, json!({"kind": "together", "faults": faults})).await;
    break_list(world, person).await;
    world.notify(&template_notification(&id, person)).await;
    world.notification_in(&id, "claimed").await;
    until_delivered(world, person).await;
    id
}

/// The item of an inbound message has its text.
async fn assert_text_is_stored(world: &World, sid: &str, words: &str) {
    let items = world.items(sid).await;
    let [item] = items.as_slice() else { panic!("expected one item of {sid}") };
    assert!(format!("{item:?}").contains(words), "{item:?}");
}

#[tokio::test]
async fn text_is_deleted_at_twilio_once_its_message_is_settled() {
    let _turn = TURN.lock().await;
    let stack = redacting("redacting", false).await;
    let world = World::of(stack.stack.clone());
    let people: [Person; 5] = std::array::from_fn(|_| Person::new());
    let [asking, sent_to, unknown, of_another, lost] = &people;
    sweep(&world).await;

    let asked = world.write(asking, QUESTION).await["message_sid"].as_str().unwrap().to_owned();
    let id = new_id("settled");
    world.notify(&template_notification(&id, sent_to)).await;
    world.until_outcome(&id, "read").await;
    let unknown_id = send_with_unknown_outcome(&world, unknown).await;
    send_past_us(&world, of_another).await;
    stack.advance(Duration::from_hours(23)).await.unwrap();
    sweep(&world).await;
    assert_eq!(
        join_all([asking, sent_to].map(|one| body(&world, one))).await,
        [QUESTION, &template(&id)],
        "a day is not over"
    );

    lose(&world, &lost.identity, 1.0, 1).await;
    let stop = world.write(lost, "STOP").await["message_sid"].as_str().unwrap().to_owned();
    lose(&world, &lost.identity, 0.0, 1).await;
    stack.advance(2 * DAY).await.unwrap();
    sweep(&world).await;
    assert_eq!(join_all([asking, sent_to, lost].map(|one| body(&world, one))).await, ["", "", ""]);
    assert_eq!(body(&world, of_another).await, template("18473"), "it is not ours");
    assert_eq!(text(&world.notification(&unknown_id).await.unwrap(), "message_sid"), None);
    assert_eq!(body(&world, unknown).await, template(&unknown_id), "it is still looked for");
    assert_text_is_stored(&world, &asked, "Where is my order").await;
    assert_text_is_stored(&world, &stop, "STOP").await;
    assert_eq!(world.preference(lost).await, Some(Preference::OptedOut));

    let before = join_all(people.iter().map(|one| at_twilio(&world, one))).await;
    for _ in 0..2 {
        let again = sweep(&world).await;
        assert_eq!((&again["redacted"], &again["redactions_refused"]), (&json!(0), &json!(0)), "{again}");
        stack.advance(DAY).await.unwrap();
    }
    sweep(&world).await;
    assert_eq!(join_all(people.iter().map(|one| at_twilio(&world, one))).await, before, "nothing is done twice");
}

/// The runs are those of the test alone: they are counted.
async fn disable_schedule(world: &World) {
    let rules = call(world, "ListRules", &json!({"NamePrefix": STACK_NAME})).await;
    let rules = rules["Rules"].as_array().unwrap_or_else(|| panic!("{rules}"));
    let name = rules.iter().find_map(|rule| rule["Name"].as_str().filter(|name| name.contains("ReconcileSchedule")));
    call(world, "DisableRule", &json!({"Name": name.unwrap_or_else(|| panic!("{rules:?}"))})).await;
}

/// The request to delete a text fails, or works again.
async fn fail_updates(world: &World, fails: bool) {
    world.control("PUT", "outages", &json!({"update": fails})).await;
}

/// One person's message whose webhook is lost, and whose text is deleted at Twilio a day later.
async fn lose_text(stack: &MovableStack, world: &World) -> String {
    let person = Person::new();
    lose(world, &person.identity, 1.0, 1).await;
    let lost = world.write(&person, QUESTION).await["message_sid"].as_str().unwrap().to_owned();
    lose(world, &person.identity, 0.0, 1).await;
    stack.advance(DAY).await.unwrap();
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{lost}.json", world.stack.sandbox_url);
    let redact = world.http.post(url).basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN)).form(&[("Body", "")]);
    assert!(redact.send().await.unwrap().status().is_success());
    lost
}

/// The lists of both accounts were read before a text of either was deleted.
async fn assert_texts_come_last(world: &World) {
    let [compared, deleted] = ["messages of an account were compared", "texts of an account"];
    let lines = lines_with(world, "Reconcile", "of an account").await;
    let steps = lines.iter().filter_map(|line| line["fields"]["message"].as_str());
    let steps: Vec<_> =
        steps.filter_map(|step| [compared, deleted].into_iter().find(|part| step.contains(part))).collect();
    assert!(!steps.is_empty() && steps.chunks(4).all(|run| run == [compared, compared, deleted, deleted]), "{steps:?}");
}

#[tokio::test]
async fn page_that_twilio_never_redacts_is_passed() {
    /// This number of failures without a success ends a run.
    const TEXTS: u64 = 33;
    /// As often a run ends on the page.
    const RUNS: usize = 6;
    let _turn = TURN.lock().await;
    let stack = redacting("redacting-in-vain", true).await;
    let world = World::of(stack.stack.clone());
    disable_schedule(&world).await;
    let person = Person::new();
    sweep(&world).await;
    for number in 0..TEXTS {
        world.write(&person, &format!("{QUESTION} {number}")).await;
    }
    assert_texts_come_last(&world).await;
    let lost = lose_text(&stack, &world).await;
    let swept = sweep(&world).await;
    assert_eq!((&swept["without_text"], &swept["inbound_recovered"]), (&json!(1), &json!(0)), "{swept}");
    assert!(world.items(&lost).await.is_empty(), "it has no text any more");

    stack.advance(2 * DAY).await.unwrap();
    fail_updates(&world, true).await;
    for _ in 0..RUNS {
        let vain = sweep(&world).await;
        assert_eq!((&vain["outcome"], &vain["redacted"]), (&json!("twilio_unavailable"), &json!(0)), "{vain}");
        assert!(vain["texts_unread_since"].is_string(), "{vain}");
    }
    let passing = sweep(&world).await;
    assert_eq!((&passing["outcome"], &passing["redactions_refused"]), (&json!("complete"), &json!(TEXTS)), "{passing}");
    assert_eq!(passing["texts_unread_since"], Value::Null, "{passing}");
    let alarms = lines_with(&world, "Reconcile", "redaction").await;
    let alarms: Vec<_> =
        alarms.iter().map(|line| &line["fields"]).filter(|line| line["alarm"] == "redaction").collect();
    let [without_text, passed] = alarms.as_slice() else { panic!("{alarms:?}") };
    assert_eq!((&without_text["message_sid"], &passed["texts"]), (&json!(lost), &json!(TEXTS)));
    fail_updates(&world, false).await;
    stack.advance(DAY).await.unwrap();
    let next = sweep(&world).await;
    assert_eq!((&next["redacted"], &next["redactions_refused"]), (&json!(TEXTS), &json!(0)), "{next}");
}
