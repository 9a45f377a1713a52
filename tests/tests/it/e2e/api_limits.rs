//! What API Gateway answers before a function sees a request, its access log, and the alarms that count it.
//!
//! The tests use the second stack, so that the requests of other tests are not refused.

use futures::future::join_all;
use serde_json::{Value, json};
use stack::deploy::STACK_NAME;

use crate::{
    e2e::{clock::time, trace::json_lines},
    world::{World, new_id},
};

/// More than the default of `ApiBurstLimit`, with what `ApiRateLimit` adds while they arrive.
const REQUESTS_AT_ONCE: usize = 800;

/// The lines of the access log that contain a text.
async fn access_log(world: &World, text: &str) -> Vec<Value> {
    let group = format!("/aws/vendedlogs/{STACK_NAME}/api");
    json_lines(world, &group, text).await
}

#[tokio::test]
async fn request_beyond_the_limit_rings_the_alarm() {
    let time = time().await;
    let world = &time.world;
    assert!(!world.alarm_rings("RequestsThrottledAlarm").await, "nothing was refused yet");
    // Without a signature, so that no function runs.
    let key = new_id("limits");
    let url = format!("{}/media/{key}", world.stack.api_url);
    world
        .until("a refused request", async || {
            let answers = join_all((0..REQUESTS_AT_ONCE).map(|_| world.http.get(&url).send())).await;
            let statuses: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect();
            assert!(statuses.iter().all(|status| [403, 429].contains(status)), "{statuses:?}");
            assert!(statuses.contains(&403), "the burst is allowed");
            statuses.contains(&429).then_some(())
        })
        .await;
    assert!(world.alarm_rings("RequestsThrottledAlarm").await);
    assert!(!world.alarm_rings("WebhooksThrottledAlarm").await, "another route has another limit");

    let refused = access_log(world, "\"Too Many Requests\"").await;
    let line = refused.first().expect("a line for each request");
    assert_eq!(line["route"], "GET /media/{key+}");
    assert_eq!((&line["status"], &line["integration_status"]), (&json!("429"), &json!("-")));
    assert!(access_log(world, &key).await.is_empty(), "the path is not logged");
}

#[tokio::test]
async fn escaped_percent_sign_is_refused_by_the_api() {
    let time = time().await;
    let world = &time.world;
    let (status, body) = world.call("GET", "/notifications/50%25", "").await;
    assert_eq!((status, body), (400, json!({"message": "Bad Request"})));
    let line = access_log(world, "\"Bad Request\"").await.pop().unwrap();
    assert_eq!((&line["route"], &line["integration_status"]), (&json!("-"), &json!("-")), "no function was invoked");
}
