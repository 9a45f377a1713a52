//! Twilio's Content API: a template's SID by its name and language.
//!
//! Source: Twilio, "Content API resources".

use serde::Deserialize;
use twilio_types::{base_url::BaseUrl, sid::ContentSid};

use super::{TwilioClient, TwilioError, call};
use crate::Credentials;

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
/// An account has at most 6,000 approved templates: twelve pages, and as many again for those that are not.
const MAX_PAGES: usize = 24;

impl TwilioClient {
    /// The template of a name and a language, or none.
    pub async fn find_content(
        &self,
        credentials: &Credentials,
        name: &str,
        locale: &str,
    ) -> Result<Option<ContentSid>, TwilioError> {
        let base_url = content_base_url(&self.base_url);
        let mut path = FIRST_PAGE.to_owned();
        for _ in 0..MAX_PAGES {
            let page: ContentPage = call(self.http.get(base_url.join(&path)), credentials).await?;
            let wanted = |content: &ContentResource| {
                content.friendly_name.as_deref() == Some(name) && content.language.as_deref() == Some(locale)
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

/// Twilio's products have a host each, `content.twilio.com` beside `api.twilio.com`; a stand-in has one for all.
fn content_base_url(base_url: &BaseUrl) -> BaseUrl {
    match base_url.as_str().strip_prefix("https://api.") {
        Some(domain) if domain.ends_with("twilio.com") => BaseUrl::of_domain(&format!("content.{domain}")),
        _ => base_url.clone(),
    }
}

/// The next page is given as a whole URL. Only its path is followed: the credentials go to the host they are for.
fn path_and_query(url: &str) -> Option<String> {
    let (_, after) = url.split_once("://")?;
    after.find('/').and_then(|slash| after.get(slash..)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_api_is_beside_the_main_one() {
        for (base, expected) in [
            ("https://api.twilio.com", "https://content.twilio.com"),
            ("https://api.dublin.ie1.twilio.com", "https://content.dublin.ie1.twilio.com"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ] {
            assert_eq!(content_base_url(&base.parse().unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn a_next_page_is_followed_on_the_same_host() {
        let next = path_and_query("https://evil.example/v1/Content?PageSize=500&Page=1&PageToken=x");
        assert_eq!(next.as_deref(), Some("/v1/Content?PageSize=500&Page=1&PageToken=x"));
        assert_eq!(path_and_query("nonsense"), None);
    }
}
