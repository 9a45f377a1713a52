//! Whatever pauses and shares: each day is read while its messages are stored here, or an operator hears of it before.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{prelude::*, sample::Index};

use super::*;

const START: &str = "2026-01-01T00:00:00Z";
const STEP: SignedDuration = SignedDuration::from_hours(6);

/// What happens to the redaction in six hours.
#[derive(Debug, Clone)]
enum Step {
    /// It is off, or gets no share of the time.
    Pause,
    /// Twilio forgets the page that comes next.
    Lose,
    /// As many pages are read.
    Read(u8),
    /// The page that comes next is not done, because its texts are not deleted.
    Fail,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::Pause),
        1 => Just(Step::Lose),
        6 => (1..20_u8).prop_map(Step::Read),
        2 => Just(Step::Fail),
    ]
}

/// Steps in spells, so that some pauses last for weeks.
fn spells() -> impl Strategy<Value = Vec<Step>> {
    let spell = (step(), 1..60_usize).prop_map(|(step, length)| vec![step; length]);
    proptest::collection::vec(spell, 1..12).prop_map(|spells| spells.concat())
}

struct Simulation {
    now: Timestamp,
    retention: SignedDuration,
    /// The pages that Twilio's list has of each day.
    pages: u8,
    mark: Option<RedactionMark>,
    /// The pages of each day that were read while its messages were stored here.
    read: BTreeMap<Date, BTreeSet<u8>>,
    /// The days of which an operator heard in time.
    warned: BTreeSet<Date>,
}

impl Simulation {
    fn pass(&self) -> Option<RedactionPass> {
        RedactionPass::due(self.mark.as_ref(), stored_since(self.retention, self.now), self.now)
    }

    /// The day, the number of its page, and the first day of the list.
    fn place(pass: &RedactionPass) -> (Date, u8, Date) {
        match &pass.next {
            PassPosition::Begin([first, last]) => (*last, 0, *first),
            PassPosition::Page(path) => {
                let mut parts = path.as_str()[1..].split('/');
                let mut part = || parts.next().unwrap();
                (part().parse().unwrap(), part().parse().unwrap(), part().parse().unwrap())
            }
        }
    }

    /// The page that follows in a list that is read from the newest day on.
    fn open(&self, pass: RedactionPass) -> (Date, u8, OpenPage) {
        let (day, number, first) = Self::place(&pass);
        let following = if number + 1 < self.pages { (day, number + 1) } else { (day.yesterday().unwrap(), 0) };
        let next = (following.0 >= first).then(|| format!("/{}/{}/{first}", following.0, following.1));
        (day, number, OpenPage { pass, next: next.map(|next| next.parse().unwrap()), deleted: 0, failed: 0 })
    }

    fn read_page(&mut self) {
        let Some(pass) = self.pass() else { return };
        let (day, number, page) = self.open(pass);
        self.note(day, number);
        self.mark = Some(page.pass.after(page.next));
    }

    fn note(&mut self, day: Date, number: u8) {
        if day >= stored_since(self.retention, self.now) {
            self.read.entry(day).or_default().insert(number);
        }
    }

    /// A run begins with this. A function that is off logs nothing.
    fn warn(&mut self) {
        let stored_since = stored_since(self.retention, self.now);
        let unread = self.mark.as_ref().and_then(|mark| Unread::of(mark, stored_since, self.now));
        if let Some(Unread { since, is_urgent: true }) = unread {
            let days = since.series(1.day());
            self.warned.extend(days.take_while(|day| *day < stored_since.saturating_add(WARNING_DAYS.days())));
        }
    }

    fn step(&mut self, step: &Step) {
        if !matches!(step, Step::Pause) {
            self.warn();
        }
        match step {
            Step::Pause => {}
            Step::Lose => self.mark = self.pass().map(RedactionPass::lost).or(self.mark.take()),
            Step::Read(pages) => (0..*pages).for_each(|_| self.read_page()),
            Step::Fail => {
                if let Some(pass) = self.pass() {
                    let (day, number, page) = self.open(pass);
                    // It is tried to its end, and what is left of it is seen again by the passes of the next days.
                    if page.pass.is_last_try() {
                        self.note(day, number);
                    }
                    self.mark = Some(OpenPage { failed: 1, ..page }.left());
                }
            }
        }
        self.now += STEP;
    }
}

proptest! {
    #[test]
    fn every_day_is_read_or_an_operator_hears_of_it(
        spells in spells(), pages in 1..4_u8, retention in 14..40_i64, probe in any::<Index>(),
    ) {
        let now: Timestamp = START.parse().unwrap();
        let retention = SignedDuration::from_hours(24 * retention);
        let mut simulation =
            Simulation { now, retention, pages, mark: None, read: BTreeMap::new(), warned: BTreeSet::new() };
        let first = before_pass(last_day(now).unwrap()).tomorrow().unwrap();
        simulation.read_page();
        for step in &spells {
            simulation.step(step);
        }
        let read_until = read_until(simulation.mark.as_ref().unwrap());
        let passed: Vec<Date> = first.series(1.day()).take_while(|day| *day <= read_until).collect();
        prop_assume!(!passed.is_empty());
        let day = *probe.get(&passed);
        let read = simulation.read.get(&day).map_or(0, BTreeSet::len);
        prop_assert!(
            read == usize::from(pages) || simulation.warned.contains(&day),
            "{day}: {read} of {pages} pages are read, and it counts as read"
        );
    }
}
