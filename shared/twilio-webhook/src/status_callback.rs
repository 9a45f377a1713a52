//! What became of a message that we sent.
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
    signature::VerifiedForm,
};

/// A status callback. Whatever Twilio sends besides is in the raw form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusCallback {
    /// `MessageSid`
    pub message_sid: MessageSid,
    /// `AccountSid`
    pub account_sid: AccountSid,
    /// `MessageStatus`
    pub status: MessageStatus,
    /// `ErrorCode`, for `failed` and `undelivered`.
    pub error_code: Option<ErrorCode>,
    /// `ErrorMessage`, which only some callbacks have.
    pub error_message: Option<String>,
    /// `ChannelStatusMessage`: what WhatsApp said of a failure.
    pub channel_status_message: Option<String>,
    /// `ChannelInstallSid` of the sender.
    pub channel_install_sid: Option<String>,
    /// `ChannelPrefix`, as in `whatsapp`.
    pub channel_prefix: Option<String>,
    /// `ChannelToAddress`, masked.
    pub channel_to_address: Option<String>,
    /// `EventType`, as in `READ`.
    pub event_type: Option<String>,
    /// `From`: our sender; not chosen yet in a service's first callbacks.
    pub from: Option<Address>,
    /// `To`: the person.
    pub to: Option<Address>,
    /// `MessagingServiceSid`, where it was sent through a service.
    pub messaging_service_sid: Option<MessagingServiceSid>,
    /// `RawDlrDoneDate`: SMS only.
    pub raw_dlr_done_date: Option<String>,
}

impl StatusCallback {
    /// Reads a form that Twilio signed.
    pub fn parse(form: &VerifiedForm) -> Result<Self, InvalidForm> {
        let form = form.form();
        Ok(Self {
            message_sid: required(form, "MessageSid", "a message SID: SM or MM and 32 hexadecimal digits")?,
            account_sid: required(form, "AccountSid", "an account SID: AC and 32 hexadecimal digits")?,
            status: required(form, "MessageStatus", "one of Twilio's message statuses, as in delivered")?,
            error_code: error_code(form)?,
            error_message: text(form, "ErrorMessage"),
            channel_status_message: text(form, "ChannelStatusMessage"),
            channel_install_sid: text(form, "ChannelInstallSid"),
            channel_prefix: text(form, "ChannelPrefix"),
            channel_to_address: text(form, "ChannelToAddress"),
            event_type: text(form, "EventType"),
            from: form.get_filled("From").and_then(|text| text.parse().ok()),
            to: form.get_filled("To").and_then(|text| text.parse().ok()),
            messaging_service_sid: form.get_filled("MessagingServiceSid").and_then(|text| text.parse().ok()),
            raw_dlr_done_date: text(form, "RawDlrDoneDate"),
        })
    }
}

fn text(form: &Form, name: &str) -> Option<String> {
    form.get_filled(name).map(str::to_owned)
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
        StatusCallback::parse(&VerifiedForm::from_store(Form::parse(form.as_bytes())))
    }

    #[test]
    fn a_callback_is_read() {
        let callback = parse(SENT).unwrap();
        assert_eq!(callback.status, MessageStatus::Sent);
        assert_eq!(callback.error_code, None);
        assert_eq!(callback.to.unwrap().to_string(), "whatsapp:+14155550123");
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
    fn what_must_be_there_is_named_when_it_is_missing_or_wrong() {
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
