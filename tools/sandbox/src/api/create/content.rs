//! What a message says: its text and files, or a content with values for its variables.

use std::collections::BTreeMap;

use twilio_types::{
    address::Channel,
    limits::{MAX_BODY_CHARS, MAX_MEDIA},
};
use twilio_webhook::form::Form;

use crate::{api_error::ApiError, content::render::RenderedContent, http_client::is_http_url, state::Sandbox};

#[derive(Debug, Default)]
pub(super) struct MessageContent {
    /// The content that the request names.
    pub(super) sid: Option<String>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) rendered: RenderedContent,
    /// Whether the request also had files, which Twilio asks to remove. Source: Twilio, error 63016.
    pub(super) media_beside_content: bool,
}

impl MessageContent {
    pub(super) fn parse(sandbox: &Sandbox, channel: &Channel, form: &Form) -> Result<Self, ApiError> {
        let template = Self::of_template(sandbox, channel, form)?;
        let media = media_urls(form)?;
        let mut content = match template {
            Some(content) => Self { media_beside_content: !media.is_empty(), ..content },
            None => Self {
                rendered: RenderedContent { body: body(form, &media)?, media, ..RenderedContent::default() },
                ..Self::default()
            },
        };
        if *channel == Channel::WhatsApp {
            // "Any additional attachments will be ignored": Twilio, "Sending and Receiving Media with WhatsApp Messaging".
            content.rendered.media.truncate(1);
        }
        Ok(content)
    }

    /// The content of the request's `ContentSid`.
    fn of_template(sandbox: &Sandbox, channel: &Channel, form: &Form) -> Result<Option<Self>, ApiError> {
        let variables = form.get_filled("ContentVariables");
        let Some(sid) = form.get_filled("ContentSid") else {
            return match variables {
                Some(_) => Err(ApiError::bad_request(21654, "ContentSid Required")),
                None => Ok(None),
            };
        };
        let content = sandbox.products.contents.get(sid);
        let content = content.ok_or_else(|| ApiError::bad_request(21655, "The ContentSid is Invalid"))?;
        let parsed: Result<BTreeMap<String, String>, _> = serde_json::from_str(variables.unwrap_or("{}"));
        match parsed {
            // Source: Twilio, error 21656: a value must be neither null nor empty. A value for a variable that the content does
            // not have is accepted here, and the message fails with 63028.
            Ok(given) if !given.values().any(String::is_empty) => Ok(Some(Self {
                sid: Some(sid.to_owned()),
                rendered: content.render(channel, &given),
                variables: given,
                media_beside_content: false,
            })),
            _ => Err(ApiError::bad_request(21656, "The ContentVariables Parameter is invalid")),
        }
    }
}

fn body(form: &Form, media_urls: &[String]) -> Result<String, ApiError> {
    let body = form.get("Body").unwrap_or_default();
    if body.is_empty() && media_urls.is_empty() {
        return Err(ApiError::bad_request(21619, "A text message body or media urls must be specified."));
    }
    // Twilio, error 21617: emoji use more space than other characters. Here a character is a unit of UTF-16, of which an emoji
    // has two or more.
    if body.encode_utf16().count() > MAX_BODY_CHARS {
        return Err(ApiError::bad_request(21617, "The concatenated message body exceeds the 1600 character limit"));
    }
    Ok(body.to_owned())
}

fn media_urls(form: &Form) -> Result<Vec<String>, ApiError> {
    let urls: Vec<_> = form.pairs().iter().filter(|(name, _)| name == "MediaUrl").map(|(_, url)| url.clone()).collect();
    if urls.len() > MAX_MEDIA {
        return Err(ApiError::bad_request(21623, "Number of media files exceeds allowed limit"));
    }
    if urls.iter().any(|url| !is_http_url(url)) {
        return Err(ApiError::bad_request(21620, "Invalid media URL(s)"));
    }
    Ok(urls)
}
