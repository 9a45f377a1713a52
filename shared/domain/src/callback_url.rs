//! The status callback URL of a message. It names the notification and the attempt, so that a callback says which
//! message a notification became, even if Twilio's answer to the create call was lost.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use twilio_types::base_url::BaseUrl;

use crate::notification::NotificationId;

/// The route of the status callbacks.
pub const STATUS_PATH: &str = "/twilio/status";

const NOTIFICATION: &str = "notification";
const ATTEMPT: &str = "attempt";

/// The attempt that a callback belongs to, from the query of its URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackOrigin {
    /// The notification that the message was sent for.
    pub notification_id: NotificationId,
    /// The number of attempts before this one, so that a callback counts for its attempt only.
    pub attempt: u32,
}

/// The callback URL of an attempt. Everything except letters and digits is percent-encoded, so that no proxy between
/// Twilio and us has a reason to normalise the query, which the signature covers.
pub fn status_callback_url(base_url: &BaseUrl, id: &NotificationId, attempt: u32) -> String {
    let id = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
    let attempt = if attempt == 0 { String::new() } else { format!("&{ATTEMPT}={attempt}") };
    base_url.join(&format!("{STATUS_PATH}?{NOTIFICATION}={id}{attempt}"))
}

/// Reads a callback's query; none if it names no notification.
pub fn origin_in_query(query: &str) -> Option<CallbackOrigin> {
    let value = |wanted: &str| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted);
    let (_, id) = value(NOTIFICATION)?;
    let attempt = value(ATTEMPT).and_then(|(_, attempt)| attempt.parse().ok()).unwrap_or_default();
    Some(CallbackOrigin { notification_id: NotificationId::try_from(id.into_owned()).ok()?, attempt })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_callback_url_names_the_notification() {
        let base_url: BaseUrl = "https://wa.example.com".parse().unwrap();
        let id = NotificationId::try_from("order 18473/shipped?".to_owned()).unwrap();
        assert_eq!(
            status_callback_url(&base_url, &id, 0),
            "https://wa.example.com/twilio/status?notification=order%2018473%2Fshipped%3F"
        );
        assert!(status_callback_url(&base_url, &id, 2).ends_with("%3F&attempt=2"));
        assert_eq!(origin_in_query("a=b"), None);
    }

    proptest! {
        #[test]
        fn any_id_is_read_back_from_its_url(text in "\\PC{1,128}", attempt in 0_u32..20) {
            let base_url: BaseUrl = "https://wa.example.com".parse().unwrap();
            let id = NotificationId::try_from(text).unwrap();
            let url = status_callback_url(&base_url, &id, attempt);
            let (_, query) = url.split_once('?').unwrap();
            prop_assert_eq!(origin_in_query(query), Some(CallbackOrigin { notification_id: id, attempt }));
        }
    }
}
