//! A failure that says "too fast" slows down the route of the message that failed, and no other.

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::json;
use stack::run::{ACCOUNT_SID, MESSAGING_SERVICE_SID};
use stores::dynamodb::Item;

use super::receive::with_fallback;
use crate::world::{Person, World, new_id, template_notification};

/// The item of a route in the `RateLimits` table.
async fn bucket(world: &World, route: &str) -> Item {
    let key = AttributeValue::S(format!("{ACCOUNT_SID}#{route}"));
    let get = world.dynamodb.get_item().table_name(&world.stack.outputs.rate_limits_table_name);
    get.key("sender", key).consistent_read(true).send().await.unwrap().item.unwrap_or_default()
}

fn throttled_at(bucket: &Item) -> Option<&str> {
    bucket.get("throttled_at")?.as_n().ok().map(String::as_str)
}

#[tokio::test]
async fn too_fast_failure_slows_only_the_route_of_its_message() {
    let world = World::new();
    let (sender, sms_route) = (Person::new().address(), format!("sms:{MESSAGING_SERVICE_SID}"));
    world.control("POST", "senders", &json!({"address": sender})).await;
    let notify = async |id: &str, person: &Person| {
        let sms = json!({"type": "text", "body": "Your order is on its way."});
        let mut notification = with_fallback(template_notification(id, person), &[("sms", sms)]);
        notification["from"] = json!(sender);
        world.notify(&notification).await;
    };

    let (person, id) = (Person::new(), new_id("sms-too-fast"));
    let before = bucket(&world, &sms_route).await;
    world.plan(&person, 1, json!({"kind": "fail", "code": 63003})).await;
    world.plan_at(&person.identity, 1, json!({"kind": "fail", "code": 30001})).await;
    notify(&id, &person).await;
    world
        .until("slower SMS", async || {
            let slower = bucket(&world, &sms_route).await;
            (throttled_at(&slower).is_some() && throttled_at(&slower) != throttled_at(&before)).then_some(())
        })
        .await;
    let whatsapp = bucket(&world, &sender).await;
    assert!(whatsapp.contains_key("tat"), "the message went out by this sender");
    assert_eq!(throttled_at(&whatsapp), None, "WhatsApp is not slower");

    let (person, id) = (Person::new(), new_id("whatsapp-too-fast"));
    let before = bucket(&world, &sms_route).await;
    world.plan(&person, 1, json!({"kind": "fail", "code": 63018})).await;
    notify(&id, &person).await;
    world.until("a slower sender", async || throttled_at(&bucket(&world, &sender).await).map(|_| ())).await;
    assert_eq!(throttled_at(&bucket(&world, &sms_route).await), throttled_at(&before), "SMS is not slower");
}
