//! From a plan to the message that Twilio is asked to create.

use std::sync::Arc;

use domain::{
    callback_url::status_callback_url,
    limits::validity,
    notification::{Content, FallbackChannel, MediaSource, Notification, Template},
    route::RouteSender,
};
use jiff::SignedDuration;
use shared::{
    deadline::Deadline,
    twilio::{AccountCallError, TwilioAccounts},
};
use twilio_client::{MessageSender, NewContent, NewMessage};
use twilio_types::{
    address::Address,
    base_url::BaseUrl,
    media::{MediaChannel, MessageFiles},
    sid::{AccountSid, ContentSid},
};

use crate::{
    job::Job,
    judge::Plan,
    media::{MediaError, MediaFiles},
    template_names::{TemplateName, TemplateNames},
};

/// Composes messages.
#[derive(Debug)]
pub(crate) struct Composer {
    pub(crate) files: MediaFiles,
    pub(crate) public_base_url: BaseUrl,
    pub(crate) templates: TemplateNames,
    pub(crate) twilio: Arc<TwilioAccounts>,
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
    /// Twilio did not answer which templates exist. It passes by itself.
    #[error("a template's name cannot be looked up")]
    Template(#[source] Arc<AccountCallError>),
}

impl Composer {
    /// The message of an attempt, which its callback URL names.
    pub(crate) async fn compose(&self, job: &Job<'_>, plan: &Plan, attempt: usize) -> Result<NewMessage, ComposeError> {
        let no_option = || ComposeError::Invalid("fallback: the notification has no such option any more".to_owned());
        let (channel, content) = job.notification.channel_option(plan.step.option).ok_or_else(no_option)?;
        let composed = self.content(job, content, channel, plan.step.option).await?;
        let callback = self.status_callback(&job.notification, attempt);
        let request = request(&job.notification, plan, composed).with_status_callback(callback);
        Ok(if has_link(content) { valid_for_at_most(request, self.files.longest_validity()) } else { request })
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
        option: usize,
    ) -> Result<NewContent, ComposeError> {
        let deadline = job.message.deadline;
        Ok(match content {
            Content::Text { body } => NewContent::Text(body.clone()),
            Content::Media { media, body } => {
                let files = MessageFiles::new(match channel {
                    FallbackChannel::WhatsApp => MediaChannel::WhatsApp,
                    FallbackChannel::Sms => MediaChannel::Mms,
                });
                NewContent::Media(self.links(media, files, option, deadline).await?, body.clone())
            }
            Content::Template { template, variables } => {
                let sid = self.template_sid(template, &job.account_sid, deadline).await?;
                let variables = serde_json::to_string(variables).map_err(|_| {
                    ComposeError::Invalid("content.variables: expected an object of strings".to_owned())
                })?;
                NewContent::Template(sid, variables)
            }
        })
    }

    async fn template_sid(
        &self,
        template: &Template,
        account_sid: &AccountSid,
        deadline: Deadline,
    ) -> Result<ContentSid, ComposeError> {
        let (name, locale) = match template {
            Template::Sid(sid) => return Ok(sid.clone()),
            Template::Named { name, locale } => (name, locale),
        };
        let wanted = TemplateName { account_sid: account_sid.clone(), name: name.clone(), locale: locale.clone() };
        let found = self.templates.resolve(&wanted, &self.twilio, deadline).await.map_err(ComposeError::Template)?;
        found.ok_or_else(|| {
            ComposeError::Invalid("content.name: the account has no template of this name in this locale".to_owned())
        })
    }

    /// Links to the files of a message. Those of the media bucket can be fetched, and the message's channel accepts them.
    async fn links(
        &self,
        media: &[MediaSource],
        mut files: MessageFiles,
        option: usize,
        deadline: Deadline,
    ) -> Result<Vec<String>, ComposeError> {
        let mut links = Vec::with_capacity(media.len());
        for (index, file) in media.iter().enumerate() {
            let link = match file {
                MediaSource::Url(url) => url.clone(),
                MediaSource::Key(key) => {
                    let link = self.files.link(key, &mut files, deadline).await;
                    link.map_err(|error| of_file(error, option, index))?
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

/// Whether a message with this content has a link that ends.
fn has_link(content: &Content) -> bool {
    let Content::Media { media, .. } = content else { return false };
    media.iter().any(|file| matches!(file, MediaSource::Key(_)))
}

/// The same message, for which Twilio may try no longer than this. Twilio fetches a file when it sends the message.
fn valid_for_at_most(message: NewMessage, longest: SignedDuration) -> NewMessage {
    let longest = u32::try_from(longest.as_secs()).unwrap_or(u32::MAX);
    let seconds = message.validity_period.map_or(longest, |seconds| seconds.min(longest));
    message.with_validity_period(seconds)
}

/// The request for a message, without its callback. Sender and recipient come from the plan and from nothing else.
pub(crate) fn request(notification: &Notification, plan: &Plan, content: NewContent) -> NewMessage {
    let sender = match &plan.route.sender {
        RouteSender::From(from) => MessageSender::From(from.to_string()),
        RouteSender::Service(service) => MessageSender::Service(service.clone()),
        RouteSender::Both(from, service) => MessageSender::Both(from.to_string(), service.clone()),
    };
    let to = match plan.route.channel {
        FallbackChannel::WhatsApp => Address::whatsapp(plan.recipient.clone()).to_string(),
        FallbackChannel::Sms => plan.recipient.to_string(),
    };
    let seconds = u32::try_from(validity(notification).as_secs()).unwrap_or(u32::MAX);
    NewMessage::new(to, sender, content).with_validity_period(seconds)
}

#[cfg(test)]
mod tests;
