//! Reading through an account's messages, and what else is done to a message that is there: its files, its cancelling.
//!
//! Source: Twilio, "Messages resource" and "Media subresource".

use serde::{Deserialize, Deserializer};
use serde_json::Value;
use twilio_types::{
    error_code::ErrorCode,
    sid::{AccountSid, MessageSid},
};

use super::{MessageFilter, MessageResource, TwilioClient, TwilioError, call};
use crate::Credentials;

/// A place in the list of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Where the newest message is.
    Newest,
    /// A page, by the path that the page before it gave.
    Page(String),
}

/// A page of the list. Unlike [`super::MessagePage`] it is read past a message that cannot be understood: one message
/// must not keep all others from being found.
#[derive(Debug, Deserialize)]
pub struct HistoryPage {
    /// Its messages, the newest first; none in the place of one that cannot be understood.
    #[serde(deserialize_with = "understood")]
    pub messages: Vec<Option<MessageResource>>,
    next_page_uri: Option<String>,
}

impl HistoryPage {
    /// The next page. Only a path on the same host: the credentials go nowhere else.
    pub fn next(&self) -> Option<Place> {
        self.next_page_uri.as_ref().filter(|uri| uri.starts_with('/')).cloned().map(Place::Page)
    }
}

/// What became of cancelling a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancelled {
    /// It will not go out.
    Done,
    /// It is not waiting any more (error 30409), or is gone.
    TooLate,
}

/// A file of a message.
#[derive(Clone, PartialEq, Eq)]
pub struct MediaFile {
    /// Where Twilio serves it.
    pub url: String,
    /// Its media type.
    pub content_type: Option<String>,
}

#[derive(Deserialize)]
struct MediaPage {
    media_list: Vec<MediaResource>,
}

#[derive(Deserialize)]
struct MediaResource {
    uri: String,
    content_type: Option<String>,
}

const NOT_FOUND: u16 = 404;

impl TwilioClient {
    /// A page of the list, at its place. The filter is of use for the first page only: the others' paths hold it.
    pub async fn history(
        &self,
        account_sid: &AccountSid,
        credentials: &Credentials,
        filter: &MessageFilter,
        place: &Place,
    ) -> Result<HistoryPage, TwilioError> {
        let request = match place {
            Place::Newest => {
                let url = self.url(&format!("/2010-04-01/Accounts/{account_sid}/Messages.json"));
                self.http.get(url).query(&filter.parameters())
            }
            Place::Page(uri) => self.http.get(self.url(uri)),
        };
        call(request, credentials).await
    }

    /// The files of a message as its webhook names them. None where they or the message are deleted.
    pub async fn media(
        &self,
        account_sid: &AccountSid,
        credentials: &Credentials,
        message_sid: &MessageSid,
    ) -> Result<Vec<MediaFile>, TwilioError> {
        let url = self.url(&format!("/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}/Media.json"));
        let page: MediaPage = match call(self.http.get(url), credentials).await {
            Err(TwilioError::Rejected(refusal)) if refusal.status == NOT_FOUND => return Ok(Vec::new()),
            page => page?,
        };
        let file = |media: MediaResource| MediaFile {
            url: self.url(media.uri.strip_suffix(".json").unwrap_or(&media.uri)),
            content_type: media.content_type,
        };
        Ok(page.media_list.into_iter().map(file).collect())
    }

    /// Keeps a scheduled message from going out.
    pub async fn cancel(
        &self,
        account_sid: &AccountSid,
        credentials: &Credentials,
        message_sid: &MessageSid,
    ) -> Result<Cancelled, TwilioError> {
        let url = self.url(&format!("/2010-04-01/Accounts/{account_sid}/Messages/{message_sid}.json"));
        let answer = call::<Value>(self.http.post(url).form(&[("Status", "canceled")]), credentials).await;
        match answer {
            Ok(_) => Ok(Cancelled::Done),
            Err(TwilioError::Rejected(refusal))
                if refusal.status == NOT_FOUND || refusal.code == Some(ErrorCode::CANNOT_BE_CANCELED) =>
            {
                Ok(Cancelled::TooLate)
            }
            Err(error) => Err(error),
        }
    }
}

fn understood<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Option<MessageResource>>, D::Error> {
    let messages = Vec::<Value>::deserialize(deserializer)?;
    Ok(messages.into_iter().map(|message| serde_json::from_value(message).ok()).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_page_is_read_past_what_cannot_be_understood_and_leads_to_no_other_host() {
        let message = json!({"sid": "SM00000000000000000000000000000001", "status": "read", "to": "whatsapp:+14155550123",
                             "direction": "outbound-api"});
        let mut new = message.clone();
        new["status"] = json!("teleported");
        let page = |next: &str| -> HistoryPage {
            serde_json::from_value(json!({"messages": [new, message], "next_page_uri": next})).unwrap()
        };
        let read = page("/2010-04-01/Accounts/AC1/Messages.json?Page=1");
        assert_eq!(read.messages.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true]);
        assert_eq!(read.next(), Some(Place::Page("/2010-04-01/Accounts/AC1/Messages.json?Page=1".to_owned())));
        assert_eq!(page("@elsewhere.example.com/").next(), None);
    }
}
