//! Twilio or WhatsApp knows of an opt-out that no message expressed: the error code of a status callback reports it. If
//! Twilio's answer to a request has such a code, `send` records it.

use domain::{
    contact_key::ContactKey,
    failure_response::FailureResponse,
    preference::{Preference, RecordedPreference},
    suppression::{OptOutScope, Scope, reported_reason},
};
use jiff::Timestamp;
use stores::contacts::{Contacts, PreferenceChange, PreferenceSource};
use twilio_types::{address::Channel, error_code::ErrorCode, message_status::Stage, sid::MessageSid};
use twilio_webhook::status_callback::StatusCallback;

use crate::error::EventError;

/// Records reported opt-outs. The event about one comes from the stream of the Contacts table.
#[derive(Debug)]
pub(crate) struct OptOutRecorder {
    pub(crate) contacts: Contacts,
}

/// An opt-out that an error code reports.
#[derive(Debug, PartialEq, Eq)]
struct ReportedOptOut {
    contact: ContactKey,
    channel: Channel,
    scopes: Vec<Scope>,
    code: ErrorCode,
    /// The message that failed.
    message_sid: MessageSid,
    event_id: String,
    at: Timestamp,
}

impl OptOutRecorder {
    /// A message failed after Twilio had accepted it. `configured` says what an opt-out covers that Twilio or WhatsApp knows of.
    pub(crate) async fn record_report(
        &self,
        callback: &StatusCallback,
        configured: OptOutScope,
        at: Timestamp,
    ) -> Result<(), EventError> {
        self.record(of_report(configured, callback, at)).await
    }

    async fn record(&self, opt_out: Option<ReportedOptOut>) -> Result<(), EventError> {
        let Some(ReportedOptOut { contact, channel, scopes, code, message_sid, event_id, at }) = opt_out else {
            return Ok(());
        };
        let preference = RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: at,
            message_sid: Some(message_sid),
            reason: Some(reported_reason(code)),
        };
        let source = PreferenceSource { event_id, code: Some(code), recorded_by: None };
        let now = Timestamp::now();
        self.contacts.record_preference(&contact, Some(&channel), &scopes, &preference, &source, now).await?;
        Ok(())
    }
}

fn of_report(configured: OptOutScope, callback: &StatusCallback, at: Timestamp) -> Option<ReportedOptOut> {
    let code = callback.error_code.filter(|_| callback.status.stage() == Stage::Lost)?;
    Some(ReportedOptOut {
        scopes: reported_scopes(configured, code, callback)?,
        contact: ContactKey::of_recipient(callback)?,
        channel: callback.to.as_ref()?.channel.clone(),
        code,
        message_sid: callback.message_sid.clone(),
        event_id: event_id(&callback.message_sid),
        at,
    })
}

/// A person who blocks a sender, or writes STOP to it at Twilio, opts out of what a STOP to this sender would cover here.
fn reported_scopes(configured: OptOutScope, code: ErrorCode, callback: &StatusCallback) -> Option<Vec<Scope>> {
    // The country only decides about retries.
    match FailureResponse::of_code(Some(code), None) {
        FailureResponse::OptOut => {
            Some(configured.scopes_of_report(callback.from.as_ref(), callback.messaging_service_sid.as_ref()))
        }
        FailureResponse::OptOutOfMarketing => Some(vec![Scope::Marketing]),
        _ => None,
    }
}

/// The same report gives the same id, so that a record that comes again is the same event.
fn event_id(report: impl std::fmt::Display) -> String {
    format!("{report}.{}", PreferenceChange::event_type(Preference::OptedOut))
}

#[cfg(test)]
mod tests {
    use twilio_webhook::{form::Form, signature::TrustedForm};

    use super::*;

    fn at() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn report(status: &str, code: &str) -> Option<ReportedOptOut> {
        report_of(OptOutScope::All, status, code)
    }

    fn report_of(configured: OptOutScope, status: &str, code: &str) -> Option<ReportedOptOut> {
        let form = [
            ("MessageSid", "SM00000000000000000000000000000001"),
            ("AccountSid", "AC00000000000000000000000000000001"),
            ("From", "whatsapp:+14155238886"),
            ("To", "whatsapp:+14155550123"),
            ("MessagingServiceSid", "MG00000000000000000000000000000001"),
            ("MessageStatus", status),
            ("ErrorCode", code),
        ];
        let form: Form = form.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        of_report(configured, &StatusCallback::parse(TrustedForm::Stored(&form)).unwrap(), at())
    }

    #[test]
    fn a_code_that_reports_an_opt_out_names_its_scope() {
        for (code, scope) in
            [("21610", Scope::All), ("63014", Scope::All), ("63033", Scope::Marketing), ("63050", Scope::Marketing)]
        {
            let opt_out = report("failed", code).unwrap();
            assert_eq!((opt_out.scopes, opt_out.channel, opt_out.at), (vec![scope], Channel::WhatsApp, at()), "{code}");
            assert_eq!(opt_out.contact.address(), "+14155550123");
            assert_eq!(opt_out.event_id, "SM00000000000000000000000000000001.contact_opted_out");
        }
    }

    #[test]
    fn a_reported_opt_out_of_a_sender_covers_it_and_its_service() {
        let senders = ["whatsapp:+14155238886", "MG00000000000000000000000000000001"];
        let senders = senders.map(|sender| Scope::Sender(sender.to_owned())).to_vec();
        for (code, expected) in [("21610", senders.clone()), ("63014", senders), ("63050", vec![Scope::Marketing])] {
            assert_eq!(report_of(OptOutScope::Sender, "undelivered", code).unwrap().scopes, expected, "{code}");
        }
    }

    #[test]
    fn another_failure_reports_no_opt_out() {
        assert_eq!(report("undelivered", "63016"), None);
        assert_eq!(report("sent", "21610"), None);
    }
}
