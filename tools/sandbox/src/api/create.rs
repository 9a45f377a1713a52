//! What Twilio asks of a message before it takes it, in the order it is checked.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use shared::{
    address::{Address, Channel, Identity},
    form::Form,
    limits::{MAX_BODY_CHARS, MAX_MEDIA},
    message_status::MessageStatus,
};

use crate::{
    Config,
    content::{ORDER_UPDATE_SID, ORDER_UPDATE_VARIABLES},
    refusal::Refusal,
    state::{Message, new_message_sid},
};

/// How far ahead a message may be scheduled. Source: Twilio, "Message scheduling".
const SCHEDULE_MIN: SignedDuration = SignedDuration::from_mins(15);
const SCHEDULE_MAX: SignedDuration = SignedDuration::from_hours(35 * 24);

/// The message that a form asks for.
pub(super) fn message(config: &Config, form: &Form, now: Timestamp) -> Result<Message, Refusal> {
    let to = recipient(form)?;
    let (from, messaging_service_sid) = sender(config, form)?;
    let media_urls = media_urls(form)?;
    let content_sid = content(form)?;
    let body = form.get("Body").unwrap_or_default().to_owned();
    if body.is_empty() && media_urls.is_empty() && content_sid.is_none() {
        return Err(Refusal::bad_request(21619, "A text message body or media urls must be specified."));
    }
    if body.chars().count() > MAX_BODY_CHARS {
        return Err(Refusal::bad_request(21617, "The concatenated message body exceeds the 1600 character limit"));
    }
    let is_scheduled = scheduled(form, now)?;
    let status = match (is_scheduled, &messaging_service_sid) {
        (true, _) => MessageStatus::Scheduled,
        (false, Some(_)) => MessageStatus::Accepted,
        (false, None) => MessageStatus::Queued,
    };
    Ok(Message {
        sid: new_message_sid(!media_urls.is_empty()),
        direction: "outbound-api",
        from,
        to,
        body,
        media_urls,
        content_sid,
        messaging_service_sid,
        status,
        error_code: None,
        status_callback: status_callback(form)?,
        created_at: now,
        updated_at: now,
        sent_at: None,
    })
}

fn recipient(form: &Form) -> Result<String, Refusal> {
    let to = form.get_filled("To").ok_or_else(|| Refusal::bad_request(21604, "A 'To' phone number is required."))?;
    match to.parse::<Address>() {
        Ok(Address { channel: Channel::WhatsApp | Channel::Sms, identity: Identity::Phone(_) }) => Ok(to.to_owned()),
        _ => Err(Refusal::bad_request(21211, "The 'To' number is not a valid phone number.")),
    }
}

fn sender(config: &Config, form: &Form) -> Result<(Option<String>, Option<String>), Refusal> {
    let from = form.get_filled("From").map(str::to_owned);
    let service = form.get_filled("MessagingServiceSid").map(str::to_owned);
    if from.is_none() && service.is_none() {
        return Err(Refusal::bad_request(21603, "A 'From' phone number or 'MessagingServiceSid' is required."));
    }
    if service.as_deref().is_some_and(|service| service != config.messaging_service_sid.as_str()) {
        return Err(Refusal::bad_request(21705, "The Messaging Service Sid is invalid."));
    }
    if from.as_deref().is_some_and(|from| from != config.sender) {
        return Err(Refusal::bad_request(63007, "Twilio could not find a Channel with the specified From address"));
    }
    Ok((from, service))
}

fn media_urls(form: &Form) -> Result<Vec<String>, Refusal> {
    let urls: Vec<_> = form.pairs().iter().filter(|(name, _)| name == "MediaUrl").map(|(_, url)| url.clone()).collect();
    if urls.len() > MAX_MEDIA {
        return Err(Refusal::bad_request(21623, "Number of media files exceeds allowed limit"));
    }
    if urls.iter().any(|url| !is_http(url)) {
        return Err(Refusal::bad_request(21620, "Invalid media URL(s)"));
    }
    Ok(urls)
}

fn content(form: &Form) -> Result<Option<String>, Refusal> {
    let variables = form.get_filled("ContentVariables");
    let Some(sid) = form.get_filled("ContentSid") else {
        return match variables {
            Some(_) => Err(Refusal::bad_request(21654, "ContentSid Required")),
            None => Ok(None),
        };
    };
    if sid != ORDER_UPDATE_SID {
        return Err(Refusal::bad_request(21655, "The ContentSid is Invalid"));
    }
    let parsed: Result<BTreeMap<String, String>, _> = serde_json::from_str(variables.unwrap_or("{}"));
    match parsed {
        Ok(given) if given.keys().all(|name| ORDER_UPDATE_VARIABLES.contains(&name.as_str())) => {
            Ok(Some(sid.to_owned()))
        }
        _ => Err(Refusal::bad_request(21656, "The ContentVariables Parameter is invalid")),
    }
}

fn scheduled(form: &Form, now: Timestamp) -> Result<bool, Refusal> {
    let Some(send_at) = form.get_filled("SendAt") else { return Ok(false) };
    let ahead = send_at.parse::<Timestamp>().map(|at| at.duration_since(now));
    let in_range = ahead.is_ok_and(|ahead| (SCHEDULE_MIN..=SCHEDULE_MAX).contains(&ahead));
    let complete = form.get("ScheduleType") == Some("fixed") && form.get_filled("MessagingServiceSid").is_some();
    if in_range && complete {
        Ok(true)
    } else {
        Err(Refusal::bad_request(20422, "SendAt must be 15 minutes to 35 days ahead, with ScheduleType and a service"))
    }
}

/// Source: Twilio, "Messages resource", `StatusCallback`: a valid host name, without underscores.
fn status_callback(form: &Form) -> Result<Option<String>, Refusal> {
    let Some(url) = form.get_filled("StatusCallback") else { return Ok(None) };
    let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if is_http(url) && !host.is_empty() && !host.contains('_') {
        Ok(Some(url.to_owned()))
    } else {
        Err(Refusal::bad_request(21609, "The 'StatusCallback' URL is not a valid URL."))
    }
}

fn is_http(url: &str) -> bool {
    url.starts_with("http://") || url.starts_with("https://")
}
