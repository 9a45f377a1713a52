//! The arguments of `wa trigger`.

use clap::ValueEnum;
use domain::notification::NotificationId;
use secrecy::SecretString;
use twilio_types::{
    address::{Channel, WhatsAppSender},
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::MessageSid,
};
use twilio_webhook::form::Form;

use super::forms;
use crate::{
    error::CommandError,
    people::PersonAddress,
    session::Session,
    whatsapp_senders::{only_sender, sender},
};

/// No person has this number: those from 555-0100 to 555-0199 are for examples (North American Numbering Plan).
const EXAMPLE_PERSON: &str = "+14155550100";

/// What every webhook has.
#[derive(Debug, Clone, clap::Args)]
pub struct WebhookArguments {
    /// The person, as in +14155550123, US.13491208655302741918 or sms:+14155550123
    #[arg(long, value_name = "ADDRESS", default_value = EXAMPLE_PERSON)]
    pub(super) from: PersonAddress,
    /// The sender that the person writes to, as in whatsapp:+14155238886 [default: the account's only WhatsApp sender]
    #[arg(long, value_name = "SENDER", value_parser = sender)]
    pub(super) to: Option<WhatsAppSender>,
    /// The SID of the message [default: a new one]
    #[arg(long, value_name = "SID")]
    pub(super) message_sid: Option<MessageSid>,
    /// A further parameter, or another value of one (repeatable)
    #[arg(long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    pub(super) params: Vec<(String, String)>,
    /// How often the same webhook is posted: what comes again changes nothing
    #[arg(long, default_value_t = 1, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(1..=20))]
    pub(super) times: u8,
    /// The signature: a wrong one and none have to be refused
    #[arg(long, value_enum, default_value_t, value_name = "KIND")]
    pub(super) signature: SignatureKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum SignatureKind {
    /// Signed with the auth token of the stack's secret.
    #[default]
    Right,
    /// Signed with another token.
    Wrong,
    /// Not signed.
    None,
}

#[derive(clap::Args)]
pub struct InboundArguments {
    /// The text
    #[arg(long, value_name = "TEXT", default_value = "Hello")]
    pub(super) body: String,
    #[command(flatten)]
    pub(super) webhook: WebhookArguments,
}

#[derive(clap::Args)]
pub struct MediaArguments {
    /// The URL of the file, which the stack stores and does not read [default: one like Twilio's]
    #[arg(long, value_name = "URL")]
    pub(super) media_url: Option<String>,
    /// The type of the file
    #[arg(long, value_name = "TYPE", default_value = "image/jpeg")]
    pub(super) content_type: String,
    /// The caption
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(super) body: String,
    #[command(flatten)]
    pub(super) webhook: WebhookArguments,
}

#[derive(clap::Args)]
pub struct ButtonArguments {
    /// The button's text
    #[arg(long, value_name = "TEXT")]
    pub(super) text: String,
    /// The button's id
    #[arg(long, value_name = "ID")]
    pub(super) payload: Option<String>,
    #[command(flatten)]
    pub(super) webhook: WebhookArguments,
}

#[derive(clap::Args)]
pub struct LocationArguments {
    /// Degrees to the north
    #[arg(long, allow_negative_numbers = true, value_name = "DEGREES")]
    pub(super) latitude: f64,
    /// Degrees to the east
    #[arg(long, allow_negative_numbers = true, value_name = "DEGREES")]
    pub(super) longitude: f64,
    #[command(flatten)]
    pub(super) webhook: WebhookArguments,
}

#[derive(clap::Args)]
pub struct StatusArguments {
    /// The status, as in sent, delivered, read, failed
    pub(super) status: MessageStatus,
    /// Of the latest message of this notification
    #[arg(long, value_name = "ID", value_parser = crate::commands::notifications::id)]
    pub(super) notification: Option<NotificationId>,
    /// The code of a failure
    #[arg(long, value_name = "CODE")]
    pub(super) error_code: Option<ErrorCode>,
    #[command(flatten)]
    pub(super) webhook: WebhookArguments,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected a name, = and a value, as in Body=hi")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl WebhookArguments {
    pub(super) fn sid(&self, has_file: bool) -> MessageSid {
        self.message_sid.clone().unwrap_or_else(|| forms::new_message_sid(has_file))
    }

    pub(super) async fn sender(&self, session: &Session) -> Result<String, CommandError> {
        let sender = match &self.to {
            Some(sender) => sender.clone(),
            None => only_sender(session, "--to").await?,
        };
        // A sender that has both channels has the same number on both.
        Ok(match self.from.channel {
            Channel::WhatsApp => sender.to_string(),
            _ => sender.to_string().trim_start_matches("whatsapp:").to_owned(),
        })
    }

    /// The parameters with those that the operator gave in the place of others.
    pub(super) fn with_params(&self, parameters: Vec<(&'static str, String)>) -> Form {
        let kept = parameters.into_iter().filter(|(name, _)| self.params.iter().all(|(given, _)| given != name));
        kept.map(|(name, value)| (name.to_owned(), value)).chain(self.params.iter().cloned()).collect()
    }

    /// The token that signs, if any does.
    pub(super) async fn token(&self, session: &Session) -> Result<Option<SecretString>, CommandError> {
        match self.signature {
            SignatureKind::None => Ok(None),
            SignatureKind::Wrong => Ok(Some(SecretString::from("not the auth token of the account"))),
            SignatureKind::Right => {
                let account_sid = session.account_sid().await?;
                let keys = session.accounts().await?.signing_keys(&account_sid);
                let token = keys.and_then(|keys| keys.auth_tokens.first()).ok_or_else(|| {
                    let help = "see docs/deploy.md, \"The secret\"";
                    CommandError::refused(format!("the stack's secret has no auth token of {account_sid}: {help}"))
                })?;
                Ok(Some(token.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_parameter_replaces_the_usual_one() {
        let arguments = WebhookArguments {
            from: EXAMPLE_PERSON.parse().unwrap(),
            to: None,
            message_sid: None,
            params: vec![("ProfileName".to_owned(), "Ben".to_owned()), ("Extra".to_owned(), String::new())],
            times: 1,
            signature: SignatureKind::Right,
        };
        let form = arguments.with_params(vec![("Body", "hi".to_owned()), ("ProfileName", "Ava".to_owned())]);
        let pairs: Vec<_> = form.pairs().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(pairs, [("Body", "hi"), ("ProfileName", "Ben"), ("Extra", "")]);
        assert_eq!(arguments.from.at_twilio().to_string(), "whatsapp:+14155550100");
    }
}
