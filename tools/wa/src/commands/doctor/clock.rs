//! A check of this machine's clock: AWS refuses requests that are signed at another time than its own.

use jiff::{SignedDuration, Timestamp, fmt::rfc2822};
use reqwest::header::DATE;
use serde::Deserialize;

use crate::{error::CommandError, finding::Finding, session::Session, stack::DeployedStack, webhook_probe::probe};

pub(super) const CHECK: &str = "clock";

/// Source: AWS, "Troubleshoot AWS API request signing": a request is valid within five minutes of its time stamp.
const REFUSED: SignedDuration = SignedDuration::from_mins(5);
/// A clock that NTP sets does not differ by this much.
const UNSET: SignedDuration = SignedDuration::from_secs(30);

/// Compares this machine's clock with that of the stack's API, which is AWS's, and with Twilio's.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    if let Some(moved) = moved_clock(stack).await {
        return Ok(vec![moved]);
    }
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

/// The clock of a sandbox in place of Twilio (docs/sandbox.md).
#[derive(Debug, Deserialize)]
struct SandboxClock {
    ahead_seconds: i64,
    /// Whether the functions have the same time.
    shared: bool,
}

/// The finding that the clock of a local stack was moved on the sandbox's page, or a test's. This command may have either time.
async fn moved_clock(stack: &DeployedStack) -> Option<Finding> {
    if stack.sends_by_twilio() {
        return None;
    }
    let url = stack.twilio_api_base_url.join("/sandbox/clock");
    let clock: SandboxClock = reqwest::get(&url).await.ok()?.error_for_status().ok()?.json().await.ok()?;
    moved_clock_finding(&clock, &url)
}

fn moved_clock_finding(clock: &SandboxClock, url: &str) -> Option<Finding> {
    let ahead = SignedDuration::from_secs(clock.ahead_seconds);
    let what = match clock {
        SandboxClock { ahead_seconds: ..=0, .. } => return None,
        SandboxClock { shared: true, .. } => {
            format!("the clock of this local stack was moved: it is {ahead:#} ahead of this machine's")
        }
        SandboxClock { shared: false, .. } => format!(
            "the sandbox's clock was moved: it is {ahead:#} ahead of that of the functions, which do not see that messages get old"
        ),
    };
    let command = format!(r#"curl {url} -H 'Content-Type: application/json' -d '{{"now": true}}'"#);
    Some(Finding::warning(CHECK, what, "set it back", command))
}

fn clock_finding(whose: &str, ahead: SignedDuration) -> Finding {
    let seconds = ahead.as_secs();
    let direction = if ahead.is_negative() { "behind" } else { "ahead of" };
    let what = format!("this machine's clock is {} s {direction} that of {whose}", seconds.abs());
    let fix = "set the clock, by NTP: AWS refuses requests that are signed more than five minutes off";
    let command = "sudo timedatectl set-ntp true";
    if ahead.abs() > REFUSED {
        Finding::wrong(CHECK, what, fix, command)
    } else if ahead.abs() > UNSET {
        Finding::warning(CHECK, what, fix, command)
    } else {
        Finding::ok(CHECK, format!("this machine's clock agrees with that of {whose}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn moved_clock_of_a_local_stack_is_named_with_its_remedy() {
        let found = |ahead_seconds, shared| {
            moved_clock_finding(&SandboxClock { ahead_seconds, shared }, "http://127.0.0.1:8090/sandbox/clock")
        };
        assert!(found(0, true).is_none() && found(0, false).is_none());
        for (shared, words) in
            [(true, "this local stack was moved: it is 24h ahead"), (false, "24h ahead of that of the functions")]
        {
            let Finding { finding, what, command, .. } = found(86_400, shared).unwrap();
            assert!(finding == Level::Warning && what.contains(words), "{what}");
            assert!(command.unwrap().contains("curl http://127.0.0.1:8090/sandbox/clock "));
        }
    }

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
