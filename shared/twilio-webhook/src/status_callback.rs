//! The status of a message that was sent: the form of a status callback.
//!
//! Source: Twilio, "Track the Message Status of Outbound Messages".

use twilio_types::{
    address::Address,
    error_code::ErrorCode,
    message_status::ReportedStatus,
    sid::{AccountSid, MessageSid, MessagingServiceSid},
};

use crate::{
    fields::{Fields, InvalidForm},
    redacted::redacted_debug,
    signature::TrustedForm,
};

/// A status callback. Parameters that have no field here are in the form. `Debug` shows the SID, the status and the code.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatusCallback {
    /// `MessageSid`: the message.
    pub message_sid: MessageSid,
    /// `AccountSid`: the account that sent it.
    pub account_sid: AccountSid,
    /// `MessageStatus`, or `SmsStatus` where that is missing: its new status. Callbacks come in any order and more than once.
    pub status: ReportedStatus,
    /// `ErrorCode`, for `failed` and `undelivered`.
    pub error_code: Option<ErrorCode>,
    /// `ErrorMessage`, which few callbacks have.
    pub error_message: Option<String>,
    /// `ChannelStatusMessage`: the channel's own description of a failure.
    pub channel_status_message: Option<String>,
    /// `ChannelInstallSid` of the sender.
    pub channel_install_sid: Option<String>,
    /// `ChannelPrefix`, as in `whatsapp`.
    pub channel_prefix: Option<String>,
    /// `ChannelToAddress`: the recipient, partly masked by Twilio.
    pub channel_to_address: Option<String>,
    /// `EventType`, as in `READ`.
    pub event_type: Option<String>,
    /// `From`: the sender. A messaging service has not chosen it yet in its first callbacks.
    pub from: Option<Address>,
    /// `To`: the address of the recipient.
    pub to: Option<Address>,
    /// `MessagingServiceSid`, if it was sent through a messaging service.
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// `RawDlrDoneDate`: SMS only.
    pub raw_dlr_done_date: Option<String>,
    /// The names of the parameters that cannot be read, also that of a status which is not known.
    pub unreadable_parameters: Vec<String>,
}

redacted_debug! {
    StatusCallback { message_sid, status, error_code }
}

impl StatusCallback {
    /// Parses a form that Twilio signed. Unknown parameters, and optional ones that cannot be read, remain in the form
    /// only, and the latter are named.
    pub fn parse<'a>(form: impl Into<TrustedForm<'a>>) -> Result<Self, InvalidForm> {
        let mut fields = Fields::of(form.into().form());
        let message_sid = fields.message_sid()?;
        let account_sid = fields.required("AccountSid", "an account SID: AC and 32 hexadecimal digits")?;
        let status = status(&mut fields)?;
        Ok(Self {
            message_sid,
            account_sid,
            status,
            error_code: fields.parsed("ErrorCode"),
            error_message: fields.text("ErrorMessage"),
            channel_status_message: fields.text("ChannelStatusMessage"),
            channel_install_sid: fields.text("ChannelInstallSid"),
            channel_prefix: fields.text("ChannelPrefix"),
            channel_to_address: fields.text("ChannelToAddress"),
            event_type: fields.text("EventType"),
            from: fields.parsed("From"),
            to: fields.parsed("To"),
            messaging_service_sid: fields.parsed("MessagingServiceSid"),
            raw_dlr_done_date: fields.text("RawDlrDoneDate"),
            unreadable_parameters: fields.into_unreadable(),
        })
    }
}

/// The names of the status, the current one first.
const STATUSES: [&str; 2] = ["MessageStatus", "SmsStatus"];

const STATUS: InvalidForm = InvalidForm {
    field: "MessageStatus",
    expected: "a word for a message status: 1 to 64 characters without control characters, as in delivered",
};

pub(crate) fn status(fields: &mut Fields<'_>) -> Result<ReportedStatus, InvalidForm> {
    for name in STATUSES {
        let Some(status) = fields.parsed::<ReportedStatus>(name) else { continue };
        if status.known().is_none() {
            fields.mark(name);
        }
        return Ok(status);
    }
    Err(STATUS)
}

#[cfg(test)]
mod tests {
    use twilio_types::message_status::MessageStatus;

    use super::*;
    use crate::form::Form;

    const SENT: &str = "SmsSid=SM00000000000000000000000000000001&SmsStatus=sent&MessageStatus=sent\
        &ChannelToAddress=%2B1415555XXXX&To=whatsapp%3A%2B14155550123&ChannelPrefix=whatsapp\
        &MessageSid=SM00000000000000000000000000000001&AccountSid=AC00000000000000000000000000000001\
        &From=whatsapp%3A%2B14155238886&ApiVersion=2010-04-01&ChannelInstallSid=XE00000000000000000000000000000001";

    fn parse(form: &str) -> Result<StatusCallback, InvalidForm> {
        StatusCallback::parse(TrustedForm::Stored(&Form::parse(form.as_bytes())))
    }

    #[test]
    fn a_callback_is_parsed() {
        let callback = parse(SENT).unwrap();
        assert_eq!(callback.status, MessageStatus::Sent.into());
        assert!(callback.unreadable_parameters.is_empty());
        assert_eq!(callback.error_code, None);
        assert_eq!(callback.to.unwrap().to_string(), "whatsapp:+14155550123");
    }

    #[test]
    fn debug_shows_no_number() {
        let shown = format!("{:?}", parse(SENT).unwrap());
        assert!(shown.contains("SM00000000000000000000000000000001") && !shown.contains("+1415"), "{shown}");
    }

    #[test]
    fn a_failure_has_its_code_and_its_reason() {
        let failed = SENT.replace("MessageStatus=sent", "MessageStatus=failed");
        let callback = parse(&format!("{failed}&ErrorCode=63016&ChannelStatusMessage=outside+the+window")).unwrap();
        assert_eq!(callback.status, MessageStatus::Failed.into());
        assert_eq!(callback.error_code.unwrap().to_string(), "63016");
        assert_eq!(callback.channel_status_message.as_deref(), Some("outside the window"));
    }

    #[test]
    fn a_missing_or_malformed_parameter_is_named() {
        for (from, to, field) in [
            ("SM00000000000000000000000000000001", "SM1", "MessageSid"),
            ("&AccountSid=AC00000000000000000000000000000001", "", "AccountSid"),
            ("Status=sent", "Status=%00", "MessageStatus"),
        ] {
            assert_eq!(parse(&SENT.replace(from, to)).unwrap_err().field, field);
        }
    }

    #[test]
    fn a_status_that_is_not_known_is_kept_and_named() {
        let callback = parse(&SENT.replace("Status=sent", "Status=expired")).unwrap();
        assert_eq!((callback.status.as_str(), callback.status.known()), ("expired", None));
        assert_eq!(callback.unreadable_parameters, ["MessageStatus"]);
        let callback = parse(&SENT.replace("&MessageStatus=sent", "")).unwrap();
        assert_eq!(callback.status, MessageStatus::Sent.into(), "by SmsStatus");
        assert!(callback.unreadable_parameters.is_empty());
    }

    #[test]
    fn each_optional_parameter_that_cannot_be_read_is_named() {
        let long = "x".repeat(300);
        for (name, value) in [("ErrorCode", "x"), ("From", &long), ("To", &long), ("MessagingServiceSid", "MG1")] {
            let without = SENT.replace("&To=", "&OtherTo=").replace("&From=", "&OtherFrom=");
            let callback = parse(&format!("{without}&{name}={value}")).unwrap();
            assert_eq!(callback.status, MessageStatus::Sent.into());
            assert_eq!(callback.unreadable_parameters, [name]);
        }
    }
}
