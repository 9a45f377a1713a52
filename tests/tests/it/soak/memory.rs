//! The memory of a process over the time of a soak.

use std::fmt;

/// How many of a hundred more a process may use at the end. What it caches is read within the first minutes, and the allocator keeps
/// what a busy moment needed.
const GROWTH_OF_HUNDRED: f64 = 5.0;
/// Two parts of the time are compared: a sixth of it each, which is five minutes of half an hour. The first sixth is for caches.
const PART: f64 = 1.0 / 6.0;
/// In a shorter soak the caches are not filled in the first sixth.
const SHORTEST_MINUTES: u64 = 10;

/// Readings of the resident memory of a process.
#[derive(Debug)]
pub(super) struct Memory {
    process: &'static str,
    /// Each with the share of the time that was over.
    readings: Vec<(f64, u64)>,
}

impl Memory {
    pub(super) fn of(process: &'static str) -> Self {
        Self { process, readings: Vec::new() }
    }

    pub(super) fn note(&mut self, share: f64, resident: u64) {
        self.readings.push((share, resident));
    }

    /// The median of the readings in a part of the time.
    fn median(&self, begin: f64, end: f64) -> Option<u64> {
        let in_part = self.readings.iter().filter(|(share, _)| (begin..end).contains(share));
        let mut sorted: Vec<_> = in_part.map(|(_, resident)| *resident).collect();
        sorted.sort_unstable();
        sorted.get(sorted.len() / 2).copied()
    }

    /// After the first sixth of the time, and in the last one.
    fn compared(&self) -> Option<(u64, u64)> {
        Some((self.median(PART, 2.0 * PART)?, self.median(1.0 - PART, f64::INFINITY)?))
    }

    /// Of a hundred; none where a part of the time has no reading.
    #[expect(clippy::cast_precision_loss, reason = "some megabytes")]
    fn growth(&self) -> Option<f64> {
        let (early, late) = self.compared()?;
        Some((late as f64 / early as f64 - 1.0) * 100.0)
    }

    pub(super) fn assert_is_flat(&self, minutes: u64) {
        if minutes >= SHORTEST_MINUTES {
            let growth = self.growth().unwrap_or(f64::INFINITY);
            assert!(growth <= GROWTH_OF_HUNDRED, "{self}");
        }
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kilobytes = |(early, late): (u64, u64)| format!("{} and {} KB", early / 1_024, late / 1_024);
        let compared = self.compared().map_or("no readings".to_owned(), kilobytes);
        write!(f, "memory of {}: {compared}, {:.1} % more", self.process, self.growth().unwrap_or_default())
    }
}

#[test]
fn memory_that_grows_after_its_start_is_not_flat() {
    let grown = |at: fn(u32) -> u64| {
        let mut memory = Memory::of("send");
        (0..60).for_each(|second| memory.note(f64::from(second) / 60.0, at(second)));
        memory.growth().unwrap()
    };
    assert!(grown(|second| 1_000 + 2 * u64::from(second)) > 5.0);
    assert!(grown(|second| if second < 10 { 500 } else { 1_000 }) < 0.1, "the first part is for caches");
    assert!(grown(|second| if second == 55 { 9_000 } else { 1_000 }) < 0.1, "one reading is no growth");
}
