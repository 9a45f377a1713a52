//! Fault injection: what goes wrong with a message when a test or a person asks for it.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twilio_types::message_status::MessageStatus;

use crate::{
    chance::Probability,
    timeline::{TimelineEvent, TimelineOutcome},
};

/// A fault of the call that creates a message, or of the webhooks about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum InjectedFault {
    /// No message is created, and the call is answered with an error.
    Refuse {
        status: u16,
        code: u32,
        /// Seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The message is created, and the call is answered with an error.
    AcceptThenRefuse { status: u16, code: u32 },
    /// The message is created, and the call is never answered.
    AcceptThenHang,
    /// No message is created, and the call is never answered.
    Hang,
    /// The message is created, and fails with this code.
    Fail { code: u32 },
    /// The message is created, and these statuses are reported, in this order.
    Report { statuses: Vec<MessageStatus> },
    /// The message is created, and the call is answered after all statuses are reported.
    ReportFirst,
    /// The message is created and has its statuses, and none of them is reported.
    Silent,
    /// The message is created, has its statuses up to this one, and is then undelivered with this code.
    FailAfter { code: u32, after: MessageStatus },
    /// The message is created, and the call is answered late.
    Slow { milliseconds: u64 },
    /// Each webhook is posted this many more times.
    Duplicate {
        #[serde(default = "one")]
        times: u8,
    },
    /// Each webhook is posted this much later by the sandbox's clock.
    Late { milliseconds: u64 },
    /// The webhook of this status is never posted; without a status, none is.
    Lost {
        #[serde(default)]
        status: Option<MessageStatus>,
    },
    /// The callbacks of a message are posted in another order. A person's message is posted after that person's next one.
    Reordered,
    /// Each webhook is posted again after it was answered, as if the answer was lost.
    Retried,
    /// Each webhook is signed with a wrong auth token.
    WrongSignature,
}

fn one() -> u8 {
    1
}

impl InjectedFault {
    /// The error code of a message that fails by this fault.
    pub(crate) fn error_code(&self) -> Option<u32> {
        match self {
            Self::Fail { code } | Self::FailAfter { code, .. } => Some(*code),
            _ => None,
        }
    }

    fn affects_webhooks(&self) -> bool {
        use InjectedFault::{Duplicate, Late, Lost, Reordered, Retried, WrongSignature};
        matches!(self, Duplicate { .. } | Late { .. } | Lost { .. } | Reordered | Retried | WrongSignature)
    }

    /// The timeline event for the fault.
    pub(crate) fn event(&self, person: &str, message_sid: &str) -> TimelineEvent {
        let details = json!(self);
        let kind = details.get("kind").and_then(Value::as_str).unwrap_or_default().replace('_', " ");
        let created = !matches!(self, Self::Refuse { .. } | Self::Hang);
        let event = TimelineEvent::new("fault", TimelineOutcome::Bad, format!("Planned fault: {kind}"));
        event.of(person, created.then_some(message_sid)).with(details)
    }
}

/// The faults of the webhooks about one message, at most one of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WebhookFaults(Vec<InjectedFault>);

impl WebhookFaults {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InjectedFault> {
        self.0.iter()
    }

    /// How many more times each webhook is posted.
    pub(crate) fn copies(&self) -> u8 {
        self.find(|fault| if let InjectedFault::Duplicate { times } = fault { Some(*times) } else { None }).unwrap_or(0)
    }

    pub(crate) fn delay(&self) -> Option<Duration> {
        self.find(|fault| match fault {
            InjectedFault::Late { milliseconds } => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        })
    }

    /// Whether the webhook of this status is lost. A person's message has no status.
    pub(crate) fn loses(&self, status: Option<MessageStatus>) -> bool {
        self.iter()
            .any(|fault| matches!(fault, InjectedFault::Lost { status: lost } if lost.is_none() || *lost == status))
    }

    pub(crate) fn reorders(&self) -> bool {
        self.0.contains(&InjectedFault::Reordered)
    }

    pub(crate) fn retries(&self) -> bool {
        self.0.contains(&InjectedFault::Retried)
    }

    pub(crate) fn has_wrong_signature(&self) -> bool {
        self.0.contains(&InjectedFault::WrongSignature)
    }

    fn find<T>(&self, of: impl Fn(&InjectedFault) -> Option<T>) -> Option<T> {
        self.iter().find_map(of)
    }
}

/// A fault for the next messages of one person, or of all people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultPlan {
    /// The person, as in `whatsapp:+14155550123`; none for all people.
    #[serde(default)]
    to: Option<String>,
    /// How many messages it affects; none for all messages until it is removed.
    #[serde(default = "once")]
    times: Option<u32>,
    /// The share of messages that it affects.
    #[serde(default = "always")]
    chance: Probability,
    fault: InjectedFault,
}

#[expect(clippy::unnecessary_wraps, reason = "none means without end")]
fn once() -> Option<u32> {
    Some(1)
}

fn always() -> Probability {
    Probability::ALL
}

/// A planned fault, and the number by which it can be removed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NumberedFaultPlan {
    id: u64,
    #[serde(flatten)]
    planned: FaultPlan,
}

/// The message that a fault may affect.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultTarget<'a> {
    pub(crate) seed: u64,
    pub(crate) person: &'a str,
    pub(crate) sid: &'a str,
}

impl NumberedFaultPlan {
    fn affects(&self, target: FaultTarget<'_>) -> bool {
        self.planned.to.as_deref().is_none_or(|wanted| wanted == target.person)
            && self.planned.chance.draw(target.seed, &[&self.id.to_string(), target.sid])
    }
}

/// The planned faults, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct FaultPlans {
    planned: Vec<NumberedFaultPlan>,
    last_id: u64,
}

impl FaultPlans {
    pub(crate) fn add(&mut self, planned: FaultPlan) -> NumberedFaultPlan {
        self.last_id += 1;
        let numbered = NumberedFaultPlan { id: self.last_id, planned };
        if numbered.planned.times != Some(0) {
            self.planned.push(numbered.clone());
        }
        numbered
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &NumberedFaultPlan> {
        self.planned.iter()
    }

    /// Removes the fault with this number, if there is one.
    pub(crate) fn remove(&mut self, id: u64) -> bool {
        let before = self.planned.len();
        self.planned.retain(|numbered| numbered.id != id);
        self.planned.len() < before
    }

    pub(crate) fn remove_all(&mut self) {
        self.planned.clear();
    }

    /// The next fault for a call that creates a message. It counts as used.
    pub(crate) fn take_for_call(&mut self, target: FaultTarget<'_>) -> Option<InjectedFault> {
        self.take(|numbered| !numbered.planned.fault.affects_webhooks() && numbered.affects(target))
    }

    /// The next faults for the webhooks about a message. They count as used.
    pub(crate) fn take_for_webhooks(&mut self, target: FaultTarget<'_>) -> WebhookFaults {
        let mut faults: Vec<InjectedFault> = Vec::new();
        let kind = std::mem::discriminant;
        while let Some(fault) = self.take(|numbered| {
            let fault = &numbered.planned.fault;
            let is_new = faults.iter().all(|other| kind(other) != kind(fault));
            fault.affects_webhooks() && is_new && numbered.affects(target)
        }) {
            faults.push(fault);
        }
        WebhookFaults(faults)
    }

    fn take(&mut self, affects: impl Fn(&NumberedFaultPlan) -> bool) -> Option<InjectedFault> {
        let index = self.planned.iter().position(affects)?;
        let planned = &mut self.planned.get_mut(index)?.planned;
        let fault = planned.fault.clone();
        planned.times = planned.times.map(|times| times.saturating_sub(1));
        if planned.times == Some(0) {
            self.planned.remove(index);
        }
        Some(fault)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(faults: &mut FaultPlans, planned: &str) -> u64 {
        faults.add(serde_json::from_str(planned).unwrap()).id
    }

    fn target<'a>(person: &'a str, sid: &'a str) -> FaultTarget<'a> {
        FaultTarget { seed: 7, person, sid }
    }

    #[test]
    fn unknown_fault_is_refused() {
        for fault in [
            r#"{"kind": "slow"}"#,
            r#"{"kind": "fail_after", "code": 1, "after": "later"}"#,
            r#"{"kind": "lost", "status": "gone"}"#,
            r#"{"kind": "x"}"#,
        ] {
            assert!(serde_json::from_str::<InjectedFault>(fault).is_err(), "{fault}");
        }
        assert!(serde_json::from_str::<FaultPlan>(r#"{"chance": 2, "fault": {"kind": "hang"}}"#).is_err());
    }

    #[test]
    fn fault_affects_its_person_as_often_as_planned() {
        let mut faults = FaultPlans::default();
        plan(&mut faults, r#"{"to": "a", "times": 2, "fault": {"kind": "accept_then_hang"}}"#);
        assert_eq!(faults.take_for_call(target("b", "1")), None);
        assert_eq!(faults.take_for_webhooks(target("a", "1")), WebhookFaults::default());
        assert_eq!(faults.take_for_call(target("a", "1")), Some(InjectedFault::AcceptThenHang));
        assert_eq!(faults.take_for_call(target("a", "2")), Some(InjectedFault::AcceptThenHang));
        assert_eq!(faults.take_for_call(target("a", "3")), None);
    }

    #[test]
    fn fault_without_end_stays_until_removed() {
        let mut faults = FaultPlans::default();
        let id = plan(&mut faults, r#"{"times": null, "fault": {"kind": "silent"}}"#);
        for sid in ["1", "2", "3"] {
            assert_eq!(faults.take_for_call(target("a", sid)), Some(InjectedFault::Silent));
        }
        assert!(faults.remove(id) && !faults.remove(id));
        assert_eq!(faults.take_for_call(target("a", "4")), None);
        plan(&mut faults, r#"{"times": 0, "fault": {"kind": "silent"}}"#);
        assert_eq!(faults.iter().count(), 0);
    }

    #[test]
    fn message_has_one_webhook_fault_of_each_kind() {
        let mut faults = FaultPlans::default();
        plan(&mut faults, r#"{"fault": {"kind": "late", "milliseconds": 5}}"#);
        plan(&mut faults, r#"{"fault": {"kind": "late", "milliseconds": 7}}"#);
        plan(&mut faults, r#"{"fault": {"kind": "lost", "status": "read"}}"#);
        plan(&mut faults, r#"{"times": null, "fault": {"kind": "duplicate"}}"#);
        let first = faults.take_for_webhooks(target("a", "1"));
        assert_eq!((first.delay(), first.copies()), (Some(Duration::from_millis(5)), 1));
        assert_eq!(
            [None, Some(MessageStatus::Sent), Some(MessageStatus::Read)].map(|status| first.loses(status)),
            [false, false, true]
        );
        let second = faults.take_for_webhooks(target("a", "2"));
        assert_eq!((second.delay(), second.copies()), (Some(Duration::from_millis(7)), 1));
        assert_eq!(faults.take_for_webhooks(target("a", "3")).delay(), None);
    }

    #[test]
    fn random_faults_do_not_depend_on_other_people() {
        let affected = |others: bool| {
            let mut faults = FaultPlans::default();
            plan(&mut faults, r#"{"to": "a", "times": null, "chance": 0.5, "fault": {"kind": "hang"}}"#);
            (0..100)
                .map(|number: u32| {
                    if others {
                        faults.take_for_call(target("b", "x"));
                    }
                    faults.take_for_call(target("a", &number.to_string())).is_some()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(affected(false), affected(true));
        assert!((30..70).contains(&affected(false).iter().filter(|is_affected| **is_affected).count()));
    }
}
