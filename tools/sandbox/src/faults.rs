//! Fault injection: what goes wrong with a message when a test or a person asks for it.

use serde::{Deserialize, Serialize};

pub(crate) use self::{
    file::FileFault,
    injected::{CallFaults, InjectedFault, WebhookFaults},
};
use crate::chance::Probability;

mod file;
mod injected;
mod words;

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
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

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

    /// The next fault for a call that creates a message, or the faults that it puts together. It counts as used.
    pub(crate) fn take_for_call(&mut self, target: FaultTarget<'_>) -> CallFaults {
        let taken = self.take(|numbered| numbered.planned.fault.affects_calls() && numbered.affects(target));
        taken.map(CallFaults::from).unwrap_or_default()
    }

    /// The next faults for the webhooks about a message. They count as used.
    pub(crate) fn take_for_webhooks(&mut self, target: FaultTarget<'_>) -> WebhookFaults {
        let mut faults = WebhookFaults::default();
        while let Some(fault) = self.take(|numbered| {
            let fault = &numbered.planned.fault;
            fault.affects_webhooks() && !faults.has_kind_of(fault) && numbered.affects(target)
        }) {
            faults.add(fault);
        }
        faults
    }

    /// The next fault for the files of a person's message. It counts as used.
    pub(crate) fn take_for_files(&mut self, target: FaultTarget<'_>) -> Option<FileFault> {
        let is_of_files = |numbered: &NumberedFaultPlan| matches!(numbered.planned.fault, InjectedFault::File(_));
        match self.take(|numbered| is_of_files(numbered) && numbered.affects(target))? {
            InjectedFault::File(fault) => Some(fault),
            _ => None,
        }
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
    use std::time::Duration;

    use twilio_types::message_status::MessageStatus;

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
        assert_eq!(faults.take_for_call(target("b", "1")), CallFaults::default());
        assert_eq!(faults.take_for_webhooks(target("a", "1")), WebhookFaults::default());
        assert_eq!(faults.take_for_call(target("a", "1")), InjectedFault::AcceptThenHang.into());
        assert_eq!(faults.take_for_call(target("a", "2")), InjectedFault::AcceptThenHang.into());
        assert_eq!(faults.take_for_call(target("a", "3")), CallFaults::default());
    }

    #[test]
    fn fault_without_end_stays_until_removed() {
        let mut faults = FaultPlans::default();
        let id = plan(&mut faults, r#"{"times": null, "fault": {"kind": "silent"}}"#);
        for sid in ["1", "2", "3"] {
            assert_eq!(faults.take_for_call(target("a", sid)), InjectedFault::Silent.into());
        }
        assert!(faults.remove(id) && !faults.remove(id));
        assert_eq!(faults.take_for_call(target("a", "4")), CallFaults::default());
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
    fn fault_of_files_affects_neither_calls_nor_webhooks() {
        let mut faults = FaultPlans::default();
        plan(&mut faults, r#"{"fault": {"kind": "file", "problem": "slow", "milliseconds": 5}}"#);
        assert_eq!(faults.take_for_call(target("a", "1")), CallFaults::default());
        assert_eq!(faults.take_for_webhooks(target("a", "1")), WebhookFaults::default());
        assert_eq!(faults.take_for_files(target("a", "1")), Some(FileFault::Slow { milliseconds: 5 }));
        assert_eq!(faults.take_for_files(target("a", "2")), None);
        for wrong in [r#"{"kind": "file"}"#, r#"{"kind": "file", "problem": "slow"}"#] {
            assert!(serde_json::from_str::<InjectedFault>(wrong).is_err(), "{wrong}");
        }
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
                    faults.take_for_call(target("a", &number.to_string())) != CallFaults::default()
                })
                .collect::<Vec<_>>()
        };
        assert_eq!(affected(false), affected(true));
        assert!((30..70).contains(&affected(false).iter().filter(|is_affected| **is_affected).count()));
    }
}
