//! Alarms of what `reconcile` and `template-sync` find, and of what they cannot read.

use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::{Alarms, alarms};
use crate::{
    e2e::reconcile::{lose, sweep},
    support::stranger_with,
    world::{Person, new_id, template_notification},
};

pub(super) const ALARMS: &[&str] =
    &["MessagesLostAlarm", "StatusesLostAlarm", "ReconcileLateAlarm", "TemplateSyncLateAlarm"];

#[tokio::test]
async fn alarm_of_lost_messages_rings() {
    const PREFIX: &str = "+49151";
    let alarms = alarms().await;
    alarms.assert_quiet(&["MessagesLostAlarm"]).await;
    lose(&alarms.world, PREFIX, 1.0, 1).await;
    for _ in 0..11 {
        alarms.world.write(&stranger_with(PREFIX, 8), "Hello").await;
    }
    lose(&alarms.world, PREFIX, 0.0, 1).await;
    sweep(&alarms.world).await;
    alarms.rings("MessagesLostAlarm").await;
}

#[tokio::test]
async fn alarm_of_lost_statuses_rings() {
    const PREFIX: &str = "+49152";
    let alarms = alarms().await;
    alarms.assert_quiet(&["StatusesLostAlarm"]).await;
    lose(&alarms.world, PREFIX, 1.0, 1).await;
    // Some more than the alarm needs: a run of the schedule may look at a few of them before they are final.
    let sends: Vec<(Person, String)> = (0..150).map(|_| (stranger_with(PREFIX, 8), new_id("lost"))).collect();
    for (person, id) in &sends {
        let mut notification = template_notification(id, person);
        // A message is looked up once its validity period is over.
        notification["validity_period"] = json!(20);
        alarms.world.notify(&notification).await;
    }
    join_all(sends.iter().map(|(_, id)| alarms.world.notification_in(id, "accepted"))).await;
    alarms.advance(Duration::from_mins(10)).await;
    lose(&alarms.world, PREFIX, 0.0, 1).await;
    sweep(&alarms.world).await;
    alarms.rings("StatusesLostAlarm").await;
}

#[tokio::test]
async fn alarm_of_an_unreadable_list_rings() {
    let alarms = alarms().await;
    // Values of earlier tests are older than the periods of the alarm.
    alarms.advance(Duration::from_mins(31)).await;
    sweep(&alarms.world).await;
    alarms.assert_quiet(&["ReconcileLateAlarm"]).await;
    set_outage(&alarms, true).await;
    alarms.advance(Duration::from_mins(30)).await;
    alarms.invoke("ReconcileFunction", "{}").await;
    alarms.rings("ReconcileLateAlarm").await;
    set_outage(&alarms, false).await;
}

async fn set_outage(alarms: &Alarms, is_out: bool) {
    alarms.world.control("PUT", "outages", &json!({"list": is_out})).await;
}

/// Twilio refuses the credentials of the secret, so that the list of the templates cannot be read.
#[tokio::test]
async fn alarm_of_an_unread_list_of_templates_rings() {
    let alarms = alarms().await;
    let world = &alarms.world;
    alarms.invoke("TemplateSyncFunction", "{}").await;
    alarms.assert_quiet(&["TemplateSyncLateAlarm"]).await;
    let secrets_manager = aws_sdk_secretsmanager::Client::new(&world.stack.aws());
    let secret_id = &world.stack.outputs.twilio_secret_arn;
    let secret = secrets_manager.get_secret_value().secret_id(secret_id).send().await.unwrap().secret_string.unwrap();
    let replace = async |secret: &str| {
        secrets_manager.put_secret_value().secret_id(secret_id).secret_string(secret).send().await.unwrap();
    };
    replace(&secret.replace(stack::run::API_KEY_SECRET, "another-secret")).await;
    alarms.advance(Duration::from_hours(2)).await;
    alarms.invoke("TemplateSyncFunction", "{}").await;
    alarms.rings("TemplateSyncLateAlarm").await;
    replace(&secret).await;
    // The functions read the secret again once it is old.
    alarms.advance(Duration::from_mins(10)).await;
}
