//! Refuses the requests that a browser makes for another site's page.
//!
//! The sandbox has no login: every program that reaches it can read every message, and with a real account behind the page
//! these are real numbers and texts. It listens on this machine alone, but a browser on this machine can be made to call it:
//!
//! - A page of any site can send requests to `http://127.0.0.1:8090`. Browsers name the sender in `Sec-Fetch-Site` and
//!   `Origin` (W3C, "Fetch Metadata Request Headers"; WHATWG, "Fetch Standard").
//! - The owner of a domain can let its name resolve to 127.0.0.1 (DNS rebinding). For the browser the
//!   sandbox then belongs to that site, and only the `Host` header still has the foreign name.
//!
//! Programs other than browsers send the name from the URL that they were given, and neither of the other two headers.

use std::{net::Ipv4Addr, str::FromStr, sync::Arc};

use axum::{
    extract::{Request, State},
    http::{
        HeaderMap, Method,
        header::{HOST, ORIGIN},
        uri::Authority,
    },
    middleware::Next,
    response::{IntoResponse as _, Response},
};

/// A host name by which the sandbox may be called, as in `172.17.0.1` or `sandbox.example:8443`. Without a port the name is
/// for the port that the sandbox listens on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    name: String,
    port: Option<u16>,
}

impl AllowedHost {
    /// The names of this machine: `127.0.0.1`, `localhost` and `[::1]`.
    pub fn loopback() -> Vec<Self> {
        ["127.0.0.1", "localhost", "[::1]"].map(|name| Self { name: name.to_owned(), port: None }).into()
    }
}

impl From<Ipv4Addr> for AllowedHost {
    fn from(address: Ipv4Addr) -> Self {
        Self { name: address.to_string(), port: None }
    }
}

impl FromStr for AllowedHost {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const EXPECTED: &str = "expected a host, or a host and a port, as in 172.17.0.1 or sandbox.example:8443";
        let authority: Authority = text.parse().map_err(|_| EXPECTED)?;
        let name = authority.host();
        let port = match text.strip_prefix(name) {
            Some("") => None,
            Some(rest) => Some(rest.strip_prefix(':').and_then(|port| port.parse().ok()).ok_or(EXPECTED)?),
            None => return Err(EXPECTED),
        };
        if name.is_empty() {
            return Err(EXPECTED);
        }
        Ok(Self { name: name.to_ascii_lowercase(), port })
    }
}

/// The names by which the sandbox may be called, and the port that it listens on.
#[derive(Debug)]
pub(crate) struct Access {
    pub(crate) hosts: Vec<AllowedHost>,
    pub(crate) port: u16,
}

/// Answers a request that the sandbox may answer, and refuses any other with 403.
pub(crate) async fn check(State(access): State<Arc<Access>>, request: Request, next: Next) -> Response {
    match access.refusal(&request) {
        Some(reason) => (axum::http::StatusCode::FORBIDDEN, reason).into_response(),
        None => next.run(request).await,
    }
}

impl Access {
    fn refusal(&self, request: &Request) -> Option<&'static str> {
        let (headers, path) = (request.headers(), request.uri().path());
        // A request through a proxy has its authority in the request line too (RFC 9112, section 3.2.2).
        let line = request.uri().authority().map(Authority::as_str);
        let hosts: Vec<_> = headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default()).collect();
        if hosts.len() != 1 || !hosts.into_iter().chain(line).all(|host| self.answers_to(host, path)) {
            return Some("Host: the sandbox answers to 127.0.0.1, localhost and [::1], and to ALLOWED_HOSTS");
        }
        if !is_from_own_page(headers) && !opens_page(request) {
            return Some(
                "Sec-Fetch-Site: the sandbox answers its own page only; to open it, enter its address in the browser",
            );
        }
        let origins = headers.get_all(ORIGIN);
        if !origins.iter().all(|origin| origin.to_str().is_ok_and(|origin| self.has_origin(origin))) {
            return Some("Origin: the sandbox answers its own page only");
        }
        None
    }

    fn answers_to(&self, authority: &str, path: &str) -> bool {
        let Ok(host) = authority.parse::<AllowedHost>() else { return false };
        // Twilio's client libraries name the product that they call, where a proxy sends them here. Only Twilio can let
        // such a name resolve to this machine.
        let is_twilio = host.name.ends_with(".twilio.com") && !is_own(path);
        is_twilio || self.allows(&host, 80)
    }

    fn has_origin(&self, origin: &str) -> bool {
        let (authority, default_port) = match origin.split_once("://") {
            Some(("http", authority)) => (authority, 80),
            Some(("https", authority)) => (authority, 443),
            _ => return false,
        };
        authority.parse().is_ok_and(|host| self.allows(&host, default_port))
    }

    fn allows(&self, host: &AllowedHost, default_port: u16) -> bool {
        let port = host.port.unwrap_or(default_port);
        self.hosts.iter().any(|allowed| allowed.name == host.name && allowed.port.unwrap_or(self.port) == port)
    }
}

/// Whether a path is the page's or the control interface's, which Twilio does not have.
fn is_own(path: &str) -> bool {
    path == "/" || path.starts_with("/assets/") || path.starts_with("/sandbox/")
}

/// Whether no page made the request, or the sandbox's own did.
fn is_from_own_page(headers: &HeaderMap) -> bool {
    headers.get_all("sec-fetch-site").iter().all(|site| site == "same-origin" || site == "none")
}

/// Whether the browser opens the page from a link. A page that has such a link cannot read what is opened.
fn opens_page(request: &Request) -> bool {
    let is = |name: &str, expected: &str| request.headers().get(name).is_some_and(|value| value == expected);
    request.method() == Method::GET
        && request.uri().path() == "/"
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document")
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, http::HeaderName};

    use super::*;

    const OWN: (&str, &str) = ("host", "127.0.0.1:8090");

    fn is_refused(path: &str, headers: &[(&str, &str)]) -> bool {
        let docker = "172.17.0.1".parse().unwrap();
        let forwarded = "sandbox.example:443".parse().unwrap();
        let hosts = AllowedHost::loopback().into_iter().chain([docker, forwarded]).collect();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        Access { hosts, port: 8090 }.refusal(&request).is_some()
    }

    #[test]
    fn host_must_be_an_allowed_name_with_its_port() {
        let allowed = ["127.0.0.1:8090", "LocalHost:8090", "[::1]:8090", "172.17.0.1:8090", "sandbox.example:443"];
        let refused = [
            "evil:8090",
            "127.0.0.1",
            "127.0.0.1:8091",
            "127.0.0.1:90000",
            "127.0.0.1.evil:8090",
            "evil@127.0.0.1:8090",
            "sandbox.example:8090",
            "api.twilio.com",
            "",
        ];
        for host in allowed {
            assert!(!is_refused("/sandbox/state", &[("host", host)]), "{host}");
        }
        for host in refused {
            assert!(is_refused("/sandbox/state", &[("host", host)]), "{host}");
        }
        assert!(is_refused("/sandbox/state", &[]), "no host");
        assert!(is_refused("/sandbox/state", &[OWN, ("host", "evil:8090")]), "two hosts");
        assert!(is_refused("http://evil:8090/sandbox/state", &[OWN]), "another host in the request line");
        assert!(!is_refused("http://127.0.0.1:8090/sandbox/state", &[OWN]));
    }

    #[test]
    fn twilios_host_reaches_twilios_routes_only() {
        for (host, path, refused) in [
            ("api.twilio.com", "/2010-04-01/Accounts/AC1/Messages.json", false),
            ("content.twilio.com:8090", "/v1/Content", false),
            ("api.dublin.ie1.twilio.com", "/v9/Nothing", false),
            ("twilio.com.evil", "/v1/Content", true),
            ("eviltwilio.com", "/v1/Content", true),
            ("api.twilio.com", "/", true),
            ("api.twilio.com", "/assets/main.js", true),
            ("api.twilio.com", "/sandbox/state", true),
        ] {
            assert_eq!(is_refused(path, &[("host", host)]), refused, "{host}{path}");
        }
    }

    #[test]
    fn page_of_another_site_is_refused() {
        for (site, refused) in [("same-origin", false), ("none", false), ("same-site", true), ("cross-site", true)] {
            assert_eq!(is_refused("/sandbox/state", &[OWN, ("sec-fetch-site", site)]), refused, "{site}");
        }
        for (origin, refused) in [
            ("http://127.0.0.1:8090", false),
            ("https://sandbox.example", false),
            ("http://127.0.0.1:3000", true),
            ("https://evil.example", true),
            ("null", true),
        ] {
            assert_eq!(is_refused("/sandbox/reset", &[OWN, ("origin", origin)]), refused, "{origin}");
        }
    }

    #[test]
    fn link_on_another_site_opens_the_page_only() {
        let link = [OWN, ("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")];
        for (path, dest, refused) in
            [("/", "document", false), ("/", "iframe", true), ("/sandbox/state", "document", true)]
        {
            let headers = [&link[..], &[("sec-fetch-dest", dest)]].concat();
            assert_eq!(is_refused(path, &headers), refused, "{path} {dest}");
        }
    }

    #[test]
    fn allowed_host_is_a_name_with_or_without_a_port() {
        for text in ["172.17.0.1", "[::1]:80", "sandbox.example:8443"] {
            assert!(text.parse::<AllowedHost>().is_ok(), "{text}");
        }
        for text in ["", "http://a", "a/b", "a:x", "a:65536", ":80", "me@a"] {
            assert!(text.parse::<AllowedHost>().is_err(), "{text}");
        }
    }
}
