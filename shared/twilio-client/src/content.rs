//! A template's SID by its name and language.
//!
//! Source: Twilio, "Content API resources".

use serde::Deserialize;
use twilio_types::sid::ContentSid;

use crate::{AccountClient, ApiRequest, Product, TwilioError};

#[derive(Deserialize)]
struct ContentPage {
    contents: Vec<ContentResource>,
    meta: PageMeta,
}

#[derive(Deserialize)]
struct ContentResource {
    sid: ContentSid,
    friendly_name: Option<String>,
    language: Option<String>,
}

#[derive(Deserialize)]
struct PageMeta {
    next_page_url: Option<String>,
}

/// Twilio advises pages of at most 500, since an answer holds at most 1 MB.
const FIRST_PAGE: &str = "/v1/Content?PageSize=500";
/// An account has at most 6,000 approved templates: twelve pages, and as many again for those that are not approved.
const MAX_PAGES: usize = 24;

impl AccountClient {
    /// The template of a name (`friendly_name`) and a language, as in `en` or `pt_BR`; none if the account has none of them
    /// among its first 12,000.
    ///
    /// The templates are those of the account whose credentials are used. The list is read page by page, with one request for
    /// each page; the time limits of this client apply to each request, a deadline to all of them.
    pub async fn find_content(&self, name: &str, language: &str) -> Result<Option<ContentSid>, TwilioError> {
        let mut path = FIRST_PAGE.to_owned();
        for _ in 0..MAX_PAGES {
            let page: ContentPage = self.call(ApiRequest::get(Product::Content, path)).await?;
            let wanted = |content: &ContentResource| {
                content.friendly_name.as_deref() == Some(name) && content.language.as_deref() == Some(language)
            };
            if let Some(found) = page.contents.into_iter().find(wanted) {
                return Ok(Some(found.sid));
            }
            match page.meta.next_page_url.as_deref().and_then(path_and_query) {
                Some(next) => path = next,
                None => return Ok(None),
            }
        }
        Ok(None)
    }
}

/// The next page is given as a whole URL. Only its path is followed: the credentials go to no other host.
fn path_and_query(url: &str) -> Option<String> {
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
