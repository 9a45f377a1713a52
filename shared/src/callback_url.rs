//! The URL that Twilio reports a message's status to: it names the notification, so that a callback itself tells which
//! message a notification became, even when the answer to the call that created the message was lost.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::{base_url::BaseUrl, notification::NotificationId};

/// The route that takes status callbacks.
pub const STATUS_PATH: &str = "/twilio/status";

const NOTIFICATION: &str = "notification";

/// The callback URL of a notification. Everything but letters and digits is escaped, so that nothing on the way has a
/// reason to write the query, which the signature covers, in another way.
pub fn status_callback_url(base_url: &BaseUrl, id: &NotificationId) -> String {
    let id = utf8_percent_encode(id.as_str(), NON_ALPHANUMERIC);
    base_url.join(&format!("{STATUS_PATH}?{NOTIFICATION}={id}"))
}

/// The notification that a callback's query names.
pub fn notification_in_query(query: &str) -> Option<NotificationId> {
    let (_, id) = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == NOTIFICATION)?;
    NotificationId::try_from(id.into_owned()).ok()
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
            status_callback_url(&base_url, &id),
            "https://wa.example.com/twilio/status?notification=order%2018473%2Fshipped%3F"
        );
        assert_eq!(notification_in_query("a=b"), None);
    }

    proptest! {
        #[test]
        fn any_id_survives_the_way_there_and_back(text in "\\PC{1,128}") {
            let base_url: BaseUrl = "https://wa.example.com".parse().unwrap();
            let id = NotificationId::try_from(text).unwrap();
            let url = status_callback_url(&base_url, &id);
            let (_, query) = url.split_once('?').unwrap();
            prop_assert_eq!(notification_in_query(query), Some(id));
        }
    }
}
