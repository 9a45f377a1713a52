//! A person sends a message to the business.

use domain::{preference::Preference, suppression::Scope};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;

use super::receive::{agree, marketing, suppressed};
use crate::world::{Person, World, is, new_id, new_sid, of_notification, template_notification, text_notification};

fn parameters<'a>(sid: &'a str, from: &'a str, body: &'a str) -> Vec<(&'static str, &'a str)> {
    vec![
        ("MessageSid", sid),
        ("AccountSid", ACCOUNT_SID),
        ("From", from),
        ("To", "whatsapp:+14155238886"),
        ("Body", body),
        ("NumMedia", "0"),
        ("ProfileName", "Ava Ñ"),
    ]
}

#[tokio::test]
async fn message_is_published_as_an_event_and_opens_the_window() {
    let (world, person) = (World::new(), Person::new());
    let receipt = world.write(&person, "Where is my order? 👋 & <more>").await;
    assert_eq!(receipt["status"], 200);
    assert_eq!(receipt["twiml"], "<Response/>");
    assert!(receipt["content_type"].as_str().unwrap().starts_with("text/xml"));

    let sid = receipt["message_sid"].as_str().unwrap();
    let event = world.event("the event", is("message_sid", sid)).await;
    assert_eq!(event["event_type"], "twilio_inbound");
    assert_eq!(event["schema"], "twilio.inbound.v1");
    assert_eq!(event["event_id"], sid);
    assert_eq!(event["account_sid"], ACCOUNT_SID);
    assert_eq!(event["from"], person.address());
    assert_eq!(event["to"], "whatsapp:+14155238886");
    assert_eq!(event["body"], "Where is my order? 👋 & <more>");
    assert_eq!(event["num_media"], 0);
    assert_eq!(event["media"], json!([]));
    assert_eq!(event["raw"]["Body"], "Where is my order? 👋 & <more>");
    assert_eq!(event["raw"]["ProfileName"], "Ava");
    assert_eq!(event["occurred_at"], event["received_at"]);

    assert!(world.has_window(&person, "whatsapp:+14155238886").await, "the window is open");
    let items = world.items(sid).await;
    assert_eq!(items.len(), 1);
    assert!(items[0]["expires_at"].as_n().unwrap().parse::<i64>().unwrap() > 1_790_000_000);
}

#[tokio::test]
async fn media_buttons_and_locations_are_in_the_event() {
    let (world, person) = (World::new(), Person::new());
    let media = json!([{"url": "https://api.twilio.com/a", "content_type": "image/jpeg"}]);
    let button = json!({"ButtonText": "Yes", "ButtonPayload": "yes-1", "Latitude": "37.78", "Longitude": "-122.39"});
    let receipt = world.write_with(&person, json!({"media": media, "parameters": button})).await;
    let event = world.event("the event", is("message_sid", receipt["message_sid"].as_str().unwrap())).await;
    assert_eq!(event["num_media"], 1);
    assert_eq!(event["media"], media);
    assert_eq!(event["button"]["payload"], "yes-1");
    assert_eq!(event["location"]["latitude"], 37.78);
}

#[tokio::test]
async fn noncharacters_are_published_and_do_not_block_others() {
    let (world, person, other, sid) = (World::new(), Person::new(), Person::new(), new_sid());
    let address = person.address();
    let mut parameters = parameters(&sid, &address, "\u{ffff}");
    parameters.retain(|(name, _)| *name != "ProfileName");
    parameters.push(("ProfileName", "Ava \u{fffe}"));
    assert_eq!(world.post_signed("/twilio/inbound", &parameters).await.status(), 200);
    let later = world.write(&other, "Where is my order?").await;
    world.event("the other person's event", is("message_sid", later["message_sid"].as_str().unwrap())).await;
    let event = world.event("the event", is("message_sid", &sid)).await;
    assert_eq!(event["body"], "\u{ffff}");
    assert_eq!(event["raw"]["Body"], "\u{ffff}");
    assert_eq!(event["profile_name"], "Ava \u{fffe}");
}

#[tokio::test]
async fn any_character_in_a_form_is_published_and_blocks_no_event() {
    let (world, person, other, sid) = (World::new(), Person::new(), Person::new(), new_sid());
    let address = person.address();
    // What XML, SQS and terminals treat in their own ways: control characters, marks of direction, a combining mark without a
    // letter, a byte order mark, and noncharacters of the first and of other planes.
    let odd = "\0\u{1}\u{8}\u{b}\u{7f}\u{85}\u{200f}\u{202e}\u{301}\u{feff}\u{fdd0}\u{fffe}\u{ffff}\u{1ffff}\u{10ffff}";
    let names: Vec<String> = odd.chars().map(String::from).chain([odd.to_owned()]).collect();
    let mut parameters = parameters(&sid, &address, odd);
    parameters.retain(|(name, _)| *name != "ProfileName");
    parameters.extend(names.iter().map(|name| (name.as_str(), odd)));
    parameters.extend([("ProfileName", odd), ("", "without a name")]);
    assert_eq!(world.post_signed("/twilio/inbound", &parameters).await.status(), 200);
    let later = world.write(&other, "Where is my order?").await;
    world.event("the other person's event", is("message_sid", later["message_sid"].as_str().unwrap())).await;
    let event = world.event("the event", is("message_sid", &sid)).await;
    assert_eq!(event["body"], odd);
    assert_eq!(event["profile_name"], odd);
    for name in &names {
        assert_eq!(event["raw"][name], odd, "{name:?}");
    }
    assert_eq!(event["raw"][""], "without a name");
}

#[tokio::test]
async fn concurrent_duplicate_webhook_is_one_message() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let address = person.address();
    let parameters = parameters(&sid, &address, "hello");
    let answers = futures::future::join_all((0..20).map(|_| world.post_signed("/twilio/inbound", &parameters))).await;
    for answer in answers {
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.text().await.unwrap(), "<Response/>");
    }
    assert_eq!(world.items(&sid).await.len(), 1);
    let last = world.write(&person, "and this one comes after it").await;
    world.event("the later event", is("message_sid", last["message_sid"].as_str().unwrap())).await;
    assert_eq!(world.events("the event", is("message_sid", &sid), 1).await.len(), 1);
}

#[tokio::test]
async fn sender_without_a_phone_number_is_accepted() {
    let (world, person) = (World::new(), Person::without_number());
    let receipt =
        world.write_with(&person, json!({"body": "hi", "parameters": {"ExternalUserId": person.address()}})).await;
    let event = world.event("the event", is("message_sid", receipt["message_sid"].as_str().unwrap())).await;
    assert_eq!(event["from"], person.address());
    assert!(world.has_window(&person, "whatsapp:+14155238886").await);
    assert!(world.write(&person, "STOP").await["reply"].is_string());
}

#[tokio::test]
async fn only_the_first_stop_is_confirmed_until_a_start_lifts_it() {
    let (world, person) = (World::new(), Person::new());
    let first = world.write(&person, "Stop.").await;
    assert!(first["reply"].as_str().unwrap().contains("unsubscribed"), "{first}");
    let event = world
        .event("the opt-out", |e| e["event_type"] == "contact_opted_out" && e["contact"] == person.identity.as_str())
        .await;
    assert_eq!(event["message_sid"], first["message_sid"]);
    assert_eq!(event["channel"], "whatsapp");
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));

    assert_eq!(world.write(&person, "ＳＴＯＰ").await["twiml"], "<Response/>");
    assert_eq!(world.write(&person, "start").await["twiml"], "<Response/>");
    world
        .event("the opt-in", |e| e["event_type"] == "contact_opted_in" && e["contact"] == person.identity.as_str())
        .await;
    assert_eq!(world.preference(&person).await, Some(Preference::OptedIn));
    assert!(
        world.write(&person, "parar").await["reply"].as_str().unwrap().contains("baja"),
        "confirmed again, in Spanish"
    );
    let opt_outs =
        |e: &serde_json::Value| e["event_type"] == "contact_opted_out" && e["contact"] == person.identity.as_str();
    assert_eq!(world.events("both opt-outs and no third", opt_outs, 2).await.len(), 2);
}

#[tokio::test]
async fn concurrent_duplicate_stop_gets_the_same_reply_each_time() {
    let (world, person, sid) = (World::new(), Person::new(), new_sid());
    let address = person.address();
    let parameters = parameters(&sid, &address, "STOP");
    let answers = futures::future::join_all((0..20).map(|_| world.post_signed("/twilio/inbound", &parameters))).await;
    for answer in answers {
        assert_eq!(answer.status(), 200);
        assert!(answer.text().await.unwrap().contains("<Message>"), "a duplicate gets the same answer as the first");
    }
    assert_eq!(world.items(&sid).await.len(), 1);
}

#[tokio::test]
async fn concurrent_stops_of_one_person_are_confirmed_once() {
    let (world, person) = (World::new(), Person::new());
    let receipt = futures::future::join_all((0..10).map(|_| world.write(&person, "STOP"))).await;
    assert!(receipt.iter().all(|receipt| receipt["status"] == 200), "{receipt:?}");
    assert_eq!(receipt.iter().filter(|receipt| receipt["reply"].is_string()).count(), 1);
}

#[tokio::test]
async fn stop_that_twilio_answered_is_not_answered_again() {
    let (world, person) = (World::new(), Person::new());
    let receipt = world.write_with(&person, json!({"body": "Basta", "parameters": {"OptOutType": "STOP"}})).await;
    assert_eq!(receipt["twiml"], "<Response/>");
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
}

#[tokio::test]
async fn stop_button_is_an_opt_out() {
    let (world, person) = (World::new(), Person::new());
    let button = json!({"ButtonText": "No more", "ButtonPayload": "STOP"});
    let receipt = world.write_with(&person, json!({"body": "No more", "parameters": button})).await;
    assert!(receipt["reply"].is_string(), "{receipt}");
}

/// Waits until a notification to the person has been refused, since the person has opted out.
async fn refuses_to_send(world: &World, person: &Person) {
    let id = new_id("after-stop");
    world.notify(&template_notification(&id, person)).await;
    world.event("the suppression", of_notification("notification_suppressed", &id)).await;
    assert!(world.sent_to(person).await.is_empty());
}

#[tokio::test]
async fn yes_button_does_not_lift_a_stop() {
    let (world, person) = (World::new(), Person::new());
    world.write(&person, "STOP").await;
    let button = json!({"MessageType": "button", "ButtonText": "Yes", "ButtonPayload": "confirm-1"});
    world.write_with(&person, json!({"body": "Yes", "parameters": button})).await;
    world.write(&person, "yes").await;
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    refuses_to_send(&world, &person).await;
}

#[tokio::test]
async fn cancel_button_is_not_an_opt_out() {
    let (world, person, id) = (World::new(), Person::new(), new_id("after-cancel"));
    let button = json!({"ButtonText": "Cancel", "ButtonPayload": "cancel-appointment-42"});
    let receipt = world.write_with(&person, json!({"body": "Cancel", "parameters": button})).await;
    assert_eq!(receipt["twiml"], "<Response/>");
    let item = json!({"ListTitle": "Baja", "ListId": "prioridad-baja"});
    world.write_with(&person, json!({"body": "Baja", "parameters": item})).await;
    assert_eq!(world.preference(&person).await, None);
    world.notify(&template_notification(&id, &person)).await;
    world.notification_in(&id, "accepted").await;
}

#[tokio::test]
async fn stop_over_rcs_holds_for_whatsapp_and_sms() {
    let (world, person) = (World::new(), Person::new());
    let address = format!("rcs:{}", person.identity);
    let post = async |sid: &str, body: &str| {
        let parameters = [
            ("MessageSid", sid),
            ("AccountSid", ACCOUNT_SID),
            ("From", &address),
            ("To", "rcs:brand_agent"),
            ("Body", body),
            ("NumMedia", "0"),
        ];
        world.post_signed("/twilio/inbound", &parameters).await.text().await.unwrap()
    };
    assert!(post(&new_sid(), "STOP").await.contains("unsubscribed"));
    refuses_to_send(&world, &person).await;
    let sms = json!({"channel": "sms", "content": {"type": "text", "body": "Your order is on its way."}});
    let id = new_id("by-sms");
    let mut by_sms = text_notification(&id, &person);
    by_sms["fallback"] = json!([sms]);
    world.notify(&by_sms).await;
    world.event("the suppression", of_notification("notification_suppressed", &id)).await;

    post(&new_sid(), "START").await;
    for notification in
        [text_notification(&new_id("sms"), &person), template_notification(&new_id("template"), &person)]
    {
        let mut notification = notification;
        notification["fallback"] = json!([sms]);
        world.notify(&notification).await;
        world.notification_in(notification["id"].as_str().unwrap(), "accepted").await;
    }
}

#[tokio::test]
async fn stop_holds_for_every_identity_in_the_message() {
    let (world, number, id) = (World::new(), Person::new(), Person::without_number());
    let names = |body: &str| json!({"body": body, "parameters": {"ExternalUserId": id.address()}});
    assert!(world.write_with(&number, names("STOP")).await["reply"].is_string());
    for person in [&number, &id] {
        assert_eq!(world.preference(person).await, Some(Preference::OptedOut), "{}", person.identity);
    }
    assert!(world.write_with(&id, names("stop")).await["reply"].is_null(), "a second STOP, from the other identity");
    world.write_with(&number, names("start")).await;
    for person in [&number, &id] {
        assert_eq!(world.preference(person).await, Some(Preference::OptedIn), "{}", person.identity);
    }
}

#[tokio::test]
async fn possible_stop_is_marked_in_the_event() {
    let (world, person) = (World::new(), Person::new());
    for (body, marked) in [("stop, the parcel never came", json!(true)), ("Where is my order?", Value::Null)] {
        let receipt = world.write(&person, body).await;
        assert_eq!(receipt["twiml"], "<Response/>");
        let event = world.event("the event", is("message_sid", receipt["message_sid"].as_str().unwrap())).await;
        assert_eq!(event["possible_opt_out"], marked, "{body}");
    }
    assert_eq!(world.preference(&person).await, None);
}

/// Meta's button, as Twilio delivers it: no id was chosen for it, so the id is the label.
fn metas_button(label: &str) -> Value {
    json!({"body": label, "parameters": {"MessageType": "button", "ButtonText": label, "ButtonPayload": label}})
}

#[tokio::test]
async fn stop_promotions_button_suppresses_marketing_until_a_start() {
    let (world, person) = (World::new(), Person::new());
    let (offer, order, refused, again) = (new_id("offer"), new_id("order"), new_id("refused"), new_id("again"));
    agree(&world, &person).await;
    world.notify(&marketing(&offer, &person)).await;
    world.notification_in(&offer, "accepted").await;

    let receipt = world.write_with(&person, metas_button("Parar promoções")).await;
    assert!(receipt["reply"].as_str().unwrap().contains("promoções"), "{receipt}");
    let event = world
        .event("the opt-out", |e| e["event_type"] == "contact_opted_out" && e["contact"] == person.identity.as_str())
        .await;
    assert_eq!(event["scope"], "marketing");
    assert_eq!(event["message_sid"], receipt["message_sid"]);
    assert_eq!(world.preference(&person).await, None, "no STOP of every message");
    agree(&world, &person).await;
    world.notify(&marketing(&refused, &person)).await;
    assert_eq!(suppressed(&world, &refused).await, "the recipient has opted out of marketing");
    world.notify(&template_notification(&order, &person)).await;
    world.notification_in(&order, "accepted").await;

    world.write(&person, "retomar").await;
    agree(&world, &person).await;
    world.notify(&marketing(&again, &person)).await;
    world.notification_in(&again, "accepted").await;
}

#[tokio::test]
async fn stop_promotions_button_keeps_an_earlier_stop() {
    let (world, person) = (World::new(), Person::new());
    world.write(&person, "STOP").await;
    let receipt = world.write_with(&person, metas_button("Stop promotions")).await;
    assert_eq!(receipt["twiml"], "<Response/>", "no message to a person who stopped every message");
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    assert_eq!(world.preference_in(&person, Scope::Marketing).await, Some(Preference::OptedOut));
    refuses_to_send(&world, &person).await;
}

#[tokio::test]
async fn natural_opt_out_is_marked_and_look_alikes_opt_out() {
    let (world, person) = (World::new(), Person::new());
    let receipt = world.write(&person, "please lose my number").await;
    let event = world.event("the event", is("message_sid", receipt["message_sid"].as_str().unwrap())).await;
    assert_eq!(event["possible_opt_out"], true);
    assert_eq!(world.preference(&person).await, None);
    assert!(world.write(&person, "\u{405}\u{422}\u{41e}\u{420}").await["reply"].is_string(), "in Cyrillic letters");
    assert_eq!(world.preference(&person).await, Some(Preference::OptedOut));
    world.write(&person, "START").await;
    assert!(world.write(&person, "S T O P").await["reply"].is_string());
}
