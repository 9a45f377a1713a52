//! Messaging Services (messaging v1, `Services`): the URLs for people's messages, and the defaults of the messages that are
//! sent through a service.
//!
//! The account's service has both of its senders. Services that are created have no sender until one is added to their
//! [`pool`].

use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use crate::{api_error::ApiError, config::Config, dates::iso_date, http_client::is_http_url};

pub(crate) mod api;
mod pool;

/// Its settings without a field here always have Twilio's default.
#[derive(Debug, Clone)]
pub(crate) struct MessagingService {
    pub(crate) sid: String,
    friendly_name: String,
    /// The URL for people's messages; none for no webhook.
    pub(crate) inbound_request_url: Option<String>,
    inbound_method: String,
    /// The URL that is called after the first one failed.
    pub(crate) fallback_url: Option<String>,
    fallback_method: String,
    /// For messages that name no URL themselves.
    pub(crate) status_callback: Option<String>,
    validity_period: u32,
    usecase: String,
    /// Whether the sender's webhook is used, and not the service's.
    pub(crate) use_inbound_webhook_on_number: bool,
    /// The addresses of its senders.
    pool: Vec<String>,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl MessagingService {
    fn new(sid: String, friendly_name: String, at: Timestamp) -> Self {
        Self {
            sid,
            friendly_name,
            inbound_request_url: None,
            inbound_method: "POST".to_owned(),
            fallback_url: None,
            fallback_method: "POST".to_owned(),
            status_callback: None,
            validity_period: 36_000,
            usecase: "undeclared".to_owned(),
            use_inbound_webhook_on_number: false,
            pool: Vec::new(),
            created_at: at,
            updated_at: at,
        }
    }

    /// Sets the given parameters; an empty URL removes one.
    fn set(&mut self, form: &Form) -> Result<(), ApiError> {
        set(&mut self.friendly_name, form.get_filled("FriendlyName"));
        set(&mut self.usecase, form.get_filled("Usecase"));
        for (field, name) in
            [(&mut self.inbound_method, "InboundMethod"), (&mut self.fallback_method, "FallbackMethod")]
        {
            let given = form.get_filled(name);
            // Twilio also supports GET. The sandbox refuses it, since it could not send such webhooks.
            if given.is_some_and(|method| method != "POST") {
                return Err(ApiError::invalid(name, "POST: the sandbox sends no webhook by GET"));
            }
            set(field, given);
        }
        for (field, name) in [
            (&mut self.inbound_request_url, "InboundRequestUrl"),
            (&mut self.fallback_url, "FallbackUrl"),
            (&mut self.status_callback, "StatusCallback"),
        ] {
            match form.get(name) {
                None => {}
                Some("") => *field = None,
                Some(url) if is_http_url(url) => *field = Some(url.to_owned()),
                Some(_) => return Err(ApiError::invalid(name, "a URL")),
            }
        }
        if let Some(seconds) = form.get_filled("ValidityPeriod") {
            let parsed = seconds.parse().ok().filter(|seconds| (1..=36_000).contains(seconds));
            self.validity_period = parsed.ok_or_else(|| ApiError::invalid("ValidityPeriod", "1 to 36000"))?;
        }
        if let Some(given) = form.get_filled("UseInboundWebhookOnNumber") {
            self.use_inbound_webhook_on_number = given.eq_ignore_ascii_case("true");
        }
        Ok(())
    }

    fn resource(&self, config: &Config) -> Value {
        let url = format!("https://messaging.twilio.com/v1/Services/{}", self.sid);
        let link = |name: &str| format!("{url}/{name}");
        json!({
            "sid": self.sid, "account_sid": config.account_sid, "friendly_name": self.friendly_name,
            "inbound_request_url": self.inbound_request_url, "inbound_method": self.inbound_method,
            "fallback_url": self.fallback_url, "fallback_method": self.fallback_method,
            "status_callback": self.status_callback, "sticky_sender": true, "mms_converter": true,
            "smart_encoding": true, "scan_message_content": "inherit", "fallback_to_long_code": false,
            "area_code_geomatch": true, "synchronous_validation": false, "validity_period": self.validity_period,
            "usecase": self.usecase, "us_app_to_person_registered": false,
            "use_inbound_webhook_on_number": self.use_inbound_webhook_on_number,
            "date_created": iso_date(self.created_at), "date_updated": iso_date(self.updated_at),
            "links": {
                "phone_numbers": link("PhoneNumbers"), "short_codes": link("ShortCodes"),
                "alpha_senders": link("AlphaSenders"), "messages": link("Messages"),
                "us_app_to_person": link("Compliance/Usa2p"),
                "us_app_to_person_usecases": link("Compliance/Usa2p/Usecases"),
                "channel_senders": link("ChannelSenders"), "destination_alpha_senders": link("DestinationAlphaSenders"),
            },
            "url": url,
        })
    }
}

fn set(field: &mut String, given: Option<&str>) {
    if let Some(given) = given {
        given.clone_into(field);
    }
}

impl MessagingService {
    /// The account's service, with its senders and the URL for people's messages.
    pub(crate) fn of_account(config: &Config, at: Timestamp) -> Self {
        Self {
            inbound_request_url: Some(config.inbound_url.clone()).filter(|url| !url.is_empty()),
            fallback_url: config.fallback_url.clone(),
            pool: vec![config.sender.clone(), config.sms_sender.clone()],
            ..Self::new(config.messaging_service_sid.to_string(), "Sandbox".to_owned(), at)
        }
    }

    /// A service with these senders.
    #[cfg(test)]
    pub(crate) fn with_pool(sid: &str, pool: Vec<String>) -> Self {
        Self { pool, ..Self::new(sid.to_owned(), "Test".to_owned(), Timestamp::UNIX_EPOCH) }
    }

    pub(crate) fn has_no_sender(&self) -> bool {
        self.pool.is_empty()
    }

    pub(crate) fn has_sender(&self, address: &str) -> bool {
        self.pool.iter().any(|sender| sender == address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(text: &str) -> Form {
        Form::parse(text.as_bytes())
    }

    #[test]
    fn service_parameters_are_checked_and_urls_can_be_removed() {
        let mut service = MessagingService::new("MG1".to_owned(), "a".to_owned(), Timestamp::UNIX_EPOCH);
        service.set(&form("InboundRequestUrl=https%3A%2F%2Fa.example&StatusCallback=http%3A%2F%2Fb.example")).unwrap();
        service.set(&form("StatusCallback=&FriendlyName=b&UseInboundWebhookOnNumber=True")).unwrap();
        assert_eq!(service.inbound_request_url.as_deref(), Some("https://a.example"));
        assert_eq!((service.status_callback.as_deref(), service.friendly_name.as_str()), (None, "b"));
        assert!(service.use_inbound_webhook_on_number);
        for wrong in ["InboundMethod=PUT", "FallbackUrl=nowhere", "ValidityPeriod=0", "ValidityPeriod=36001"] {
            assert_eq!(service.set(&form(wrong)).unwrap_err().code, 20001, "{wrong}");
        }
    }
}
