//! The account's WhatsApp senders, for commands that need one and were given none. Source: Twilio, "Senders API".

use serde::Deserialize;
use twilio_client::{ApiRequest, Product};
use twilio_types::address::WhatsAppSender;

use crate::{error::CommandError, session::Session};

#[derive(Deserialize)]
struct SenderList {
    #[serde(default)]
    senders: Vec<ListedSender>,
}

#[derive(Deserialize)]
struct ListedSender {
    sender_id: String,
}

/// Parses a sender as an operator writes it.
pub fn sender(text: &str) -> Result<WhatsAppSender, String> {
    WhatsAppSender::try_from(text.to_owned()).map_err(|error| error.to_string())
}

/// The only WhatsApp sender of the account. With several, the operator has to name one with this option.
pub async fn only_sender(session: &Session, option: &str) -> Result<WhatsAppSender, CommandError> {
    let request = ApiRequest::get(Product::Messaging, "/v2/Channels/Senders");
    let request = request.query([("Channel", "whatsapp"), ("PageSize", "20")]);
    let page: SenderList = session.twilio().await?.call(request).await.map_err(|error| {
        CommandError::from(error).after(format!("looking for the account's WhatsApp sender: name it with {option}"))
    })?;
    let senders: Vec<_> = page.senders.into_iter().map(|sender| sender.sender_id).collect();
    choose(&senders, option)
}

fn choose(senders: &[String], option: &str) -> Result<WhatsAppSender, CommandError> {
    match senders {
        [sender] => WhatsAppSender::try_from(sender.clone())
            .map_err(|error| CommandError::refused(format!("{option}: Twilio's sender {sender}: {error}"))),
        [] => Err(CommandError::not_found(format!("{option}: the account has no WhatsApp sender: name one"))),
        several => Err(CommandError::usage(format!("{option}: expected one of {}", several.join(", ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_single_sender_is_chosen() {
        let chosen = |senders: &[&str]| {
            let senders: Vec<_> = senders.iter().map(|sender| (*sender).to_owned()).collect();
            choose(&senders, "--to")
        };
        assert_eq!(chosen(&["whatsapp:+14155238886"]).unwrap().to_string(), "whatsapp:+14155238886");
        assert_eq!(chosen(&[]).unwrap_err().code(), 3);
        let several = chosen(&["whatsapp:+14155238886", "whatsapp:+14155238887"]).unwrap_err();
        assert_eq!(several.to_string(), "--to: expected one of whatsapp:+14155238886, whatsapp:+14155238887");
    }
}
