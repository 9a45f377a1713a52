//! What a sandbox is started with.

use secrecy::SecretString;
use serde::Serialize;
use twilio_types::{
    address::Channel,
    sid::{AccountSid, MessagingServiceSid, VerifyServiceSid},
};

use crate::{
    access::AllowedHost, business::BusinessCommand, neighbours::Neighbour, rules::WhatsAppRules,
    shared_clock::SharedClock,
};

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
    /// The Verify service that exists from the start.
    pub verify_service_sid: VerifyServiceSid,
    /// The URL for people's messages; empty for none.
    pub inbound_url: String,
    /// The URL to which the events of templates are posted from the start; none for an account without a sink.
    pub events_url: Option<String>,
    /// The URL that is called where that one fails; none from the start of a Messaging Service at Twilio.
    pub fallback_url: Option<String>,
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
    /// The other accounts, whose calls are handed on to them.
    pub neighbours: Vec<Neighbour>,
    /// The URL of the API, where it is that of another account's sandbox, which hands calls on. Files of messages are under it, as
    /// Twilio serves those of all accounts at one host.
    pub api_url: Option<String>,
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
            verify_service_sid: "VA00000000000000000000000000000001".parse().expect("a constant"),
            inbound_url,
            events_url: None,
            fallback_url: None,
            // A new seed each time, since a system under test may remember the SIDs of an earlier run and ignore repeated ones
            // as duplicates. 53 bits, so that any program can read the number in JSON.
            seed: fastrand::u64(..1 << 53),
            role: SandboxRole::Twilio,
            rules: WhatsAppRules::lenient(),
            allowed_hosts: AllowedHost::loopback(),
            business: None,
            shared_clock: None,
            neighbours: Vec::new(),
            api_url: None,
        }
    }

    /// A second account, with other credentials and senders.
    ///
    /// # Panics
    /// Never: the SIDs are well-formed.
    #[expect(clippy::expect_used, reason = "the SIDs are constants, and a test reads them")]
    pub fn second(inbound_url: String) -> Self {
        Self {
            account_sid: "AC000000000000000000000000000000b2".parse().expect("a constant"),
            auth_token: "abcdefabcdefabcdefabcdefabcdefab".into(),
            api_key_sid: "SK000000000000000000000000000000b2".to_owned(),
            api_key_secret: "second-secret".into(),
            sender: "whatsapp:+14155238899".to_owned(),
            sms_sender: "+14155550190".to_owned(),
            messaging_service_sid: "MG000000000000000000000000000000b2".parse().expect("a constant"),
            verify_service_sid: "VA000000000000000000000000000000b2".parse().expect("a constant"),
            ..Self::documented(inbound_url)
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
