//! The list of an account's templates, and a template's SID by its name and language.
//!
//! Source: Twilio, "Content API resources".

use serde::{Deserialize, Deserializer};
use twilio_types::sid::ContentSid;

use crate::{AccountClient, ApiRequest, PagePath, Product, TwilioError};

/// A page of the list of an account's templates.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContentPage {
    /// The templates of the page.
    pub contents: Vec<ContentResource>,
    /// The page that follows; none on the last page.
    pub next: Option<PagePath>,
}

/// A template.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct ContentResource {
    /// Its SID.
    pub sid: ContentSid,
    /// The name that its author gave it. Twilio does not keep it unique.
    pub friendly_name: Option<String>,
    /// Its language, as in `en` or `pt_BR`.
    pub language: Option<String>,
}

impl<'de> Deserialize<'de> for ContentPage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            contents: Vec<ContentResource>,
            meta: PageMeta,
        }
        #[derive(Deserialize)]
        struct PageMeta {
            next_page_url: Option<String>,
        }
        let Raw { contents, meta } = Raw::deserialize(deserializer)?;
        let next = meta.next_page_url.as_deref().and_then(path_and_query).and_then(|path| path.parse().ok());
        Ok(Self { contents, next })
    }
}

impl ContentPage {
    /// The first template of the page with this name and language.
    pub fn find(&self, name: &str, language: &str) -> Option<&ContentResource> {
        self.contents.iter().find(|content| {
            content.friendly_name.as_deref() == Some(name) && content.language.as_deref() == Some(language)
        })
    }
}

/// Twilio advises pages of at most 500, since an answer holds at most 1 MB.
const FIRST_PAGE: &str = "/v1/Content?PageSize=500";
/// An account has at most 6,000 approved templates: twelve pages of [`AccountClient::list_content`], and as many again for
/// those that are not approved.
pub const MAX_CONTENT_PAGES: usize = 24;

impl AccountClient {
    /// The first page of the account's templates, 500 of them. The account is that of the credentials.
    pub async fn list_content(&self) -> Result<ContentPage, TwilioError> {
        self.call(ApiRequest::get(Product::Content, FIRST_PAGE)).await
    }

    /// A further page of the templates, by the path that [`ContentPage::next`] gave. A path that Twilio does not know any
    /// more is [`TwilioError::Rejected`].
    pub async fn content_page(&self, path: &PagePath) -> Result<ContentPage, TwilioError> {
        self.call(ApiRequest::get(Product::Content, path.as_str())).await
    }

    /// The template of a name (`friendly_name`) and a language, as in `en` or `pt_BR`; none if the account has none of them
    /// among its first 12,000.
    ///
    /// The list is read page by page, with one request for each page; the time limits of this client apply to each request,
    /// a deadline to all of them. To continue a search that ran out of time, read the pages yourself.
    pub async fn find_content(&self, name: &str, language: &str) -> Result<Option<ContentSid>, TwilioError> {
        let mut page = self.list_content().await?;
        for _ in 1..MAX_CONTENT_PAGES {
            let (None, Some(next)) = (page.find(name, language), &page.next) else { break };
            page = self.content_page(next).await?;
        }
        Ok(page.find(name, language).map(|found| found.sid.clone()))
    }
}

/// The next page is given as a whole URL. Only its path is followed: the credentials go to no other host.
pub(crate) fn path_and_query(url: &str) -> Option<String> {
    let (_, after) = url.split_once("://")?;
    after.find('/').and_then(|slash| after.get(slash..)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_page_is_followed_on_the_same_host() {
        let next = path_and_query("https://evil.example/v1/Content?PageSize=500&Page=1&PageToken=x");
        assert_eq!(next.as_deref(), Some("/v1/Content?PageSize=500&Page=1&PageToken=x"));
        assert_eq!(path_and_query("nonsense"), None);
    }
}
