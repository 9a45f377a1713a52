//! Misbehaviour on request.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use twilio_types::message_status::MessageStatus;

use crate::{
    chance::Fraction,
    timeline::{Happening, Outcome},
};

/// What goes wrong with a message: with the call that creates it, or with the webhooks about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum InjectedFault {
    /// Nothing is created, and the answer says so.
    Refuse {
        status: u16,
        code: u32,
        /// In seconds.
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
    /// Each webhook is posted so many times more.
    Duplicate {
        #[serde(default = "one")]
        times: u8,
    },
    /// Each webhook is posted so much later, by the sandbox's clock.
    Late { milliseconds: u64 },
    /// The webhook of this status, or each, is never posted.
    Lost {
        #[serde(default)]
        status: Option<MessageStatus>,
    },
    /// The callbacks of a message come in another order; a person's message comes after their next one.
    Reordered,
    /// Each webhook is posted again when it was answered, as if the answer had got lost.
    Retried,
    /// Each webhook has a signature that somebody else made.
    WrongSignature,
}

fn one() -> u8 {
    1
}

impl InjectedFault {
    /// The code with which a message fails.
    pub(crate) fn error_code(&self) -> Option<u32> {
        match self {
            Self::Fail { code } | Self::FailAfter { code, .. } => Some(*code),
            _ => None,
        }
    }

    fn is_of_webhooks(&self) -> bool {
        use InjectedFault::{Duplicate, Late, Lost, Reordered, Retried, WrongSignature};
        matches!(self, Duplicate { .. } | Late { .. } | Lost { .. } | Reordered | Retried | WrongSignature)
    }

    /// What the timeline says when it happens to a message of a person.
    pub(crate) fn happening(&self, person: &str, message_sid: &str) -> Happening {
        let details = json!(self);
        let kind = details.get("kind").and_then(Value::as_str).unwrap_or_default().replace('_', " ");
        let created = !matches!(self, Self::Refuse { .. } | Self::Hang);
        let happening = Happening::new("fault", Outcome::Bad, format!("As planned: {kind}"));
        happening.of(person, created.then_some(message_sid)).with(details)
    }
}

/// What goes wrong with the webhooks of one message: at most one fault of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WebhookFaults(Vec<InjectedFault>);

impl WebhookFaults {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InjectedFault> {
        self.0.iter()
    }

    /// How often each webhook is posted more than once.
    pub(crate) fn copies(&self) -> u8 {
        self.find(|fault| if let InjectedFault::Duplicate { times } = fault { Some(*times) } else { None }).unwrap_or(0)
    }

    /// How much later each webhook comes.
    pub(crate) fn delay(&self) -> Option<Duration> {
        self.find(|fault| match fault {
            InjectedFault::Late { milliseconds } => Some(Duration::from_millis(*milliseconds)),
            _ => None,
        })
    }

    /// Whether the webhook of this status is lost; none is that of a person's message.
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

    pub(crate) fn forges(&self) -> bool {
        self.0.contains(&InjectedFault::WrongSignature)
    }

    fn find<T>(&self, of: impl Fn(&InjectedFault) -> Option<T>) -> Option<T> {
        self.iter().find_map(of)
    }
}

/// A fault for the next so many messages, of one person or of anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FaultPlan {
    /// The person, as in `whatsapp:+14155550123`; none for anybody.
    #[serde(default)]
    to: Option<String>,
    /// None until it is taken back.
    #[serde(default = "once")]
    times: Option<u32>,
    /// How many of the messages are struck.
    #[serde(default = "always")]
    chance: Fraction,
    fault: InjectedFault,
}

#[expect(clippy::unnecessary_wraps, reason = "none has another meaning")]
fn once() -> Option<u32> {
    Some(1)
}

fn always() -> Fraction {
    Fraction::ALL
}

/// A fault that is planned, under the number by which it can be taken back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NumberedFaultPlan {
    id: u64,
    #[serde(flatten)]
    planned: FaultPlan,
}

/// The message that a fault may strike.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FaultTarget<'a> {
    /// The seed of the sandbox.
    pub(crate) seed: u64,
    pub(crate) person: &'a str,
    pub(crate) sid: &'a str,
}

impl NumberedFaultPlan {
    fn strikes(&self, struck: FaultTarget<'_>) -> bool {
        self.planned.to.as_deref().is_none_or(|wanted| wanted == struck.person)
            && self.planned.chance.strikes(struck.seed, &[&self.id.to_string(), struck.sid])
    }
}

/// The faults that are planned, in the order they come.
#[derive(Debug, Default)]
pub(crate) struct FaultPlans {
    planned: Vec<NumberedFaultPlan>,
    last_id: u64,
}

impl FaultPlans {
    pub(crate) fn plan(&mut self, planned: FaultPlan) -> NumberedFaultPlan {
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

    /// Whether there was one with this number.
    pub(crate) fn take_back(&mut self, id: u64) -> bool {
        let before = self.planned.len();
        self.planned.retain(|numbered| numbered.id != id);
        self.planned.len() < before
    }

    pub(crate) fn take_all_back(&mut self) {
        self.planned.clear();
    }

    /// The fault of a call that creates a message; it is used up by it.
    pub(crate) fn of_call(&mut self, struck: FaultTarget<'_>) -> Option<InjectedFault> {
        self.take(|numbered| !numbered.planned.fault.is_of_webhooks() && numbered.strikes(struck))
    }

    /// The faults of the webhooks of a message; they are used up by it.
    pub(crate) fn of_webhooks(&mut self, struck: FaultTarget<'_>) -> WebhookFaults {
        let mut faults: Vec<InjectedFault> = Vec::new();
        let kind = std::mem::discriminant;
        while let Some(fault) = self.take(|numbered| {
            let fault = &numbered.planned.fault;
            let is_new = faults.iter().all(|other| kind(other) != kind(fault));
            fault.is_of_webhooks() && is_new && numbered.strikes(struck)
        }) {
            faults.push(fault);
        }
        WebhookFaults(faults)
    }

    fn take(&mut self, strikes: impl Fn(&NumberedFaultPlan) -> bool) -> Option<InjectedFault> {
        let index = self.planned.iter().position(strikes)?;
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
        faults.plan(serde_json::from_str(planned).unwrap()).id
    }

    fn struck<'a>(person: &'a str, sid: &'a str) -> FaultTarget<'a> {
        FaultTarget { seed: 7, person, sid }
    }

    #[test]
    fn a_fault_that_is_not_known_is_refused() {
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
    fn a_fault_is_for_whom_it_is_planned_and_is_used_up() {
        let mut faults = FaultPlans::default();
        plan(&mut faults, r#"{"to": "a", "times": 2, "fault": {"kind": "accept_then_hang"}}"#);
        assert_eq!(faults.of_call(struck("b", "1")), None);
        assert_eq!(faults.of_webhooks(struck("a", "1")), WebhookFaults::default());
        assert_eq!(faults.of_call(struck("a", "1")), Some(InjectedFault::AcceptThenHang));
        assert_eq!(faults.of_call(struck("a", "2")), Some(InjectedFault::AcceptThenHang));
        assert_eq!(faults.of_call(struck("a", "3")), None);
    }

    #[test]
    fn a_fault_without_an_end_goes_on_until_it_is_taken_back() {
        let mut faults = FaultPlans::default();
        let id = plan(&mut faults, r#"{"times": null, "fault": {"kind": "silent"}}"#);
        for sid in ["1", "2", "3"] {
            assert_eq!(faults.of_call(struck("a", sid)), Some(InjectedFault::Silent));
        }
        assert!(faults.take_back(id) && !faults.take_back(id));
        assert_eq!(faults.of_call(struck("a", "4")), None);
        plan(&mut faults, r#"{"times": 0, "fault": {"kind": "silent"}}"#);
        assert_eq!(faults.iter().count(), 0);
    }

    #[test]
    fn a_message_has_one_fault_of_each_kind_of_its_webhooks() {
        let mut faults = FaultPlans::default();
        plan(&mut faults, r#"{"fault": {"kind": "late", "milliseconds": 5}}"#);
        plan(&mut faults, r#"{"fault": {"kind": "late", "milliseconds": 7}}"#);
        plan(&mut faults, r#"{"fault": {"kind": "lost", "status": "read"}}"#);
        plan(&mut faults, r#"{"times": null, "fault": {"kind": "duplicate"}}"#);
        let first = faults.of_webhooks(struck("a", "1"));
        assert_eq!((first.delay(), first.copies()), (Some(Duration::from_millis(5)), 1));
        assert_eq!(
            [None, Some(MessageStatus::Sent), Some(MessageStatus::Read)].map(|status| first.loses(status)),
            [false, false, true]
        );
        let second = faults.of_webhooks(struck("a", "2"));
        assert_eq!((second.delay(), second.copies()), (Some(Duration::from_millis(7)), 1));
        assert_eq!(faults.of_webhooks(struck("a", "3")).delay(), None);
    }

    #[test]
    fn the_same_messages_are_struck_by_chance_whoever_else_writes() {
        let strikes = |others: bool| {
            let mut faults = FaultPlans::default();
            plan(&mut faults, r#"{"to": "a", "times": null, "chance": 0.5, "fault": {"kind": "hang"}}"#);
            (0..100)
                .map(|number: u32| {
                    if others {
                        faults.of_call(struck("b", "x"));
                    }
                    faults.of_call(struck("a", &number.to_string())).is_some()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(strikes(false), strikes(true));
        assert!((30..70).contains(&strikes(false).iter().filter(|struck| **struck).count()));
    }
}
