//! Misbehaviour on request.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::message_status::MessageStatus;

use crate::{
    messages::Message,
    timeline::{Happening, Outcome},
};

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

impl Fault {
    /// The code with which a message fails.
    pub(crate) fn error_code(&self) -> Option<u32> {
        match self {
            Self::Fail { code } | Self::FailAfter { code, .. } => Some(*code),
            _ => None,
        }
    }
}

/// A fault for the next so many calls, to one person or to anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Planned {
    /// The recipient, as in `whatsapp:+14155550123`; none for anybody.
    #[serde(default)]
    to: Option<String>,
    /// None until it is taken back.
    #[serde(default = "once")]
    times: Option<u32>,
    fault: Fault,
}

#[expect(clippy::unnecessary_wraps, reason = "none has another meaning")]
fn once() -> Option<u32> {
    Some(1)
}

/// A fault that is planned, under the number by which it can be taken back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Numbered {
    id: u64,
    #[serde(flatten)]
    planned: Planned,
}

/// The faults that are planned, in the order they come.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    planned: Vec<Numbered>,
    last_id: u64,
}

impl Faults {
    pub(crate) fn plan(&mut self, planned: Planned) -> Numbered {
        self.last_id += 1;
        let numbered = Numbered { id: self.last_id, planned };
        self.planned.push(numbered.clone());
        numbered
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Numbered> {
        self.planned.iter()
    }

    /// Whether there was one with this number.
    pub(crate) fn take_back(&mut self, id: u64) -> bool {
        let before = self.planned.len();
        self.planned.retain(|numbered| numbered.id != id);
        self.planned.len() < before
    }

    pub(crate) fn take_all_back(&mut self) {
        self.planned.clear();
    }

    /// The fault of a call, which is used up by it.
    pub(crate) fn take(&mut self, to: &str) -> Option<Fault> {
        let matches = |numbered: &Numbered| numbered.planned.to.as_deref().is_none_or(|wanted| wanted == to);
        let index = self.planned.iter().position(matches)?;
        let planned = &mut self.planned.get_mut(index)?.planned;
        let fault = planned.fault.clone();
        planned.times = planned.times.map(|times| times.saturating_sub(1));
        if planned.times == Some(0) {
            self.planned.remove(index);
        }
        Some(fault)
    }
}

/// What the timeline says of a fault that happens to a message.
pub(crate) fn happening(fault: &Fault, message: &Message) -> Happening {
    let details = json!(fault);
    let kind = details.get("kind").and_then(Value::as_str).unwrap_or_default().replace('_', " ");
    // The message is nobody's yet, and may never be.
    Happening::new("fault", Outcome::Bad, format!("As planned: {kind}")).of(&message.to, None).with(details)
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
