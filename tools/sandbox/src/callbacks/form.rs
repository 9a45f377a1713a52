//! The parameters of a status callback.

use jiff::tz::TimeZone;
use twilio_types::{address::Channel, message_status::MessageStatus};
use twilio_webhook::form::Form;

use crate::{config::Config, messages::Message, portfolio::WhatsAppIds, senders::SENDER_SID};

/// The parameters of a status callback, as Twilio sends them.
pub(super) fn callback_form(
    config: &Config,
    message: &Message,
    status: MessageStatus,
    error_code: Option<u32>,
    ids: Option<WhatsAppIds>,
) -> Form {
    let mut parameters = vec![
        ("ApiVersion", "2010-04-01".to_owned()),
        ("MessageStatus", status.to_string()),
        ("SmsSid", message.sid.to_string()),
        ("SmsStatus", status.to_string()),
        ("To", message.to.clone()),
        ("From", message.from.clone().unwrap_or_default()),
        ("MessageSid", message.sid.to_string()),
        ("AccountSid", config.account_sid.to_string()),
    ];
    if let Some(service) = &message.messaging_service_sid {
        parameters.push(("MessagingServiceSid", service.clone()));
    }
    if let Some(code) = error_code {
        parameters.push(("ErrorCode", code.to_string()));
    }
    parameters.extend(match message.channel {
        Channel::WhatsApp => whatsapp_parameters(message, status, error_code),
        _ => sms_parameters(message, status),
    });
    // Source: Twilio, "Key Concepts and Terms for the WhatsApp Business Platform", "WhatsApp usernames".
    let ids = ids.filter(|_| matches!(status, MessageStatus::Delivered | MessageStatus::Read));
    let (user_id, parent) = ids.map(|ids| (ids.user_id, ids.parent_user_id)).unzip();
    parameters.extend(user_id.map(|id| ("ExternalUserId", id)));
    parameters.extend(parent.flatten().map(|id| ("ParentExternalUserId", id)));
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn whatsapp_parameters(
    message: &Message,
    status: MessageStatus,
    error_code: Option<u32>,
) -> Vec<(&'static str, String)> {
    let number = message.to.trim_start_matches("whatsapp:");
    let shown = number.char_indices().rev().nth(3).map_or("", |(at, _)| number.get(..at).unwrap_or_default());
    let mut parameters = vec![
        ("ChannelPrefix", "whatsapp".to_owned()),
        ("ChannelInstallSid", SENDER_SID.to_owned()),
        ("ChannelToAddress", format!("{shown}XXXX")),
    ];
    if status == MessageStatus::Read {
        parameters.push(("EventType", "READ".to_owned()));
    }
    if error_code.is_some() {
        parameters.push(("ChannelStatusMessage", "Twilio could not deliver the message".to_owned()));
    }
    parameters
}

fn sms_parameters(message: &Message, status: MessageStatus) -> Vec<(&'static str, String)> {
    let done = matches!(status, MessageStatus::Delivered | MessageStatus::Undelivered);
    let done_at = message.updated_at.to_zoned(TimeZone::UTC).strftime("%y%m%d%H%M").to_string();
    done.then_some(("RawDlrDoneDate", done_at)).into_iter().collect()
}

#[cfg(test)]
mod tests {
    use MessageStatus::{Delivered, Read, Sent};

    use super::*;
    use crate::{api::create, state::Sandbox};

    fn form_of(parameters: &[u8], status: MessageStatus) -> Form {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let message = create::message(&sandbox, &Form::parse(parameters)).unwrap();
        let ids = sandbox.memory().people.portfolio.ids(&message.to);
        callback_form(&sandbox.config, &message, status, None, ids)
    }

    #[test]
    fn sms_callback_has_no_channel_parameters() {
        let names = |form: &Form| form.pairs().iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
        let sms = form_of(b"To=%2B14155550123&From=%2B14155550100&Body=hi", Delivered);
        assert!(!names(&sms).iter().any(|name| name.starts_with("Channel")), "{sms:?}");
        assert_eq!((sms.get("To"), sms.get("RawDlrDoneDate").map(str::len)), (Some("+14155550123"), Some(10)));
        let parameters = b"To=whatsapp%3A%2B14155550123&From=whatsapp%3A%2B14155238886&Body=hi";
        let whatsapp = form_of(parameters, Read);
        assert_eq!((sms.get("ExternalUserId"), form_of(parameters, Sent).get("ExternalUserId")), (None, None));
        assert!(whatsapp.get("ExternalUserId").is_some_and(|id| id.starts_with("whatsapp:US.")));
        assert_eq!(whatsapp.get("ChannelToAddress"), Some("+1415555XXXX"));
        assert_eq!((whatsapp.get("ChannelPrefix"), whatsapp.get("EventType")), (Some("whatsapp"), Some("READ")));
    }
}
