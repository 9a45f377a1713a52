//! The person of a smoke test: the owner of a phone, or the sandbox.

use reqwest::Client;
use serde_json::json;
use twilio_types::{
    address::{Address, WhatsAppSender},
    base_url::BaseUrl,
};

use crate::{error::CommandError, session::Session};

/// The phone that writes.
pub(super) struct Phone {
    kind: PhoneKind,
    address: Address,
    sender: WhatsAppSender,
}

enum PhoneKind {
    Real,
    /// Of the sandbox, which stands in for Twilio at this base URL.
    Simulated {
        client: Client,
        sandbox: BaseUrl,
    },
}

impl Phone {
    /// A simulated phone where the stack's Twilio is the sandbox, and a real one elsewhere.
    pub(super) async fn find(
        session: &Session,
        address: &Address,
        sender: &WhatsAppSender,
        must_be_simulated: bool,
    ) -> Result<Self, CommandError> {
        let stack = session.stack().await?;
        let client = session.twilio_client().await?.http().clone();
        let sandbox = stack.twilio_api_base_url.clone();
        let is_sandbox = !stack.sends_by_twilio() && is_sandbox(&client, &sandbox).await;
        let kind = match (is_sandbox, must_be_simulated) {
            (true, _) => {
                session.terminal.note("The sandbox plays the person");
                PhoneKind::Simulated { client, sandbox }
            }
            (false, false) => PhoneKind::Real,
            (false, true) => {
                let message = format!("--simulate: there is no sandbox at {sandbox}, which the stack sends by");
                return Err(CommandError::usage(message));
            }
        };
        Ok(Self { kind, address: address.clone(), sender: sender.clone() })
    }

    pub(super) const fn is_real(&self) -> bool {
        matches!(self.kind, PhoneKind::Real)
    }

    /// Has the person write a text, or asks for it.
    pub(super) async fn write(&self, session: &Session, text: &str) -> Result<(), CommandError> {
        let Self { kind, address, sender } = self;
        let PhoneKind::Simulated { client, sandbox } = kind else {
            let number = sender.to_string();
            let number = number.trim_start_matches("whatsapp:");
            session.terminal.note(&format!("On the phone of {}: write {text} to {number}", address.identity.as_str()));
            return Ok(());
        };
        let body = text.split(',').next().unwrap_or(text);
        let message = json!({"from": address.to_string(), "to": sender.to_string(), "body": body});
        let request = client.post(sandbox.join("/sandbox/inbound")).header("content-type", "application/json");
        let failed = |error: reqwest::Error| CommandError::no_answer("the sandbox did not send it").because(error);
        let answer = request.body(message.to_string()).send().await.map_err(failed)?;
        answer.error_for_status().map(drop).map_err(failed)
    }
}

async fn is_sandbox(client: &Client, url: &BaseUrl) -> bool {
    let answer = client.get(url.join("/sandbox/clock")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
