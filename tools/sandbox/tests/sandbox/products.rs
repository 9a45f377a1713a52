//! The senders of Messaging Services, and how Verify ends.

use sandbox::{ORDER_UPDATE_SID, WhatsAppRules};
use serde_json::{Value, json};

use crate::api::{AVA, ApiTest, SENDER, SERVICE, messages};

#[tokio::test]
async fn canceled_verification_is_kept_until_it_expires() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let verifications = "/v2/Services/VA00000000000000000000000000000001/Verifications";
    let to = [("To", "+14155550123"), ("Channel", "sms")];
    let started = sandbox.post(verifications, &to).await.1;
    let path = format!("{verifications}/{}", started["sid"].as_str().unwrap());
    assert_eq!(sandbox.post(&path, &[("Status", "canceled")]).await.1["status"], "canceled");
    assert_eq!(sandbox.get(&path).await.1["status"], "canceled");
    assert_eq!(sandbox.post(&path, &[("Status", "approved")]).await.0, 404);
    assert_ne!(sandbox.post(verifications, &to).await.1["sid"], started["sid"], "a new one begins");
    sandbox.post_json("/sandbox/clock", &json!({"advance_seconds": 600})).await;
    assert_eq!(sandbox.get(&path).await.0, 404);
}

#[tokio::test]
async fn sender_is_moved_to_another_service() {
    let sandbox = ApiTest::start(WhatsAppRules::lenient()).await;
    let (_, created) = sandbox.post("/v1/Services", &[("FriendlyName", "SMS")]).await;
    let other = format!("/v1/Services/{}", created["sid"].as_str().unwrap());
    let number = sandbox.get(&format!("{SERVICE}/PhoneNumbers")).await.1["phone_numbers"][0].clone();
    assert_eq!(number["phone_number"], "+14155550100");
    let sid = number["sid"].as_str().unwrap();
    let add = async |service: &str| {
        let (status, answer) = sandbox.post(&format!("{service}/PhoneNumbers"), &[("PhoneNumberSid", sid)]).await;
        (status, answer["code"].clone())
    };
    let send = async |to: &str| {
        let through = ("MessagingServiceSid", created["sid"].as_str().unwrap());
        sandbox.post(&messages(".json"), &[("To", to), through, ("ContentSid", ORDER_UPDATE_SID)]).await.1["code"]
            .clone()
    };
    assert_eq!(send("+14155550123").await, 21704);
    assert_eq!((add(&other).await, add(SERVICE).await), ((409, json!(21712)), (409, json!(21710))));
    assert_eq!(sandbox.delete(&format!("{SERVICE}/PhoneNumbers/{sid}")).await.0, 204);
    assert_eq!(sandbox.get(&format!("{SERVICE}/PhoneNumbers/{sid}")).await.0, 404);
    assert_eq!(add(&other).await.0, 201);
    assert_eq!(sandbox.get(&format!("{other}/PhoneNumbers/{sid}")).await.1["phone_number"], "+14155550100");
    assert_eq!((send("+14155550123").await, send(AVA).await), (Value::Null, json!(21703)));
    let sender = sandbox.get(&format!("{SERVICE}/ChannelSenders")).await.1["senders"][0].clone();
    assert_eq!(sender["sender"], SENDER);
    let missing = sandbox.post(&format!("{other}/ChannelSenders"), &[("Sid", "XE1")]).await;
    assert_eq!(missing.0, 404);
}
