//! Pages of a list in Twilio's newer products, which have the URLs of other pages under `meta`.
//!
//! These URLs have the host of the request, so that a client that follows them stays with the sandbox.

use std::convert::Infallible;

use axum::{
    extract::FromRequestParts,
    http::{header::HOST, request::Parts},
};
use serde_json::{Map, Value, json};
use twilio_webhook::form::Form;

use crate::api_error::ApiError;

/// Source: twilio-oai, every list.
pub(crate) const DEFAULT_SIZE: usize = 50;
const MAX_SIZE: usize = 1_000;

#[derive(Debug)]
pub(crate) struct PageRequest {
    host: String,
    pub(crate) path: String,
    pub(crate) query: Form,
}

impl<S: Sync> FromRequestParts<S> for PageRequest {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or("127.0.0.1").to_owned();
        let query = Form::parse(parts.uri.query().unwrap_or_default().as_bytes());
        Ok(Self { host, path: parts.uri.path().to_owned(), query })
    }
}

impl PageRequest {
    /// The requested page of these items, as an array with this key. `PageToken` has the SID after which the page begins, so
    /// that items created meanwhile do not shift it. Where that item was deleted, the page begins by its number.
    pub(crate) fn page(&self, key: &str, items: &[Value]) -> Result<Value, ApiError> {
        let size = size(&self.query)?.unwrap_or(DEFAULT_SIZE);
        let number = number(&self.query, "Page")?.unwrap_or(0);
        let token = self.query.get_filled("PageToken");
        let after = token.map(|token| token.strip_prefix("PA").ok_or_else(invalid_token)).transpose()?;
        let place = after.and_then(|after| items.iter().position(|item| item["sid"] == after));
        let begin = place.map_or_else(|| number.saturating_mul(size).min(items.len()), |at| at + 1);
        let shown: Vec<_> = items.iter().skip(begin).take(size).collect();
        let last = shown.last().filter(|_| begin + shown.len() < items.len());
        let url =
            |page: usize, token: Option<&Value>| self.url(size, page, token.and_then(|item| item["sid"].as_str()));
        let mut page = Map::new();
        page.insert(key.to_owned(), json!(shown));
        page.insert(
            "meta".to_owned(),
            json!({
                "key": key, "page": number, "page_size": size, "url": url(number, None), "first_page_url": url(0, None),
                "next_page_url": last.map(|last| url(number.saturating_add(1), Some(last))),
                "previous_page_url": number.checked_sub(1).map(|before| url(before, None)),
            }),
        );
        Ok(Value::Object(page))
    }

    fn url(&self, size: usize, page: usize, after: Option<&str>) -> String {
        let host = &self.host;
        let scheme = if host.ends_with(".twilio.com") { "https" } else { "http" };
        let filters = self.query.pairs().iter().filter(|(name, _)| !is_paging_parameter(name));
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(filters).append_pair("PageSize", &size.to_string()).append_pair("Page", &page.to_string());
        if let Some(after) = after {
            query.append_pair("PageToken", &format!("PA{after}"));
        }
        format!("{scheme}://{host}{}?{}", self.path, query.finish())
    }
}

/// Whether a parameter selects the page, and is no filter.
pub(crate) fn is_paging_parameter(name: &str) -> bool {
    matches!(name, "Page" | "PageSize" | "PageToken")
}

/// `PageSize`: 1 to 1,000. Source: twilio-oai, every list.
pub(crate) fn size(query: &Form) -> Result<Option<usize>, ApiError> {
    match number(query, "PageSize")? {
        Some(0) => Err(ApiError::bad_request(20001, "Page size must be greater than 0")),
        Some(size @ ..=MAX_SIZE) => Ok(Some(size)),
        Some(_) => Err(ApiError::bad_request(20007, "Page size too large. The maximum page size is 1000.")),
        None => Ok(None),
    }
}

/// A `PageToken` that no page has.
pub(crate) fn invalid_token() -> ApiError {
    ApiError::bad_request(21481, "Invalid PageToken")
}

pub(crate) fn number(query: &Form, name: &str) -> Result<Option<usize>, ApiError> {
    let invalid = |_| ApiError::bad_request(20001, format!("{name}: expected a number"));
    query.get_filled(name).map(|text| text.parse().map_err(invalid)).transpose()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn page(query: &str, sids: &[&str]) -> Result<Value, ApiError> {
        let query = Form::parse(query.as_bytes());
        let items: Vec<_> = sids.iter().map(|sid| json!({"sid": sid})).collect();
        PageRequest { host: "127.0.0.1".to_owned(), path: "/v1/Services".to_owned(), query }.page("services", &items)
    }

    #[test]
    fn page_begins_after_the_last_item_of_the_previous_one() {
        let first = page("PageSize=2&A=b", &["c", "b", "a"]).unwrap();
        assert_eq!(first["services"], json!([{"sid": "c"}, {"sid": "b"}]));
        let next = first["meta"]["next_page_url"].as_str().unwrap();
        assert_eq!(next, "http://127.0.0.1/v1/Services?A=b&PageSize=2&Page=1&PageToken=PAb");
        let second = page(next.split_once('?').unwrap().1, &["d", "c", "b", "a"]).unwrap();
        assert_eq!(second["services"], json!([{"sid": "a"}]));
        assert_eq!((&second["meta"]["next_page_url"], &second["meta"]["page"]), (&Value::Null, &json!(1)));
    }

    proptest! {
        #[test]
        fn pages_hold_every_item_once(number in 0_usize..30, size in 1_usize..10) {
            let sids: Vec<_> = (0..number).map(|number| format!("MG{number}")).collect();
            let sids: Vec<_> = sids.iter().map(String::as_str).collect();
            let (mut query, mut seen) = (format!("PageSize={size}"), Vec::new());
            loop {
                let page = page(&query, &sids).unwrap();
                seen.extend(page["services"].as_array().unwrap().clone());
                let Some(next) = page["meta"]["next_page_url"].as_str() else { break };
                next.split_once('?').unwrap().1.clone_into(&mut query);
            }
            prop_assert_eq!(seen.iter().map(|item| item["sid"].as_str().unwrap()).collect::<Vec<_>>(), sids);
        }
    }

    #[test]
    fn page_size_is_1_to_1000() {
        for (query, size) in
            [("", Some(50)), ("PageSize=1000", Some(1_000)), ("PageSize=0", None), ("PageSize=1001", None)]
        {
            let found = page(query, &[]).ok().map(|page| page["meta"]["page_size"].clone());
            assert_eq!(found, size.map(Value::from), "{query}");
        }
        for (query, code) in
            [("Page=x", 20001), ("PageSize=0", 20001), ("PageSize=1001", 20007), ("PageToken=x", 21481)]
        {
            assert_eq!(page(query, &[]).unwrap_err().code, code, "{query}");
        }
    }
}
