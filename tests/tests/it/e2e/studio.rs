//! Flows of Twilio Studio: started once, also if Twilio's answer is lost.

use std::time::Duration;

use serde_json::{Value, json};

use super::clock::{icelander, time};
use crate::world::{Person, World, new_id};

fn new_flow() -> String {
    format!("FW{}", uuid::Uuid::new_v4().simple())
}

fn notification(id: &str, person: &Person, flow: &str, fallback: &Value) -> Value {
    json!({"id": id, "to": person.identity, "category": "utility", "fallback": fallback,
           "content": {"type": "studio", "flow_sid": flow, "parameters": {"order": 18473}}})
}

/// The executions of a flow, as Twilio lists them.
async fn executions(world: &World, flow: &str) -> Vec<Value> {
    let url = format!("{}/v2/Flows/{flow}/Executions", world.stack.sandbox_url);
    let request = world.http.get(url).basic_auth(stack::run::API_KEY_SID, Some(stack::run::API_KEY_SECRET));
    let list: Value = request.send().await.unwrap().json().await.unwrap();
    list["executions"].as_array().unwrap().clone()
}

#[tokio::test]
async fn flow_is_started_once_with_its_parameters() {
    let (world, person, id, flow) = (World::new(), Person::new(), new_id("flow"), new_flow());
    let notification = notification(&id, &person, &flow, &json!([]));
    world.notify(&notification).await;
    let accepted = world.notification_in(&id, "accepted").await;
    world.notify(&notification).await;
    let [execution] = executions(&world, &flow).await.try_into().unwrap();
    assert_eq!(execution["contact_channel_address"], person.address());
    let data = &execution["context"]["flow"]["data"];
    assert_eq!((&data["order"], &data["notification_id"]), (&json!(18473), &json!(id)));
    let attempts = format!("{:?}", accepted["attempts"]);
    assert!(attempts.contains(execution["sid"].as_str().unwrap()), "{attempts}");
}

#[tokio::test]
async fn lost_answer_of_a_flow_is_found_in_its_list() {
    for started in [true, false] {
        let (time, person, id, flow) = (time().await, icelander(), new_id("flow-lost"), new_flow());
        let world = &time.world;
        let fault = json!({"to": person.address(), "status": 503, "started": started});
        world.control("POST", "studio-faults", &fault).await;
        world.notify(&notification(&id, &person, &flow, &json!([]))).await;
        world.notification_in(&id, "claimed").await;
        time.advance(Duration::from_mins(20)).await;
        world.notification_in(&id, "accepted").await;
        assert_eq!(executions(world, &flow).await.len(), 1, "started: {started}");
    }
}

/// The list shows an execution without its parameters, as in Twilio's own examples.
#[tokio::test]
async fn execution_without_a_listed_context_is_recognised() {
    let (time, person, id, flow) = (time().await, icelander(), new_id("flow-bare"), new_flow());
    let world = &time.world;
    let fault = json!({"to": person.address(), "status": 503, "started": true, "hides_context": true});
    world.control("POST", "studio-faults", &fault).await;
    world.notify(&notification(&id, &person, &flow, &json!([]))).await;
    world.notification_in(&id, "claimed").await;
    time.advance(Duration::from_mins(20)).await;
    world.notification_in(&id, "accepted").await;
    let [execution] = executions(world, &flow).await.try_into().unwrap();
    assert_eq!(execution["context"], json!({}));
    assert_eq!(world.log(&id).await["attempts"].as_array().unwrap().len(), 1, "it is not started again");
}

#[tokio::test]
async fn refused_flow_is_followed_by_an_sms() {
    let (world, person, id, flow) = (World::new(), Person::new(), new_id("flow-refused"), new_flow());
    let fault = json!({"to": person.address(), "status": 400, "started": false});
    world.control("POST", "studio-faults", &fault).await;
    let sms = json!([{"channel": "sms", "content": {"type": "text", "body": "Please answer."}}]);
    world.notify(&notification(&id, &person, &flow, &sms)).await;
    world.until_outcome(&id, "delivered").await;
    assert_eq!((executions(&world, &flow).await.len(), world.sent_by_sms_to(&person).await.len()), (0, 1));
}
