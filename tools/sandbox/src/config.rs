//! What a sandbox is started with.

use secrecy::SecretString;
use serde::Serialize;
use twilio_types::{
    address::Channel,
    sid::{AccountSid, MessagingServiceSid},
};

use crate::{access::AllowedHost, business::BusinessCommand, rules::WhatsAppRules, shared_clock::SharedClock};

/// The account that the sandbox has, and how it behaves.
#[derive(Debug, Clone)]
pub struct Config {
    /// The SID of the account.
    pub account_sid: AccountSid,
    /// The account's auth token, which signs webhooks.
    pub auth_token: SecretString,
    /// The SID of an API key of the account.
    pub api_key_sid: String,
    /// The secret of the API key.
    pub api_key_secret: SecretString,
    /// The account's WhatsApp sender, as in `whatsapp:+14155238886`.
    pub sender: String,
    /// The account's SMS sender, as in `+14155550100`.
    pub sms_sender: String,
    /// The Messaging Service that has both senders.
    pub messaging_service_sid: MessagingServiceSid,
    /// The URL for people's messages; empty for none.
    pub inbound_url: String,
    /// With the same seed the same calls get the same SIDs, losses and delays.
    pub seed: u64,
    /// Whether the sandbox stands in for Twilio.
    pub role: SandboxRole,
    /// The rules that apply from the start.
    pub rules: WhatsAppRules,
    /// The host names by which the sandbox may be called. Twilio's host names are always allowed for Twilio's routes.
    pub allowed_hosts: Vec<AllowedHost>,
    /// The command with which the page and scenarios send as the business. Without it the sandbox creates the messages itself.
    pub business: Option<BusinessCommand>,
    /// The clock of the system under test, which is moved together with the sandbox's. Without it the system keeps its own
    /// time.
    pub shared_clock: Option<SharedClock>,
}

/// Whether the sandbox stands in for Twilio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SandboxRole {
    /// The sandbox answers as Twilio does.
    Twilio,
    /// The system uses the real Twilio, and the sandbox's page only shows what the system does.
    Viewer,
}

impl Config {
    /// The account of the documentation, with a URL for people's messages.
    ///
    /// # Panics
    /// Never: the SIDs are well-formed.
    #[expect(clippy::expect_used, reason = "the SIDs are constants, and a test reads them")]
    pub fn documented(inbound_url: String) -> Self {
        Self {
            account_sid: "AC00000000000000000000000000000001".parse().expect("a constant"),
            auth_token: "12345678901234567890123456789012".into(),
            api_key_sid: "SK00000000000000000000000000000001".to_owned(),
            api_key_secret: "sandbox-secret".into(),
            sender: "whatsapp:+14155238886".to_owned(),
            sms_sender: "+14155550100".to_owned(),
            messaging_service_sid: "MG00000000000000000000000000000001".parse().expect("a constant"),
            inbound_url,
            // A new seed each time, since a system under test may remember the SIDs of an earlier run and ignore repeated ones
            // as duplicates. 53 bits, so that any program can read the number in JSON.
            seed: fastrand::u64(..1 << 53),
            role: SandboxRole::Twilio,
            rules: WhatsAppRules::lenient(),
            allowed_hosts: AllowedHost::loopback(),
            business: None,
            shared_clock: None,
        }
    }

    /// How a message is sent as the business: through the system under test, or by the sandbox's own API.
    pub(crate) fn business_way(&self) -> &'static str {
        if self.business.is_some() { "system" } else { "api" }
    }

    /// The sender that the Messaging Service selects for a channel.
    pub(crate) fn sender_on(&self, channel: &Channel) -> &str {
        if *channel == Channel::WhatsApp { &self.sender } else { &self.sms_sender }
    }
}
