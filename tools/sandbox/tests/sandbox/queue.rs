//! Messages that wait in Twilio's queue, and the list that does not have them.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    control::{AVA, ControlTest, SERVICE, TEMPLATE, WHATSAPP},
    until::until,
};

const TO_AVA: &str = "Messages.json?To=whatsapp%3A%2B14155550123";
const FOUR_HOURS: u32 = 4 * 60 * 60;

impl ControlTest {
    /// The SIDs in the list of Ava's messages.
    async fn listed(&self) -> Vec<Value> {
        let page: Value = self.get(TO_AVA).await.json().await.unwrap();
        page["messages"].as_array().unwrap().iter().map(|message| message["sid"].clone()).collect()
    }

    async fn fetched(&self, message: &Value) -> Value {
        self.get(&format!("Messages/{}.json", message["sid"].as_str().unwrap())).await.json().await.unwrap()
    }

    async fn release(&self, message: &Value) -> u16 {
        self.post_control(&format!("messages/{}/release", message["sid"].as_str().unwrap()), json!({})).await
    }

    async fn advance(&self, seconds: u32) {
        assert_eq!(self.post_control("clock", json!({"advance_seconds": seconds})).await, 200);
    }

    /// Ava's only message, once it is stored.
    async fn only_message(&self) -> Value {
        until(async || Some(self.read("messages", &[]).await[0].clone()).filter(Value::is_object)).await
    }
}

#[tokio::test]
async fn held_message_is_not_listed_until_it_is_released() {
    let sandbox = ControlTest::start().await;
    sandbox.plan(1, json!({"kind": "hold"})).await;
    let held = sandbox.create(&[AVA, SERVICE, TEMPLATE]).await;
    sandbox.advance(60).await;
    let fetched = sandbox.fetched(&held).await;
    assert_eq!((&fetched["status"], &fetched["date_sent"]), (&json!("accepted"), &Value::Null));
    assert_eq!((sandbox.listed().await, sandbox.webhooks(&held).await), (vec![], vec![]));
    assert_eq!((sandbox.release(&held).await, sandbox.release(&held).await), (204, 404));
    assert_eq!(sandbox.reported(&held, 4).await, ["queued", "sent", "delivered", "read"]);
    assert_eq!(sandbox.listed().await, [held["sid"].clone()]);
    assert!(sandbox.fetched(&held).await["date_sent"].is_string());
}

#[tokio::test]
async fn held_message_is_sent_after_its_seconds() {
    let sandbox = ControlTest::start().await;
    sandbox.plan(1, json!({"kind": "hold", "seconds": 600})).await;
    let held = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    sandbox.advance(300).await;
    assert_eq!(sandbox.fetched(&held).await["status"], "queued");
    sandbox.advance(300).await;
    assert_eq!(sandbox.reported(&held, 3).await, ["sent", "delivered", "read"]);
}

#[tokio::test]
async fn message_that_is_not_sent_within_its_validity_fails() {
    let sandbox = ControlTest::start().await;
    sandbox.plan(2, json!({"kind": "hold"})).await;
    let short = sandbox.create(&[AVA, WHATSAPP, TEMPLATE, ("ValidityPeriod", "120")]).await;
    let usual = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    sandbox.advance(120).await;
    assert_eq!(sandbox.reported(&short, 1).await, ["failed"]);
    let failed = sandbox.in_status(&short, "failed").await;
    assert_eq!((&failed["error_code"], &failed["date_sent"]), (&json!(30036), &Value::Null));
    assert_eq!(sandbox.fetched(&usual).await["status"], "queued");
    sandbox.advance(FOUR_HOURS).await;
    assert_eq!(sandbox.in_status(&usual, "failed").await["error_code"], 30036);
}

#[tokio::test]
async fn unsent_messages_are_hidden_from_the_list() {
    let sandbox = ControlTest::start().await;
    let send_at = (Timestamp::now() + SignedDuration::from_mins(20)).to_string();
    let unsent = sandbox.create(&[AVA, SERVICE, TEMPLATE, ("SendAt", &send_at), ("ScheduleType", "fixed")]).await;
    assert_eq!(sandbox.listed().await, [unsent["sid"].clone()]);
    assert_eq!(sandbox.put("unsent", json!({"hidden": true, "to": AVA.1, "seconds": 600})).await, 204);
    assert_eq!(sandbox.listed().await, Vec::<Value>::new());
    assert_eq!(sandbox.fetched(&unsent).await["sid"], unsent["sid"]);
    sandbox.advance(600).await;
    assert_eq!(sandbox.listed().await, [unsent["sid"].clone()]);
    assert_eq!(sandbox.put("choices", json!({"unsent_messages": "hidden"})).await, 200);
    assert_eq!(sandbox.listed().await, Vec::<Value>::new());
}

#[tokio::test]
async fn list_begins_with_the_message_that_was_sent_last() {
    let sandbox = ControlTest::start().await;
    sandbox.plan(1, json!({"kind": "hold"})).await;
    let mut created = Vec::new();
    for _ in 0..3 {
        created.push(sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await);
    }
    sandbox.in_status(&created[2], "read").await;
    sandbox.in_status(&created[1], "read").await;
    sandbox.advance(10).await;
    sandbox.release(&created[0]).await;
    sandbox.in_status(&created[0], "read").await;
    let expected: Vec<_> = [0, 2, 1].map(|index: usize| created[index]["sid"].clone()).into();
    assert_eq!(sandbox.listed().await, expected);
    let mut page: Value = sandbox.get(&format!("{TO_AVA}&PageSize=1")).await.json().await.unwrap();
    let mut paged = vec![page["messages"][0]["sid"].clone()];
    while let Some(next) = page["next_page_uri"].as_str() {
        page = sandbox.get(next.split_once("0001/").unwrap().1).await.json().await.unwrap();
        paged.push(page["messages"][0]["sid"].clone());
    }
    assert_eq!(paged, expected);
}

#[tokio::test]
async fn messages_over_the_rate_are_sent_one_after_the_other() {
    let sandbox = ControlTest::start().await;
    let mut rules = sandbox.read("rules", &[]).await;
    rules["messages_per_second"] = json!(1);
    assert_eq!(sandbox.put("rules", rules.clone()).await, 200);
    let first = sandbox.create(&[AVA, SERVICE, TEMPLATE]).await;
    let second = sandbox.create(&[AVA, SERVICE, TEMPLATE]).await;
    sandbox.in_status(&first, "read").await;
    sandbox.advance(1).await;
    sandbox.in_status(&second, "read").await;
    rules["messages_per_second"] = json!(0);
    assert_eq!(sandbox.put("rules", rules).await, 200);
    let stuck = sandbox.create(&[AVA, SERVICE, TEMPLATE]).await;
    assert!(!sandbox.listed().await.contains(&stuck["sid"]));
    sandbox.advance(FOUR_HOURS).await;
    assert_eq!(sandbox.in_status(&stuck, "failed").await["error_code"], 30036);
}

#[tokio::test]
async fn unanswered_message_is_held_and_fails_late() {
    let sandbox = ControlTest::start().await;
    let faults = json!([{"kind": "accept_then_hang"}, {"kind": "hold"}, {"kind": "fail", "code": 63024}]);
    sandbox.plan(1, json!({"kind": "together", "faults": faults})).await;
    let message = tokio::select! {
        answer = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]) => panic!("answered with {answer}"),
        message = sandbox.only_message() => message,
    };
    assert_eq!((sandbox.listed().await, &message["sandbox"]["held"]), (vec![], &json!(true)));
    sandbox.release(&message).await;
    assert_eq!(sandbox.reported(&message, 1).await, ["failed"]);
    assert_eq!(sandbox.in_status(&message, "failed").await["error_code"], 63024);
}

#[tokio::test]
async fn failure_is_reported_before_the_answer() {
    let sandbox = ControlTest::start().await;
    let faults = json!([{"kind": "report_first"}, {"kind": "fail", "code": 63024}]);
    sandbox.plan(1, json!({"kind": "together", "faults": faults})).await;
    let message = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    assert_eq!(message["status"], "queued", "as when it was created");
    assert_eq!(sandbox.webhooks(&message).await[0]["status"], "failed");
}

#[tokio::test]
async fn callbacks_of_several_statuses_are_lost() {
    let sandbox = ControlTest::start().await;
    sandbox.plan(1, json!({"kind": "lost", "statuses": ["sent", "read"]})).await;
    let message = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    sandbox.reported(&message, 3).await;
    let dropped = sandbox.webhooks(&message).await;
    assert_eq!(dropped.iter().map(|webhook| webhook["dropped"] == true).collect::<Vec<_>>(), [true, false, true]);
}
