//! What a sandbox is started with.

use secrecy::SecretString;
use serde::Serialize;
use twilio_types::{
    address::Channel,
    sid::{AccountSid, MessagingServiceSid},
};

use crate::{access::AllowedHost, rules::Rules};

/// The account that is played.
#[derive(Debug, Clone)]
pub struct Config {
    /// The account.
    pub account_sid: AccountSid,
    /// Its auth token, which signs webhooks.
    pub auth_token: SecretString,
    /// An API key of it.
    pub api_key_sid: String,
    /// The key's secret.
    pub api_key_secret: SecretString,
    /// Its WhatsApp sender, as in `whatsapp:+14155238886`.
    pub sender: String,
    /// Its SMS sender, as in `+14155550100`.
    pub sms_sender: String,
    /// The messaging service that both senders are in.
    pub messaging_service_sid: MessagingServiceSid,
    /// Where messages from people go.
    pub inbound_url: String,
    /// What chance begins with: the same seed does the same.
    pub seed: u64,
    /// Who plays Twilio.
    pub plays: Plays,
    /// The rules that hold from the beginning.
    pub rules: Rules,
    /// The names by which the sandbox may be called; Twilio's own are allowed for Twilio's routes besides.
    pub allowed_hosts: Vec<AllowedHost>,
}

/// Who plays Twilio.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Plays {
    /// The sandbox.
    Twilio,
    /// Not the sandbox: Twilio itself, and the sandbox only shows what the system does.
    Nothing,
}

impl Config {
    /// The account of the documentation, with its messages going to this URL.
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
            // A system under test may remember the SIDs of an earlier run, and take the same ones for duplicates. Any program
            // can read a number of 53 bits in JSON.
            seed: fastrand::u64(..1 << 53),
            plays: Plays::Twilio,
            rules: Rules::lenient(),
            allowed_hosts: AllowedHost::loopback(),
        }
    }

    /// The sender that a messaging service chooses on a channel.
    pub(crate) fn sender_on(&self, channel: &Channel) -> &str {
        if *channel == Channel::WhatsApp { &self.sender } else { &self.sms_sender }
    }
}
