//! Every content type is sent, and what a person answers to it is a typed field of the event.

use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, AUTH_TOKEN};

use crate::world::{Person, World, is, new_id};

/// A request to the sandbox's Content API. Gives the answer.
async fn content_api(world: &World, path: &str, body: &Value) -> Value {
    let request = world.http.post(format!("{}{path}", world.stack.sandbox_url));
    let answer = request.basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN)).json(body).send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.json().await.unwrap()
}

/// Creates a template of one type that WhatsApp approves, if it can. Gives its SID.
async fn create(world: &World, kind: &str, content: &Value) -> String {
    let name = new_id("content").replace('-', "_").to_lowercase();
    let body = json!({"friendly_name": name, "language": "en", "variables": {"1": "482913"}, "types": {kind: content}});
    let sid = content_api(world, "/v1/Content", &body).await["sid"].as_str().unwrap().to_owned();
    if !["twilio/list-picker", "twilio/location"].contains(&kind) {
        let request = json!({"name": name, "category": "UTILITY"});
        content_api(world, &format!("/v1/Content/{sid}/ApprovalRequests/whatsapp"), &request).await;
        world.control("PUT", &format!("templates/{sid}"), &json!({"status": "approved"})).await;
    }
    sid
}

/// Sends a template of this type to a person whose service window is open. Gives the message as the phone shows it.
async fn sent(world: &World, person: &Person, kind: &str, content: &Value) -> Value {
    let sid = create(world, kind, content).await;
    let id = new_id("content");
    let variables = if kind == "whatsapp/authentication" { json!({"1": "482913"}) } else { json!({}) };
    let content = json!({"type": "template", "content_sid": sid, "variables": variables});
    let category = if kind == "whatsapp/authentication" { "authentication" } else { "utility" };
    let notification = json!({"id": id, "to": person.identity, "category": category, "content": content});
    world.notify(&notification).await;
    let outcome = world.until_outcome(&id, "read").await;
    assert_eq!(outcome["outcome"], "read", "{kind}: {outcome}");
    let messages = world.sent_to(person).await;
    let shown = messages.iter().find(|message| message["sandbox"]["content_sid"] == sid.as_str());
    shown.unwrap_or_else(|| panic!("{kind} is not on the phone: {messages:?}")).clone()
}

#[tokio::test]
async fn each_content_type_is_sent_and_shown() {
    let (world, person) = (World::new(), Person::new());
    world.write(&person, "Hello").await;
    let action =
        |kind: &str| json!({"type": kind, "title": "Open", "url": "https://e.example", "id": "yes", "code": "X1"});
    let copy = json!({"type": "COPY_CODE", "copy_code_text": "Copy"});
    let card = json!({"title": "Mug", "body": "A mug", "media": "https://e.example/a.png", "actions": [action("QUICK_REPLY")]});
    let row = json!({"id": "red", "item": "Red"});
    for (kind, content, pointer, expected) in [
        ("twilio/text", json!({"body": "Hello there"}), "/body", json!("Hello there")),
        (
            "twilio/quick-reply",
            json!({"body": "a", "actions": [action("QUICK_REPLY")]}),
            "/sandbox/buttons/0/id",
            json!("yes"),
        ),
        (
            "twilio/call-to-action",
            json!({"body": "a", "actions": [action("URL")]}),
            "/sandbox/buttons/0/kind",
            json!("url"),
        ),
        (
            "twilio/card",
            json!({"title": "a", "actions": [action("COPY_CODE")]}),
            "/sandbox/buttons/0/code",
            json!("X1"),
        ),
        ("whatsapp/card", json!({"body": "a", "footer": "b"}), "/body", json!("a\nb")),
        (
            "twilio/list-picker",
            json!({"body": "a", "button": "b", "items": [row]}),
            "/sandbox/rich/rows/0/id",
            json!("red"),
        ),
        ("twilio/location", json!({"latitude": 52.5, "longitude": 13.4}), "/sandbox/location/latitude", json!(52.5)),
        ("twilio/carousel", json!({"body": "a", "cards": [card]}), "/sandbox/rich/cards/0/title", json!("Mug")),
        ("twilio/catalog", json!({"body": "a", "items": [{"id": "mug"}]}), "/sandbox/rich/products/0/id", json!("mug")),
        (
            "whatsapp/flows",
            json!({"body": "a", "button_text": "Go", "flow_id": "1"}),
            "/sandbox/rich/button",
            json!("Go"),
        ),
        ("whatsapp/authentication", json!({"actions": [copy]}), "/sandbox/buttons/0/code", json!("482913")),
    ] {
        let message = sent(&world, &person, kind, &content).await;
        assert_eq!(message.pointer(pointer), Some(&expected), "{kind}: {message}");
    }
}

/// The event of what a person sends.
async fn event_of(world: &World, person: &Person, writing: Value) -> Value {
    let receipt = world.write_with(person, writing).await;
    world.event("the answer", is("message_sid", receipt["message_sid"].as_str().unwrap())).await
}

#[tokio::test]
async fn each_answer_is_a_typed_field_of_the_event() {
    let (world, person) = (World::new(), Person::new());
    world.write(&person, "Hello").await;
    let question = sent(&world, &person, "twilio/text", &json!({"body": "How was it today?"})).await["sid"].clone();
    let event = event_of(&world, &person, json!({"button": {"title": "Yes", "id": "yes-1"}})).await;
    assert_eq!(event["button"]["payload"], "yes-1");
    let event = event_of(&world, &person, json!({"list_item": {"id": "red", "title": "Red"}})).await;
    assert_eq!(event["list_item"], json!({"id": "red", "title": "Red"}));
    let event = event_of(&world, &person, json!({"flow": {"size": "L", "gift": true}})).await;
    assert_eq!(event["flow"], json!({"size": "L", "gift": true}));
    assert_eq!(event["flow_data"], event["raw"]["FlowData"], "the raw form stays");
    let order =
        json!({"catalog_id": "7", "items": [{"product_id": "mug", "quantity": 2, "price": 9.5, "currency": "EUR"}]});
    let event = event_of(&world, &person, json!({"order": order})).await;
    assert_eq!(event["order"], json!({"catalog_id": "7", "text": null, "items": order["items"]}));
    let event = event_of(&world, &person, json!({"reaction": "👍", "replied_to": question})).await;
    assert_eq!(event["reaction"], json!({"emoji": "👍", "message": question}));
    let clicked = json!({"body": "Is it still there?", "referral": {
        "source_id": "120", "headline": "Mugs", "ctwa_clid": "click-1", "media_url": "https://e.example/a.jpg",
        "media_content_type": "image/jpeg"}});
    let event = event_of(&world, &person, clicked).await;
    let referral = &event["referral"];
    assert_eq!((&referral["ctwa_clid"], &referral["num_media"]), (&json!("click-1"), &json!(1)));
    assert_eq!(referral["media_url"], "https://e.example/a.jpg");
    let event =
        event_of(&world, &person, json!({"location": {"latitude": 52.5, "longitude": 13.4, "label": "Office"}})).await;
    assert_eq!(event["location"]["label"], "Office");
    let card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ben Ito\r\nTEL;waid=14155550124:+1 415 555 0124\r\nEND:VCARD";
    let event = event_of(&world, &person, json!({"body": card})).await;
    assert_eq!(event["contacts"][0]["name"], "Ben Ito");
    assert_eq!(event["contacts"][0]["phones"][0]["wa_id"], "14155550124");
}
