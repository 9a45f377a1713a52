//! The kinds of faults, and those of one message.

use std::{mem::discriminant, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use twilio_types::message_status::MessageStatus;

use super::file::FileFault;
use crate::{
    api_error::ApiError,
    messages::Hold,
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
    /// The webhooks of these statuses are never posted; without a status, none is.
    Lost {
        #[serde(default)]
        status: Option<MessageStatus>,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        statuses: Vec<MessageStatus>,
    },
    /// The callbacks of a message are posted in another order. A person's message is posted after that person's next one.
    Reordered,
    /// Each webhook is posted again after it was answered, as if the answer was lost.
    Retried,
    /// Each webhook is signed with a wrong auth token.
    WrongSignature,
    /// The message is created, and is not sent for this many seconds of the sandbox's clock; without them, until it is released.
    /// Meanwhile the list of messages does not have it.
    Hold {
        #[serde(default)]
        seconds: Option<u32>,
    },
    /// The files of a person's message cannot be fetched as they are.
    File(FileFault),
    /// All these faults affect the same message.
    Together { faults: Vec<InjectedFault> },
}

fn one() -> u8 {
    1
}

impl InjectedFault {
    pub(crate) fn affects_webhooks(&self) -> bool {
        use InjectedFault::{Duplicate, Late, Lost, Reordered, Retried, WrongSignature};
        matches!(self, Duplicate { .. } | Late { .. } | Lost { .. } | Reordered | Retried | WrongSignature)
    }

    /// Whether it is about the call that creates a message, or about the message's statuses.
    pub(crate) fn affects_calls(&self) -> bool {
        !self.affects_webhooks() && !matches!(self, Self::File(_))
    }

    /// The timeline event for the fault.
    pub(crate) fn event(&self, person: &str, message_sid: &str) -> TimelineEvent {
        let created = !matches!(self, Self::Refuse { .. } | Self::Hang);
        let event = TimelineEvent::new("fault", TimelineOutcome::Bad, format!("Planned fault: {self}"));
        event.of(person, created.then_some(message_sid)).with(json!(self))
    }

    /// Whether it is about the statuses that the message will have.
    pub(crate) fn decides_the_statuses(&self) -> bool {
        matches!(self, Self::Fail { .. } | Self::FailAfter { .. } | Self::Report { .. })
    }

    /// The fault itself, or the faults that it puts together.
    fn flatten(self) -> Vec<Self> {
        match self {
            Self::Together { faults } => faults.into_iter().flat_map(Self::flatten).collect(),
            single => vec![single],
        }
    }
}

/// The faults of the call that creates one message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct CallFaults(Vec<InjectedFault>);

impl From<InjectedFault> for CallFaults {
    fn from(fault: InjectedFault) -> Self {
        Self(fault.flatten())
    }
}

impl CallFaults {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InjectedFault> {
        self.0.iter()
    }

    pub(crate) fn contains(&self, fault: &InjectedFault) -> bool {
        self.0.contains(fault)
    }

    /// The error with which no message is created.
    pub(crate) fn refusal(&self) -> Option<ApiError> {
        self.iter().find_map(|fault| match fault {
            InjectedFault::Refuse { status, code, retry_after } => {
                Some(ApiError { retry_after: *retry_after, ..ApiError::planned(*status, *code) })
            }
            _ => None,
        })
    }

    /// The error code of a message that fails by one of these faults.
    pub(crate) fn error_code(&self) -> Option<u32> {
        self.iter().find_map(|fault| match fault {
            InjectedFault::Fail { code } | InjectedFault::FailAfter { code, .. } => Some(*code),
            _ => None,
        })
    }

    /// Why a message that is created now is not sent at once.
    pub(crate) fn hold(&self, now: Timestamp) -> Option<Hold> {
        self.iter().find_map(|fault| match fault {
            InjectedFault::Hold { seconds } => {
                let end = |seconds: u32| now.saturating_add(SignedDuration::from_secs(seconds.into()));
                Some(Hold { until: seconds.map(|seconds| end(seconds).unwrap_or(Timestamp::MAX)) })
            }
            _ => None,
        })
    }
}

/// The faults of the webhooks about one message, at most one of each kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct WebhookFaults(Vec<InjectedFault>);

impl WebhookFaults {
    pub(crate) fn iter(&self) -> impl Iterator<Item = &InjectedFault> {
        self.0.iter()
    }

    /// Adds a fault, unless there is one of its kind.
    pub(super) fn add(&mut self, fault: InjectedFault) {
        if !self.has_kind_of(&fault) {
            self.0.push(fault);
        }
    }

    pub(super) fn has_kind_of(&self, fault: &InjectedFault) -> bool {
        self.iter().any(|other| discriminant(other) == discriminant(fault))
    }

    /// With the webhook faults that were put together with faults of the call.
    pub(crate) fn with_those_of(mut self, call: &CallFaults) -> Self {
        call.iter().filter(|fault| fault.affects_webhooks()).for_each(|fault| self.add(fault.clone()));
        self
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
        self.iter().any(|fault| match fault {
            InjectedFault::Lost { status: None, statuses } if statuses.is_empty() => true,
            InjectedFault::Lost { status: one, statuses } => {
                status.is_some_and(|status| *one == Some(status) || statuses.contains(&status))
            }
            _ => false,
        })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> InjectedFault {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn faults_put_together_affect_the_call_and_its_webhooks() {
        let call: CallFaults = fault(
            r#"{"kind": "together", "faults": [
                {"kind": "accept_then_hang"}, {"kind": "late", "milliseconds": 5},
                {"kind": "together", "faults": [{"kind": "hold", "seconds": 60}, {"kind": "fail", "code": 63024}]}
            ]}"#,
        )
        .into();
        assert!(call.contains(&InjectedFault::AcceptThenHang));
        assert_eq!((call.error_code(), call.refusal()), (Some(63024), None));
        let minute = Timestamp::UNIX_EPOCH + SignedDuration::from_mins(1);
        assert_eq!(call.hold(Timestamp::UNIX_EPOCH), Some(Hold { until: Some(minute) }));
        let webhooks = WebhookFaults::default().with_those_of(&call);
        assert_eq!((webhooks.iter().count(), webhooks.delay()), (1, Some(Duration::from_millis(5))));
        let until_released: CallFaults = fault(r#"{"kind": "hold"}"#).into();
        assert_eq!(until_released.hold(Timestamp::UNIX_EPOCH), Some(Hold { until: None }));
    }

    #[test]
    fn webhooks_of_several_statuses_are_lost() {
        use MessageStatus::{Delivered, Read, Sent};
        let lost = |json: &str| {
            let mut faults = WebhookFaults::default();
            faults.add(fault(json));
            [None, Some(Sent), Some(Delivered), Some(Read)].map(|status| faults.loses(status))
        };
        assert_eq!(lost(r#"{"kind": "lost"}"#), [true; 4]);
        assert_eq!(lost(r#"{"kind": "lost", "statuses": ["sent", "read"]}"#), [false, true, false, true]);
        assert_eq!(lost(r#"{"kind": "lost", "status": "sent"}"#), [false, true, false, false]);
    }
}
