//! The scheme and host (and path) under which a service is called.

use std::{fmt, str::FromStr};

/// `https://host` or `http://host`, optionally with a port and a path; without a slash at its end, a query or a fragment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(String);

/// Not a base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a base URL: expected http:// or https://, a host, and neither query nor fragment, as in https://wa.example.com"
)]
pub struct InvalidBaseUrl;

impl BaseUrl {
    /// `https://` and a domain name.
    pub fn of_domain(domain: &str) -> Self {
        Self(format!("https://{domain}"))
    }

    /// The URL of a path below this one. The path begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The URL without a slash at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, InvalidBaseUrl> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(InvalidBaseUrl)?;
        let well_formed = !host.is_empty()
            && !host.starts_with('/')
            && host.bytes().all(|b| b.is_ascii_graphic() && b != b'?' && b != b'#');
        if well_formed { Ok(Self(text.trim_end_matches('/').to_owned())) } else { Err(InvalidBaseUrl) }
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_is_parsed_and_joins_paths() {
        for (text, expected) in [
            ("https://wa.example.com", "https://wa.example.com/twilio/inbound"),
            ("https://wa.example.com/", "https://wa.example.com/twilio/inbound"),
            ("http://127.0.0.1:8080/base", "http://127.0.0.1:8080/base/twilio/inbound"),
        ] {
            assert_eq!(text.parse::<BaseUrl>().unwrap().join("/twilio/inbound"), expected);
        }
        for text in [
            "",
            "wa.example.com",
            "ftp://x",
            "https://",
            "https:///x",
            "https://x?a=1",
            "https://x#rc=2",
            "https://a b",
        ] {
            assert_eq!(text.parse::<BaseUrl>(), Err(InvalidBaseUrl), "{text}");
        }
    }
}
