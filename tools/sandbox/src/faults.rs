//! Misbehaviour on request.

use serde::{Deserialize, Serialize};
use shared::message_status::MessageStatus;

/// What goes wrong, for the next calls that create a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Fault {
    /// Nothing is created, and the answer says so.
    Refuse {
        status: u16,
        code: u32,
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The message is created, and the answer is an error all the same.
    AcceptThenRefuse { status: u16, code: u32 },
    /// The message is created, and no answer comes.
    AcceptThenHang,
    /// Nothing is created, and no answer comes.
    Hang,
    /// The message is created, and reported as failed with this code.
    Fail { code: u32 },
    /// The message is created, and these statuses are reported in this order.
    Report { statuses: Vec<MessageStatus> },
    /// The message is created, its statuses are reported, and only then comes the answer.
    ReportFirst,
    /// The message is created and moves on, and nothing is reported.
    Silent,
    /// The message is created, reported up to this status, and then as undelivered with this code.
    FailAfter { code: u32, after: MessageStatus },
    /// The message is created, and the answer comes late.
    Slow { milliseconds: u64 },
}

/// A fault for the next so many calls, to one person or to anybody.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Planned {
    /// The recipient, as in `whatsapp:+14155550123`; none for anybody.
    #[serde(default)]
    to: Option<String>,
    #[serde(default = "once")]
    times: u32,
    fault: Fault,
}

fn once() -> u32 {
    1
}

/// The faults that are planned, in the order they come.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Planned>);

impl Faults {
    pub(crate) fn plan(&mut self, planned: Planned) {
        self.0.push(planned);
    }

    /// The fault of a call, which is used up by it.
    pub(crate) fn take(&mut self, to: &str) -> Option<Fault> {
        let matches = |planned: &Planned| planned.to.as_deref().is_none_or(|wanted| wanted == to);
        let index = self.0.iter().position(matches)?;
        let planned = self.0.get_mut(index)?;
        let fault = planned.fault.clone();
        planned.times = planned.times.saturating_sub(1);
        if planned.times == 0 {
            self.0.remove(index);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_is_not_known_is_refused() {
        for fault in
            [r#"{"kind": "slow"}"#, r#"{"kind": "fail_after", "code": 1, "after": "later"}"#, r#"{"kind": "x"}"#]
        {
            assert!(serde_json::from_str::<Fault>(fault).is_err(), "{fault}");
        }
    }

    #[test]
    fn a_fault_is_for_whom_it_is_planned_and_is_used_up() {
        let mut faults = Faults::default();
        faults.plan(serde_json::from_str(r#"{"to": "a", "times": 2, "fault": {"kind": "accept_then_hang"}}"#).unwrap());
        assert_eq!(faults.take("b"), None);
        assert_eq!(faults.take("a"), Some(Fault::AcceptThenHang));
        assert_eq!(faults.take("a"), Some(Fault::AcceptThenHang));
        assert_eq!(faults.take("a"), None);
    }
}
