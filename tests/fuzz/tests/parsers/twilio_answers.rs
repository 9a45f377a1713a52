//! Twilio's answers to our requests.

use fuzz::{Understood, fuzz};
use serde_json::{Value, json};
use twilio_client::{ContentPage, CreatedMessage, MessagePage, PagePath};

fn message() -> Value {
    json!({
        "sid": "SM00000000000000000000000000000001", "status": "delivered", "to": "whatsapp:+14155550123",
        "from": "whatsapp:+14155238886", "body": "Hello", "num_media": "1", "messaging_service_sid": null, "error_code": 63016,
        "direction": "outbound-api", "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
        "date_sent": "Thu, 24 Aug 2023 05:01:45 +0000", "date_updated": null, "subresource_uris": {"media": "/Media.json"},
    })
}

#[test]
fn answers_to_a_create_are_read_without_a_panic() {
    fuzz(|mutator| {
        let created = serde_json::from_str::<CreatedMessage>(&mutator.json_text(&[message()]));
        if let Ok(CreatedMessage { resource: Some(resource), .. }) = &created {
            let _ = (resource.created_at(), resource.happened_at(), resource.changed_at());
        }
        Understood::if_ok(&created)
    });
}

#[test]
fn pages_of_messages_are_read_without_a_panic() {
    fuzz(|mutator| {
        let page = json!({"messages": [message(), message()], "next_page_uri": "/2010-04-01/Accounts/AC1/Messages.json?Page=1"});
        let page = serde_json::from_str::<MessagePage>(&mutator.json_text(&[page]));
        if let Ok(MessagePage { next: Some(next), .. }) = &page {
            assert_eq!(next.as_str().parse(), Ok::<PagePath, _>(next.clone()));
        }
        Understood::if_ok(&page)
    });
}

#[test]
fn pages_of_templates_are_read_without_a_panic() {
    fuzz(|mutator| {
        let template = json!({
            "sid": "HX00000000000000000000000000000001", "friendly_name": "order", "language": "en", "variables": {"1": "a"},
            "types": {"twilio/text": {"body": "Hello {{1}}"}}, "date_updated": "2026-11-20T09:00:00Z",
        });
        let page =
            json!({"contents": [template], "meta": {"next_page_url": "https://content.twilio.com/v1/Content?Page=1"}});
        let page = serde_json::from_str::<ContentPage>(&mutator.json_text(&[page]));
        if let Ok(page) = &page {
            let _ = page.find("order", "en");
        }
        Understood::if_ok(&page)
    });
}
