//! The optional parameters of a message. A parameter that Twilio does not know, or that has no effect on WhatsApp and SMS
//! here, is ignored, as Twilio does.

use jiff::{SignedDuration, Timestamp};
use twilio_types::{address::Channel, limits::VALIDITY_PERIOD_SECONDS};
use twilio_webhook::form::Form;

use crate::{
    api_error::ApiError,
    choices::{Choices, Unscheduled},
    http_client::is_http_url,
    limits::WHATSAPP_QUEUE,
    messages::{Feedback, MessageLocation},
};

/// How far ahead a message may be scheduled. Source: Twilio, "Message scheduling" and error 35114.
const SCHEDULE_MAX: SignedDuration = SignedDuration::from_hours(35 * 24);

#[derive(Debug)]
pub(super) struct Options {
    /// When a scheduled message is sent; none for one that is sent at once.
    pub(super) send_at: Option<Timestamp>,
    pub(super) status_callback: Option<String>,
    /// The location of a location message (`PersistentAction`).
    pub(super) location: Option<MessageLocation>,
    pub(super) feedback: Feedback,
    /// The end of the time for which Twilio keeps the message in its queue.
    pub(super) valid_until: Timestamp,
}

impl Options {
    pub(super) fn parse(form: &Form, channel: &Channel, choices: Choices, now: Timestamp) -> Result<Self, ApiError> {
        check(form)?;
        let validity = validity(form, channel)?;
        let asked = form.get_filled("ProvideFeedback").is_some_and(|given| given.eq_ignore_ascii_case("true"));
        let send_at = scheduled(form, choices, now)?;
        Ok(Self {
            send_at,
            valid_until: send_at.unwrap_or(now).saturating_add(validity).unwrap_or(Timestamp::MAX),
            status_callback: status_callback(form)?,
            location: location(form, channel)?,
            feedback: if asked { Feedback::Asked } else { Feedback::NotAsked },
        })
    }
}

/// Checks parameters that have no effect here but that Twilio validates.
fn check(form: &Form) -> Result<(), ApiError> {
    let allowed = |name: &str, values: &[&str]| form.get_filled(name).is_none_or(|given| values.contains(&given));
    if !allowed("ContentRetention", &["retain", "discard"]) {
        return Err(ApiError::bad_request(30029, "Invalid ContentRetention"));
    }
    if !allowed("AddressRetention", &["retain", "obfuscate"]) {
        return Err(ApiError::bad_request(30030, "Invalid AddressRetention"));
    }
    Ok(())
}

/// How long Twilio keeps a message in its queue. Sources: Twilio, "Messages resource", `ValidityPeriod`; "WhatsApp best
/// practices and FAQs": at most four hours on WhatsApp.
fn validity(form: &Form, channel: &Channel) -> Result<SignedDuration, ApiError> {
    let longest = i64::from(*VALIDITY_PERIOD_SECONDS.end());
    let in_range = |seconds: &u32| VALIDITY_PERIOD_SECONDS.contains(seconds);
    let seconds = match form.get_filled("ValidityPeriod") {
        None => longest,
        Some(text) => text.parse().ok().filter(in_range).map(i64::from).ok_or_else(|| {
            ApiError::bad_request(21624, "The ValidityPeriod must be a number of seconds from 1 to 36000")
        })?,
    };
    let validity = SignedDuration::from_secs(seconds);
    Ok(if *channel == Channel::WhatsApp { validity.min(WHATSAPP_QUEUE) } else { validity })
}

/// The time at which a scheduled message is sent. Source: Twilio, errors 35111, 35114, 35118 and 35126.
fn scheduled(form: &Form, choices: Choices, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    let (send_at, kind) = (form.get_filled("SendAt"), form.get_filled("ScheduleType"));
    if send_at.is_none() && kind.is_none() {
        return Ok(None);
    }
    if form.get_filled("MessagingServiceSid").is_none() {
        return match choices.unscheduled {
            Unscheduled::SentAtOnce => Ok(None),
            Unscheduled::Refused => {
                Err(ApiError::bad_request(35118, "MessagingServiceSid is required to schedule a message"))
            }
        };
    }
    match kind {
        Some("fixed") => {}
        Some(_) => {
            let message = "The ScheduleType value provided is not supported for this channel";
            return Err(ApiError::bad_request(35126, message));
        }
        // No page of Twilio's names this case.
        None => return Err(ApiError::bad_request(20422, "ScheduleType must be given with SendAt")),
    }
    let send_at = send_at.ok_or_else(|| ApiError::bad_request(35111, "SendAt timestamp is missing"))?;
    let lead = SignedDuration::from(choices.schedule_lead);
    let in_range = |at: &Timestamp| (lead..=SCHEDULE_MAX).contains(&at.duration_since(now));
    let expected = || {
        format!("SendAt time must be between {} seconds and 35 days (3024000 seconds) in the future", lead.as_secs())
    };
    send_at.parse().ok().filter(in_range).map(Some).ok_or_else(|| ApiError::bad_request(35114, expected()))
}

/// Source: Twilio, "Messages resource", `StatusCallback`: a valid host name, without underscores.
fn status_callback(form: &Form) -> Result<Option<String>, ApiError> {
    let Some(url) = form.get_filled("StatusCallback") else { return Ok(None) };
    let host = url.split("://").nth(1).and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if is_http_url(url) && !host.is_empty() && !host.contains('_') {
        Ok(Some(url.to_owned()))
    } else {
        Err(ApiError::bad_request(21609, format!("The 'StatusCallback' URL {url} is not a valid URL.")))
    }
}

/// `geo:{latitude},{longitude}`, optionally with `|{label}`: a location message, which only WhatsApp has. Source: Twilio,
/// "WhatsApp message features", "Location messages".
fn location(form: &Form, channel: &Channel) -> Result<Option<MessageLocation>, ApiError> {
    let Some(action) = form.get_filled("PersistentAction").filter(|_| *channel == Channel::WhatsApp) else {
        return Ok(None);
    };
    let place = action.strip_prefix("geo:").and_then(|place| {
        let (degrees, label) = place.split_once('|').map_or((place, None), |(degrees, label)| (degrees, Some(label)));
        let (latitude, longitude) = degrees.split_once(',')?;
        let degrees = |text: &str, most: f64| text.trim().parse().ok().filter(|it: &f64| it.abs() <= most);
        Some(MessageLocation {
            latitude: degrees(latitude, 90.0)?,
            longitude: degrees(longitude, 180.0)?,
            label: form.get_filled("Body").map(str::to_owned),
            address: label.map(str::to_owned),
        })
    });
    place.map(Some).ok_or_else(|| ApiError::bad_request(20422, "PersistentAction must be geo:latitude,longitude|label"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::choices::ScheduleLead;

    fn options(parameters: &[(&str, &str)]) -> Result<Options, u32> {
        chosen(Choices::default(), parameters)
    }

    fn chosen(choices: Choices, parameters: &[(&str, &str)]) -> Result<Options, u32> {
        let form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Options::parse(&form, &Channel::WhatsApp, choices, Timestamp::UNIX_EPOCH).map_err(|refusal| refusal.code)
    }

    #[test]
    fn invalid_option_is_refused_with_twilios_code() {
        let at = |at: &'static str| vec![("MessagingServiceSid", "MG1"), ("ScheduleType", "fixed"), ("SendAt", at)];
        let cases = [
            (vec![("ValidityPeriod", "36000"), ("ContentRetention", "discard"), ("Unknown", "x")], None),
            (vec![("ValidityPeriod", "0")], Some(21624)),
            (vec![("ValidityPeriod", "36001")], Some(21624)),
            (vec![("ValidityPeriod", "long")], Some(21624)),
            (vec![("ContentRetention", "obfuscate")], Some(30029)),
            (vec![("AddressRetention", "discard")], Some(30030)),
            (vec![("StatusCallback", "https://a_b.example/")], Some(21609)),
            (vec![("StatusCallback", "example.com")], Some(21609)),
            (vec![("MessagingServiceSid", "MG1"), ("SendAt", "1970-01-01T00:15:00Z")], Some(20422)),
            (vec![("ScheduleType", "fixed"), ("SendAt", "1970-01-01T00:15:00Z")], Some(35118)),
            (vec![("MessagingServiceSid", "MG1"), ("ScheduleType", "fixed")], Some(35111)),
            (vec![("MessagingServiceSid", "MG1"), ("ScheduleType", "optimize")], Some(35126)),
            (at("1970-01-01T00:15:00Z"), None),
            (at("1970-01-01T00:14:59Z"), Some(35114)),
            (at("1970-02-05T00:00:00Z"), None),
            (at("1970-02-05T00:00:01Z"), Some(35114)),
            (at("soon"), Some(35114)),
            (vec![("PersistentAction", "geo:91,0")], Some(20422)),
            (vec![("PersistentAction", "tel:1")], Some(20422)),
        ];
        for (parameters, code) in cases {
            assert_eq!(options(&parameters).err(), code, "{parameters:?}");
        }
    }

    #[test]
    fn message_is_kept_in_the_queue_for_its_validity() {
        let seconds = |parameters: &[(&str, &str)], channel: Channel| {
            let form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let options = Options::parse(&form, &channel, Choices::default(), Timestamp::UNIX_EPOCH);
            options.unwrap().valid_until.as_second()
        };
        let hour = 3_600;
        assert_eq!(seconds(&[], Channel::Sms), 10 * hour);
        assert_eq!(seconds(&[], Channel::WhatsApp), 4 * hour);
        assert_eq!(seconds(&[("ValidityPeriod", "120")], Channel::WhatsApp), 120);
        assert_eq!(seconds(&[("ValidityPeriod", "36000")], Channel::WhatsApp), 4 * hour);
        let scheduled = [("MessagingServiceSid", "MG1"), ("ScheduleType", "fixed"), ("SendAt", "1970-01-01T01:00:00Z")];
        assert_eq!(seconds(&scheduled, Channel::Sms), 11 * hour, "from the time at which it is sent");
    }

    #[test]
    fn scheduling_follows_the_choices() {
        let soon = [("MessagingServiceSid", "MG1"), ("ScheduleType", "fixed"), ("SendAt", "1970-01-01T00:05:00Z")];
        let sooner = [soon[0], soon[1], ("SendAt", "1970-01-01T00:04:59Z")];
        let choices = Choices {
            unscheduled: Unscheduled::SentAtOnce,
            schedule_lead: ScheduleLead::FiveMinutes,
            ..Choices::default()
        };
        assert_eq!(options(&soon).err(), Some(35114));
        assert!(chosen(choices, &soon).unwrap().send_at.is_some());
        assert_eq!(chosen(choices, &sooner).err(), Some(35114));
        let without_service = chosen(choices, &soon[1..]).unwrap();
        assert_eq!(without_service.send_at, None, "it is sent at once");
    }

    #[test]
    fn location_is_labelled_with_the_body() {
        let place = options(&[("PersistentAction", "geo:37.787890,-122.391664|375 Beale St"), ("Body", "Here")]);
        let place = place.unwrap().location.unwrap();
        assert_eq!((place.latitude, place.longitude), (37.787_89, -122.391_664));
        assert_eq!((place.label.as_deref(), place.address.as_deref()), (Some("Here"), Some("375 Beale St")));
    }
}
