//! What systems and operators write: notifications, evidence of consent, the policy, the secret, and words of settings.

use domain::{
    consent::ConsentRequest, media::MediaKey, notification::Notification, opt_out_keywords::Languages,
    pause::PauseScope, policy::Policy, quiet_hours::QuietHours, suppression_request::SuppressionRequest,
};
use fuzz::{Understood, fuzz, seeds::notifications};
use jiff::Timestamp;
use serde_json::json;
use shared::{
    queues::{MessageBody, NotificationReference},
    secrets::Accounts,
};
use stores::messages::MessageEvent;
use twilio_types::media::MediaType;
use twilio_types::{
    address::{Address, E164, Recipient},
    base_url::BaseUrl,
    error_code::ErrorCode,
    message_status::MessageStatus,
    sid::MessageSid,
};

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

#[test]
fn notifications_are_read_without_a_panic() {
    fuzz(|mutator| {
        let body = mutator.json_text(notifications());
        let notification = Notification::parse(&body);
        if let Ok(notification) = &notification {
            let _ = (notification.check_times(now(), now()), notification.time_zones());
            let again = Notification::parse(&body).unwrap();
            assert_eq!((&again, again.digest()), (notification, notification.digest()));
            let on_the_queue = Notification::parse(MessageBody::json(body.as_str()).as_str()).unwrap();
            assert_eq!(&on_the_queue, notification, "after the queue");
        }
        let _ = NotificationReference::read(&body).is_ok();
        Understood::if_ok(&notification)
    });
}

#[test]
fn evidence_of_consent_is_read_without_a_panic() {
    fuzz(|mutator| {
        let evidence = json!({
            "category": "marketing", "source": "checkout-form", "text": "Yes, send me offers.", "locale": "en-US",
            "ip": "203.0.113.10", "user_agent": "Mozilla/5.0", "at": "2026-11-19T09:00:00Z",
        });
        let recorded_by = mutator.one_in(2).then(|| mutator.text());
        let request = ConsentRequest::parse(&mutator.json_text(&[evidence]), now(), recorded_by);
        Understood::if_ok(&request)
    });
}

#[test]
fn suppressions_are_read_without_a_panic() {
    fuzz(|mutator| {
        let suppression = json!({
            "scope": "all", "channel": "whatsapp", "reason": "a letter of 19 November",
            "account_sid": "AC00000000000000000000000000000001",
        });
        let body = if mutator.one_in(4) { String::new() } else { mutator.json_text(&[suppression]) };
        let query = mutator.params(&["scope=marketing&reason=a+letter".to_owned()]);
        let query = if mutator.one_in(2) { query } else { Vec::new() };
        let query = query.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        Understood::if_ok(&SuppressionRequest::parse(&body, query))
    });
}

#[test]
fn policies_are_read_without_a_panic() {
    fuzz(|mutator| {
        let policy = json!({
            "default": {"consent": {"marketing": {"days": 730}}, "marketing_cap": {"messages": 2, "days": 7},
                        "quiet_hours": {"from": "21:00", "to": "08:00", "categories": ["marketing"]}},
            "countries": {"DE": {"consent": {"marketing": {"days": 365}, "utility": {}}}},
            "on_unknown": {"authentication": "resend", "utility": "hold"},
            "rates": {"default": {"per_second": 80, "burst": 1}, "whatsapp:+14155238886": {"per_second": 400}},
            "daily_cap": {"account": 500_000, "countries": {"NG": 1000}, "routes": {"sms:MG00000000000000000000000000000001": 5000}},
            "pause_on_failures": {"share_percent": 60, "at_least": 200},
        });
        let policy = mutator.json_text(&[policy]).parse::<Policy>();
        if let Ok(policy) = &policy {
            let _ = policy.rules(None);
        }
        Understood::if_ok(&policy)
    });
}

#[test]
fn secrets_are_read_without_a_panic() {
    fuzz(|mutator| {
        let secret = json!({"accounts": {"AC00000000000000000000000000000001": {
            "auth_tokens": ["primary", "secondary"], "shared_keys": {"webhooks_sharedkey_1": "shared"},
            "api_key_sid": "SK00000000000000000000000000000001", "api_key_secret": "secret",
        }}});
        let accounts = serde_json::from_str::<Accounts>(&mutator.json_text(&[secret]));
        if let Ok(accounts) = &accounts {
            for sid in accounts.sids() {
                let _ = (accounts.signing_keys(sid), accounts.credentials(sid));
            }
        }
        Understood::if_ok(&accounts)
    });
}

/// A text that is read is written as a text that is read as the same.
fn is_read_back<T: std::str::FromStr + ToString + PartialEq>(text: &str) -> bool {
    let Ok(read) = text.parse::<T>() else { return false };
    assert!(read.to_string().parse::<T>().is_ok_and(|again| again == read), "{text:?}");
    true
}

#[test]
fn words_are_written_as_they_are_read() {
    const WORDS: [&str; 16] = [
        "+14155550123",
        "whatsapp:+14155550123",
        "whatsapp:US.13491208655302741918",
        "US.ENT.13491208655302741918",
        "rcs:+14155550123",
        "ACME Inc",
        "68849",
        "delivered",
        "63016",
        "SM00000000000000000000000000000001",
        "status#delivered",
        "SM00000000000000000000000000000001#failed",
        "inbound",
        "category#marketing",
        "sender#whatsapp:+14155238886",
        "uploads/a.jpg",
    ];
    fuzz(|mutator| {
        let word = *mutator.one_of(&WORDS);
        let word = if mutator.one_in(8) { mutator.text() } else { mutator.changed_text(word) };
        let read = [
            is_read_back::<E164>(&word),
            is_read_back::<Address>(&word),
            is_read_back::<Recipient>(&word),
            is_read_back::<MessageStatus>(&word),
            is_read_back::<ErrorCode>(&word),
            is_read_back::<MessageSid>(&word),
            is_read_back::<MessageEvent>(&word),
            is_read_back::<PauseScope>(&word),
            word.parse::<MediaKey>().is_ok_and(|key| key.as_str() == word),
        ];
        Understood::when(read.contains(&true))
    });
}

#[test]
fn settings_are_read_without_a_panic() {
    const SETTINGS: [&str; 6] =
        ["all", "en,es,pt", "https://wa.example.com:8443/base", "audio/ogg; codecs=opus", "image/jpeg", "21:00"];
    fuzz(|mutator| {
        let setting = *mutator.one_of(&SETTINGS);
        let setting = mutator.changed_text(setting);
        let base_url = setting.parse::<BaseUrl>();
        if let Ok(base_url) = &base_url {
            let _ = base_url.join("/twilio/inbound");
        }
        let media_type = setting.parse::<MediaType>();
        if let Ok(media_type) = &media_type {
            let _ = (media_type.check_size(1), media_type.extension());
        }
        let read = [
            base_url.is_ok(),
            media_type.is_ok(),
            setting.parse::<Languages>().is_ok(),
            QuietHours::parse(&setting, "08:00").is_ok(),
        ];
        Understood::when(read.contains(&true))
    });
}
