//! Alarms of functions that fail, do not start, or read their streams late.

use std::time::Duration;

use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue};

use super::{Alarms, alarms, name_in};
use crate::world::Person;

pub(super) const ALARMS: &[&str] = &[
    "SendFailsAlarm",
    "ReleaseFailsAlarm",
    "StoreMediaFailsAlarm",
    "ApplyWebhooksFailsAlarm",
    "InboundThrottledAlarm",
    "StatusThrottledAlarm",
    "SendThrottledAlarm",
    "PublishThrottledAlarm",
    "ReleaseThrottledAlarm",
    "StoreMediaThrottledAlarm",
    "ApplyWebhooksThrottledAlarm",
    "SendLoopStoppedAlarm",
    "EventsBehindAlarm",
    "CancellationsBehindAlarm",
];

#[tokio::test]
async fn alarms_of_failing_functions_ring() {
    let alarms = alarms().await;
    for function in ["Send", "Release", "StoreMedia", "ApplyWebhooks"] {
        let alarm = format!("{function}FailsAlarm");
        let function = format!("{function}Function");
        alarms.assert_quiet(&[&alarm]).await;
        let settings = alarms.remove_settings(&function).await;
        alarms.invoke(&function, "{}").await;
        alarms.rings(&alarm).await;
        alarms.set_settings(&function, &settings).await;
    }
}

#[tokio::test]
async fn alarms_of_functions_that_do_not_start_ring() {
    let alarms = alarms().await;
    for function in ["Inbound", "Status", "Send", "Publish", "Release", "StoreMedia", "ApplyWebhooks"] {
        let alarm = format!("{function}ThrottledAlarm");
        alarms.assert_quiet(&[&alarm]).await;
        let function = format!("{function}Function");
        let path = format!("functions/{}/concurrency", name_in(&alarms.arn_of(&function).await));
        let none = r#"{"ReservedConcurrentExecutions": 0}"#;
        assert_eq!(alarms.lambda("PUT", "2017-10-31", &path, none).await.0, 200);
        assert_eq!(alarms.invoke(&function, "{}").await.0, 429);
        alarms.rings(&alarm).await;
        assert_eq!(alarms.lambda("DELETE", "2017-10-31", &path, "").await.0, 204);
    }
}

/// The function's checksum in the lineage of a chain (`tools/stack/strict/chains.py`): CRC-32.
fn checksum(text: &str) -> u32 {
    let step = |sum: u32, _| if sum & 1 == 1 { (sum >> 1) ^ 0xEDB8_8320 } else { sum >> 1 };
    !text.bytes().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(byte), step))
}

/// The chain that the function itself would have ended at its tenth message.
#[tokio::test]
async fn alarm_of_a_loop_rings() {
    let alarms = alarms().await;
    alarms.assert_quiet(&["SendLoopStoppedAlarm"]).await;
    let lineage = format!("Lineage=1:{:08x}:16", checksum(&alarms.arn_of("SendFunction").await));
    let header = format!("Root=1-00000000-{:024x};{lineage}", uuid::Uuid::new_v4().as_u128() >> 32);
    let header = MessageSystemAttributeValue::builder().data_type("String").string_value(header);
    let queue_url = &alarms.world.stack.outputs.marketing_queue_url;
    let send = alarms.world.sqs.send_message().queue_url(queue_url).message_body("{}");
    let name = MessageSystemAttributeNameForSends::AwsTraceHeader;
    send.message_system_attributes(name, header.build().unwrap()).send().await.unwrap();
    alarms.rings("SendLoopStoppedAlarm").await;
    // Lambda drops its batch again and again, with all that is in it.
    alarms.world.sqs.purge_queue().queue_url(queue_url).send().await.unwrap();
}

async fn stop_and_start_streams(alarms: &Alarms) {
    alarms.set_triggers("/stream/", false).await;
    let person = Person::new();
    assert_eq!(alarms.world.write(&person, "STOP").await["status"], 200);
    alarms.advance(Duration::from_mins(10)).await;
    alarms.set_triggers("/stream/", true).await;
}

#[tokio::test]
async fn alarms_of_late_streams_ring() {
    let alarms = alarms().await;
    stop_and_start_streams(&alarms).await;
    alarms.rings("EventsBehindAlarm").await;
    alarms.rings("CancellationsBehindAlarm").await;
}
