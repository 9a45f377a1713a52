//! A STOP races a notification: a notification claimed after the STOP was answered must not be sent.
//!
//! Run by `make test`, and for longer by `make soak`. `RACE_ROUNDS` is the number of races.

use std::time::Duration;

use crate::support::{number_from_env, queue_of_the_test, stranger};
use fastrand::Rng;
use serde_json::json;
use stack::run::ACCOUNT_SID;
use tests::harness::{
    sender::{Record, Sender},
    wire::{Moment, Side},
};
use tokio::time::{Instant, sleep};

use crate::world::{Person, World, new_id, new_sid, text};

/// Rounds that run at the same time, each with a separate process.
const LANES: u64 = 4;
/// Milliseconds: the STOP is posted at most this long before or after the time at which both win equally often.
const SPREAD: i64 = 40;
/// Milliseconds: after each race the loser starts this much earlier.
const STEP: i64 = 5;

/// The results of all rounds.
#[derive(Debug, Default)]
struct Races {
    /// Rounds without a message.
    stopped: usize,
    /// Rounds with a message.
    sent: usize,
    /// Rounds in which the function read the opt-out and requested no claim.
    seen_before: usize,
    /// Rounds in which the STOP was answered before the claim was requested.
    answered_first: usize,
    /// The longest time from a claim's response to the request that creates the message.
    longest: Duration,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_claimed_after_an_answered_stop_is_not_sent() {
    let rounds: u64 = number_from_env("RACE_ROUNDS", 40);
    let seed = number_from_env("RACE_SEED", fastrand::u64(..));
    println!("RACE_SEED={seed} RACE_ROUNDS={rounds}");
    let world = World::without_consumers();
    let queue_url = queue_of_the_test(&world).await;
    let lanes = (0..LANES).map(|lane| run_lane(&world, &queue_url, seed.wrapping_add(lane), rounds.div_ceil(LANES)));
    let mut total = Races::default();
    for races in futures::future::join_all(lanes).await {
        total.stopped += races.stopped;
        total.sent += races.sent;
        total.seen_before += races.seen_before;
        total.answered_first += races.answered_first;
        total.longest = total.longest.max(races.longest);
    }
    let Races { stopped, seen_before, sent, answered_first, longest } = total;
    println!("the STOP won {stopped} rounds: in {seen_before} the function read the opt-out and requested no claim,");
    println!("and in {answered_first} it requested the claim after the STOP was answered");
    println!("the message won {sent} rounds; at most {longest:?} from the claim to the request");
    assert!(stopped > 0 && sent > 0, "no race: one side always won");
}

async fn run_lane(world: &World, queue_url: &str, seed: u64, rounds: u64) -> Races {
    let mut rng = Rng::with_seed(seed);
    let mut sender = Sender::start(&world.stack, queue_url, &[]).await.unwrap();
    let mut races = Races::default();
    // Milliseconds that the notification starts before the STOP.
    let mut lead = 0;
    for _ in 0..rounds {
        let round = race(world, &mut sender, lead + rng.i64(-SPREAD..=SPREAD)).await;
        let answered_first = round.claim_requested_at.is_some_and(|at| round.stop_answered_at < at);
        races.seen_before += usize::from(round.claim_requested_at.is_none());
        races.answered_first += usize::from(answered_first);
        if let Some(to_request) = round.claim_to_request {
            assert!(!answered_first, "a notification claimed after an answered STOP was sent");
            races.sent += 1;
            races.longest = races.longest.max(to_request);
            lead -= STEP;
        } else {
            races.stopped += 1;
            lead += STEP;
        }
    }
    races
}

struct Round {
    stop_answered_at: Instant,
    /// None where the function requested no claim.
    claim_requested_at: Option<Instant>,
    /// Where a message was requested: the time from the claim's response to that request.
    claim_to_request: Option<Duration>,
}

/// `lead` is how many milliseconds the notification starts before the STOP.
async fn race(world: &World, sender: &mut Sender, lead: i64) -> Round {
    let (person, id) = (stranger(), new_id("race"));
    let milliseconds = |count: i64| Duration::from_millis(count.max(0).unsigned_abs());
    let stop = async {
        sleep(milliseconds(lead)).await;
        stop(world, &person).await
    };
    let mut moments = Vec::new();
    let send = async {
        sleep(milliseconds(-lead)).await;
        moments = send(world, sender, &person, &id).await;
    };
    let (stop_answered_at, ()) = tokio::join!(stop, send);

    let messages = world.sent_to(&person).await.len();
    let stored = world.notification(&id).await.unwrap();
    let (state, expected) = (text(&stored, "state"), if messages == 0 { "suppressed" } else { "accepted" });
    assert!(messages < 2 && state == Some(expected), "{messages} messages for {id}, which is {state:?}");
    let request = moments.iter().position(|moment| is(moment, "POST Messages.json", Side::Before, &person.identity));
    assert_eq!(request.is_some(), messages == 1);
    // The last claim before the request is the one that permits it.
    let before = &moments[..request.unwrap_or(moments.len())];
    let claim =
        |side| before.iter().rfind(|moment| is(moment, "TransactWriteItems", side, &id)).map(|moment| moment.at);
    Round {
        stop_answered_at,
        claim_requested_at: claim(Side::Before),
        claim_to_request: request.map(|request| moments[request].at - claim(Side::After).unwrap()),
    }
}

fn is(moment: &Moment, operation: &str, side: Side, about: &str) -> bool {
    let digits = about.trim_start_matches('+').as_bytes();
    let names = moment.body.windows(digits.len()).any(|part| part == digits);
    moment.operation.starts_with(operation) && moment.side == side && names
}

/// Posts a STOP and returns the time of its answer.
async fn stop(world: &World, person: &Person) -> Instant {
    let (sid, address) = (new_sid(), person.address());
    let parameters = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("From", &address),
        ("To", "whatsapp:+14155238886"),
        ("Body", "STOP"),
        ("NumMedia", "0"),
    ];
    let answer = world.post_signed("/twilio/inbound", &parameters).await;
    let answered_at = Instant::now();
    assert_eq!(answer.status(), 200);
    answered_at
}

/// Delivers until the function no longer returns the notification to the queue, and returns its requests.
async fn send(world: &World, sender: &mut Sender, person: &Person, id: &str) -> Vec<Moment> {
    let content = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava"}});
    let body = json!({"id": id, "to": person.identity, "category": "utility", "content": content}).to_string();
    let records = [Record { message_id: id.to_owned(), body }];
    let mut moments = Vec::new();
    world
        .until("the end of the redeliveries", async || {
            let returned = sender.deliver(&records).await.unwrap();
            moments.extend(sender.wire.moments());
            crate::support::end_waiting(world, id).await;
            returned.is_empty().then_some(())
        })
        .await;
    moments
}
