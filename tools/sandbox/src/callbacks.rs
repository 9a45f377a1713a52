//! What becomes of a message: its statuses, reported to its callback URL.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use shared::{form::Form, message_status::MessageStatus, sid::MessageSid};

use crate::{
    faults::Fault,
    state::{Message, Sandbox},
};

/// Between two statuses: enough for a person to see them come one after the other.
const PAUSE: Duration = Duration::from_millis(100);

/// Free-form text outside of the service window. Source: Twilio, error 63016.
const OUTSIDE_WINDOW: u32 = 63016;

/// What is going to happen to a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fate {
    statuses: Vec<MessageStatus>,
    error_code: Option<u32>,
}

impl Fate {
    /// The fate of a message that was just taken.
    pub(crate) fn of(message: &Message, window_is_open: bool, fault: Option<&Fault>) -> Self {
        use MessageStatus::{Delivered, Failed, Queued, Read, Sent};
        let (mut statuses, error_code) = match fault {
            Some(Fault::Report { statuses }) => return Self { statuses: statuses.clone(), error_code: None },
            Some(Fault::Fail { code }) => (vec![Failed], Some(*code)),
            _ if message.content_sid.is_none() && !window_is_open => (vec![Failed], Some(OUTSIDE_WINDOW)),
            _ => (vec![Sent, Delivered, Read], None),
        };
        // Only a messaging service reports that a message is queued: without one that is where it begins.
        if message.messaging_service_sid.is_some() {
            statuses.insert(0, Queued);
        }
        Self { statuses, error_code }
    }
}

/// Lets a fate happen.
pub(crate) async fn unfold(sandbox: Arc<Sandbox>, sid: MessageSid, fate: Fate) {
    for status in fate.statuses {
        tokio::time::sleep(PAUSE).await;
        let failed = matches!(status, MessageStatus::Failed | MessageStatus::Undelivered);
        sandbox.report(&sid, status, fate.error_code.filter(|_| failed)).await;
    }
}

impl Sandbox {
    /// Moves a message on and reports it. A message without a callback URL moves on in silence.
    pub(crate) async fn report(&self, sid: &MessageSid, status: MessageStatus, error_code: Option<u32>) {
        let message = {
            let mut state = self.state();
            let Some(message) = state.message_mut(sid) else { return };
            let now = Timestamp::now();
            message.status = message.status.max(status);
            message.error_code = message.error_code.or(error_code);
            message.updated_at = now;
            message.sent_at.get_or_insert(now);
            message.from.get_or_insert_with(|| self.config.sender.clone());
            message.clone()
        };
        if let Some(url) = &message.status_callback {
            let form = self.callback(&message, status, error_code);
            self.post_webhook(url, &form, sid.as_str(), Some(status)).await;
        }
    }

    /// The parameters of a real WhatsApp callback.
    fn callback(&self, message: &Message, status: MessageStatus, error_code: Option<u32>) -> Form {
        let number = message.to.trim_start_matches("whatsapp:");
        let shown = number.char_indices().rev().nth(3).map_or("", |(at, _)| number.get(..at).unwrap_or_default());
        let mut parameters = vec![
            ("ChannelPrefix", "whatsapp".to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
            ("MessageStatus", status.to_string()),
            ("SmsSid", message.sid.to_string()),
            ("SmsStatus", status.to_string()),
            ("ChannelInstallSid", "XE00000000000000000000000000000001".to_owned()),
            ("To", message.to.clone()),
            ("From", message.from.clone().unwrap_or_default()),
            ("MessageSid", message.sid.to_string()),
            ("AccountSid", self.config.account_sid.to_string()),
            ("ChannelToAddress", format!("{shown}XXXX")),
        ];
        if let Some(service) = &message.messaging_service_sid {
            parameters.push(("MessagingServiceSid", service.clone()));
        }
        if status == MessageStatus::Read {
            parameters.push(("EventType", "READ".to_owned()));
        }
        if let Some(code) = error_code {
            let reason = "Twilio could not deliver the message".to_owned();
            parameters.extend([("ErrorCode", code.to_string()), ("ChannelStatusMessage", reason)]);
        }
        parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}
