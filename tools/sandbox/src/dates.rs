//! Dates as Twilio writes them.

use jiff::{Timestamp, fmt::rfc2822, tz::TimeZone};

/// As in `api.twilio.com`: `Thu, 24 Aug 2023 05:01:45 +0000`.
pub(crate) fn rfc2822_date(at: Option<Timestamp>) -> Option<String> {
    rfc2822::to_string(&at?.to_zoned(TimeZone::UTC)).ok()
}

/// As in the other products: `2023-08-24T05:01:45Z`.
pub(crate) fn iso_date(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}
