//! From a plan to the message that Twilio is asked to create.

use domain::{
    callback_url::status_callback_url,
    limits::validity_of_option,
    notification::{Content, FallbackChannel, MediaSource, Notification, Template},
    route::{Route, RouteSender},
};
use jiff::SignedDuration;
use shared::secrets::SecretsError;
use twilio_client::{MessageSender, NewContent, NewMessage};
use twilio_types::{
    address::Address,
    base_url::BaseUrl,
    media::{MediaChannel, MessageFiles},
};

use crate::{
    job::Job,
    judge::Plan,
    media::{MediaError, MediaFiles, MediaLink},
};

/// Composes messages.
#[derive(Debug)]
pub(crate) struct Composer {
    pub(crate) files: MediaFiles,
    pub(crate) public_base_url: BaseUrl,
}

/// A message that cannot be composed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    /// The notification names what does not exist. The system that sent it has to change it.
    #[error("{0}")]
    Invalid(String),
    /// A file cannot be looked at, or its link cannot be signed. The operator has to act.
    #[error("a media link cannot be made")]
    Media(#[source] MediaError),
    /// The option cannot be sent, and the next one follows.
    #[error("{0}")]
    PassedOver(String),
    /// The secret cannot be read. The log line of the attempt to read it has the field `alarm`.
    #[error("the secret cannot be read")]
    Secret(#[source] SecretsError),
}

/// The content of a message.
struct ComposedContent {
    content: NewContent,
    /// The longest validity period of a message with its links; none if none of them ends.
    longest_validity: Option<SignedDuration>,
}

impl From<NewContent> for ComposedContent {
    fn from(content: NewContent) -> Self {
        Self { content, longest_validity: None }
    }
}

impl ComposedContent {
    fn of_files(links: Vec<FileLink>, caption: Option<String>) -> Self {
        let longest_validity = links.iter().filter_map(|link| link.longest_validity).min();
        let urls = links.into_iter().map(|link| link.url).collect();
        Self { content: NewContent::Media(urls, caption), longest_validity }
    }
}

/// The URL of a file in a message.
struct FileLink {
    url: String,
    /// The longest validity period of a message with it; none for a URL of the notification, which does not end for all we know.
    longest_validity: Option<SignedDuration>,
}

impl From<MediaLink> for FileLink {
    fn from(link: MediaLink) -> Self {
        Self { url: link.url, longest_validity: Some(link.longest_validity) }
    }
}

impl Composer {
    /// The message of an attempt, which its callback URL names.
    pub(crate) async fn compose(&self, job: &Job<'_>, plan: &Plan, attempt: usize) -> Result<NewMessage, ComposeError> {
        let no_option = || ComposeError::Invalid("fallback: the notification has no such option any more".to_owned());
        let (channel, content) = job.notification.channel_option(plan.step.option).ok_or_else(no_option)?;
        let composed = self.content(job, content, channel, plan).await?;
        let callback = self.status_callback(&job.notification, attempt);
        let sender =
            sender(&plan.route).ok_or_else(|| ComposeError::Invalid("channel: expected whatsapp or sms".to_owned()))?;
        let request = request(&job.notification, plan, sender, composed.content).with_status_callback(callback);
        Ok(match composed.longest_validity {
            Some(longest) => valid_for_at_most(request, longest),
            None => request,
        })
    }

    fn status_callback(&self, notification: &Notification, attempt: usize) -> String {
        let attempt = u32::try_from(attempt).unwrap_or(u32::MAX);
        status_callback_url(&self.public_base_url, &notification.id, attempt)
    }

    async fn content(
        &self,
        job: &Job<'_>,
        content: &Content,
        channel: FallbackChannel,
        plan: &Plan,
    ) -> Result<ComposedContent, ComposeError> {
        Ok(ComposedContent::from(match content {
            Content::Text { body } => NewContent::Text(body.clone()),
            Content::Media { media, body } => {
                let files = MessageFiles::new(match channel {
                    FallbackChannel::WhatsApp => MediaChannel::WhatsApp,
                    FallbackChannel::Sms | FallbackChannel::Email => MediaChannel::Mms,
                });
                let links = self.links(job, media, files, plan.step.option).await?;
                return Ok(ComposedContent::of_files(links, body.clone()));
            }
            Content::Template { template, variables } => {
                let sid = match template {
                    Template::Sid(sid) => Some(sid.clone()),
                    Template::Named { .. } => plan.template.content_sid.clone(),
                };
                let missing = || ComposeError::Invalid("content.name: no template was chosen".to_owned());
                let sid = sid.ok_or_else(missing)?;
                let variables = serde_json::to_string(variables).map_err(|_| {
                    ComposeError::Invalid("content.variables: expected an object of strings".to_owned())
                })?;
                NewContent::Template(sid, variables)
            }
            Content::EmailTemplate { .. } | Content::Studio { .. } => {
                return Err(ComposeError::Invalid("content.type: expected a message of Twilio's".to_owned()));
            }
        }))
    }

    /// Links to the files of a message. Those of the media bucket can be fetched, and the message's channel accepts them.
    async fn links(
        &self,
        job: &Job<'_>,
        media: &[MediaSource],
        mut files: MessageFiles,
        option: usize,
    ) -> Result<Vec<FileLink>, ComposeError> {
        let mut links = Vec::with_capacity(media.len());
        for (index, file) in media.iter().enumerate() {
            let link = match file {
                MediaSource::Url(url) => FileLink { url: url.clone(), longest_validity: None },
                // As if there were none: whether another account has such a file is not said.
                MediaSource::Key(key) if !job.tenants.owns(&job.account_sid, key) => {
                    return Err(of_file(MediaError::missing(), option, index));
                }
                MediaSource::Key(key) => {
                    let link = self.files.link(key, &mut files, job.message.deadline).await;
                    link.map_err(|error| of_file(error, option, index))?.into()
                }
            };
            links.push(link);
        }
        Ok(links)
    }
}

impl ComposeError {
    /// The value of the field `alarm` in the log, for what does not pass by itself.
    pub(crate) fn alarm(&self) -> Option<&'static str> {
        matches!(self, Self::Media(_)).then_some("media")
    }
}

/// What is wrong with a file, and which file of the notification it is.
fn of_file(error: MediaError, option: usize, index: usize) -> ComposeError {
    let MediaError::Invalid(problem) = error else { return ComposeError::Media(error) };
    let path = option.checked_sub(1).map(|index| format!("fallback[{index}].")).unwrap_or_default();
    ComposeError::Invalid(format!("{path}content.media[{index}].key: {problem}"))
}

/// The same message, for which Twilio may try no longer than this. Twilio fetches a file when it sends the message.
fn valid_for_at_most(message: NewMessage, longest: SignedDuration) -> NewMessage {
    let longest = u32::try_from(longest.as_secs()).unwrap_or(u32::MAX);
    let seconds = message.validity_period.map_or(longest, |seconds| seconds.min(longest));
    message.with_validity_period(seconds)
}

/// The sender of a message by Twilio; none for an e-mail.
pub(crate) fn sender(route: &Route) -> Option<MessageSender> {
    Some(match &route.sender {
        RouteSender::From(from) => MessageSender::From(from.to_string()),
        RouteSender::Service(service) => MessageSender::Service(service.clone()),
        RouteSender::Both(from, service) => MessageSender::Both(from.to_string(), service.clone()),
        RouteSender::SendGrid => return None,
    })
}

/// The request for a message, without its callback. Sender and recipient come from the plan and from nothing else.
pub(crate) fn request(
    notification: &Notification,
    plan: &Plan,
    sender: MessageSender,
    content: NewContent,
) -> NewMessage {
    let to = match plan.route.channel {
        FallbackChannel::WhatsApp => Address::whatsapp(plan.recipient.clone()).to_string(),
        FallbackChannel::Sms | FallbackChannel::Email => plan.recipient.to_string(),
    };
    let seconds = validity_of_option(notification, plan.step.option).as_secs();
    let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
    NewMessage::new(to, sender, content).with_validity_period(seconds)
}

#[cfg(test)]
mod tests;
