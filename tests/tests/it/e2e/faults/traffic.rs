//! What people, systems and Twilio do in a round: every sort of request that makes the functions use one of their permissions.

use futures::future::join_all;
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;

use super::places::Seen;
use crate::{
    e2e::{erased::erase, receive::agree},
    support::{batch::Batch, kind::Kind, stranger},
    world::{Person, World},
};

mod api;
mod business;
mod people;

pub(super) use business::notifications_without_outcome;

/// What has to be found in the end.
#[derive(Default)]
pub(super) struct Traffic {
    /// The SIDs of messages of people, which are stored once and have an event.
    pub(super) messages: Vec<String>,
    /// The SIDs of messages with a file.
    pub(super) files: Vec<String>,
    /// The SIDs of messages of another system whose status was reported.
    pub(super) statuses: Vec<String>,
    /// Notifications of all kinds, each of which is delivered once.
    pub(super) batches: Vec<Batch>,
    /// The ids of further notifications with their outcomes, and the person if nothing was sent at all.
    pub(super) notifications: Vec<(String, &'static str, Option<Person>)>,
    /// Ids that the outbound dead-letter queue has.
    pub(super) dead_letters: Vec<String>,
    /// People who said STOP.
    pub(super) stopped: Vec<Person>,
    /// The addresses of e-mails, each of which was sent one.
    pub(super) emails: Vec<String>,
    /// Who was sent one code.
    pub(super) verified: Vec<Person>,
}

impl Traffic {
    /// The SID of each message, and the event of its item.
    pub(super) fn stored_items(&self) -> impl Iterator<Item = (&String, &'static str)> {
        let messages = self.messages.iter().map(|sid| (sid, "inbound"));
        messages.chain(self.statuses.iter().map(|sid| (sid, "status#delivered")))
    }
}

/// What has to be so before a round begins.
pub(super) struct Prepared {
    batches: Vec<Batch>,
    erased: Erased,
    readers: Vec<Person>,
    buyer: Person,
    /// The message of a notification that was delivered.
    sent: String,
    /// A template that is known.
    template: String,
}

/// A request that fails for longer spools the webhooks of two people. With this number of people, others reach the last request.
const SPOOLED_AND_MORE: usize = 8;

/// People who were erased, and come back by one function each.
struct Erased {
    inbound: Vec<Person>,
    status: Vec<Person>,
    spooled: Person,
    lost: Person,
    consenting: Person,
}

/// Makes the people of a round.
pub(super) async fn prepare(world: &World) -> Prepared {
    let mut batches = join_all(Kind::ALL.iter().map(|kind| Batch::of_kind(world, *kind))).await;
    // Twilio's answer is lost, and a callback or the list says that the message exists.
    for is_reported in [true, false] {
        let batch = Batch::of_kind(world, Kind::Template).await;
        batch.lose_answers(world, is_reported).await;
        batches.push(batch);
    }
    let erased = Erased {
        inbound: (0..SPOOLED_AND_MORE).map(|_| stranger()).collect(),
        status: (0..SPOOLED_AND_MORE).map(|_| stranger()).collect(),
        spooled: stranger(),
        lost: stranger(),
        consenting: stranger(),
    };
    let others = [&erased.spooled, &erased.lost, &erased.consenting];
    for person in erased.inbound.iter().chain(&erased.status).chain(others) {
        erase(&world.contacts().await, person).await;
    }
    let template = business::know_template(world).await;
    let sent = business::send(world).await;
    let (readers, buyer) = (vec![stranger(), stranger()], stranger());
    agree(world, &buyer).await;
    for reader in &readers {
        assert_eq!(world.write(reader, "Hello").await["status"], 200);
    }
    Prepared { batches, erased, readers, buyer, sent, template }
}

impl Prepared {
    /// Everything at the same time.
    pub(super) async fn run(self, world: &World, seen: &mut Seen) -> Traffic {
        let Self { batches, erased, readers, buyer, sent, template } = self;
        let (of_people, of_business, of_api) = tokio::join!(
            people::write(world, &erased),
            business::notify(world, &batches, &buyer, &template),
            api::call(world, &readers, &erased.consenting, &sent),
        );
        let mut traffic = of_people;
        let business::Notified { notifications, dead_letters, emails, opted_out } = of_business;
        traffic.notifications.extend(notifications);
        traffic.dead_letters = dead_letters;
        traffic.emails = emails;
        traffic.stopped.push(opted_out);
        let api::Called { cancelled, verified, answers } = of_api;
        traffic.notifications.extend(cancelled);
        traffic.verified = verified;
        traffic.batches = batches;
        for answer in answers {
            seen.add("answer", answer);
        }
        traffic
    }
}

/// Posts a form as Twilio does, until it is answered: Twilio has its fallback URL and its retries.
pub(super) async fn post_until_answered(world: &World, path_and_query: &str, form: &[(&str, &str)]) {
    let post = async || {
        Some(world.post_signed(path_and_query, form).await.status()).filter(|status| !status.is_server_error())
    };
    let status = world.until("an answered webhook", post).await;
    assert!(status.is_success(), "{path_and_query}: {status}");
}

/// Invokes a function, and gives its answer.
async fn invoke(world: &World, function: &str, event: &Value) -> Value {
    let url = format!("{}/2015-03-31/functions/{function}/invocations", world.stack.aws_endpoint);
    let answer = world.signed("lambda", "POST", &url, &event.to_string()).send().await.unwrap();
    answer.json().await.unwrap_or_default()
}

/// Runs `release`, `reconcile` and `template-sync`. Whether each run was complete.
pub(super) async fn run_schedules(world: &World) -> bool {
    let outputs = &world.stack.outputs;
    let released = invoke(world, &outputs.release_function_name, &json!({})).await;
    let sweep = json!({"minimum_age_seconds": 0});
    let swept = invoke(world, &outputs.reconcile_function_name, &sweep).await;
    let is_swept = |account: &Value| account["account_sid"] == ACCOUNT_SID && account["complete"] == true;
    let is_complete = swept["accounts"].as_array().is_some_and(|accounts| accounts.iter().any(is_swept));
    list_templates(world).await && is_complete && released["complete"] == true
}

async fn list_templates(world: &World) -> bool {
    let listed = invoke(world, &world.stack.outputs.template_sync_function_name, &json!({})).await;
    listed.is_object() && listed["errorMessage"].is_null()
}
