//! The faults in words.

use std::fmt;

use twilio_types::message_status::MessageStatus;

use super::InjectedFault;

/// What happens, as in `fails with 63016`.
impl fmt::Display for InjectedFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refuse { status, code, retry_after } => {
                write!(f, "the call is refused with {status}, code {code}")?;
                retry_after.map_or(Ok(()), |seconds| write!(f, ", Retry-After {seconds}"))
            }
            Self::AcceptThenRefuse { status, code } => {
                write!(f, "accepted, and the call is answered with {status}, code {code}")
            }
            Self::AcceptThenHang => f.write_str("accepted, and the call is not answered"),
            Self::Hang => f.write_str("not accepted, and the call is not answered"),
            Self::Fail { code } => write!(f, "fails with {code}"),
            Self::Report { statuses } => write!(f, "reports {}", joined(statuses)),
            Self::ReportFirst => f.write_str("the statuses are reported before the call is answered"),
            Self::Silent => f.write_str("no status is reported"),
            Self::FailAfter { code, after } => write!(f, "undelivered with {code} after {after}"),
            Self::Slow { milliseconds } => write!(f, "the call is answered {milliseconds} ms late"),
            Self::Duplicate { times } => write!(f, "each webhook is posted {} times", u16::from(*times) + 1),
            Self::Late { milliseconds } => write!(f, "each webhook is {milliseconds} ms late"),
            Self::Lost { status: None, statuses } if statuses.is_empty() => f.write_str("each webhook is lost"),
            Self::Lost { status, statuses } => {
                let lost: Vec<_> = status.iter().chain(statuses).copied().collect();
                write!(f, "the webhook of {} is lost", joined(&lost))
            }
            Self::Reordered => f.write_str("the webhooks are in another order"),
            Self::Retried => f.write_str("each webhook is posted again after its answer"),
            Self::WrongSignature => f.write_str("each webhook has a wrong signature"),
            Self::Hold { seconds: Some(seconds) } => write!(f, "waits in the queue for {seconds} s"),
            Self::Hold { seconds: None } => f.write_str("waits in the queue until it is released"),
            Self::File(fault) => fault.fmt(f),
            Self::Together { faults } => {
                let faults: Vec<_> = faults.iter().map(ToString::to_string).collect();
                f.write_str(&faults.join("; "))
            }
        }
    }
}

fn joined(statuses: &[MessageStatus]) -> String {
    statuses.iter().map(|status| status.as_str()).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_says_what_happens_and_names_the_code() {
        let cases = [
            (r#"{"kind": "fail", "code": 63016}"#, "fails with 63016"),
            (
                r#"{"kind": "refuse", "status": 429, "code": 20429, "retry_after": 5}"#,
                "the call is refused with 429, code 20429, Retry-After 5",
            ),
            (r#"{"kind": "fail_after", "code": 63024, "after": "sent"}"#, "undelivered with 63024 after sent"),
            (r#"{"kind": "duplicate"}"#, "each webhook is posted 2 times"),
            (r#"{"kind": "lost"}"#, "each webhook is lost"),
            (r#"{"kind": "file", "problem": "too_large"}"#, "its files have 17 MB"),
            (r#"{"kind": "lost", "status": "sent", "statuses": ["read"]}"#, "the webhook of sent, read is lost"),
            (
                r#"{"kind": "together", "faults": [{"kind": "hang"}, {"kind": "hold", "seconds": 5}]}"#,
                "not accepted, and the call is not answered; waits in the queue for 5 s",
            ),
        ];
        for (json, summary) in cases {
            assert_eq!(
                serde_json::from_str::<InjectedFault>(json).unwrap().event("a", "SM1").summary,
                format!("Planned fault: {summary}"),
                "{json}"
            );
        }
    }
}
