//! The JSON of messages and their files in the API.

use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_types::sid::AccountSid;

use crate::{
    api_error::dictionary_title,
    dates::rfc2822_date,
    messages::{Feedback, Media, Message, PRICE_UNIT, price},
};

pub(crate) fn message_resource(account: &AccountSid, message: &Message, now: Timestamp) -> Value {
    let uri = format!("/2010-04-01/Accounts/{account}/Messages/{}", message.sid);
    let through_service = message.direction == "outbound-api" && message.messaging_service_sid.is_some();
    let mut subresources = json!({"media": format!("{uri}/Media.json")});
    if let Some(fields) = subresources.as_object_mut().filter(|_| message.feedback == Feedback::Asked) {
        fields.insert("feedback".to_owned(), format!("{uri}/Feedback.json").into());
    }
    let price = price(message, now);
    json!({
        "sid": message.sid, "account_sid": account, "messaging_service_sid": message.messaging_service_sid,
        "from": message.from, "to": message.to, "body": message.body, "status": message.status,
        "direction": message.direction, "num_media": message.media.len().to_string(),
        "num_segments": if through_service { "0" } else { "1" },
        "price": price, "price_unit": price.map(|_| PRICE_UNIT),
        "error_code": message.error_code, "error_message": message.error_code.and_then(dictionary_title),
        "date_created": rfc2822_date(Some(message.created_at)), "date_sent": rfc2822_date(message.sent_at),
        "date_updated": rfc2822_date(Some(message.updated_at)), "api_version": "2010-04-01",
        "uri": format!("{uri}.json"), "subresource_uris": subresources,
    })
}

pub(super) fn media_resource(account: &AccountSid, message: &Message, file: &Media) -> Value {
    let created = rfc2822_date(Some(message.created_at));
    json!({
        "sid": file.sid, "account_sid": account, "parent_sid": message.sid, "content_type": file.content_type,
        "date_created": created, "date_updated": created,
        "uri": format!("/2010-04-01/Accounts/{account}/Messages/{}/Media/{}.json", message.sid, file.sid),
    })
}
