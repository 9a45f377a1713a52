//! The reconcile function's process, with tables and a sandbox for each test: long lists, small budgets, and messages that cannot
//! be read. [`crate::e2e::reconcile`] tests the deployed function.

use std::time::Instant;

use aws_sdk_dynamodb::Client;
use domain::preference::Preference;
use jiff::Timestamp;
use serde_json::json;
use stack::Stack;
use stores::sweeps::{SweepStart, Sweeps};
use tests::harness::{
    refusals::Refusal,
    wire::{Side, Wire},
};

use self::reconciler::{BAD_PERSON, Limits, PERSON, Reconciler};

mod reconciler;
mod tables;

#[tokio::test]
async fn lost_stop_is_found_before_what_an_earlier_run_left() {
    let mut reconciler = Reconciler::start(Limits { requests: 2, page_size: 10 }).await;
    reconciler.know_sender().await;
    reconciler.add_history(100, 1, 120).await;
    let first = reconciler.run().await;
    assert_eq!(
        (&first["complete"], &first["inbound_recovered"], &first["pages"]),
        (&json!(false), &json!(20), &json!(2))
    );
    assert!(first["lag_seconds"].as_i64().unwrap() > 11 * 3_600, "a first run looks back half a day: {first}");

    let stop = reconciler.write(PERSON, "STOP").await;
    let second = reconciler.run().await;
    assert_eq!(second["complete"], false, "the gap is not read yet: {second}");
    assert!(reconciler.is_recorded(&stop).await, "{second}");
    assert_eq!(reconciler.preference(PERSON).await, Some(Preference::OptedOut));

    let mut recovered = 20 + second["inbound_recovered"].as_u64().unwrap();
    let last = loop {
        let run = reconciler.run().await;
        recovered += run["inbound_recovered"].as_u64().unwrap();
        if run["complete"] == true {
            break run;
        }
    };
    assert_eq!(recovered, 101);
    assert!(last["lag_seconds"].as_i64().unwrap() < 60, "{last}");
}

#[tokio::test]
async fn stop_at_the_end_of_100_000_messages_is_found_in_one_run() {
    const MESSAGES: usize = 100_000;
    let mut reconciler = Reconciler::start(Limits { requests: 200, page_size: 1_000 }).await;
    reconciler.know_sender().await;
    // 80 a second: the list of 21 minutes.
    let arrived = reconciler.add_history(MESSAGES - 1, 80, 1).await;
    reconciler.record(&arrived).await;
    let stop = reconciler.write(PERSON, "STOP").await;
    let before = reconciler.requests();
    let started = Instant::now();
    let run = reconciler.run().await;
    let took = started.elapsed();
    let [dynamodb, twilio] = reconciler.requests().map(|requests| requests.0);
    let [dynamodb, twilio] = [dynamodb - before[0].0, twilio - before[1].0];
    println!("100,000 messages: {twilio} requests to Twilio, {dynamodb} to DynamoDB, {took:?}: {run}");
    assert_eq!((&run["complete"], &run["listed"]), (&json!(true), &json!(MESSAGES)));
    assert_eq!((&run["pages"], &run["inbound_recovered"]), (&json!(100), &json!(1)));
    assert!(reconciler.is_recorded(&stop).await);
    assert_eq!(reconciler.preference(PERSON).await, Some(Preference::OptedOut));
    assert!(twilio <= 105 && dynamodb <= 1_050, "{twilio} {dynamodb}");
}

#[tokio::test]
async fn sender_that_is_not_ours_is_left_alone() {
    let mut reconciler = Reconciler::start(Limits::default()).await;
    reconciler.add_history(5, 1, 120).await;
    let run = reconciler.run().await;
    assert_eq!((&run["complete"], &run["senders"], &run["requests"]), (&json!(true), &json!(0), &json!(0)));
    reconciler.know_sender().await;
    assert_eq!(reconciler.run().await["inbound_recovered"], 5);
}

#[tokio::test]
async fn person_who_cannot_be_read_holds_up_no_other() {
    let mut reconciler = Reconciler::start(Limits::default()).await;
    reconciler.know_sender().await;
    reconciler.spoil_person(BAD_PERSON).await;
    let bad = reconciler.write(BAD_PERSON, "STOP").await;
    let stop = reconciler.write(PERSON, "STOP").await;
    let run = reconciler.run().await;
    assert_eq!((&run["complete"], &run["postponed"]), (&json!(true), &json!(1)), "{run}");
    assert!(reconciler.is_recorded(&stop).await && !reconciler.is_recorded(&bad).await);
    reconciler.delete_person(BAD_PERSON).await;
    reconciler.let_retries_begin().await;
    let run = reconciler.run().await;
    assert_eq!((&run["inbound_recovered"], &run["postponed"]), (&json!(1), &json!(0)), "{run}");
    assert_eq!(reconciler.preference(BAD_PERSON).await, Some(Preference::OptedOut));
}

#[tokio::test]
async fn message_that_cannot_be_fetched_holds_up_no_other_status() {
    let mut reconciler = Reconciler::start(Limits::default()).await;
    reconciler.fail_reading(BAD_PERSON, "fetch", true).await;
    let bad = reconciler.send("bad", BAD_PERSON, "2026-11-20T09:00:00.000Z").await;
    let good = reconciler.send("good", PERSON, "2026-11-20T09:00:01.000Z").await;
    let run = reconciler.run().await;
    assert_eq!((&run["overdue"], &run["statuses_recovered"]), (&json!(2), &json!(1)), "{run}");
    assert!(reconciler.has_final_status("good", &good).await && !reconciler.has_final_status("bad", &bad).await);
    assert_eq!(reconciler.run().await["overdue"], 0, "the one is closed, and the other is postponed");
    assert_eq!((reconciler.is_open("good").await, reconciler.is_open("bad").await), (false, true));
}

#[tokio::test]
async fn opt_out_that_cannot_be_cancelled_holds_up_no_other() {
    let mut reconciler = Reconciler::start(Limits::default()).await;
    let bad = reconciler.schedule(BAD_PERSON).await;
    let good = reconciler.schedule(PERSON).await;
    reconciler.fail_reading(BAD_PERSON, "list", true).await;
    let answer = reconciler.opt_out(&[BAD_PERSON, PERSON]).await;
    assert_eq!(answer["batchItemFailures"], json!([]), "the stream goes on");
    assert_eq!(
        (reconciler.status(&bad).await, reconciler.status(&good).await),
        ("scheduled".into(), "canceled".into())
    );
    reconciler.fail_reading(BAD_PERSON, "list", false).await;
    reconciler.run().await;
    assert_eq!(reconciler.status(&bad).await, "scheduled", "its time has not come");
    reconciler.let_retries_begin().await;
    reconciler.run().await;
    assert_eq!(reconciler.status(&bad).await, "canceled");
}

/// The lease of a run whose answer was lost would keep every other run away for five minutes.
#[tokio::test]
async fn sweep_whose_lease_was_answered_late_begins() {
    let stack = Stack::from_env().unwrap_or_else(|error| panic!("{error}"));
    let wire = Wire::start(&stack).await.unwrap();
    let config = stack.aws().to_builder().endpoint_url(&wire.aws_url).build();
    let sweeps = Sweeps::new(Client::new(&config), stack.outputs.rate_limits_table_name.clone());
    let account_sid = format!("AC{}", uuid::Uuid::new_v4().simple()).parse().unwrap();
    wire.arm_to_refuse("UpdateItem of RateLimits", Side::After, Refusal::Throttled, 1);
    let begun = sweeps.begin(&account_sid, Timestamp::now()).await.unwrap();
    assert!(matches!(begun, SweepStart::Leased(..)) && wire.refused() == 1, "{begun:?}");
    let other = sweeps.begin(&account_sid, Timestamp::now()).await.unwrap();
    assert!(matches!(other, SweepStart::Busy(_)), "another run has another lease");
}
