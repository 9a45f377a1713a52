//! Batches of notifications of all kinds, through one process of `send`.

use anyhow::{Context as _, Result};
use fastrand::Rng;
use tests::harness::sender::Sender;

use super::{Done, Memory, Soak, faults};
use crate::{crash::finish_with, support::batch::Batch};

const LARGEST_BATCH: usize = 10;

/// Sends batch after batch. Each notification must become the messages that it should, have one outcome, and not be claimed after a
/// STOP was answered.
pub(super) async fn lane(soak: &Soak, mut rng: Rng) -> Result<Done> {
    let world = &soak.world;
    let mut sender = Sender::start(&world.stack, &soak.queue_url, &[]).await?;
    let (mut done, mut memory) = (Done::default(), Memory::of("send"));
    while !soak.is_over() {
        let size = rng.usize(1..=LARGEST_BATCH);
        let mut batch = Batch::prepare(world, &mut rng, size).await;
        batch.plan_faults(world, &mut rng).await;
        batch.refuse_some(world, &mut rng).await;
        let sent = finish_with(world, &mut sender, &mut batch, async |sender, records| {
            let (returned, failed) = sender.deliver_failing(records, faults(&mut rng)).await?;
            done.faults += failed;
            memory.note(soak.share(), sender.resident()?);
            Ok(returned)
        });
        sent.await.with_context(|| batch.describe())?;
        batch.check(world).await.with_context(|| batch.describe())?;
        done.handled += batch.records().len();
    }
    done.memories.push(memory);
    Ok(done)
}
