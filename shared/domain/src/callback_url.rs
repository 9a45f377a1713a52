//! The URL that Twilio reports a message's status to: it names the notification, so that a callback itself tells which
//! message a notification became, even when the answer to the call that created the message was lost.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use twilio_types::base_url::BaseUrl;

use crate::notification::NotificationId;

/// The route that takes status callbacks.
pub const STATUS_PATH: &str = "/twilio/status";

const NOTIFICATION: &str = "notification";
const ATTEMPT: &str = "attempt";

/// What a callback's query names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallbackOrigin {
    /// The notification that the message was sent for.
    pub notification_id: NotificationId,
    /// How many attempts at it came before, so that a late callback of an earlier message is not taken for this one's;
    /// none where that is not known.
    pub attempt: Option<u32>,
}

/// The callback URL of a notification's attempt. Everything but letters and digits is escaped, so that nothing on the
/// way has a reason to write the query, which the signature covers, in another way.
pub fn status_callback_url(base_url: &BaseUrl, id: &NotificationId, attempt: u32) -> String {
    let id = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
    let attempt = if attempt == 0 { String::new() } else { format!("&{ATTEMPT}={attempt}") };
    base_url.join(&format!("{STATUS_PATH}?{NOTIFICATION}={id}{attempt}"))
}

/// What a callback's query names; none where it is no notification's.
pub fn origin_in_query(query: &str) -> Option<CallbackOrigin> {
    let value = |wanted: &str| form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == wanted);
    let (_, id) = value(NOTIFICATION)?;
    let attempt = value(ATTEMPT).and_then(|(_, attempt)| attempt.parse().ok()).unwrap_or_default();
    Some(CallbackOrigin { notification_id: NotificationId::try_from(id.into_owned()).ok()?, attempt: Some(attempt) })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_url_names_the_notification() {
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
        fn any_id_survives_the_way_there_and_back(text in "\\PC{1,128}", attempt in 0_u32..20) {
            let base_url: BaseUrl = "https://wa.example.com".parse().unwrap();
            let id = NotificationId::try_from(text).unwrap();
            let url = status_callback_url(&base_url, &id, attempt);
            let (_, query) = url.split_once('?').unwrap();
            prop_assert_eq!(origin_in_query(query), Some(CallbackOrigin { notification_id: id, attempt: Some(attempt) }));
        }
    }
}
