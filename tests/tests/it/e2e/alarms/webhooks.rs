//! Alarms of requests to the API.

use futures::future::join_all;
use stack::run::ACCOUNT_SID;
use tests::harness::emulator::{RefusalReason, RefusedRequests, end_refusal};

use super::{Alarms, alarms};
use crate::world::new_sid;

pub(super) const ALARMS: &[&str] = &[
    "RefusedWebhooksAlarm",
    "NotUnderstoodAlarm",
    "WebhooksFailAlarm",
    "WebhooksSpooledAlarm",
    "WebhooksThrottledAlarm",
    "RequestsThrottledAlarm",
];

/// More than the limits of the stack.
const AT_ONCE: usize = 80;

fn status<'a>(sid: &'a str, word: &'a str) -> [(&'a str, &'a str); 3] {
    [("MessageSid", sid), ("AccountSid", ACCOUNT_SID), ("MessageStatus", word)]
}

/// Sends unsigned requests until one of them is refused with 429.
async fn flood(alarms: &Alarms, method: reqwest::Method, path: &str) {
    let url = format!("{}{path}", alarms.world.stack.api_url);
    let send = || alarms.world.http.request(method.clone(), &url).send();
    let is_refused = async || {
        let answers = join_all((0..AT_ONCE).map(|_| send())).await;
        answers.into_iter().any(|answer| answer.unwrap().status() == 429).then_some(())
    };
    alarms.world.until("a request beyond the limit", is_refused).await;
}

#[tokio::test]
async fn alarms_of_requests_ring() {
    let alarms = alarms().await;
    let world = &alarms.world;
    alarms.assert_quiet(&["NotUnderstoodAlarm", "RequestsThrottledAlarm"]).await;

    let sid = new_sid();
    for number in 0..6 {
        alarms.assert_quiet(&["RefusedWebhooksAlarm"]).await;
        let url = format!("{}/twilio/{}", world.stack.api_url, if number % 2 == 0 { "inbound" } else { "status" });
        let forged = world.http.post(url).header("X-Twilio-Signature", "bm9uc2Vuc2U=").form(&status(&sid, "sent"));
        assert_eq!(forged.send().await.unwrap().status(), 403);
    }
    alarms.rings("RefusedWebhooksAlarm").await;

    assert_eq!(world.post_signed("/twilio/status", &status(&sid, "teleported")).await.status(), 204);
    alarms.rings("NotUnderstoodAlarm").await;

    let sid = new_sid();
    let refused = RefusedRequests::containing(&sid, RefusalReason::ProvisionedThroughputExceeded, 1_000);
    let refusal = refused.begin(&world.stack).await.unwrap();
    assert_eq!(world.post_signed("/twilio/status", &status(&sid, "sent")).await.status(), 204);
    alarms.rings("WebhooksSpooledAlarm").await;
    end_refusal(&world.stack, refusal).await.unwrap();

    let settings = alarms.remove_settings("StatusFunction").await;
    assert!(world.post_signed("/twilio/status", &status(&sid, "sent")).await.status().is_server_error());
    alarms.rings("WebhooksFailAlarm").await;
    alarms.set_settings("StatusFunction", &settings).await;

    // When time passes, many callbacks of the tests before come at once, and are more than the limit.
    world.end_alarm("WebhooksThrottledAlarm").await;
    flood(&alarms, reqwest::Method::GET, "/media/alarms").await;
    alarms.rings("RequestsThrottledAlarm").await;
    alarms.assert_quiet(&["WebhooksThrottledAlarm"]).await;
    flood(&alarms, reqwest::Method::POST, "/twilio/inbound").await;
    alarms.rings("WebhooksThrottledAlarm").await;
}
