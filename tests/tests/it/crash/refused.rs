//! DynamoDB refuses a request of the send function, because of other requests: the notification comes again and is sent once.
//! The requests are those that sending really makes.

use anyhow::{Context as _, Result, ensure};
use futures::StreamExt as _;
use tests::harness::{refusals::Refusal, sender::Sender, wire::Side};

use super::{Course, finish_with, lanes, learn};
use crate::{
    support::{kind::Kind, queue_of_the_test},
    world::World,
};

/// One kind of refusal of one operation.
struct Case {
    operation: String,
    side: Side,
    refusal: Refusal,
    times: usize,
}

/// A transaction that conflicts is tried again at once; this often is more than the function and the SDK try.
const MANY: usize = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notification_refused_by_dynamodb_at_any_request_is_sent_once() {
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let learned = learn(&world, &queue_url).await.unwrap();
    // Templates and tenants are read by their age, and the day of a template's use is written once: no message repeats these.
    let is_of_a_cache = |operation: &str| [" of Templates", " of Tenants"].iter().any(|of| operation.ends_with(of));
    let is_repeated = |operation: &str| operation.contains(" of ") && !is_of_a_cache(operation);
    let of_tables: Vec<_> = learned.operations.iter().filter(|(operation, _)| is_repeated(operation)).collect();
    println!("refused: {:?}", of_tables.iter().map(|(operation, _)| operation).collect::<Vec<_>>());
    let cases = of_tables.into_iter().flat_map(|(operation, example)| {
        let case = |side, refusal, times| Case { operation: operation.clone(), side, refusal, times };
        let throttled = [Side::Before, Side::After].map(|side| case(side, Refusal::Throttled, MANY));
        // Reads conflict with no transaction.
        let is_write = ["Transact", "Put", "Update"].iter().any(|write| operation.starts_with(write));
        let conflicts = [1, MANY].map(|times| case(Side::Before, Refusal::Conflict, times));
        throttled.into_iter().chain(conflicts.into_iter().filter(move |_| is_write)).map(move |case| (case, *example))
    });
    let sent = cases.map(|(case, (kind, course))| send_refused(&world, &queue_url, case, kind, course));
    let results: Vec<Result<()>> = futures::stream::iter(sent).buffer_unordered(lanes()).collect().await;
    let failures: Vec<_> = results.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

async fn send_refused(world: &World, queue_url: &str, case: Case, kind: Kind, course: Course) -> Result<()> {
    let Case { operation, side, refusal, times } = case;
    let context = || format!("{refusal:?} {times} times {side:?} {operation}, {kind:?} {course:?}");
    let mut batch = course.batch(world, kind).await;
    let mut was_refused = false;
    let mut sender = Sender::start(&world.stack, queue_url, &[]).await?;
    let finished = finish_with(world, &mut sender, &mut batch, async |sender, records| {
        if was_refused {
            return sender.deliver(records).await;
        }
        let (returned, refused) = sender.deliver_refused(records, (&operation, side), refusal, times).await?;
        was_refused = refused;
        // A write that DynamoDB executed may be recognised as done, and one conflict is tried again at once.
        let comes_again = !returned.is_empty() || side == Side::After || times == 1;
        ensure!(!refused || comes_again, "refused, and not returned to the queue");
        Ok(returned)
    });
    finished.await.with_context(context)?;
    // A notification that waited comes back by its name, and is read without its person first. Whether it waits depends on when
    // its callbacks arrive.
    let is_by_name = operation.starts_with("BatchGetItem")
        && !(operation.contains("Contacts") && operation.contains("Notifications"));
    ensure!(was_refused || is_by_name, "{}: was not requested", context());
    batch.check(world).await.with_context(context)
}
