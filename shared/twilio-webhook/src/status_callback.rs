//! The status of a message that was sent: the form of a status callback.
//!
//! Source: Twilio, "Track the Message Status of Outbound Messages".

use twilio_types::{
    address::Address,
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::{AccountSid, MessageSid, MessagingServiceSid},
};

use crate::{
    form::Form,
    inbound_message::{InvalidForm, required},
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
    /// `MessageStatus`: its new status. Callbacks come in any order and more than once.
    pub status: MessageStatus,
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
}

redacted_debug! {
    StatusCallback { message_sid, status, error_code }
}

impl StatusCallback {
    /// Parses a form that Twilio signed.
    pub fn parse<'a>(form: impl Into<TrustedForm<'a>>) -> Result<Self, InvalidForm> {
        let form = form.into().form();
        Ok(Self {
            message_sid: required(form, "MessageSid", "a message SID: SM or MM and 32 hexadecimal digits")?,
            account_sid: required(form, "AccountSid", "an account SID: AC and 32 hexadecimal digits")?,
            status: required(form, "MessageStatus", "one of Twilio's message statuses, as in delivered")?,
            error_code: error_code(form)?,
            error_message: form.get_owned("ErrorMessage"),
            channel_status_message: form.get_owned("ChannelStatusMessage"),
            channel_install_sid: form.get_owned("ChannelInstallSid"),
            channel_prefix: form.get_owned("ChannelPrefix"),
            channel_to_address: form.get_owned("ChannelToAddress"),
            event_type: form.get_owned("EventType"),
            from: form.get_parsed("From"),
            to: form.get_parsed("To"),
            messaging_service_sid: form.get_parsed("MessagingServiceSid"),
            raw_dlr_done_date: form.get_owned("RawDlrDoneDate"),
        })
    }
}

fn error_code(form: &Form) -> Result<Option<ErrorCode>, InvalidForm> {
    form.get_filled("ErrorCode").map(|_| required(form, "ErrorCode", "a number, as in 63016")).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(callback.status, MessageStatus::Sent);
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
        assert_eq!(callback.status, MessageStatus::Failed);
        assert_eq!(callback.error_code.unwrap().to_string(), "63016");
        assert_eq!(callback.channel_status_message.as_deref(), Some("outside the window"));
    }

    #[test]
    fn a_missing_or_malformed_parameter_is_named() {
        for (from, to, field) in [
            ("&MessageSid=SM00000000000000000000000000000001", "", "MessageSid"),
            ("&AccountSid=AC00000000000000000000000000000001", "", "AccountSid"),
            ("&MessageStatus=sent", "&MessageStatus=lost", "MessageStatus"),
            ("&ApiVersion=2010-04-01", "&ErrorCode=x", "ErrorCode"),
        ] {
            assert_eq!(parse(&SENT.replacen(from, to, 1)).unwrap_err().field, field);
        }
    }
}
