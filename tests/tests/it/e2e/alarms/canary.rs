//! The alarm of the messages to a phone of the operator.

use std::time::Duration;

use super::alarms;
use crate::{e2e::templates::approved, world::Person};

pub(super) const ALARMS: &[&str] = &["CanaryAlarm"];

/// The phone of the stack of these tests, and the template's name.
pub(super) const PHONE: &str = "+14155557701";
pub(super) const TEMPLATE: &str = "canary_of_the_alarms";

/// Every time that the alarm looks at.
const PERIODS: Duration = Duration::from_mins(31);

#[tokio::test]
async fn alarm_of_undelivered_canaries_rings() {
    let alarms = alarms().await;
    let (world, phone) = (&alarms.world, Person { identity: PHONE.to_owned() });
    approved(world, TEMPLATE, "en", "This is a test message.").await;
    alarms.invoke("TemplateSyncFunction", "{}").await;

    let sent_before = world.sent_to(&phone).await.len();
    alarms.advance(PERIODS).await;
    let delivered = async || {
        let sent = world.sent_to(&phone).await;
        (sent.len() > sent_before && sent.iter().all(|message| message["status"] == "delivered")).then_some(())
    };
    world.until("a message of the schedule on the phone", delivered).await;
    let is_quiet = async || (!world.alarm_rings("CanaryAlarm").await).then_some(());
    world.until("a quiet alarm", is_quiet).await;

    assert_eq!(world.write(&phone, "STOP").await["status"], 200);
    alarms.advance(PERIODS).await;
    alarms.rings("CanaryAlarm").await;
    assert_eq!(world.write(&phone, "START").await["status"], 200);
}
