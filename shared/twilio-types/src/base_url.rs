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

    /// The URL of a path that already begins with this one's path, as a request has it behind a proxy that keeps that path.
    /// None if it does not, or if this URL has no path.
    pub fn join_below(&self, path: &str) -> Option<String> {
        let (_, host) = self.0.split_once("://")?;
        let own_path = host.get(host.find('/')?..)?;
        path.strip_prefix(own_path).filter(|rest| rest.starts_with('/')).map(|rest| self.join(rest))
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
        let base: BaseUrl = "https://api.example.com/wa/v1".parse().unwrap();
        let expected = "https://api.example.com/wa/v1/twilio/inbound";
        assert_eq!(base.join_below("/wa/v1/twilio/inbound").as_deref(), Some(expected));
        for path in ["/twilio/inbound", "/wa/v12/twilio/inbound", "/wa/v1"] {
            assert_eq!(base.join_below(path), None, "{path}");
        }
        assert_eq!("https://wa.example.com".parse::<BaseUrl>().unwrap().join_below("/twilio/inbound"), None);
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
