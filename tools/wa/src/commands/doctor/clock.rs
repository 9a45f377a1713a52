//! A check of this machine's clock: AWS refuses requests that are signed at another time than its own.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::header::DATE;

use crate::{error::CommandError, finding::Finding, session::Session, webhook_probe::probe};

pub(super) const CHECK: &str = "clock";

/// Source: AWS, "Troubleshoot AWS API request signing": a request is valid within five minutes of its time stamp.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);
/// A clock that NTP sets does not differ by this much.
const UNSET: SignedDuration = SignedDuration::from_secs(30);

/// Compares this machine's clock with that of the stack's API, which is AWS's, and with Twilio's.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let api = async {
        let answer = probe(&stack.api_url, &stack.account_sid, None).await.ok()?;
        Some(("the API", answer.date?, Timestamp::now()))
    };
    let twilio = async {
        let answer = reqwest::get(stack.twilio_api_base_url.as_str()).await.ok()?;
        let date = rfc2822::DateTimeParser::new().parse_timestamp(answer.headers().get(DATE)?.to_str().ok()?).ok()?;
        Some(("Twilio", date, Timestamp::now()))
    };
    let (api, twilio) = tokio::join!(api, twilio);
    let clocks: Vec<_> = [api, twilio].into_iter().flatten().collect();
    if clocks.is_empty() {
        return Ok(vec![Finding::not_checked(CHECK, "neither the API nor Twilio gave its time")]);
    }
    Ok(clocks.into_iter().map(|(whose, theirs, ours)| clock_finding(whose, ours.duration_since(theirs))).collect())
}

fn clock_finding(whose: &str, ahead: SignedDuration) -> Finding {
    let seconds = ahead.as_secs();
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    let what = format!("this machine's clock is {} s {direction} that of {whose}", seconds.abs());
    let fix = "set the clock, by NTP: AWS refuses requests that are signed more than five minutes off";
    if ahead.abs() > REFUSED {
        Finding::wrong(CHECK, what, fix)
    } else if ahead.abs() > UNSET {
        Finding::warning(CHECK, what, fix)
    } else {
        Finding::ok(CHECK, format!("this machine's clock agrees with that of {whose}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn a_wrong_clock_is_reported_with_amount_and_direction() {
        for (seconds, level, expected) in [
            (0, Level::Ok, "agrees"),
            (-30, Level::Ok, "agrees"),
            (31, Level::Warning, "31 s ahead of that of Twilio"),
            (-301, Level::Wrong, "301 s behind that of Twilio"),
        ] {
            let found = clock_finding("Twilio", SignedDuration::from_secs(seconds));
            assert!(found.finding == level && found.what.contains(expected), "{}", found.what);
        }
    }
}
