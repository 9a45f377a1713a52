//! The room under daily caps that one function has reserved and not used yet.
//!
//! A function reserves room for several messages with one write, so that an item that counts a whole account is written
//! seldom: DynamoDB writes an item 1,000 times a second at most (Amazon DynamoDB, "Best practices for designing and using
//! partition keys effectively"). What a function has not used when it ends, stays unused. That is a hundredth of the room
//! that was left, for each function.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{CappedCounter, DailyCounter, day_of};

/// A function reserves at most this much in advance.
const MAX_AHEAD: u32 = 50;

/// And at most this part of the room that is left, so that one function does not hold back what others could use.
const PART_AHEAD: u32 = 100;

/// The room that a function has reserved.
#[derive(Debug, Default)]
pub struct ReservedRoom(BTreeMap<DailyCounter, CounterRoom>);

#[derive(Debug, Default)]
struct CounterRoom {
    /// Reserved, and not used.
    left: u32,
    /// What all functions have reserved of the counter, as it was last seen. It only grows.
    counted: u32,
}

/// A wish to reserve room of a counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomRequest {
    pub capped: CappedCounter,
    /// Never more than the cap.
    pub messages: u32,
}

/// What a request has got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomGrant {
    /// For how many messages room was reserved: as many as were wanted, or all that was left.
    pub messages: u32,
    /// What all functions have reserved of the counter.
    pub counted: u32,
}

impl RoomRequest {
    /// The same request, if this much was reserved of the counter already: at most what is left; none if nothing is.
    pub fn after(&self, counted: u32) -> Option<Self> {
        let messages = self.messages.min(self.capped.cap.saturating_sub(counted));
        (messages > 0).then(|| Self { messages, ..self.clone() })
    }
}

impl ReservedRoom {
    /// What to reserve so that these messages, each with its counters, find room. Forgets the counters of other days.
    pub fn missing<'a>(
        &mut self,
        messages: impl IntoIterator<Item = &'a [CappedCounter]>,
        now: Timestamp,
    ) -> Vec<RoomRequest> {
        let day = day_of(now);
        self.0.retain(|counter, _| counter.day == day);
        let mut wanted: BTreeMap<&DailyCounter, (u32, u32)> = BTreeMap::new();
        for CappedCounter { counter, cap } in messages.into_iter().flatten() {
            let (count, _) = wanted.entry(counter).or_insert((0, *cap));
            *count += 1;
        }
        let request = |(counter, (count, cap)): (&DailyCounter, (u32, u32))| {
            let room = self.0.get(counter);
            let (left, counted) = room.map_or((0, 0), |room| (room.left, room.counted));
            let missing = count.checked_sub(left).filter(|missing| *missing > 0)?;
            // Of a counter that was never seen it is not known how much is left.
            let ahead = room.map_or(0, |_| (cap.saturating_sub(counted) / PART_AHEAD).min(MAX_AHEAD));
            let capped = CappedCounter { counter: counter.clone(), cap };
            RoomRequest { capped, messages: missing.max(ahead) }.after(counted)
        };
        wanted.into_iter().filter_map(request).collect()
    }

    /// Adds what a request has got.
    pub fn add(&mut self, counter: DailyCounter, grant: RoomGrant) {
        let room = self.0.entry(counter).or_default();
        room.left = room.left.saturating_add(grant.messages);
        room.counted = room.counted.max(grant.counted);
    }

    /// Uses the room of one message: of each of its counters, or of none. The error is the first counter without room.
    pub fn take<'a>(&mut self, counters: &'a [CappedCounter]) -> Result<(), &'a CappedCounter> {
        let is_empty = |capped: &&CappedCounter| self.0.get(&capped.counter).is_none_or(|room| room.left == 0);
        if let Some(full) = counters.iter().find(is_empty) {
            return Err(full);
        }
        for CappedCounter { counter, .. } in counters {
            if let Some(room) = self.0.get_mut(counter) {
                room.left = room.left.saturating_sub(1);
            }
        }
        Ok(())
    }

    /// Gives back the room of a message that was not sent.
    pub fn give_back(&mut self, counters: &[CappedCounter]) {
        for CappedCounter { counter, .. } in counters {
            if let Some(room) = self.0.get_mut(counter) {
                room.left = room.left.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests;
