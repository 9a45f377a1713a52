//! Alarms of single log lines.

use std::time::Duration;

use domain::pause::Pause;
use serde_json::json;
use stores::pauses::PauseStore;
use tests::harness::emulator::{RefusalReason, RefusedRequests, end_refusal};

use super::alarms;
use crate::{
    e2e::{
        templates::{add_sink, approved, change, new_name},
        waiting::release,
    },
    world::{Person, new_id, template_notification},
};

pub(super) const ALARMS: &[&str] = &[
    "NeedsOperatorAlarm",
    "RepeatedFailuresAlarm",
    "TemplateAlarm",
    "VerifyBlockedAlarm",
    "LongPausedAlarm",
    "DueLateAlarm",
];

#[tokio::test]
async fn alarm_of_an_unknown_code_rings() {
    let (alarms, person, id) = (alarms().await, Person::new(), new_id("unknown-code"));
    alarms.world.plan(&person, 1, json!({"kind": "refuse", "status": 400, "code": 99_999})).await;
    alarms.world.notify(&template_notification(&id, &person)).await;
    alarms.rings("NeedsOperatorAlarm").await;
}

#[tokio::test]
async fn alarm_of_repeated_failures_rings() {
    let (alarms, person, id) = (alarms().await, Person::new(), new_id("repeated"));
    alarms.assert_quiet(&["RepeatedFailuresAlarm"]).await;
    let refused = RefusedRequests::containing(&id, RefusalReason::ProvisionedThroughputExceeded, 10_000);
    let refusal = refused.begin(&alarms.world.stack).await.unwrap();
    alarms.world.notify(&template_notification(&id, &person)).await;
    alarms.rings("RepeatedFailuresAlarm").await;
    end_refusal(&alarms.world.stack, refusal).await.unwrap();
    alarms.world.notification_in(&id, "accepted").await;
}

#[tokio::test]
async fn alarm_of_a_paused_template_rings() {
    let (alarms, name) = (alarms().await, new_name("alarm"));
    alarms.assert_quiet(&["TemplateAlarm"]).await;
    let sid = approved(&alarms.world, &name, "en", "Hello {{1}}, your order has arrived today.").await;
    // The list has it as approved before an event says that it is paused.
    alarms.invoke("TemplateSyncFunction", "{}").await;
    add_sink(&alarms.world).await;
    change(&alarms.world, &sid, json!({"status": "paused"})).await;
    alarms.rings("TemplateAlarm").await;
}

#[tokio::test]
async fn alarm_of_blocked_codes_rings() {
    let alarms = alarms().await;
    for number in 0..11 {
        alarms.assert_quiet(&["VerifyBlockedAlarm"]).await;
        let person = Person::new();
        alarms.world.plan(&person, 1, json!({"kind": "refuse", "status": 403, "code": 60410})).await;
        let request = json!({"id": new_id("blocked"), "to": person.identity});
        let (status, answer) = alarms.world.call("POST", "/verifications", &request.to_string()).await;
        assert_eq!(status, 403, "{number}: {answer}");
    }
    alarms.rings("VerifyBlockedAlarm").await;
}

#[tokio::test]
async fn alarm_of_a_forgotten_pause_rings() {
    let alarms = alarms().await;
    alarms.assert_quiet(&["LongPausedAlarm"]).await;
    let (world, stack) = (&alarms.world, &alarms.world.stack);
    let pauses = PauseStore::new(world.dynamodb.clone(), stack.outputs.rate_limits_table_name.clone());
    let scope: domain::pause::PauseScope = "category#marketing".parse().unwrap();
    let since = stack.clock.now().try_into().unwrap();
    let pause = Pause { scope: scope.clone(), since, by: None, reason: None, is_automatic: false };
    pauses.pause(&pause).await.unwrap();
    release(world).await;
    alarms.assert_quiet(&["LongPausedAlarm"]).await;
    alarms.advance(Duration::from_mins(61)).await;
    release(world).await;
    alarms.rings("LongPausedAlarm").await;
    pauses.resume(&scope).await.unwrap();
}

#[tokio::test]
async fn alarm_of_a_late_notification_rings() {
    let (alarms, person, id) = (alarms().await, Person::new(), new_id("due"));
    let world = &alarms.world;
    let now: jiff::Timestamp = world.stack.clock.now().try_into().unwrap();
    let mut notification = template_notification(&id, &person);
    notification["send_at"] = json!((now + jiff::SignedDuration::from_mins(30)).to_string());
    world.notify(&notification).await;
    world.notification_in(&id, "waiting").await;
    // What an earlier test left late is released, and its value is older than the periods of the alarm.
    release(world).await;
    alarms.advance(Duration::from_mins(6)).await;
    release(world).await;
    alarms.assert_quiet(&["DueLateAlarm"]).await;
    alarms.advance(Duration::from_hours(1)).await;
    release(world).await;
    alarms.rings("DueLateAlarm").await;
    world.notification_in(&id, "accepted").await;
}
