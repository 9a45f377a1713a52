//! The status callback URL of a message. It names the notification and the attempt, so that a callback says which
//! message a notification became, even if Twilio's answer to the create call was lost.
//!
//! Twilio signs the URL as it was given, but may request it in another spelling, and so may a proxy on the way. So the URL
//! is in the form that every URL library leaves as it is: the names of the query are sorted, and of the values only the
//! unreserved characters of RFC 3986, section 2.3, are bare.

use std::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use twilio_types::base_url::BaseUrl;

use crate::notification::NotificationId;

/// The route of the status callbacks.
pub const STATUS_PATH: &str = "/twilio/status";

/// How Twilio connects to a webhook: up to three attempts, after a failed connection, a time-out or an error of the server,
/// with two seconds for the connection and four and a half for the answer. All attempts together have 15 seconds. Without
/// it, what is answered with 5xx is lost. Twilio neither signs nor sends a fragment.
///
/// Source: Twilio, "Webhooks: Connection overrides".
pub const CONNECTION_OVERRIDES: &str = "#rc=2&ct=2000&rt=4500&rp=ct,rt,5xx";

/// The `rt` of [`CONNECTION_OVERRIDES`]: a callback that is answered later is sent again, although it is received.
pub const READ_TIMEOUT: Duration = Duration::from_millis(4_500);

const NOTIFICATION: &str = "notification";
const ATTEMPT: &str = "attempt";

/// All but the unreserved characters of RFC 3986, section 2.3.
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The attempt that a callback belongs to, from the query of its URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CallbackOrigin {
    /// The notification that the message was sent for.
    pub notification_id: NotificationId,
    /// The number of attempts before this one, so that a callback counts for its attempt only.
    pub attempt: u32,
}

/// The callback URL of an attempt, as it is given to Twilio.
pub fn status_callback_url(base_url: &BaseUrl, id: &NotificationId, attempt: u32) -> String {
    format!("{}{CONNECTION_OVERRIDES}", signed_url(base_url, id, attempt))
}

/// The part of a callback URL that Twilio signs.
fn signed_url(base_url: &BaseUrl, id: &NotificationId, attempt: u32) -> String {
    let id = utf8_percent_encode(id.as_str(), RESERVED);
    let attempt = if attempt == 0 { String::new() } else { format!("{ATTEMPT}={attempt}&") };
    base_url.join(&format!("{STATUS_PATH}?{attempt}{NOTIFICATION}={id}"))
}

/// The part of a callback URL that Twilio signs, as it was given before its names were sorted. Messages that were sent
/// before may still have such a URL.
fn unsorted_url(base_url: &BaseUrl, id: &NotificationId, attempt: u32) -> String {
    let id = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
    let attempt = if attempt == 0 { String::new() } else { format!("&{ATTEMPT}={attempt}") };
    base_url.join(&format!("{STATUS_PATH}?{NOTIFICATION}={id}{attempt}"))
}

impl CallbackOrigin {
    /// Reads a callback's query; none if it names no notification.
    pub fn in_query(query: &str) -> Option<Self> {
        let value = |wanted: &str| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted);
        let (_, id) = value(NOTIFICATION)?;
        let attempt = value(ATTEMPT).and_then(|(_, attempt)| attempt.parse().ok()).unwrap_or_default();
        Some(Self { notification_id: NotificationId::try_from(id.into_owned()).ok()?, attempt })
    }

    /// The URLs of this attempt that Twilio was given and signs, in whatever spelling it requests them.
    pub fn signed_urls(&self, base_url: &BaseUrl) -> [String; 2] {
        let (id, attempt) = (&self.notification_id, self.attempt);
        [signed_url(base_url, id, attempt), unsorted_url(base_url, id, attempt)]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base_url() -> BaseUrl {
        "https://wa.example.com".parse().unwrap()
    }

    fn id(text: &str) -> NotificationId {
        NotificationId::try_from(text.to_owned()).unwrap()
    }

    #[test]
    fn a_callback_url_names_the_notification() {
        let id = id("order 18473/shipped?");
        assert_eq!(
            status_callback_url(&base_url(), &id, 0),
            "https://wa.example.com/twilio/status?notification=order%2018473%2Fshipped%3F\
             #rc=2&ct=2000&rt=4500&rp=ct,rt,5xx"
        );
        let of_attempt = status_callback_url(&base_url(), &id, 2);
        assert!(of_attempt.contains("/status?attempt=2&notification=order%2018473%2Fshipped%3F#"), "{of_attempt}");
        assert_eq!(CallbackOrigin::in_query("a=b"), None);
    }

    #[test]
    fn read_timeout_is_that_of_the_callback_url() {
        let overrides = form_urlencoded::parse(CONNECTION_OVERRIDES.trim_start_matches('#').as_bytes());
        let rt: Vec<_> = overrides.filter(|(name, _)| name == "rt").map(|(_, value)| value.parse().ok()).collect();
        assert_eq!(rt, [Some(READ_TIMEOUT.as_millis())]);
    }

    #[test]
    fn only_unreserved_characters_are_bare() {
        let url = status_callback_url(&base_url(), &id("aZ09-._~!*'()+/é"), 0);
        assert!(url.contains("=aZ09-._~%21%2A%27%28%29%2B%2F%C3%A9#"), "{url}");
    }

    #[test]
    fn a_callback_url_is_below_the_path_of_the_base_url() {
        let base_url: BaseUrl = "https://api.example.com/wa".parse().unwrap();
        let url = status_callback_url(&base_url, &id("a"), 0);
        assert!(url.starts_with("https://api.example.com/wa/twilio/status?notification=a#"), "{url}");
    }

    #[test]
    fn a_url_of_the_old_form_is_still_read() {
        let origin = CallbackOrigin { notification_id: id("order-1"), attempt: 2 };
        let query = "notification=order%2D1&attempt=2";
        assert_eq!(CallbackOrigin::in_query(query), Some(origin.clone()));
        let [_, old] = origin.signed_urls(&base_url());
        assert_eq!(old, format!("https://wa.example.com/twilio/status?{query}"));
    }

    #[test]
    fn every_character_of_an_id_is_read_back_from_its_url() {
        let all: Vec<char> = ('\0'..=char::MAX).filter(|character| !character.is_control()).collect();
        for text in all.chunks(128).map(String::from_iter) {
            let origin = CallbackOrigin { notification_id: id(&text), attempt: 0 };
            let url = status_callback_url(&base_url(), &origin.notification_id, 0);
            let query = url.split_once('?').and_then(|(_, rest)| rest.split('#').next()).unwrap();
            assert_eq!(CallbackOrigin::in_query(query), Some(origin));
        }
    }

    proptest! {
        #[test]
        fn any_id_is_read_back_from_its_url(text in "\\PC{1,128}", attempt in 0_u32..20) {
            let id = NotificationId::try_from(text).unwrap();
            let url = status_callback_url(&base_url(), &id, attempt);
            let (signed, _) = url.split_once('#').unwrap();
            let (_, query) = signed.split_once('?').unwrap();
            let origin = CallbackOrigin { notification_id: id, attempt };
            prop_assert_eq!(CallbackOrigin::in_query(query), Some(origin.clone()));
            prop_assert!(origin.signed_urls(&base_url()).contains(&signed.to_owned()));
        }

        /// Neither the order of its names nor its escapes are changed by a program that normalizes URLs.
        #[test]
        fn a_callback_url_is_in_normal_form(text in "\\PC{1,128}", attempt in 0_u32..20) {
            let id = NotificationId::try_from(text).unwrap();
            let [url, _] = CallbackOrigin { notification_id: id, attempt }.signed_urls(&base_url());
            let (_, query) = url.split_once('?').unwrap();
            let mut pairs: Vec<_> = query.split('&').collect();
            pairs.sort_unstable();
            prop_assert_eq!(pairs.join("&"), query);
            let mut escapes = query.split('%');
            let is_unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~=&".contains(c);
            prop_assert!(escapes.next().unwrap_or_default().chars().all(is_unreserved));
            for escape in escapes {
                let (digits, bare) = escape.split_at(2);
                let byte = u8::from_str_radix(digits, 16).unwrap();
                prop_assert!(bare.chars().all(is_unreserved) && digits == digits.to_uppercase());
                prop_assert!(!char::from(byte).is_ascii_alphanumeric() && !b"-._~".contains(&byte), "%{}", digits);
            }
        }
    }
}
