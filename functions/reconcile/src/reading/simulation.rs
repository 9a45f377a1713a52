//! How long a lost STOP stays unknown, computed with the code that plans the reading.
//!
//! The list is that of a busy sender at a constant rate, in pages of Twilio's largest size. A run begins every five minutes. It
//! ends when its part of the function's time or of its requests is used up. A page takes two seconds: Twilio's answer of about
//! a megabyte, and ten reads of the Messages table.

use super::*;

const PAGE_SIZE: f64 = 1_000.0;
const PERIOD: f64 = 300.0;
const PAGE_SECONDS: f64 = 2.0;
const MINIMUM_AGE: SignedDuration = SignedDuration::from_secs(60);

/// Fifteen sixteenths of the 290 seconds that a run has.
const RUN_SECONDS: f64 = 271.0;

/// Seconds since 1970, as a number that the simulation computes with.
const START: f64 = 1_790_000_000.0;

/// The list of a sender, and what is known of it.
struct Simulation {
    /// Messages a second.
    rate: f64,
    mark: Option<SenderMark>,
    pages: u32,
}

/// What a run has read.
struct Run {
    /// The seconds of each page: from, to, and when it was read.
    pages: Vec<(f64, f64, f64)>,
    /// What is younger was left alone.
    until: f64,
}

#[expect(clippy::cast_possible_truncation, reason = "seconds since 1970, to the millisecond")]
fn timestamp(seconds: f64) -> Timestamp {
    Timestamp::from_millisecond((seconds * 1_000.0) as i64).unwrap()
}

#[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970")]
fn seconds(at: Timestamp) -> f64 {
    at.as_millisecond() as f64 / 1_000.0
}

impl Simulation {
    fn run(&mut self, begins: f64) -> Run {
        let mut reading = SenderReading::resume(self.mark.as_ref(), timestamp(begins), MINIMUM_AGE);
        let mut run = Run { pages: Vec::new(), until: seconds(reading.until()) };
        let mut now = begins;
        while let Some(position) = reading.next() {
            if now + PAGE_SECONDS > begins + RUN_SECONDS {
                break;
            }
            let newest = match position {
                ListPosition::Newest => now,
                ListPosition::Page(path) => path.as_str()[1..].parse().unwrap(),
            };
            let oldest = newest - PAGE_SIZE / self.rate;
            now += PAGE_SECONDS;
            run.pages.push((oldest, newest, now));
            self.pages += 1;
            reading.advance(Some(format!("/{oldest:.3}").parse().unwrap()), Some(timestamp(oldest)));
        }
        self.mark = Some(reading.mark());
        run
    }

    /// The longest time after which a message is found, of those that arrive in this many runs.
    fn longest_delay(&mut self, runs: u32) -> f64 {
        let all: Vec<Run> = (1..=runs + 12).map(|number| self.run(START + f64::from(number) * PERIOD)).collect();
        let arrivals = (0..runs * 20).map(|number| START + f64::from(number) * PERIOD / 20.0);
        let delay = |at: f64| {
            let pages = all.iter().filter(|run| at <= run.until).flat_map(|run| &run.pages);
            let mut found = pages.filter(|(oldest, newest, _)| (*oldest..=*newest).contains(&at)).map(|page| page.2);
            found.next().map_or(f64::INFINITY, |found| found - at)
        };
        arrivals.map(delay).fold(0.0, f64::max)
    }
}

fn read_until_now(rate: f64) -> Simulation {
    Simulation { rate, mark: Some(SenderMark { since: timestamp(START), gap: None }), pages: 0 }
}

#[test]
fn stop_is_found_within_ten_minutes_at_80_messages_a_second() {
    let mut simulation = read_until_now(80.0);
    let longest = simulation.longest_delay(48);
    println!("80/s: {longest:.0} s, {:.0} pages a run", f64::from(simulation.pages) / 60.0);
    assert!(longest <= 600.0, "{longest}");
}

#[test]
fn stop_is_found_within_thirty_minutes_at_300_messages_a_second() {
    let mut simulation = read_until_now(300.0);
    let longest = simulation.longest_delay(48);
    println!("300/s: {longest:.0} s, {:.0} pages a run", f64::from(simulation.pages) / 60.0);
    assert!(longest <= 1_800.0, "{longest}");
    assert!(simulation.mark.unwrap().gap.is_none(), "each run reads everything");
}

#[test]
fn backlog_delays_no_new_stop_and_ends() {
    let three_hours_ago = timestamp(START - 3.0 * 3_600.0);
    let mark = Some(SenderMark { since: three_hours_ago, gap: None });
    let mut simulation = Simulation { rate: 80.0, mark, pages: 0 };
    let longest = simulation.longest_delay(12);
    assert!(longest <= 600.0, "{longest}");
    let mark = simulation.mark.unwrap();
    assert!(mark.gap.is_none(), "three hours of 80 messages a second are read within two hours: {mark:?}");
}

#[test]
fn sender_beyond_all_bounds_shows_in_the_lag() {
    let mut simulation = read_until_now(600.0);
    for number in 1..=24 {
        simulation.run(START + f64::from(number) * PERIOD);
    }
    let lag = START + 24.0 * PERIOD - seconds(simulation.mark.unwrap().checked_until());
    assert!(lag > 1_800.0, "{lag}");
}
