//! The sender of a message: the one that the request names, or one that its Messaging Service selects.

use twilio_types::address::{Channel, E164};
use twilio_webhook::form::Form;

use crate::{api_error::ApiError, services::MessagingService, state::Sandbox};

/// A number that another account has.
const OTHER_ACCOUNTS_NUMBER: &str = "+14155550101";
/// A number of the account that can be called, and cannot send SMS.
const VOICE_NUMBER: &str = "+14155550102";

#[derive(Debug)]
pub(super) struct SenderChoice {
    /// None where the service selects one.
    pub(super) from: Option<String>,
    pub(super) messaging_service_sid: Option<String>,
}

impl SenderChoice {
    pub(super) fn parse(sandbox: &Sandbox, channel: &Channel, form: &Form) -> Result<Self, ApiError> {
        let from = form.get_filled("From");
        let service = form.get_filled("MessagingServiceSid");
        if from.is_none() && service.is_none() {
            return Err(ApiError::bad_request(21603, "A 'From' phone number or 'MessagingServiceSid' is required."));
        }
        if let Some(sid) = service {
            let service = sandbox.products.services.get(sid);
            let service =
                service.ok_or_else(|| ApiError::bad_request(21705, "The Messaging Service Sid is invalid."))?;
            check_pool(&service, from, sandbox.config.sender_on(channel))?;
        }
        if let Some(from) = from.filter(|from| !sandbox.has_sender(channel, from)) {
            return Err(invalid_sender(sandbox, channel, from));
        }
        Ok(Self { from: from.map(str::to_owned), messaging_service_sid: service.map(str::to_owned) })
    }
}

/// Checks that a service has the sender that the request names, or without one the account's sender of the channel.
fn check_pool(service: &MessagingService, from: Option<&str>, of_channel: &str) -> Result<(), ApiError> {
    if service.has_sender(from.unwrap_or(of_channel)) {
        return Ok(());
    }
    let (code, message) = match from {
        Some(_) => (21711, "The 'From' number provided does not belong to the associated Messaging Service."),
        None if service.has_no_sender() => (21704, "The Messaging Service contains no phone numbers."),
        None => (21703, "The Messaging Service does not have a phone number available to send a message."),
    };
    Err(ApiError::bad_request(code, message))
}

/// Source of the codes of SMS: Twilio, changelog of 10 July 2024, "Updates to the error code dictionary to clarify number
/// validation errors".
fn invalid_sender(sandbox: &Sandbox, channel: &Channel, from: &str) -> ApiError {
    let account = &sandbox.config.account_sid;
    let is_number = from.parse::<E164>().is_ok() || from.bytes().all(|digit| digit.is_ascii_digit());
    let (code, message) = match (channel, from) {
        _ if channel_name(from) != channel.name() => {
            (21910, "Invalid From and To pair. From and To should be of the same channel".to_owned())
        }
        (Channel::WhatsApp, _) => (63007, "Twilio could not find a Channel with the specified From address".to_owned()),
        (_, OTHER_ACCOUNTS_NUMBER) => {
            (21660, format!("Mismatch between the 'From' number {from} and the account {account}"))
        }
        (_, VOICE_NUMBER) => (21661, format!("'From' number {from} is not SMS-capable")),
        _ if is_number => (21659, format!("'From' {from} is not a Twilio phone number or Short Code country mismatch")),
        _ => (21606, format!("The 'From' phone number {from} is not a valid, message-capable number of the account.")),
    };
    ApiError::bad_request(code, message)
}

fn channel_name(address: &str) -> &str {
    address.split_once(':').map_or(Channel::Sms.name(), |(channel, _)| channel)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn sender_that_cannot_send_is_refused_with_its_own_code() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let sms_only = "MG00000000000000000000000000000002";
        let (pool, empty) = (vec!["+14155550100".to_owned()], "MG00000000000000000000000000000003");
        for (sid, pool) in [(sms_only, pool), (empty, Vec::new())] {
            sandbox.products.services.add(sid.to_owned(), MessagingService::with_pool(sid, pool));
        }
        let from = |from: &'static str| ("From", from);
        let service = |sid: &'static str| ("MessagingServiceSid", sid);
        let cases = [
            (Channel::Sms, vec![from("+14155550100")], None),
            (Channel::Sms, vec![from("+14155550199")], Some(21659)),
            (Channel::Sms, vec![from("12345")], Some(21659)),
            (Channel::Sms, vec![from(OTHER_ACCOUNTS_NUMBER)], Some(21660)),
            (Channel::Sms, vec![from(VOICE_NUMBER)], Some(21661)),
            (Channel::Sms, vec![from("ACME")], Some(21606)),
            (Channel::Sms, vec![from("whatsapp:+14155238886")], Some(21910)),
            (Channel::WhatsApp, vec![from("+14155550100")], Some(21910)),
            (Channel::WhatsApp, vec![from("whatsapp:+14155550199")], Some(63007)),
            (Channel::Sms, vec![service(sms_only)], None),
            (Channel::WhatsApp, vec![service(sms_only)], Some(21703)),
            (Channel::WhatsApp, vec![service(empty)], Some(21704)),
            (Channel::WhatsApp, vec![service(sms_only), from("whatsapp:+14155238886")], Some(21711)),
            (Channel::WhatsApp, vec![service(sms_only), from("+14155550100")], Some(21910)),
        ];
        for (channel, parameters, code) in cases {
            let form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let refused = SenderChoice::parse(&sandbox, &channel, &form).err().map(|refusal| refusal.code);
            assert_eq!(refused, code, "{channel:?} {parameters:?}");
        }
    }
}
