//! Messages of people and statuses, through one process of `inbound` and one of `status`.

use anyhow::{Context as _, Result, ensure};
use domain::preference::Preference;
use fastrand::Rng;
use stack::run::ACCOUNT_SID;
use tests::harness::{
    receiver::Receiver,
    sender::{Record, Sender},
    wire::Wire,
};

use super::{Done, Memory, Soak, faults};
use crate::{
    support::stranger,
    world::{Person, World, events_so_far, is, new_id, new_sid, template_notification},
};

/// What a person writes before a STOP, one after the other.
const WRITTEN: usize = 4;
const STATUSES: [&str; 4] = ["queued", "sent", "delivered", "read"];
/// Twilio calls the URL, the fallback URL, and what is lost then is found by `reconcile`: here it is posted again instead.
const MOST_POSTS: usize = 50;

type Parameters<'a> = Vec<(&'static str, &'a str)>;

/// A process with its memory.
struct Process {
    receiver: Receiver,
    memory: Memory,
}

impl Process {
    async fn start(world: &World, function: &'static str, logical_id: &str) -> Result<Self> {
        let wire = Wire::start(&world.stack).await?;
        let receiver = Receiver::start(wire, &world.stack, (function, logical_id), &[]).await?;
        Ok(Self { receiver, memory: Memory::of(function) })
    }

    /// Posts until the answer is a success, some of the time once more after it. Returns how many requests failed.
    async fn post(&mut self, soak: &Soak, rng: &mut Rng, path: &str, form: &Parameters<'_>) -> Result<usize> {
        let (mut failed, mut answered) = (0, 0);
        let wanted = if rng.u8(..20) == 0 { 2 } else { 1 };
        for _ in 0..MOST_POSTS {
            self.receiver.wire.arm_to_fail_at_random(faults(rng));
            let status = self.receiver.post(path, form).await?.status;
            failed += self.receiver.wire.refused();
            self.memory.note(soak.share(), self.receiver.resident()?);
            answered += usize::from(status < 300);
            ensure!(status < 300 || status == 500, "answered with {status}");
            if answered == wanted {
                return Ok(failed);
            }
        }
        anyhow::bail!("not answered in {MOST_POSTS} posts")
    }
}

/// People write and stop, and messages get their statuses, until the time is over.
pub(super) async fn lane(soak: &Soak, mut rng: Rng) -> Result<Done> {
    let world = &soak.world;
    let mut inbound = Process::start(world, "inbound", "InboundFunction").await?;
    let mut status = Process::start(world, "status", "StatusFunction").await?;
    let mut sender = Sender::start(&world.stack, &soak.queue_url, &[]).await?;
    let mut done = Done::default();
    while !soak.is_over() {
        let person = stranger();
        let written = write_all(soak, &mut inbound, &mut rng, &person, &mut done).await?;
        let sid = report(soak, &mut status, &mut rng, &mut done).await?;
        assert_in_order(world, &written).await?;
        assert_stopped(world, &mut sender, &person).await?;
        assert_every_status_once(world, &sid).await?;
    }
    done.memories.extend([inbound.memory, status.memory]);
    Ok(done)
}

/// A person writes some messages and a STOP, each after the answer to the one before. Returns their SIDs.
async fn write_all(
    soak: &Soak,
    inbound: &mut Process,
    rng: &mut Rng,
    person: &Person,
    done: &mut Done,
) -> Result<Vec<String>> {
    let (address, mut sids) = (person.address(), Vec::new());
    for body in std::iter::repeat_n("Where is my order?", WRITTEN).chain(["STOP"]) {
        let sid = new_sid();
        let form = vec![
            ("MessageSid", sid.as_str()),
            ("AccountSid", ACCOUNT_SID),
            ("From", &address),
            ("To", "whatsapp:+14155238886"),
            ("Body", body),
            ("NumMedia", "0"),
        ];
        done.faults += inbound.post(soak, rng, "/twilio/inbound", &form).await?;
        done.handled += 1;
        sids.push(sid);
    }
    Ok(sids)
}

/// The statuses of a message of another system, in any order. Returns its SID.
async fn report(soak: &Soak, status: &mut Process, rng: &mut Rng, done: &mut Done) -> Result<String> {
    let (sid, mut statuses) = (new_sid(), STATUSES);
    rng.shuffle(&mut statuses);
    for name in statuses {
        let form = vec![
            ("MessageSid", sid.as_str()),
            ("AccountSid", ACCOUNT_SID),
            ("From", "whatsapp:+14155238886"),
            ("To", "whatsapp:+14155550123"),
            ("MessageStatus", name),
        ];
        done.faults += status.post(soak, rng, "/twilio/status", &form).await?;
        done.handled += 1;
    }
    Ok(sid)
}

/// Each message has one event, and sorted by their sequence these are in the order in which the person wrote.
async fn assert_in_order(world: &World, written: &[String]) -> Result<()> {
    let is_written = |event: &serde_json::Value| {
        event["event_type"] == "twilio_inbound" && written.iter().any(|sid| event["message_sid"] == sid.as_str())
    };
    world.events("an event of each message", is_written, written.len()).await;
    let mut events = events_so_far(is_written);
    events.sort_by_key(|event| event["sequence"].as_str().map(str::to_owned));
    let in_order: Vec<_> = events.iter().filter_map(|event| event["message_sid"].as_str()).collect();
    ensure!(in_order == *written, "events {in_order:?} of the messages {written:?}");
    Ok(())
}

/// Once the STOP is applied, which is later if it was spooled, nothing is sent.
async fn assert_stopped(world: &World, sender: &mut Sender, person: &Person) -> Result<()> {
    let stopped = async || (world.preference(person).await == Some(Preference::OptedOut)).then_some(());
    world.until("the opt-out", stopped).await;
    let id = new_id("soak");
    let record = Record { message_id: id.clone(), body: template_notification(&id, person).to_string() };
    let returned = sender.deliver(&[record]).await?;
    ensure!(returned.is_empty(), "a notification after a STOP was returned to the queue");
    let outcome = world.outcome(&id).await.context("a notification after a STOP has no outcome")?;
    ensure!(outcome == "suppressed", "a notification after a STOP is {outcome}");
    ensure!(world.sent_to(person).await.is_empty(), "a message was sent after a STOP");
    Ok(())
}

async fn assert_every_status_once(world: &World, sid: &str) -> Result<()> {
    let is_of_message = is("message_sid", sid);
    let events = world.events("an event of each status", &is_of_message, STATUSES.len()).await;
    ensure!(events_so_far(&is_of_message).len() == STATUSES.len(), "an event twice: {events:?}");
    ensure!(world.items(sid).await.len() == STATUSES.len(), "a status is stored twice");
    Ok(())
}
