//! The promises of sending at scale.

use std::str::FromStr;

use domain::{lane::Lane, token_bucket::SECOND};

use crate::{
    queue::BATCH,
    report::{Report, milliseconds},
    simulation::{CONCURRENCY, START, Simulation},
};

/// The person who gets many messages.
const FLOODED: usize = usize::MAX;

fn from_env<T: FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

/// How many notifications wait: 400,000 in full size.
fn scale() -> usize {
    from_env("SENDING_SCALE").unwrap_or(20_000)
}

fn simulation(per_second: &[u32]) -> Simulation {
    Simulation::new(per_second, from_env("SENDING_SEED").unwrap_or(1))
}

/// How long as many messages take at 80 a second.
fn duration(messages: usize) -> i64 {
    i64::try_from(messages / 80).unwrap() * SECOND
}

/// Runs a simulation, and checks what is true of each.
fn finished(name: &str, simulation: &mut Simulation) -> Report {
    simulation.run();
    let report = simulation.report();
    println!("{name}:\n{report}\n");
    for (route, limit) in report.routes.iter().zip(&simulation.limits) {
        let limit = usize::try_from(limit.per_second()).unwrap();
        assert!(route.busiest_slots <= limit, "{report}");
        // Requests are late by different times, some by 200 milliseconds.
        assert!(route.seconds_above * 100 <= usize::try_from(route.seconds).unwrap(), "{report}");
    }
    // One receive at intake, one for each time that comes, and one for each plan: nothing polls, and nothing waits in flight.
    let expected = report.notifications as u64 + report.plans + report.retries + report.duplicates;
    assert!(report.receives <= expected + report.lost_races, "{report}");
    assert!(report.most_in_flight <= CONCURRENCY * BATCH, "{report}");
    report
}

fn put_passwords(simulation: &mut Simulation, from: i64, to: i64) {
    let half = SECOND / 2;
    for at in (from..to).step_by(usize::try_from(half).unwrap()) {
        let at = at + simulation.random.i64(0..half);
        simulation.put(Lane::Urgent, 0, at);
    }
}

/// Notifications that wait for later come due while the backlog is sent, and in the middle Twilio says that it was too fast.
#[test]
fn one_time_password_beside_a_backlog_takes_two_seconds() {
    let (scale, mut simulation) = (scale(), simulation(&[80]));
    for _ in 0..scale {
        simulation.store(Lane::Standard, 0, START + duration(scale / 5));
    }
    for _ in 0..scale / 8 {
        simulation.put(Lane::Standard, 0, START);
        simulation.put(Lane::Marketing, 0, START);
    }
    let end = START + duration(scale * 5 / 4);
    put_passwords(&mut simulation, START, end);
    simulation.refuses = Some((0, START + (end - START) / 2));
    let report = finished("passwords beside a backlog", &mut simulation);
    let throttled_at = simulation.throttled_at.unwrap();
    let after_throttle = simulation.urgent_since(throttled_at - 5 * SECOND, throttled_at + 30 * SECOND);
    println!("around the throttle the latest password after {} ms", after_throttle.iter().max().unwrap());
    assert!(report.urgent.last() < Some(&2_000), "{report}");
    assert!(report.routes[0].used >= 9_500, "{report}");
}

#[test]
fn fast_route_beside_a_backlogged_slow_one_keeps_its_pace() {
    let (messages, mut simulation) = (scale() / 2, simulation(&[80, 10]));
    for number in 0..messages {
        simulation.put(Lane::Standard, 0, START);
        if number % 4 == 0 {
            simulation.put(Lane::Standard, 1, START);
        }
    }
    let report = finished("a fast route beside a slow one", &mut simulation);
    for route in &report.routes {
        assert!(route.used >= 9_500, "{report}");
    }
}

/// While the backlog is planned, other messages wait behind it in the queue, and not any more when it is planned.
#[test]
fn idle_route_beside_a_backlogged_one_does_not_wait() {
    let (scale, mut simulation) = (scale(), simulation(&[80, 80]));
    for _ in 0..scale {
        simulation.put(Lane::Standard, 0, START);
    }
    let end = START + duration(scale);
    for at in (START..end).step_by(usize::try_from(SECOND / 10).unwrap()) {
        simulation.put(Lane::Standard, 1, at);
    }
    let report = finished("an idle route beside a backlogged one", &mut simulation);
    let planned_by = START + (end - START) / 2;
    let of_idle = simulation.notifications.iter().filter(|notification| notification.route == 1);
    let latest = of_idle.filter(|notification| notification.since > planned_by).map(milliseconds).max();
    println!("later than half of the time, a message of the idle route is sent after {latest:?} ms at the latest\n");
    assert!(latest < Some(2_000), "{latest:?}: {report}");
    assert!(report.routes[0].used >= 9_500, "{report}");
}

#[test]
fn many_messages_to_one_person_cost_the_others_nothing() {
    let mut simulation = simulation(&[80]);
    for _ in 0..600 {
        let id = simulation.put(Lane::Standard, 0, START);
        simulation.notifications[id].person = FLOODED;
    }
    for _ in 0..scale() / 4 {
        simulation.put(Lane::Standard, 0, START);
    }
    let report = finished("600 messages to one person", &mut simulation);
    let (flooded, others): (Vec<_>, Vec<_>) =
        simulation.notifications.iter().partition(|notification| notification.person == FLOODED);
    let last = others.iter().filter_map(|notification| notification.sent_at).max().unwrap();
    let sent = simulation.notifications.iter().filter(|notification| notification.sent_at <= Some(last)).count();
    let possible = (last - START) * 80 / SECOND;
    assert!(sent * 100 >= usize::try_from(possible).unwrap() * 95, "{sent} {possible}: {report}");
    let receives: u32 = flooded.iter().map(|notification| notification.receives).sum();
    println!("600 messages to one person are received {receives} times\n");
    assert!(receives < 600 * 4, "at intake, at the time planned for the person, and at planned slots: {receives}");
}
