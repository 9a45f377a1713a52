//! Where a file may be fetched from, and which of these hosts is given the account's credentials.

use twilio_types::base_url::BaseUrl;
use url::{Host, Url};

use crate::public_address::is_public;

/// A request for a file: to Twilio with the account's credentials, and after a redirect without them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaHop {
    pub(crate) url: Url,
    pub(crate) is_authenticated: bool,
}

/// The URL of a file is not one of Twilio's, so that nothing is requested from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the URL of the file is not one of Twilio's")]
pub(crate) struct ForeignUrl;

/// A redirect that is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RedirectProblem {
    #[error("a redirect without a URL")]
    NoUrl,
    #[error("a redirect to a URL that is not https, or has credentials or a port")]
    NotHttps,
    #[error("a redirect to an address that is not public")]
    NotPublic,
    #[error("too many redirects")]
    TooMany,
}

/// The hosts to which requests may go.
#[derive(Debug, Clone)]
pub(crate) struct MediaOrigins {
    /// The base URL where it is not Twilio's, as that of the sandbox. Then no other host is given credentials.
    stand_in: Option<Url>,
}

/// Twilio's domain, in which each region and each product has its hosts: `api.twilio.com`, `api.dublin.ie1.twilio.com`,
/// `mcs.us1.twilio.com`. Source: Twilio, "Using the Twilio REST API in a non-US Region"; Twilio, "Media Resource".
const TWILIO: &str = ".twilio.com";

/// Where the API has the resources of accounts, media among them.
const ACCOUNTS: &str = "/2010-04-01/Accounts/";

impl MediaOrigins {
    pub(crate) fn new(api: &BaseUrl) -> Self {
        let stand_in = Url::parse(api.as_str()).ok().filter(|url| !is_twilios(url));
        Self { stand_in }
    }

    /// The name of the stand-in's host, where it is a name.
    pub(crate) fn stand_in_name(&self) -> Option<String> {
        self.stand_in.as_ref().and_then(Url::domain).map(str::to_owned)
    }

    /// The request for a file of a message.
    pub(crate) fn first(&self, url: &str) -> Result<MediaHop, ForeignUrl> {
        let url = Url::parse(url).map_err(|_| ForeignUrl)?;
        let url = match &self.stand_in {
            Some(stand_in) if has_origin(&url, stand_in) => url,
            Some(stand_in) if is_twilios(&url) => of_stand_in(stand_in, &url)?,
            None if is_twilios(&url) => url,
            _ => return Err(ForeignUrl),
        };
        Ok(MediaHop { url, is_authenticated: true })
    }

    /// The request after a redirect. The credentials stay behind: Twilio redirects to other companies' storage.
    pub(crate) fn next(&self, from: &Url, location: Option<&str>) -> Result<MediaHop, RedirectProblem> {
        let url = location.and_then(|location| from.join(location).ok()).ok_or(RedirectProblem::NoUrl)?;
        let hop = |url| MediaHop { url, is_authenticated: false };
        if self.stand_in.as_ref().is_some_and(|stand_in| has_origin(&url, stand_in)) {
            return Ok(hop(url));
        }
        if !is_plain_https(&url) {
            return Err(RedirectProblem::NotHttps);
        }
        let is_public = match url.host() {
            // The resolver checks the addresses of a name.
            Some(Host::Domain(_)) => true,
            Some(Host::Ipv4(address)) => is_public(address.into()),
            Some(Host::Ipv6(address)) => is_public(address.into()),
            None => false,
        };
        if is_public { Ok(hop(url)) } else { Err(RedirectProblem::NotPublic) }
    }
}

/// The same resource of Twilio's API at its stand-in, which has all of them: a webhook may name Twilio's own host, where the API is
/// reached by another one.
fn of_stand_in(stand_in: &Url, url: &Url) -> Result<Url, ForeignUrl> {
    if !url.path().starts_with(ACCOUNTS) {
        return Err(ForeignUrl);
    }
    stand_in.join(url.path()).ok().filter(|url| has_origin(url, stand_in)).ok_or(ForeignUrl)
}

fn has_origin(url: &Url, other: &Url) -> bool {
    url.origin() == other.origin() && has_no_user(url)
}

fn is_twilios(url: &Url) -> bool {
    is_plain_https(url) && url.domain().is_some_and(|domain| domain.ends_with(TWILIO))
}

fn is_plain_https(url: &Url) -> bool {
    url.scheme() == "https" && url.port().is_none() && has_no_user(url)
}

fn has_no_user(url: &Url) -> bool {
    url.username().is_empty() && url.password().is_none()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn origins(api: &str) -> MediaOrigins {
        MediaOrigins::new(&api.parse().unwrap())
    }

    fn next(api: &str, location: &str) -> Result<String, RedirectProblem> {
        let from = Url::parse("https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1").unwrap();
        origins(api).next(&from, Some(location)).map(|hop| {
            assert!(!hop.is_authenticated, "{location}");
            hop.url.into()
        })
    }

    const API: &str = "https://api.twilio.com";
    const SANDBOX: &str = "http://127.0.0.1:8090";

    #[test]
    fn credentials_go_to_twilios_hosts_alone() {
        for url in ["https://api.twilio.com/a", "https://api.dublin.ie1.twilio.com/a", "https://mcs.us1.twilio.com/a"] {
            let hop = origins(API).first(url).unwrap();
            assert!(hop.is_authenticated && hop.url.as_str() == url);
            assert_eq!(origins(SANDBOX).first(url), Err(ForeignUrl), "the sandbox's credentials stay here");
        }
        for url in [
            "http://api.twilio.com/a",
            "https://twilio.com/a",
            "https://api.twilio.com.example.com/a",
            "https://eviltwilio.com/a",
            "https://api.twilio.com:8443/a",
            "https://api.twilio.com@example.com/a",
            "https://user:word@api.twilio.com/a",
            "https://mms.twiliocdn.com/a",
            "https://10.0.0.1/a",
            "ftp://api.twilio.com/a",
            "file:///etc/passwd",
            "/a",
            "",
        ] {
            assert_eq!(origins(API).first(url), Err(ForeignUrl), "{url}");
        }
    }

    #[test]
    fn stand_in_serves_files_at_its_own_address_alone() {
        assert!(origins(SANDBOX).first("http://127.0.0.1:8090/a").unwrap().is_authenticated);
        for url in
            ["http://127.0.0.1:8091/a", "http://127.0.0.1/a", "https://127.0.0.1:8090/a", "http://localhost:8090/a"]
        {
            assert_eq!(origins(SANDBOX).first(url), Err(ForeignUrl), "{url}");
        }
        assert_eq!(origins("http://sandbox:8090").stand_in_name().as_deref(), Some("sandbox"));
        assert_eq!((origins(SANDBOX).stand_in_name(), origins(API).stand_in_name()), (None, None));
    }

    #[test]
    fn stand_in_serves_the_files_of_twilios_own_urls() {
        let path = "/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1";
        for host in ["api.twilio.com", "api.dublin.ie1.twilio.com"] {
            let hop = origins(SANDBOX).first(&format!("https://{host}{path}")).unwrap();
            assert_eq!((hop.url.as_str(), hop.is_authenticated), (format!("{SANDBOX}{path}").as_str(), true));
        }
        for url in [
            format!("https://files.example.com{path}"),
            format!("http://api.twilio.com{path}"),
            "https://api.twilio.com//evil.example.com/2010-04-01/Accounts/".to_owned(),
            "https://api.twilio.com/2010-04-01/Accounts/../../sandbox/state".to_owned(),
        ] {
            assert_eq!(origins(SANDBOX).first(&url), Err(ForeignUrl), "{url}");
        }
    }

    #[test]
    fn redirect_is_followed_to_public_https_addresses() {
        for url in [
            "https://mms.twiliocdn.com/AC1/a",
            "https://s3.amazonaws.com/media.twiliocdn.com/a?X-Amz-Signature=1",
            "https://52.216.0.1/a",
            "https://[2600:1f18::1]/a",
        ] {
            assert_eq!(next(API, url).as_deref(), Ok(url));
        }
        assert_eq!(next(API, "/b").as_deref(), Ok("https://api.twilio.com/b"));
        assert_eq!(next(SANDBOX, "http://127.0.0.1:8090/b").as_deref(), Ok("http://127.0.0.1:8090/b"));
    }

    #[test]
    fn redirect_elsewhere_is_not_followed() {
        for url in [
            "http://mms.twiliocdn.com/a",
            "https://mms.twiliocdn.com:8443/a",
            "https://a:b@mms.twiliocdn.com/a",
            "file:///etc/passwd",
            "data:text/plain,a",
            "http://169.254.169.254/latest/meta-data/",
            SANDBOX,
        ] {
            assert_eq!(next(API, url), Err(RedirectProblem::NotHttps), "{url}");
        }
        for url in [
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://017700000001/a",
            "https://169.254.169.254/a",
            "https://[::1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://[fd00:ec2::254]/a",
        ] {
            assert_eq!(next(API, url), Err(RedirectProblem::NotPublic), "{url}");
            assert!(next(SANDBOX, url).is_err(), "{url}");
        }
        let from = Url::parse(API).unwrap();
        assert_eq!(origins(API).next(&from, None), Err(RedirectProblem::NoUrl));
        assert_eq!(origins(API).next(&from, Some("https://")), Err(RedirectProblem::NoUrl));
    }

    proptest! {
        #[test]
        fn no_ipv4_address_that_is_private_is_reached_in_any_spelling(address in any::<u32>()) {
            let public = is_public(std::net::Ipv4Addr::from(address).into());
            for url in [format!("https://{address}/"), format!("https://{address:#x}/"), format!("https://0{address:o}/")] {
                prop_assert_eq!(next(API, &url).is_ok(), public, "{}", url);
            }
        }
    }
}
