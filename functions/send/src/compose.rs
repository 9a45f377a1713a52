//! From a notification to the message that Twilio is asked to create.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::SystemTime,
};

use domain::{
    callback_url::status_callback_url,
    notification::{Content, FallbackChannel, MediaSource, Notification, Template},
};
use shared::twilio::{AccountCallError, TwilioAccounts};
use stores::eligibility::NoSender;
use twilio_client::{MessageSender, NewContent, NewMessage};
use twilio_types::{
    address::Address,
    base_url::BaseUrl,
    sid::{AccountSid, ContentSid, MessagingServiceSid},
};

use crate::{
    job::Job,
    media::Files,
    media_link::{MediaLinkError, MediaLinks},
};

/// Composes messages.
#[derive(Debug)]
pub(crate) struct Composer {
    pub(crate) media: MediaLinks,
    pub(crate) files: Files,
    pub(crate) public_base_url: BaseUrl,
    pub(crate) messaging_service_sid: Option<MessagingServiceSid>,
    pub(crate) templates: TemplateNames,
}

/// A message that cannot be composed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ComposeError {
    /// The notification asks for what is not there: its sender's to mend.
    #[error("{0}")]
    Invalid(String),
    /// A link cannot be made: the operator's to mend.
    #[error("a media link cannot be made")]
    Media(#[from] MediaLinkError),
    /// Twilio did not answer which templates there are: time mends it.
    #[error("a template's name cannot be looked up")]
    Template(#[from] AccountCallError),
}

impl Composer {
    /// The message of one of a notification's ways, after so many attempts.
    pub(crate) async fn compose(
        &self,
        job: &Job<'_>,
        route: usize,
        attempts: usize,
        twilio: &TwilioAccounts,
    ) -> Result<NewMessage, ComposeError> {
        let Job { notification, subject, .. } = job;
        let no_way = || ComposeError::Invalid("fallback: the notification has no such way any more".to_owned());
        let (channel, content) = notification.channel_option(route).ok_or_else(no_way)?;
        let content = match content {
            Content::Text { body } => NewContent::Text(body.clone()),
            Content::Media { media, body } => NewContent::Media(self.links(media, route).await?, body.clone()),
            Content::Template { template, variables } => {
                let sid = self.templates.resolve(template, &subject.account_sid, twilio).await?;
                let variables = serde_json::to_string(variables).map_err(|_| {
                    ComposeError::Invalid("content.variables: expected an object of strings".to_owned())
                })?;
                NewContent::Template(sid, variables)
            }
        };
        let (to, sender) = match channel {
            FallbackChannel::WhatsApp => {
                (Address::whatsapp(notification.to.clone()).to_string(), self.sender(notification)?)
            }
            FallbackChannel::Sms => (notification.to.to_string(), self.sms_sender(notification)?),
        };
        let attempt = u32::try_from(attempts).unwrap_or(u32::MAX);
        let mut message = NewMessage::new(to, sender, content);
        message.status_callback = Some(status_callback_url(&self.public_base_url, &notification.id, attempt));
        message.validity_period = notification.validity_period;
        Ok(message)
    }

    /// A sender that is named goes out by itself: it need not be in the configured service.
    fn sender(&self, notification: &Notification) -> Result<MessageSender, ComposeError> {
        let configured = self.messaging_service_sid.as_ref();
        match (&notification.from, &notification.messaging_service_sid, configured) {
            (Some(from), Some(service), _) => Ok(MessageSender::Both(from.to_string(), service.clone())),
            (Some(from), None, _) => Ok(MessageSender::From(from.to_string())),
            (None, Some(service), _) | (None, None, Some(service)) => Ok(MessageSender::Service(service.clone())),
            (None, None, None) => Err(ComposeError::Invalid(NoSender::WhatsApp.to_string())),
        }
    }

    /// An SMS goes out from a service, which has a sender for it: `from` is one on WhatsApp.
    fn sms_sender(&self, notification: &Notification) -> Result<MessageSender, ComposeError> {
        let service = notification.messaging_service_sid.as_ref().or(self.messaging_service_sid.as_ref());
        service.cloned().map(MessageSender::Service).ok_or_else(|| ComposeError::Invalid(NoSender::Sms.to_string()))
    }

    /// Links to the files, none of which is larger than WhatsApp takes.
    async fn links(&self, media: &[MediaSource], route: usize) -> Result<Vec<String>, ComposeError> {
        let mut links = Vec::with_capacity(media.len());
        for (index, file) in media.iter().enumerate() {
            let link = match file {
                MediaSource::Url(url) => url.clone(),
                MediaSource::Key(key) => {
                    let link = self.media.link(key, SystemTime::now())?;
                    if let Some(problem) = self.files.problem(&link).await {
                        let path = route.checked_sub(1).map(|index| format!("fallback[{index}].")).unwrap_or_default();
                        return Err(ComposeError::Invalid(format!("{path}content.media[{index}].key: {problem}")));
                    }
                    link
                }
            };
            links.push(link);
        }
        Ok(links)
    }
}

/// The SIDs of templates that were looked up by name. A template's name and language never come to mean another SID
/// while it exists, so what was found once is kept as long as the function lives.
#[derive(Debug, Default)]
pub(crate) struct TemplateNames(Mutex<HashMap<(AccountSid, String, String), ContentSid>>);

impl TemplateNames {
    async fn resolve(
        &self,
        template: &Template,
        account_sid: &AccountSid,
        twilio: &TwilioAccounts,
    ) -> Result<ContentSid, ComposeError> {
        let (name, locale) = match template {
            Template::Sid(sid) => return Ok(sid.clone()),
            Template::Named { name, locale } => (name, locale),
        };
        let wanted = (account_sid.clone(), name.clone(), locale.clone());
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&wanted).cloned();
        if let Some(sid) = known {
            return Ok(sid);
        }
        let found = twilio.call(account_sid, async |twilio| twilio.find_content(name, locale).await).await?;
        let sid = found.ok_or_else(|| {
            ComposeError::Invalid("content.name: the account has no template of this name in this locale".to_owned())
        })?;
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(wanted, sid.clone());
        Ok(sid)
    }
}
