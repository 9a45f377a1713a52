//! The daily caps: a message that finds no room under one of them waits for the next day ([`domain::daily_cap`]).
//!
//! A message counts before its slot is reserved. One that finds no slot gives its room back. One that is not sent in its slot,
//! because the person has just opted out or Twilio refuses it, has counted.

use domain::{
    daily_cap::{CappedCounter, DailyCap, room::ReservedRoom},
    region::region_of_recipient,
};
use futures::future::join_all;
use jiff::Timestamp;
use stores::{daily_counts::DailyCounts, dynamodb::StoreError};
use tokio::sync::Mutex;

use crate::schedule::Draft;

/// Counts messages, if the policy of their account has a cap.
#[derive(Debug)]
pub(crate) struct DailyCaps {
    counts: DailyCounts,
    /// What this function has reserved for its next messages.
    room: Mutex<ReservedRoom>,
}

/// The messages of a batch.
#[derive(Default)]
pub(crate) struct Admission<'a> {
    pub(crate) admitted: Vec<Draft<'a>>,
    /// They find no room today.
    pub(crate) refused: Vec<Draft<'a>>,
}

impl DailyCaps {
    pub(crate) fn new(counts: DailyCounts) -> Self {
        Self { counts, room: Mutex::default() }
    }

    /// Counts the messages that find room. A message that misses its slot and comes again is not counted again.
    pub(crate) async fn admit<'a>(
        &self,
        drafts: Vec<Draft<'a>>,
        now: Timestamp,
    ) -> Result<Admission<'a>, (Vec<Draft<'a>>, StoreError)> {
        if drafts.iter().all(|draft| cap_of(draft).is_none()) {
            return Ok(Admission { admitted: drafts, refused: Vec::new() });
        }
        let counters: Vec<_> = drafts.iter().map(|draft| counters(draft, now)).collect();
        let mut room = self.room.lock().await;
        if let Err(error) = self.fill(&mut room, &counters, now).await {
            return Err((drafts, error));
        }
        let mut admission = Admission::default();
        for (mut draft, counters) in drafts.into_iter().zip(counters) {
            if room.take(&counters).is_err() {
                admission.refused.push(draft);
                continue;
            }
            draft.counted.extend(counters);
            admission.admitted.push(draft);
        }
        Ok(admission)
    }

    /// Gives back the room of messages that get no slot now.
    pub(crate) async fn give_back<'a>(&self, drafts: impl IntoIterator<Item = &'a Draft<'a>>) {
        let counted = drafts.into_iter().flat_map(|draft| &draft.counted);
        let counted: Vec<_> = counted.cloned().collect();
        if !counted.is_empty() {
            self.room.lock().await.give_back(&counted);
        }
    }

    /// Reserves what the messages need. Of a counter that cannot be written, nothing is reserved.
    async fn fill(
        &self,
        room: &mut ReservedRoom,
        messages: &[Vec<CappedCounter>],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let requests = room.missing(messages.iter().map(Vec::as_slice), now);
        let grants = join_all(requests.iter().map(|request| self.counts.reserve(request, now))).await;
        let mut filled = Ok(());
        for (request, grant) in requests.into_iter().zip(grants) {
            let CappedCounter { counter, cap } = request.capped;
            match grant {
                Ok(grant) => {
                    // A full counter is not asked again, so this function logs it once a day.
                    if grant.counted >= cap {
                        tracing::error!(
                            counter = counter.for_log(),
                            cap,
                            alarm = "daily_cap",
                            "a daily cap is reached: more messages wait until the next day (UTC)"
                        );
                    }
                    room.add(counter, grant);
                }
                Err(error) => filled = Err(error),
            }
        }
        filled
    }
}

fn cap_of<'a>(draft: &'a Draft<'_>) -> &'a DailyCap {
    draft.candidate.job.settings().policy.daily_cap()
}

/// None for a message that was counted before.
fn counters(draft: &Draft<'_>, now: Timestamp) -> Vec<CappedCounter> {
    if !draft.counted.is_empty() {
        return Vec::new();
    }
    let (account_sid, route) = (&draft.candidate.job.account_sid, &draft.plan.route);
    cap_of(draft).counters(account_sid, region_of_recipient(&draft.plan.recipient), &route.rate_key(), now)
}
