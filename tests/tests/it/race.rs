//! What a person asks for races a notification: a notification that is claimed after the answer must not be sent. So does a
//! cancellation: either the notification is cancelled and no message exists, or it is sent and the cancellation is refused.
//!
//! Run by `make test`, and for longer by `make soak`. `RACE_ROUNDS` is the number of races of each kind.

use std::{ops::AddAssign, time::Duration};

use domain::{
    preference::{Preference, RecordedPreference},
    suppression::Scope,
};
use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, MESSAGING_SERVICE_SID};
use stores::contacts::PreferenceSource;
use tests::harness::{
    sender::{Record, Sender},
    wire::{Moment, Side},
};
use tokio::time::{Instant, sleep};
use twilio_types::address::Channel;

use crate::{
    e2e::{cancel::cancelled, erased::erase, receive::agree},
    support::{
        batch::withdraw_consent, kind::Kind, number_from_env, queue_of_the_test, store_waiting, stranger_with,
        write_until_answered,
    },
    world::{Person, World, new_id, new_sid, text},
};

mod ahead;

/// Rounds that run at the same time, each with a separate process.
const LANES: u64 = 4;
/// Milliseconds: the request is made at most this long before or after the time at which both win equally often.
const SPREAD: i64 = 40;
/// Milliseconds: after each race the loser starts earlier, by this much after the first one, and less and less later.
const FIRST_STEP: i64 = 100;
const LAST_STEP: i64 = 5;

/// What races the notification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Race {
    /// A STOP against a template.
    Stop,
    /// A STOP by SMS against an SMS.
    StopOfSms,
    /// A STOP by a user id, which an earlier message linked to the number that the notification names.
    StopByUserId,
    /// An opt-out of one Messaging Service, as a STOP is with `OptOutScope=sender`.
    StopOfService,
    /// A suppression over the API.
    Suppression,
    /// An erasure of a person of whom nothing was stored: afterwards nothing is stored of them again, but for a hash.
    Erasure,
    /// A withdrawal of consent over the API.
    Withdrawal,
    /// A cancellation of the notification over the API.
    Cancellation,
}

/// The results of all rounds.
#[derive(Debug, Default)]
struct Races {
    /// Rounds without a message.
    stopped: usize,
    /// Rounds with a message.
    sent: usize,
    /// Rounds in which the function read the refusal and requested no claim.
    seen_before: usize,
    /// Rounds in which the refusal was answered before the claim was requested.
    answered_first: usize,
    /// The longest time from a claim's response to the request that creates the message.
    longest: Duration,
}

impl AddAssign for Races {
    fn add_assign(&mut self, other: Self) {
        self.stopped += other.stopped;
        self.sent += other.sent;
        self.seen_before += other.seen_before;
        self.answered_first += other.answered_first;
        self.longest = self.longest.max(other.longest);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_claimed_after_an_answered_stop_is_not_sent() {
    run(Race::Stop).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sms_claimed_after_an_answered_stop_is_not_sent() {
    run(Race::StopOfSms).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_claimed_after_a_stop_by_user_id_is_not_sent() {
    run(Race::StopByUserId).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_claimed_after_a_stop_of_its_service_is_not_sent() {
    run(Race::StopOfService).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_claimed_after_a_suppression_is_not_sent() {
    run(Race::Suppression).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_claimed_after_an_erasure_is_not_sent() {
    run(Race::Erasure).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marketing_claimed_after_a_withdrawal_is_not_sent() {
    run(Race::Withdrawal).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_is_either_cancelled_or_sent() {
    run(Race::Cancellation).await;
}

async fn run(race: Race) {
    let rounds: u64 = number_from_env("RACE_ROUNDS", 40);
    let seed = number_from_env("RACE_SEED", fastrand::u64(..));
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let lanes =
        (0..LANES).map(|lane| run_lane(&world, &queue_url, race, seed.wrapping_add(lane), rounds.div_ceil(LANES)));
    let mut total = Races::default();
    for races in futures::future::join_all(lanes).await {
        total += races;
    }
    let Races { stopped, seen_before, sent, answered_first, longest } = total;
    println!(
        "{race:?}, RACE_SEED={seed} RACE_ROUNDS={rounds}: the person won {stopped} rounds: in {seen_before} the function \
         read the refusal and requested no claim, and in {answered_first} it requested the claim after the refusal was \
         answered; the message won {sent} rounds; at most {longest:?} from the claim to the request"
    );
    assert!(stopped > 0 && sent > 0, "no race: one side always won");
}

impl Race {
    fn kind(self) -> Kind {
        match self {
            Self::StopOfSms => Kind::Sms,
            Self::Withdrawal => Kind::Marketing,
            Self::Stop
            | Self::StopByUserId
            | Self::StopOfService
            | Self::Suppression
            | Self::Erasure
            | Self::Cancellation => Kind::Template,
        }
    }
}

/// A person, the same person's user id, and the notification to the person.
struct Racer {
    person: Person,
    user_id: Person,
    id: String,
}

impl Racer {
    async fn arrange(world: &World, race: Race) -> Self {
        let racer = Self { person: race.kind().person(), user_id: stranger_with("US.78", 12), id: new_id("race") };
        match race {
            Race::StopByUserId => {
                let writing = json!({"body": "hi", "external_user_id": racer.user_id.address()});
                write_until_answered(world, &racer.person, &writing).await;
            }
            Race::Withdrawal => agree(world, &racer.person).await,
            Race::Cancellation => store_waiting(world, &notification(race, &racer).body).await,
            Race::Stop | Race::StopOfSms | Race::StopOfService | Race::Suppression | Race::Erasure => {}
        }
        racer
    }

    /// Refuses, and returns the time of the answer, and whether it says that nothing is sent. That is known of a cancellation
    /// only.
    async fn refuse(&self, world: &World, race: Race) -> (Instant, Option<bool>) {
        let mut is_cancelled = None;
        match race {
            Race::Stop => stop(world, &self.person.address(), "whatsapp:+14155238886").await,
            Race::StopByUserId => stop(world, &self.user_id.address(), "whatsapp:+14155238886").await,
            Race::StopOfSms => stop(world, &self.person.identity, "+14155550100").await,
            Race::StopOfService => stop_service(world, &self.person).await,
            Race::Suppression => suppress(world, &self.person).await,
            Race::Erasure => {
                erase(&world.contacts().await, &self.person).await;
            }
            Race::Withdrawal => withdraw_consent(world, &self.person).await,
            Race::Cancellation => is_cancelled = Some(cancelled(world, &self.id).await),
        }
        (Instant::now(), is_cancelled)
    }
}

async fn run_lane(world: &World, queue_url: &str, race: Race, seed: u64, rounds: u64) -> Races {
    let mut rng = Rng::with_seed(seed);
    let mut sender = Sender::start(&world.stack, queue_url, &[]).await.unwrap();
    let mut races = Races::default();
    // Milliseconds that the notification starts before the refusal.
    let mut lead = 0;
    for number in 1..=rounds.cast_signed() {
        let step = (FIRST_STEP / number).max(LAST_STEP);
        let round = round(world, &mut sender, race, lead + rng.i64(-SPREAD..=SPREAD)).await;
        let answered_first = round.claim_requested_at.is_some_and(|at| round.answered_at < at);
        races.seen_before += usize::from(round.claim_requested_at.is_none());
        races.answered_first += usize::from(answered_first);
        if let Some(to_request) = round.claim_to_request {
            assert!(!answered_first, "{race:?}: a notification claimed after the answer was sent");
            races.sent += 1;
            races.longest = races.longest.max(to_request);
            lead -= step;
        } else {
            races.stopped += 1;
            lead += step;
        }
    }
    races
}

struct Round {
    /// When the refusal was answered.
    answered_at: Instant,
    /// None where the function requested no claim.
    claim_requested_at: Option<Instant>,
    /// Where a message was requested: the time from the claim's response to that request.
    claim_to_request: Option<Duration>,
}

/// `lead` is how many milliseconds the notification starts before the refusal.
async fn round(world: &World, sender: &mut Sender, race: Race, lead: i64) -> Round {
    let racer = Racer::arrange(world, race).await;
    let id = &racer.id;
    let milliseconds = |count: i64| Duration::from_millis(count.max(0).unsigned_abs());
    let refusal = async {
        sleep(milliseconds(lead)).await;
        racer.refuse(world, race).await
    };
    let mut moments = Vec::new();
    let send = async {
        sleep(milliseconds(-lead)).await;
        moments = send(world, sender, &notification(race, &racer)).await;
    };
    let ((answered_at, is_cancelled), ()) = tokio::join!(refusal, send);

    let identity = &racer.person.identity;
    let address = if race == Race::StopOfSms { identity.clone() } else { racer.person.address() };
    let messages = world.messages_at_twilio_of(&address).await;
    let messages = messages.iter().filter(|message| message["direction"] == "outbound-api").count();
    let stored = world.notification(id).await.unwrap();
    let stopped = if race == Race::Cancellation { "cancelled" } else { "suppressed" };
    let (state, expected) = (text(&stored, "state"), if messages == 0 { stopped } else { "accepted" });
    assert!(messages < 2 && state == Some(expected), "{messages} messages for {id}, which is {state:?}");
    assert!(
        is_cancelled.is_none_or(|is_cancelled| is_cancelled == (messages == 0)),
        "{is_cancelled:?} with {messages} messages"
    );
    let request = moments.iter().position(|moment| is(moment, "POST Messages.json", Side::Before, identity));
    assert_eq!(request.is_some(), messages == 1);
    // The last claim before the request is the one that permits it.
    let before = &moments[..request.unwrap_or(moments.len())];
    let claim = |side| before.iter().rfind(|moment| is(moment, "TransactWriteItems", side, id)).map(|moment| moment.at);
    Round {
        answered_at,
        claim_requested_at: claim(Side::Before),
        claim_to_request: request.map(|request| moments[request].at - claim(Side::After).unwrap()),
    }
}

fn is(moment: &Moment, operation: &str, side: Side, about: &str) -> bool {
    let digits = about.trim_start_matches('+').as_bytes();
    let names = moment.body.windows(digits.len()).any(|part| part == digits);
    moment.operation.starts_with(operation) && moment.side == side && names
}

/// Posts a STOP, until it is answered.
async fn stop(world: &World, from: &str, to: &str) {
    let sid = new_sid();
    let parameters = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("From", from),
        ("To", to),
        ("Body", "STOP"),
        ("NumMedia", "0"),
    ];
    assert_eq!(world.post_signed("/twilio/inbound", &parameters).await.status(), 200);
}

/// Records a STOP that covers the Messaging Service only.
async fn stop_service(world: &World, person: &Person) {
    let now = Timestamp::now();
    let preference = Preference::OptedOut;
    let stop = RecordedPreference { preference, changed_at: now, message_sid: None, reason: None };
    let event_id = format!("{}#stop", person.key().as_str());
    let source = PreferenceSource { event_id, code: None, recorded_by: None };
    let scopes = [Scope::Sender(MESSAGING_SERVICE_SID.to_owned())];
    let contacts = world.contacts().await;
    let channel = Some(&Channel::WhatsApp);
    contacts.record_preference(&person.key(), channel, &scopes, &stop, &source, now).await.unwrap();
}

async fn suppress(world: &World, person: &Person) {
    let path = format!("/contacts/{}/suppression", person.identity);
    let (status, answer) = world.call("PUT", &path, r#"{"reason": "asked by letter"}"#).await;
    assert_eq!((status, &answer["changed"]), (200, &json!(true)), "{answer}");
}

fn notification(race: Race, racer: &Racer) -> Record {
    let mut request: Value = race.kind().request();
    (request["id"], request["to"]) = (json!(racer.id), json!(racer.person.identity));
    Record { message_id: racer.id.clone(), body: request.to_string() }
}

/// Delivers until the notification neither comes again nor waits, and returns the function's requests.
async fn send(world: &World, sender: &mut Sender, record: &Record) -> Vec<Moment> {
    let records = [record.clone()];
    let mut moments = Vec::new();
    world
        .until("the end of the redeliveries", async || {
            let returned = sender.deliver(&records).await.unwrap();
            moments.extend(sender.wire.moments());
            crate::support::end_waiting(world, &record.message_id).await;
            (returned.is_empty() && !crate::support::waits(world, &record.message_id).await).then_some(())
        })
        .await;
    moments
}
