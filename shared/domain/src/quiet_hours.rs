//! The hours in which people get no messages, by their local time.

use jiff::{SignedDuration, Timestamp, civil::Time, tz::TimeZone};

/// From one time of day, inclusive, to another, exclusive: 21:00 to 08:00 includes midnight.
///
/// Equal times are refused, because they could mean never or always. A policy without quiet hours leaves them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    to: Time,
}

/// Quiet hours that are not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidQuietHours {
    #[error("{0}: not a time of day: expected hours and minutes from 00:00 to 23:59, as in 21:00")]
    Time(&'static str),
    #[error("from and to are the same: expected two times, as in 21:00 and 08:00; leave quiet hours out to have none")]
    Same,
}

/// How far ahead to search: within two days the clock of a place shows every time of day, even if one of the days is an
/// hour short.
const SEARCHED: SignedDuration = SignedDuration::from_hours(48);

impl QuietHours {
    /// Reads quiet hours by their first minute and the first minute after them, as in 21:00 and 08:00.
    pub fn parse(from: &str, to: &str) -> Result<Self, InvalidQuietHours> {
        let time = |field, text: &str| Time::strptime("%H:%M", text).map_err(|_| InvalidQuietHours::Time(field));
        Self::new(time("from", from)?, time("to", to)?)
    }

    fn new(from: Time, to: Time) -> Result<Self, InvalidQuietHours> {
        if from == to { Err(InvalidQuietHours::Same) } else { Ok(Self { from, to }) }
    }

    /// The first moment, `now` or later, at which a message may be sent to a person who is in one of these time zones:
    ///
    /// - The first moment that is not quiet in any of them.
    /// - If there is none within two days, because the zones are too far apart, the first moment that is not quiet in
    ///   the first zone. That is the likeliest one ([`crate::region::time_zones_of`]), and a message must not wait
    ///   forever.
    /// - Without zones, the first moment that is not quiet in UTC: the configured hours hold, wherever the person is.
    pub fn allowed_from(&self, now: Timestamp, zones: &[TimeZone]) -> Timestamp {
        let likeliest = [zones.first().cloned().unwrap_or(TimeZone::UTC)];
        let zones = if zones.is_empty() { &likeliest } else { zones };
        // Both searches fail only at the maximum of a timestamp.
        self.first_allowed(now, zones).or_else(|| self.first_allowed(now, &likeliest)).unwrap_or(now)
    }

    /// The first moment within the searched time that is not quiet in any of the zones.
    fn first_allowed(&self, now: Timestamp, zones: &[TimeZone]) -> Option<Timestamp> {
        let limit = now.checked_add(SEARCHED).ok()?;
        let mut at = now;
        while at <= limit {
            let next = zones.iter().try_fold(at, |at, zone| self.end_of_quiet(at, zone))?;
            if next == at {
                return Some(at);
            }
            at = next;
        }
        None
    }

    /// The first moment from `at` on that is not quiet in a zone. Quiet hours end when the clock reaches their end, or
    /// jumps over it.
    fn end_of_quiet(&self, at: Timestamp, zone: &TimeZone) -> Option<Timestamp> {
        let local = zone.to_datetime(at);
        if !self.holds(local.time()) {
            return Some(at);
        }
        let today = local.date();
        let ends = [Some(today), today.tomorrow().ok()].into_iter().flatten().flat_map(|date| {
            let end = zone.to_ambiguous_timestamp(date.to_datetime(self.to));
            // A clock that is set back shows the same time twice.
            [end.earlier().ok(), end.later().ok()]
        });
        let jump = zone.following(at).next().map(|transition| transition.timestamp());
        let candidates = ends.chain([jump]).flatten();
        candidates.filter(|end| *end > at && !self.holds(zone.to_datetime(*end).time())).min()
    }

    fn holds(&self, time: Time) -> bool {
        if self.from < self.to { self.from <= time && time < self.to } else { self.from <= time || time < self.to }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::subsequence};

    use super::*;
    use crate::policy::QuietRule;

    fn hours(from: &str, to: &str) -> QuietHours {
        QuietHours::parse(from, to).unwrap()
    }

    fn zones(names: &[&str]) -> Vec<TimeZone> {
        names.iter().map(|name| TimeZone::get(name).unwrap()).collect()
    }

    #[test]
    fn a_message_waits_until_the_persons_morning() {
        let night = ("21:00", "08:00");
        for (hours_, now, names, expected, case) in [
            (night, "2026-11-20T12:00:00Z", &["Europe/London"][..], "2026-11-20T12:00:00Z", "by day"),
            (night, "2026-11-20T20:59:59Z", &["Europe/London"], "2026-11-20T20:59:59Z", "just before"),
            (night, "2026-11-20T21:00:00Z", &["Europe/London"], "2026-11-21T08:00:00Z", "in the evening"),
            (night, "2026-11-21T07:59:59Z", &["Europe/London"], "2026-11-21T08:00:00Z", "before dawn"),
            (night, "2026-11-21T08:00:00Z", &["Europe/London"], "2026-11-21T08:00:00Z", "at the end"),
            (night, "2026-11-20T12:00:00Z", &["America/Los_Angeles"], "2026-11-20T16:00:00Z", "far in the west"),
            (night, "2026-11-20T16:00:00Z", &["Asia/Kolkata"], "2026-11-21T02:30:00Z", "half an hour off"),
            (
                ("12:00", "14:00"),
                "2026-11-20T12:30:00Z",
                &["Europe/Berlin"],
                "2026-11-20T13:00:00Z",
                "not over midnight",
            ),
            (night, "2026-03-28T22:00:00Z", &["Europe/Berlin"], "2026-03-29T06:00:00Z", "the night summer time begins"),
            (night, "2026-10-24T22:00:00Z", &["Europe/Berlin"], "2026-10-25T07:00:00Z", "the night it ends"),
            (
                ("22:00", "02:30"),
                "2026-03-28T22:00:00Z",
                &["Europe/Berlin"],
                "2026-03-29T01:00:00Z",
                "an end jumped over",
            ),
            (
                ("22:00", "02:30"),
                "2026-10-25T01:10:00Z",
                &["Europe/Berlin"],
                "2026-10-25T01:30:00Z",
                "an end met twice",
            ),
            (night, "2026-11-20T21:00:00Z", &[], "2026-11-21T08:00:00Z", "no zone known"),
        ] {
            let allowed = hours(hours_.0, hours_.1).allowed_from(now.parse().unwrap(), &zones(names));
            assert_eq!(allowed, expected.parse::<Timestamp>().unwrap(), "{case}");
        }
    }

    #[test]
    fn a_message_waits_until_it_is_quiet_in_no_possible_zone() {
        let russia = zones(&["Europe/Moscow", "Europe/Kaliningrad", "Asia/Kamchatka"]);
        for (now, expected) in [
            // Kaliningrad's morning is Kamchatka's evening.
            ("2026-11-20T04:00:00Z", "2026-11-20T06:00:00Z"),
            ("2026-11-20T08:59:59Z", "2026-11-20T08:59:59Z"),
            ("2026-11-20T09:00:00Z", "2026-11-21T06:00:00Z"),
        ] {
            let allowed = hours("21:00", "08:00").allowed_from(now.parse().unwrap(), &russia);
            assert_eq!(allowed, expected.parse::<Timestamp>().unwrap(), "{now}");
        }
    }

    #[test]
    fn the_likeliest_zone_decides_if_it_is_always_quiet_somewhere() {
        let apart = zones(&["Europe/London", "Asia/Tokyo"]);
        let allowed = hours("12:00", "10:00").allowed_from("2026-11-20T13:00:00Z".parse().unwrap(), &apart);
        assert_eq!(allowed, "2026-11-21T10:00:00Z".parse::<Timestamp>().unwrap());
    }

    #[test]
    fn numbers_of_wide_countries_can_be_reached_every_day() {
        for number in ["+79161234567", "+61412345678", "+18005550123", "+6281234567890"] {
            let zones = crate::region::time_zones_of(&number.parse().unwrap());
            for day in ["2026-01-15T00:00:00Z", "2026-07-15T00:00:00Z"] {
                let now: Timestamp = day.parse().unwrap();
                let allowed = hours("21:00", "08:00").allowed_from(now, &zones);
                assert!(allowed.duration_since(now) < SignedDuration::from_hours(24), "{number}");
                for zone in &zones {
                    assert!(!hours("21:00", "08:00").holds(zone.to_datetime(allowed).time()), "{number}: {zone:?}");
                }
            }
        }
    }

    #[test]
    fn quiet_hours_need_two_different_times_of_day() {
        for (json, reason) in [
            (r#"{"from": "21:00", "to": "8 pm"}"#, "to: not a time of day"),
            (r#"{"from": "24:00", "to": "08:00"}"#, "from: not a time of day"),
            (r#"{"from": "21:00:30", "to": "08:00"}"#, "from: not a time of day"),
            (r#"{"from": "08:00", "to": "08:00"}"#, "from and to are the same"),
            (r#"{"from": "21:00"}"#, "missing field `to`"),
            (r#"{"from": "21:00", "to": "08:00", "zone": "UTC"}"#, "unknown field `zone`"),
        ] {
            let error = serde_json::from_str::<QuietRule>(json).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{json}: {error}");
        }
    }

    const PLACES: [&str; 8] = [
        "America/New_York",
        "America/St_Johns",
        "America/Sao_Paulo",
        "Europe/London",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
        "Pacific/Auckland",
        "Africa/Casablanca",
    ];

    proptest! {
        /// Clocks change at whole quarters of an hour, so that trying each quarter finds the first moment.
        #[test]
        fn the_first_moment_without_quiet_hours_is_found(
            start in 0..4 * 24 * 365_i64,
            from in 0..96_i8,
            to in 0..96_i8,
            places in subsequence(PLACES.to_vec(), 1..4),
        ) {
            prop_assume!(from != to);
            let time = |quarter: i8| Time::constant(quarter / 4, quarter % 4 * 15, 0, 0);
            let hours = QuietHours::new(time(from), time(to)).unwrap();
            let quarter = |n: i64| Timestamp::from_second(1_767_225_600 + n * 900).unwrap();
            let zones = zones(&places);
            let quiet_in = |at, zones: &[TimeZone]| zones.iter().any(|zone| hours.holds(zone.to_datetime(at).time()));
            let first = |zones| (start..=start + 4 * 48).map(quarter).find(|at| !quiet_in(*at, zones));
            let expected = first(&zones[..]).or_else(|| first(&zones[..1])).unwrap();
            prop_assert_eq!(hours.allowed_from(quarter(start), &zones), expected);
        }
    }
}
