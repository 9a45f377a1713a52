//! What Twilio signed is stored as what it is, whatever it says and whichever of the two URLs it came to.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::preference::Preference;
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use stores::messages::{FormHash, MessageSubject};
use twilio_webhook::form::Form;

use crate::world::{Person, World, events_so_far, is, new_id, new_sid, of_notification, template_notification, text};

const SENDER: &str = "whatsapp:+14155238886";

fn message<'a>(sid: &'a str, from: &'a str, body: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("MessageSid", sid),
        ("SmsStatus", "received"),
        ("AccountSid", ACCOUNT_SID),
        ("From", from),
        ("To", SENDER),
        ("Body", body),
        ("NumMedia", "0"),
    ]
}

fn status<'a>(sid: &'a str, word: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![("MessageSid", sid), ("AccountSid", ACCOUNT_SID), ("MessageStatus", word), ("SmsStatus", word)]
}

#[tokio::test]
async fn stop_at_the_status_url_holds_and_is_confirmed() {
    let (world, person, id) = (World::new(), Person::new(), new_id("wrong-url"));
    let (sid, first, address) = (new_sid(), new_sid(), person.address());
    assert_eq!(world.post_signed("/twilio/status", &message(&first, &address, "Hello")).await.status(), 200);
    let stop = message(&sid, &address, "STOP");
    let mut answers = Vec::new();
    for _ in 0..2 {
        let answer = world.post_signed("/twilio/status", &stop).await;
        assert_eq!(answer.status(), 200);
        assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/xml"));
        answers.push(answer.text().await.unwrap());
    }
    assert!(answers[0].contains("unsubscribed"), "{}", answers[0]);
    assert_eq!(answers[0], answers[1], "a duplicate gets the answer of the first");
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    assert!(world.has_window(&person, SENDER).await);
    world.notify(&template_notification(&id, &person)).await;
    world.notification_in(&id, "suppressed").await;
    let event = world.event("the message", is("event_id", &sid)).await;
    assert_eq!(event["event_type"], "twilio_inbound");
    world.event("the opt-out", is("event_id", &format!("{sid}.contact_opted_out"))).await;
}

#[tokio::test]
async fn status_at_the_inbound_url_is_that_of_its_attempt() {
    let (world, id, sid) = (World::new(), new_id("wrong-url"), new_sid());
    let url = format!("/twilio/inbound?notification={id}&attempt=1");
    let answer = world.post_signed(&url, &status(&sid, "delivered")).await;
    assert_eq!(answer.status(), 204);
    assert_eq!(world.callbacks(&id, 1).await.len(), 1);
    let event = world.event("the status", of_notification("twilio_status", &id)).await;
    assert_eq!((&event["message_sid"], &event["status"]), (&json!(sid), &json!("delivered")));
}

#[tokio::test]
async fn unknown_status_is_stored_and_changes_no_current_status() {
    let (world, sid) = (World::new(), new_sid());
    for word in ["expired", "sent", "in transit", "expired"] {
        assert_eq!(world.post_signed("/twilio/status", &status(&sid, word)).await.status(), 204, "{word}");
    }
    assert_eq!(world.items(&sid).await.len(), 3, "one item for each word");
    let of_word = |word: &'static str| {
        let of_message = is("message_sid", &sid);
        move |event: &Value| of_message(event) && event["status"] == word
    };
    for word in ["expired", "in transit"] {
        let event = world.event(word, of_word(word)).await;
        assert!(event["current_status"].is_null() || event["current_status"] == "sent", "{event}");
        assert_eq!(event["unreadable_parameters"], json!(["MessageStatus"]));
        assert_eq!(event["raw"]["MessageStatus"], word);
    }
    let event = world.event("the known one", of_word("sent")).await;
    assert_eq!((&event["current_status"], &event["unreadable_parameters"]), (&json!("sent"), &Value::Null));
}

#[tokio::test]
async fn unknown_status_of_a_notification_leaves_its_outcome() {
    let (world, person, id) = (World::new(), Person::new(), new_id("new-word"));
    world.notify(&template_notification(&id, &person)).await;
    let log = world.until_outcome(&id, "read").await;
    let sid = log["attempts"][0]["message_sid"].as_str().unwrap().to_owned();
    let url = format!("/twilio/status?notification={id}");
    assert_eq!(world.post_signed(&url, &status(&sid, "expired")).await.status(), 204);
    let is_new = |event: &Value| of_notification("twilio_status", &id)(event) && event["status"] == "expired";
    let event = world.event("the new word", is_new).await;
    assert_eq!((&event["current_status"], &event["metadata"]["order"]), (&json!("read"), &json!(id)));
    let log = world.until_outcome(&id, "read").await;
    let attempt = &log["attempts"][0];
    assert_eq!(attempt["current_status"], "read");
    let statuses: Vec<_> = attempt["statuses"].as_array().unwrap().iter().map(|one| one["status"].clone()).collect();
    assert!(statuses.contains(&json!("expired")), "{statuses:?}");
    assert_eq!(log["attempts"].as_array().unwrap().len(), 1);
}

/// The holder of another account's token can sign a callback with any SID.
#[tokio::test]
async fn message_is_found_beside_the_same_sid_of_other_accounts() {
    let (world, person, id) = (World::new(), Person::new(), new_id("same-sid"));
    world.notify(&template_notification(&id, &person)).await;
    let accepted = world.notification_in(&id, "accepted").await;
    let sid = text(&accepted, "message_sid").unwrap();
    for account in 2..6 {
        let put = world.dynamodb.put_item().table_name(&world.stack.outputs.notifications_table_name);
        let key = format!("AC{account:032}#{id}");
        let put =
            put.item("notification", AttributeValue::S(key)).item("message_sid", AttributeValue::S(sid.to_owned()));
        put.send().await.unwrap();
    }
    world
        .until("the notification of its own account", async || {
            let (status, log) = world.call("GET", &format!("/notifications/{sid}"), "").await;
            assert!(matches!(status, 200 | 404), "{log}");
            (log["id"] == id.as_str()).then_some(())
        })
        .await;
}

#[tokio::test]
async fn parameter_that_cannot_be_read_refuses_no_form() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let address = person.address();
    let mut stop = message(&sid, &address, "STOP");
    stop.retain(|(name, _)| *name != "NumMedia");
    stop.extend([("NumMedia", "many"), ("MediaUrl0", "https://api.twilio.com/a"), ("Latitude", "north")]);
    stop.extend([("Forwarded", "perhaps"), ("MessagingServiceSid", "none")]);
    assert_eq!(world.post_signed("/twilio/inbound", &stop).await.status(), 200);
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    let names = json!(["NumMedia", "MessagingServiceSid", "Latitude", "Forwarded"]);
    let event = world.event("the message", is("event_id", &sid)).await;
    assert_eq!((&event["unreadable_parameters"], &event["num_media"]), (&names, &json!(1)));
    let item = world.items(&sid).await.remove(0);
    assert_eq!(item["unreadable_parameters"].as_l().unwrap().len(), 4);

    let failed = new_sid();
    let mut callback = status(&failed, "failed");
    callback.push(("ErrorCode", "unknown"));
    assert_eq!(world.post_signed("/twilio/status", &callback).await.status(), 204);
    let event = world.event("the failure", is("message_sid", &failed)).await;
    assert_eq!((&event["status"], &event["error_code"]), (&json!("failed"), &Value::Null));
    assert_eq!(event["unreadable_parameters"], json!(["ErrorCode"]));
}

#[tokio::test]
async fn sender_of_any_form_is_stored_as_it_came() {
    let world = World::new();
    for from in ["ACME Inc", "A&B-Shop_1", "68849", "+1 (415) 555", "viber:Ava Ñ", "\u{0}"] {
        let sid = new_sid();
        let mut text = message(&sid, from, "hi");
        text[4] = ("To", "+14155550100");
        assert_eq!(world.post_signed("/twilio/inbound", &text).await.status(), 200, "{from}");
        let event = world.event(from, is("event_id", &sid)).await;
        assert_eq!((&event["from"], &event["raw"]["From"]), (&json!(from), &json!(from)));
        assert_eq!(event["unreadable_parameters"], Value::Null);
    }
}

#[tokio::test]
async fn stop_by_any_channel_in_any_letter_case_holds() {
    let world = World::new();
    for channel in ["", "sms:", "RCS:", "WhatsApp:", "WHATSAPP:", "messenger:", "new-channel:"] {
        let (person, sid, id) = (Person::new(), new_sid(), new_id("any-channel"));
        let from = format!("{channel}{}", person.identity);
        let answer = world.post_signed("/twilio/inbound", &message(&sid, &from, "STOP")).await;
        assert_eq!(answer.status(), 200, "{channel}");
        assert!(answer.text().await.unwrap().contains("unsubscribed"), "{channel}");
        world.notify(&template_notification(&id, &person)).await;
        let stored = world.notification_in(&id, "suppressed").await;
        assert_eq!(text(&stored, "reason"), Some("the recipient has opted out"), "{channel}");
        assert!(world.sent_to(&person).await.is_empty(), "{channel}");
    }
}

#[tokio::test]
async fn form_that_is_neither_is_stored_and_published_once() {
    let world = World::new();
    let topic = new_id("topic");
    let form = [("AccountSid", ACCOUNT_SID), ("EventType", topic.as_str()), ("A", "2"), ("A", "1"), ("", "nameless")];
    for path in ["/twilio/inbound", "/twilio/status", "/twilio/status"] {
        let answer = world.post_signed(path, &form).await;
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.text().await.unwrap(), "<Response/>");
    }
    let of_topic = |event: &Value| event["raw"]["EventType"] == topic.as_str();
    let event = world.event("the form", of_topic).await;
    assert_eq!((&event["event_type"], &event["schema"]), (&json!("twilio_unknown"), &json!("twilio.unknown.v1")));
    assert_eq!((&event["path"], &event["account_sid"]), (&json!("/twilio/inbound"), &json!(ACCOUNT_SID)));
    assert_eq!(event["unreadable_parameters"], json!(["MessageSid", "From", "To"]));
    assert_eq!(event["raw"], json!({"": "nameless", "A": ["2", "1"], "AccountSid": ACCOUNT_SID, "EventType": topic}));
    // The stream has brought a later form, so a second event of the first one would be there.
    let later = new_id("topic");
    let form = [("AccountSid", ACCOUNT_SID), ("EventType", later.as_str())];
    assert_eq!(world.post_signed("/twilio/inbound", &form).await.status(), 200);
    world.event("the later form", |event| event["raw"]["EventType"] == later.as_str()).await;
    assert_eq!(events_so_far(of_topic).len(), 1);
}

#[tokio::test]
async fn form_with_only_its_account_is_answered_and_not_stored() {
    let world = World::new();
    let form: Form = [("AccountSid".to_owned(), ACCOUNT_SID.to_owned())].into_iter().collect();
    for path in ["/twilio/inbound", "/twilio/status"] {
        assert_eq!(world.post_signed(path, &[("AccountSid", ACCOUNT_SID)]).await.status(), 204, "{path}");
    }
    let stored =
        world.items_of(&MessageSubject::Form(ACCOUNT_SID.parse().unwrap(), FormHash::of(&form)).to_string()).await;
    assert!(stored.is_empty(), "{stored:?}");
}

#[tokio::test]
async fn every_character_comes_back_in_names_and_values() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let odd = "\u{0}\u{1}\t\n\r\u{7f}\u{fffe}\u{ffff}\u{1ffff}\u{10ffff}\u{2028}\\\"<>&+%=#👋\u{d7ff}\u{e000}";
    let address = person.address();
    let mut parameters = message(&sid, &address, odd);
    parameters.extend([(odd, odd), ("", odd), ("", ""), (" ", odd)]);
    assert_eq!(world.post_signed("/twilio/inbound", &parameters).await.status(), 200);
    let event = world.event("the event", is("event_id", &sid)).await;
    let form: Form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    assert_eq!(event["raw"], serde_json::to_value(form.to_raw()).unwrap());
    assert_eq!(event["body"], odd);
}

#[tokio::test]
async fn advertisement_and_username_are_in_the_event() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let address = person.address();
    let mut parameters = message(&sid, &address, "hi");
    parameters.extend([("ReferralSourceId", "120"), ("ReferralMediaId", "77"), ("ReferralNumMedia", "1")]);
    parameters.extend([("ReferralMediaContentType", "image/jpeg"), ("ProfileUsername", "ava")]);
    assert_eq!(world.post_signed("/twilio/inbound", &parameters).await.status(), 200);
    let event = world.event("the event", is("event_id", &sid)).await;
    let referral = &event["referral"];
    assert_eq!((&referral["media_id"], &referral["num_media"]), (&json!("77"), &json!(1)));
    assert_eq!(referral["media_content_type"], "image/jpeg");
    assert_eq!(event["profile_username"], "ava");
}
