//! `wa trigger`: posts a webhook to the stack as Twilio would, signed with the auth token of the stack's secret.

use clap::Subcommand;
use domain::callback_url::status_callback_url;
use twilio_types::{address::Address, sid::MessageSid};
use twilio_webhook::form::Form;

use crate::{
    error::CommandError,
    session::Session,
    stack::{INBOUND_PATH, STATUS_PATH},
};

mod arguments;
mod forms;
mod post;

use arguments::{
    ButtonArguments, InboundArguments, LocationArguments, MediaArguments, StatusArguments, WebhookArguments,
};
use forms::{InboundForm, MessageParts, StatusForm};
use post::post;

const CONSEQUENCE: &str = "\
The stack stores the webhook and acts on it as if Twilio had sent it: it has a new message SID that Twilio does not know. The
person is a number for examples unless --from names one.

Example:
  ";

#[derive(Subcommand)]
pub enum TriggerCommand {
    /// A person writes a text
    #[command(after_help = format!("{CONSEQUENCE}wa trigger inbound --body 'Where is my order?'"))]
    Inbound(InboundArguments),
    /// A person writes STOP, which ends every message to this person
    #[command(after_help = format!("{CONSEQUENCE}wa trigger stop"))]
    Stop(WebhookArguments),
    /// A person writes START
    #[command(after_help = format!("{CONSEQUENCE}wa trigger start"))]
    Start(WebhookArguments),
    /// A person sends a file
    #[command(after_help = format!("{CONSEQUENCE}wa trigger media --media-url https://example.com/cat.jpg"))]
    Media(MediaArguments),
    /// A person presses a button of a template
    #[command(after_help = format!("{CONSEQUENCE}wa trigger button --text 'Yes, please' --payload yes"))]
    Button(ButtonArguments),
    /// A person shares a place
    #[command(after_help = format!("{CONSEQUENCE}wa trigger location --latitude 52.5 --longitude 13.4"))]
    Location(LocationArguments),
    /// Twilio reports the status of a message
    #[command(after_help = "\
The stack stores the status and acts on it as if Twilio had reported it. With --notification it is one of the notification's
latest message: a failure may start its fallback.

Example:
  wa trigger status failed --notification order-18473-shipped --error-code 63016")]
    Status(StatusArguments),
}

/// A webhook before it is signed.
struct PreparedWebhook {
    /// What it says, for the question.
    what: String,
    url: String,
    form: Form,
    message_sid: MessageSid,
}

pub async fn run(command: &TriggerCommand, session: &Session) -> Result<(), CommandError> {
    let text = |body: &str| MessageParts::Text(body.to_owned());
    let (parts, webhook) = match command {
        TriggerCommand::Inbound(arguments) => (text(&arguments.body), &arguments.webhook),
        TriggerCommand::Stop(webhook) => (text("STOP"), webhook),
        TriggerCommand::Start(webhook) => (text("START"), webhook),
        TriggerCommand::Media(MediaArguments { media_url, content_type, body, webhook }) => {
            let (url, content_type, caption) = (media_url.clone(), content_type.clone(), body.clone());
            (MessageParts::File { url, content_type, caption }, webhook)
        }
        TriggerCommand::Button(ButtonArguments { text, payload, webhook }) => {
            (MessageParts::Button { text: text.clone(), payload: payload.clone() }, webhook)
        }
        TriggerCommand::Location(LocationArguments { latitude, longitude, webhook }) => {
            (MessageParts::Location { latitude: *latitude, longitude: *longitude }, webhook)
        }
        TriggerCommand::Status(arguments) => {
            let prepared = status(arguments, session).await?;
            return post(prepared, &arguments.webhook, session).await;
        }
    };
    let prepared = inbound(parts, webhook, session).await?;
    post(prepared, webhook, session).await
}

async fn inbound(
    parts: MessageParts,
    webhook: &WebhookArguments,
    session: &Session,
) -> Result<PreparedWebhook, CommandError> {
    let stack = session.stack().await?;
    let message_sid = webhook.sid(parts.is_file());
    let form = InboundForm {
        account_sid: &session.account_sid().await?,
        service_sid: stack.messaging_service_sid.as_ref(),
        message_sid: &message_sid,
        from: &webhook.from,
        to: &webhook.sender(session).await?,
        parts: &parts,
    };
    let what = format!("{} from {}", parts.name(), webhook.from);
    let form = webhook.with_params(form.parameters());
    Ok(PreparedWebhook { what, url: stack.api_url.join(INBOUND_PATH), form, message_sid })
}

async fn status(arguments: &StatusArguments, session: &Session) -> Result<PreparedWebhook, CommandError> {
    let StatusArguments { status, notification, error_code, webhook } = arguments;
    let (stack, account_sid) = (session.stack().await?, session.account_sid().await?);
    let (url, message_sid, to) = match notification {
        None => (stack.api_url.join(STATUS_PATH), webhook.sid(false), webhook.from.at_twilio()),
        Some(id) => {
            let log = session.histories().await?.find(&account_sid, id).await?;
            let log = log.ok_or_else(|| CommandError::not_found(format!("there is no notification {id}")))?;
            let mut attempts = log.attempts.iter().enumerate().rev();
            let latest = attempts.find_map(|(attempt, logged)| Some((attempt, logged.message.as_ref()?)));
            let (attempt, message) = latest.ok_or_else(|| {
                CommandError::not_found(format!(
                    "the notification {id} has no message yet: it is {}",
                    log.state.as_str()
                ))
            })?;
            let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
            let url = status_callback_url(&stack.api_url, id, attempt);
            // The fragment is for Twilio alone, and is not signed.
            let url = url.split('#').next().unwrap_or_default().to_owned();
            let to = log.recipient.clone().map_or_else(|| webhook.from.at_twilio(), Address::whatsapp);
            (url, webhook.message_sid.clone().unwrap_or_else(|| message.message_sid.clone()), to)
        }
    };
    let form = StatusForm {
        account_sid: &account_sid,
        message_sid: &message_sid,
        status: *status,
        error_code: *error_code,
        from: &webhook.sender(session).await?,
        to: &to.to_string(),
    };
    let what = format!("the status {status} of {message_sid}");
    Ok(PreparedWebhook { what, url, form: webhook.with_params(form.parameters()), message_sid })
}
