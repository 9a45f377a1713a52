//! WhatsApp senders (messaging v2, `Channels/Senders`). The account has one, whose webhook and profile can be changed. Others
//! cannot be created, since that would register a number with Meta.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Map, Value, json};

use crate::{api_error::ApiError, config::Config};

pub(crate) mod api;

/// The sender's SID, which is also the `ChannelInstallSid` of status callbacks.
pub(crate) const SENDER_SID: &str = "XE00000000000000000000000000000001";

/// The account's only sender.
#[derive(Debug)]
pub(crate) struct Senders(Mutex<SenderRecord>);

#[derive(Debug)]
struct SenderRecord {
    address: String,
    configuration: Map<String, Value>,
    webhook: Map<String, Value>,
    profile: Map<String, Value>,
}

/// The parts that can be changed, and their fields. Source: twilio-oai, messaging v2, `channels_sender`.
const CONFIGURATION: [&str; 5] =
    ["waba_id", "verification_method", "verification_code", "voice_application_sid", "account_type"];
const WEBHOOK: [&str; 6] = [
    "callback_url",
    "callback_method",
    "fallback_url",
    "fallback_method",
    "status_callback_url",
    "status_callback_method",
];
const PROFILE: [&str; 13] = [
    "name",
    "about",
    "address",
    "description",
    "logo_url",
    "banner_url",
    "privacy_url",
    "terms_of_service_url",
    "accent_color",
    "vertical",
    "websites",
    "emails",
    "phone_numbers",
];

impl SenderRecord {
    fn resource(&self) -> Value {
        json!({
            "sid": SENDER_SID, "status": "ONLINE", "sender_id": self.address, "configuration": self.configuration,
            "webhook": self.webhook, "profile": self.profile, "compliance": null, "offline_reasons": null,
            "properties": {"quality_rating": "HIGH", "messaging_limit": "UNLIMITED"},
            "url": format!("https://messaging.twilio.com/v2/Channels/Senders/{SENDER_SID}"),
        })
    }

    /// Sets the given fields; null and an empty string remove a value.
    fn set(&mut self, given: &Value) -> Result<(), ApiError> {
        let parts = [
            ("configuration", &mut self.configuration, CONFIGURATION.as_slice()),
            ("webhook", &mut self.webhook, &WEBHOOK),
            ("profile", &mut self.profile, &PROFILE),
        ];
        for (name, part, fields) in parts {
            for (field, value) in given[name].as_object().into_iter().flatten() {
                let is_method = field.ends_with("_method") && name == "webhook";
                let known = fields.contains(&field.as_str());
                if !known || (is_method && !matches!(value.as_str(), None | Some("POST"))) {
                    return Err(ApiError::bad_request(63100, format!("Validation Error: {name}.{field} is invalid")));
                }
                let empty = value.as_str() == Some("");
                part.insert(field.clone(), if empty { Value::Null } else { value.clone() });
            }
        }
        Ok(())
    }
}

impl Senders {
    pub(crate) fn new(config: &Config) -> Self {
        let nulls = |fields: &[&str]| fields.iter().map(|field| ((*field).to_owned(), Value::Null)).collect();
        let mut sender = SenderRecord {
            address: config.sender.clone(),
            configuration: nulls(&CONFIGURATION),
            webhook: nulls(&WEBHOOK),
            profile: nulls(&PROFILE),
        };
        sender.profile.insert("name".to_owned(), "Sandbox".into());
        for method in ["callback_method", "fallback_method", "status_callback_method"] {
            sender.webhook.insert(method.to_owned(), "POST".into());
        }
        Self(Mutex::new(sender))
    }

    /// The webhook URL and the fallback URL of a sender.
    pub(crate) fn webhook_of(&self, address: &str) -> (Option<String>, Option<String>) {
        let sender = self.lock();
        let url = |field: &str| sender.webhook.get(field).and_then(Value::as_str).map(str::to_owned);
        if sender.address == address { (url("callback_url"), url("fallback_url")) } else { (None, None) }
    }

    /// The status callback URL for messages that name none.
    pub(crate) fn status_callback_of(&self, address: &str) -> Option<String> {
        let sender = self.lock();
        let url = sender.webhook.get("status_callback_url").filter(|_| sender.address == address);
        url.and_then(Value::as_str).map(str::to_owned)
    }

    pub(crate) fn sid_of(&self, address: &str) -> Option<&'static str> {
        (self.lock().address == address).then_some(SENDER_SID)
    }

    fn lock(&self) -> MutexGuard<'_, SenderRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_that_are_not_given_stay_as_they_are() {
        let senders = Senders::new(&Config::documented(String::new()));
        let set = |given: Value| senders.lock().set(&given).map_err(|refusal| refusal.code);
        set(json!({"webhook": {"callback_url": "https://a.example", "fallback_url": "https://b.example"}})).unwrap();
        set(json!({"webhook": {"fallback_url": ""}, "profile": {"about": "us"}})).unwrap();
        assert_eq!(senders.webhook_of("whatsapp:+14155238886"), (Some("https://a.example".to_owned()), None));
        assert_eq!(senders.webhook_of("whatsapp:+14155550123"), (None, None));
        assert_eq!(set(json!({"webhook": {"callback_method": "PUT"}})), Err(63100));
        assert_eq!(set(json!({"webhook": {"url": "https://a.example"}})), Err(63100));
    }
}
