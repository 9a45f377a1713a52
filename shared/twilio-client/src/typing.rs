//! The typing indicator.

use serde::de::IgnoredAny;
use twilio_types::sid::MessageSid;

use crate::{AccountClient, ApiRequest, Product, TwilioError};

impl AccountClient {
    /// Shows the sender of a WhatsApp message that an answer is being written: for 25 seconds, or until the next message to
    /// them. Twilio marks the message as read. Repeating the call does no harm.
    ///
    /// Source: Twilio, "Typing Indicators resource", a public beta.
    pub async fn send_typing_indicator(&self, message_sid: &MessageSid) -> Result<(), TwilioError> {
        let form = [("channel", "whatsapp"), ("messageId", message_sid.as_str())];
        let request = ApiRequest::post(Product::Messaging, "/v2/Indicators/Typing.json").form(form);
        self.call::<IgnoredAny>(request).await.map(drop)
    }
}
