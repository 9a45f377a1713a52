//! A message to create.

use std::fmt;

use twilio_types::sid::{ContentSid, MessagingServiceSid};

/// A message to create. `Debug` shows neither the recipient nor what it says.
///
/// Source: Twilio, "Messages resource", "Create a Message".
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewMessage {
    /// `To`: `whatsapp:+14155550123`, or a plain number for an SMS.
    pub to: String,
    /// `From`, `MessagingServiceSid`, or both.
    pub sender: MessageSender,
    /// What it says.
    pub content: NewContent,
    /// `StatusCallback`: the URL to which Twilio reports the message's status.
    pub status_callback: Option<String>,
    /// `ValidityPeriod`: for how many seconds Twilio may try to send it, 1 to 36,000.
    pub validity_period: Option<u32>,
}

/// Who sends a message.
#[derive(Clone, PartialEq, Eq)]
pub enum MessageSender {
    /// This sender: `whatsapp:+14155238886`, a number, a short code or an alphanumeric sender id.
    From(String),
    /// One of a Messaging Service's senders, of Twilio's choice.
    Service(MessagingServiceSid),
    /// This sender, which is one of the Messaging Service's.
    Both(String, MessagingServiceSid),
}

/// What a message says.
#[derive(Clone, PartialEq, Eq)]
pub enum NewContent {
    /// `Body`, at most 1,600 characters (Twilio, error 21617).
    Text(String),
    /// `MediaUrl`, repeated up to ten times, and `Body` as the caption.
    Media(Vec<String>, Option<String>),
    /// `ContentSid`, and `ContentVariables`: a JSON object as text.
    Template(ContentSid, String),
}

impl NewMessage {
    /// A message without a status callback, for which Twilio may try as long as it does by default.
    pub fn new(to: impl Into<String>, sender: MessageSender, content: NewContent) -> Self {
        Self { to: to.into(), sender, content, status_callback: None, validity_period: None }
    }

    /// The same message with a URL to which Twilio reports its status.
    #[must_use]
    pub fn with_status_callback(mut self, url: impl Into<String>) -> Self {
        self.status_callback = Some(url.into());
        self
    }

    /// The same message, for which Twilio may try as many seconds.
    #[must_use]
    pub fn with_validity_period(mut self, seconds: u32) -> Self {
        self.validity_period = Some(seconds);
        self
    }

    pub(crate) fn parameters(&self) -> Vec<(&'static str, String)> {
        let mut parameters = vec![("To", self.to.clone())];
        parameters.extend(self.status_callback.iter().map(|url| ("StatusCallback", url.clone())));
        match &self.sender {
            MessageSender::From(from) => parameters.push(("From", from.clone())),
            MessageSender::Service(sid) => parameters.push(("MessagingServiceSid", sid.to_string())),
            MessageSender::Both(from, sid) => {
                parameters.extend([("From", from.clone()), ("MessagingServiceSid", sid.to_string())]);
            }
        }
        match &self.content {
            NewContent::Text(body) => parameters.push(("Body", body.clone())),
            NewContent::Media(urls, caption) => {
                parameters.extend(urls.iter().map(|url| ("MediaUrl", url.clone())));
                parameters.extend(caption.iter().map(|caption| ("Body", caption.clone())));
            }
            NewContent::Template(sid, variables) => {
                parameters.extend([("ContentSid", sid.to_string()), ("ContentVariables", variables.clone())]);
            }
        }
        parameters.extend(self.validity_period.map(|seconds| ("ValidityPeriod", seconds.to_string())));
        parameters
    }
}

impl fmt::Debug for NewMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewMessage")
            .field("sender", &self.sender)
            .field("content", &self.content)
            .field("validity_period", &self.validity_period)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for MessageSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::From(_) => f.write_str("From(..)"),
            Self::Service(sid) => write!(f, "Service({sid})"),
            Self::Both(_, sid) => write!(f, "Both(.., {sid})"),
        }
    }
}

impl fmt::Debug for NewContent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(..)"),
            Self::Media(urls, _) => write!(f, "Media({} files)", urls.len()),
            Self::Template(sid, _) => write!(f, "Template({sid}, ..)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENDER: &str = "whatsapp:+14155238886";
    const SERVICE: &str = "MG00000000000000000000000000000001";
    const TEMPLATE: &str = "HX00000000000000000000000000000001";

    fn form(message: &NewMessage) -> Vec<String> {
        message.parameters().into_iter().map(|(name, value)| format!("{name}={value}")).collect()
    }

    #[test]
    fn a_message_becomes_twilios_parameters() {
        let to = "whatsapp:+14155550123";
        let text = NewMessage::new(to, MessageSender::From(SENDER.to_owned()), NewContent::Text("Hi".to_owned()))
            .with_status_callback("https://example.com/status")
            .with_validity_period(900);
        let expected = [
            "To=whatsapp:+14155550123",
            "StatusCallback=https://example.com/status",
            "From=whatsapp:+14155238886",
            "Body=Hi",
            "ValidityPeriod=900",
        ];
        assert_eq!(form(&text), expected);
        let files =
            NewContent::Media(vec!["https://a/1".to_owned(), "https://a/2".to_owned()], Some("Look".to_owned()));
        let media = NewMessage::new("+14155550123", MessageSender::Service(SERVICE.parse().unwrap()), files);
        let expected = [
            "To=+14155550123",
            &format!("MessagingServiceSid={SERVICE}"),
            "MediaUrl=https://a/1",
            "MediaUrl=https://a/2",
            "Body=Look",
        ];
        assert_eq!(form(&media), expected);
        let both = MessageSender::Both(SENDER.to_owned(), SERVICE.parse().unwrap());
        let template = NewContent::Template(TEMPLATE.parse().unwrap(), "{}".to_owned());
        let expected = [
            "To=whatsapp:+14155550123",
            "From=whatsapp:+14155238886",
            &format!("MessagingServiceSid={SERVICE}"),
            &format!("ContentSid={TEMPLATE}"),
            "ContentVariables={}",
        ];
        assert_eq!(form(&NewMessage::new(to, both, template)), expected);
    }

    #[test]
    fn debug_shows_no_address_and_no_text() {
        let sender = MessageSender::Both(SENDER.to_owned(), SERVICE.parse().unwrap());
        for content in [
            NewContent::Text("secret words".to_owned()),
            NewContent::Media(vec!["https://a.example/secret".to_owned()], Some("secret words".to_owned())),
            NewContent::Template(TEMPLATE.parse().unwrap(), r#"{"1": "secret"}"#.to_owned()),
        ] {
            let message = NewMessage::new("whatsapp:+14155550123", sender.clone(), content)
                .with_status_callback("https://example.com/?secret");
            let shown = format!("{message:?}");
            assert!(shown.contains(SERVICE), "{shown}");
            assert!(!shown.contains("secret") && !shown.contains("+1415"), "{shown}");
        }
    }
}
