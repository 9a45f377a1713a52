//! The route of a message: by which channel, sender and service it goes out. Whatever depends on the route is derived
//! here and nowhere else: the service window, the scopes of an opt-out and of a pause, the keys of both rate limits, and
//! the sender of the request to Twilio. So what is checked before a message goes out is always what the message says.

use twilio_types::{address::WhatsAppSender, sid::MessagingServiceSid};

use crate::{
    configured_senders::{ConfiguredSender, ConfiguredSenders},
    notification::{Category, FallbackChannel, Notification},
    pause::PauseScope,
    person::WindowKey,
    region::region_of_recipient,
    suppression::Scope,
};

/// The name of the route of all e-mails.
pub const EMAIL_RATE_KEY: &str = "email";

/// The route of one option of a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub channel: FallbackChannel,
    pub sender: RouteSender,
}

/// Who sends. An SMS always goes out by a service, which has a sender for it: `from` is a sender on WhatsApp.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteSender {
    From(WhatsAppSender),
    Service(MessagingServiceSid),
    Both(WhatsAppSender, MessagingServiceSid),
    /// SendGrid, for e-mail.
    SendGrid,
}

/// No sender is named or configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSender {
    #[error("from: missing, and required with messaging_service_sid where no MESSAGING_SERVICE_SID is configured")]
    WhatsApp,
    #[error(
        "messaging_service_sid: missing, and required for an sms in fallback where no MESSAGING_SERVICE_SID is \
         configured"
    )]
    Sms,
}

impl Route {
    /// The route of a notification on this channel. A sender that the notification names needs no service. Without one, the
    /// sender configured for the recipient's country sends, or the default.
    pub fn of(
        notification: &Notification,
        channel: FallbackChannel,
        configured: &ConfiguredSenders,
    ) -> Result<Self, NoSender> {
        let named = notification.messaging_service_sid.as_ref();
        let region = || region_of_recipient(&notification.to);
        let sender = match (channel, &notification.from, named) {
            (FallbackChannel::WhatsApp, Some(from), Some(service)) => RouteSender::Both(from.clone(), service.clone()),
            (FallbackChannel::WhatsApp, Some(from), None) => RouteSender::From(from.clone()),
            (FallbackChannel::WhatsApp, None, Some(service)) => RouteSender::Service(service.clone()),
            (FallbackChannel::WhatsApp, None, None) => {
                let ConfiguredSender { from, service } = configured.on_whatsapp(region);
                match (from.clone(), service.clone()) {
                    (Some(from), Some(service)) => RouteSender::Both(from, service),
                    (Some(from), None) => RouteSender::From(from),
                    (None, Some(service)) => RouteSender::Service(service),
                    (None, None) => return Err(NoSender::WhatsApp),
                }
            }
            (FallbackChannel::Sms, _, service) => {
                RouteSender::Service(service.or_else(|| configured.by_sms(region)).ok_or(NoSender::Sms)?.clone())
            }
            (FallbackChannel::Email, ..) => RouteSender::SendGrid,
        };
        Ok(Self { channel, sender })
    }

    pub fn from(&self) -> Option<&WhatsAppSender> {
        match &self.sender {
            RouteSender::From(from) | RouteSender::Both(from, _) => Some(from),
            RouteSender::Service(_) | RouteSender::SendGrid => None,
        }
    }

    pub fn service(&self) -> Option<&MessagingServiceSid> {
        match &self.sender {
            RouteSender::Service(service) | RouteSender::Both(_, service) => Some(service),
            RouteSender::From(_) | RouteSender::SendGrid => None,
        }
    }

    /// The address, or the service for all its senders.
    fn name(&self) -> String {
        match &self.sender {
            RouteSender::From(from) | RouteSender::Both(from, _) => from.to_string(),
            RouteSender::Service(service) => service.to_string(),
            RouteSender::SendGrid => EMAIL_RATE_KEY.to_owned(),
        }
    }

    /// The name by which the rate of the route is configured and stored: `whatsapp:+14155238886`, `MG...`, `sms:MG...`, or
    /// `email`.
    pub fn rate_key(&self) -> String {
        match self.channel {
            FallbackChannel::WhatsApp | FallbackChannel::Email => self.name(),
            FallbackChannel::Sms => format!("sms:{}", self.name()),
        }
    }

    /// The service window that free-form messages need; none on SMS.
    pub fn window(&self) -> Option<WindowKey> {
        (self.channel == FallbackChannel::WhatsApp).then(|| WindowKey::of(&self.name()))
    }

    /// The scopes of opt-outs that cover a message by this route, the widest first.
    pub fn scopes(&self, category: Category) -> Vec<Scope> {
        let marketing = (category == Category::Marketing).then_some(Scope::Marketing);
        let from = self.from().map(|from| Scope::Sender(from.to_string()));
        let service = self.service().map(|service| Scope::Sender(service.to_string()));
        [Some(Scope::All), marketing, from, service].into_iter().flatten().collect()
    }

    /// The scopes of pauses that cover a message by this route, besides its account and "everything", the widest first.
    /// An SMS can also be paused without the WhatsApp messages of the same service, and e-mail by itself.
    pub fn pause_scopes(&self, category: Category) -> Vec<PauseScope> {
        let from = self.from().map(|from| PauseScope::Sender(from.to_string()));
        let service = self.service().map(|service| PauseScope::Sender(service.to_string()));
        let by_channel = matches!(self.channel, FallbackChannel::Sms | FallbackChannel::Email);
        let by_channel = by_channel.then(|| PauseScope::Sender(self.rate_key()));
        [Some(PauseScope::Category(category)), from, service, by_channel].into_iter().flatten().collect()
    }
}

/// Whether this can be the name of a route's rate, as [`Route::rate_key`] gives it.
pub(crate) fn is_rate_key(name: &str) -> bool {
    let service = name.strip_prefix("sms:").unwrap_or(name);
    name == EMAIL_RATE_KEY
        || service.parse::<MessagingServiceSid>().is_ok()
        || WhatsAppSender::try_from(name.to_owned()).is_ok()
}

/// The last four characters of a route's name: enough for a log to recognise it, and no full phone number.
pub(crate) fn end_of(name: &str) -> &str {
    name.char_indices().rev().nth(3).and_then(|(index, _)| name.get(index..)).unwrap_or_default()
}

#[cfg(test)]
mod tests;
