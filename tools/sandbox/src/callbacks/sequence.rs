//! Which statuses a message will have, and whether they are reported.

use twilio_types::{address::Channel, message_status::MessageStatus};

use crate::{
    choices::BrokenRule,
    faults::{CallFaults, InjectedFault},
    messages::Message,
};

/// The statuses that a message will have, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StatusSequence {
    pub(super) statuses: Vec<MessageStatus>,
    pub(super) error_code: Option<u32>,
    pub(super) reporting: Reporting,
}

/// Whether the statuses are posted to the callback URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reporting {
    Reported,
    Silent,
}

impl Reporting {
    fn of(faults: &CallFaults) -> Self {
        if faults.contains(&InjectedFault::Silent) { Self::Silent } else { Self::Reported }
    }
}

impl StatusSequence {
    /// The statuses of a message, given the error code of the rule that it breaks with the status for that, and the faults that
    /// were planned for it.
    pub(super) fn of(message: &Message, broken_rule: Option<(u32, BrokenRule)>, faults: &CallFaults) -> Self {
        use MessageStatus::{Delivered, Read, Sent, Undelivered};
        let on_whatsapp = message.channel == Channel::WhatsApp;
        // Only WhatsApp reports that a message was read.
        let good: &[_] = if on_whatsapp { &[Sent, Delivered, Read] } else { &[Sent, Delivered] };
        let outcome = faults.iter().find(|fault| fault.decides_the_statuses());
        let (statuses, error_code) = match (outcome, broken_rule) {
            (Some(InjectedFault::Report { statuses }), _) => {
                return Self { statuses: statuses.clone(), error_code: None, reporting: Reporting::of(faults) };
            }
            (Some(InjectedFault::Fail { code }), _) => return Self::failed(message, *code, faults),
            (_, Some((code, BrokenRule::Failed))) => return Self::failed(message, code, faults),
            (_, Some((code, BrokenRule::Undelivered))) => (vec![Undelivered], Some(code)),
            (Some(InjectedFault::FailAfter { code, after }), None) => {
                let before = good.iter().copied().take_while(|status| status <= after);
                (before.chain([Undelivered]).collect(), Some(*code))
            }
            (_, None) => (good.to_vec(), None),
        };
        Self::new(message, statuses, error_code, faults)
    }

    /// The statuses of a message that is not sent.
    pub(super) fn failed(message: &Message, code: u32, faults: &CallFaults) -> Self {
        Self::new(message, vec![MessageStatus::Failed], Some(code), faults)
    }

    fn new(message: &Message, statuses: Vec<MessageStatus>, error_code: Option<u32>, faults: &CallFaults) -> Self {
        // Through a messaging service a message begins as accepted and is reported as queued; without one it begins as queued.
        let first = message.messaging_service_sid.is_some().then_some(MessageStatus::Queued);
        Self { statuses: first.into_iter().chain(statuses).collect(), error_code, reporting: Reporting::of(faults) }
    }
}

#[cfg(test)]
mod tests {
    use MessageStatus::{Delivered, Failed, Queued, Read, Sent, Undelivered};

    use super::*;
    use crate::{api::create, config::Config, state::Sandbox};

    const WHATSAPP: [(&str, &str); 3] =
        [("To", "whatsapp:+14155550123"), ("From", "whatsapp:+14155238886"), ("Body", "hi")];
    const SMS: [(&str, &str); 3] =
        [("To", "+14155550123"), ("MessagingServiceSid", "MG00000000000000000000000000000001"), ("Body", "hi")];

    fn message(parameters: [(&str, &str); 3]) -> Message {
        let form = parameters.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect();
        create::message(&Sandbox::new(Config::documented(String::new())), &form).unwrap()
    }

    #[test]
    fn statuses_depend_on_channel_rule_and_fault() {
        let undelivered = r#"{"kind": "fail_after", "code": 63024, "after": "sent"}"#;
        let at_once = r#"{"kind": "fail_after", "code": 63024, "after": "queued"}"#;
        let silent = r#"{"kind": "silent"}"#;
        let cases = [
            (WHATSAPP, None, None, vec![Sent, Delivered, Read], None),
            (WHATSAPP, Some(63016), None, vec![Failed], Some(63016)),
            (WHATSAPP, Some(63016), Some(undelivered), vec![Failed], Some(63016)),
            (WHATSAPP, None, Some(undelivered), vec![Sent, Undelivered], Some(63024)),
            (WHATSAPP, None, Some(at_once), vec![Undelivered], Some(63024)),
            (WHATSAPP, None, Some(silent), vec![Sent, Delivered, Read], None),
            (SMS, None, None, vec![Queued, Sent, Delivered], None),
            (SMS, None, Some(r#"{"kind": "fail", "code": 30003}"#), vec![Queued, Failed], Some(30003)),
        ];
        for (parameters, verdict, fault, statuses, error_code) in cases {
            let parsed = fault.map(|fault| serde_json::from_str::<InjectedFault>(fault).unwrap());
            let faults = parsed.map(CallFaults::from).unwrap_or_default();
            let sequence =
                StatusSequence::of(&message(parameters), verdict.map(|code| (code, BrokenRule::Failed)), &faults);
            assert_eq!(sequence.reporting == Reporting::Silent, fault == Some(silent));
            assert_eq!((sequence.statuses, sequence.error_code), (statuses, error_code), "{parameters:?} {fault:?}");
        }
    }

    #[test]
    fn broken_rule_ends_as_undelivered_where_that_is_chosen() {
        let broken = Some((63016, BrokenRule::Undelivered));
        let by_whatsapp = StatusSequence::of(&message(WHATSAPP), broken, &CallFaults::default());
        assert_eq!((by_whatsapp.statuses, by_whatsapp.error_code), (vec![Undelivered], Some(63016)));
        let fault = serde_json::from_str::<InjectedFault>(r#"{"kind": "fail", "code": 63024}"#).unwrap();
        let planned = StatusSequence::of(&message(WHATSAPP), broken, &fault.into());
        assert_eq!(
            (planned.statuses, planned.error_code),
            (vec![Failed], Some(63024)),
            "a planned fault says what it does"
        );
    }
}
