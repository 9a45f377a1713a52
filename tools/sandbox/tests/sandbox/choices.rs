//! What the sandbox does where Twilio's documentation leaves it open, and the codes of Twilio for what it does not leave open.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    control::{AVA, BODY, ControlTest, SERVICE, TEMPLATE, WHATSAPP},
    until::until,
};

impl ControlTest {
    async fn choose(&self, choices: Value) {
        assert_eq!(self.put("choices", choices).await, 200);
    }

    /// The HTTP status and the code of the answer to a change of a message.
    async fn update(&self, message: &Value, parameters: &[(&str, &str)]) -> (u16, Value) {
        let path = format!("Messages/{}.json", message["sid"].as_str().unwrap());
        let answer = self.post(&path, parameters).await;
        (answer.status().as_u16(), answer.json::<Value>().await.unwrap()["code"].clone())
    }
}

#[tokio::test]
async fn choices_are_shown_and_forgotten_by_a_reset() {
    let sandbox = ControlTest::start().await;
    let usual = sandbox.read("choices", &[]).await;
    assert_eq!(usual["broken_rule"], "failed");
    sandbox.choose(json!({"broken_rule": "undelivered"})).await;
    sandbox.choose(json!({"late_cancellation": "409"})).await;
    let chosen = sandbox.read("choices", &[]).await;
    assert_eq!((&chosen["broken_rule"], &chosen["late_cancellation"]), (&json!("undelivered"), &json!("409")));
    assert_eq!(sandbox.read("state", &[]).await["choices"], chosen);
    assert_eq!(sandbox.put("choices", json!({"broken_rule": "lost"})).await, 422);
    assert_eq!(sandbox.read("choices", &[]).await, chosen);
    sandbox.post_control("reset", json!({})).await;
    assert_eq!(sandbox.read("choices", &[]).await, usual);
}

#[tokio::test]
async fn message_outside_the_window_ends_as_chosen() {
    let sandbox = ControlTest::start().await;
    for status in ["failed", "undelivered"] {
        sandbox.choose(json!({"broken_rule": status})).await;
        let message = sandbox.create(&[AVA, WHATSAPP, BODY]).await;
        assert_eq!(sandbox.reported(&message, 1).await, [status]);
        assert_eq!(sandbox.in_status(&message, status).await["error_code"], 63016);
    }
}

#[tokio::test]
async fn message_to_an_opted_out_person_is_refused_or_fails() {
    let sandbox = ControlTest::start().await;
    let mut rules = sandbox.read("rules", &[]).await;
    rules["advanced_opt_out"] = json!(true);
    assert_eq!(sandbox.put("rules", rules).await, 200);
    sandbox.send_inbound(json!({"from": AVA.1, "body": "Revoke"})).await;
    assert_eq!(sandbox.refused(&[AVA, WHATSAPP, TEMPLATE]).await, 21610);
    sandbox.choose(json!({"opted_out": "fails"})).await;
    let accepted = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    assert_eq!(sandbox.in_status(&accepted, "failed").await["error_code"], 21610);
}

#[tokio::test]
async fn change_of_a_message_must_redact_or_cancel_it() {
    let sandbox = ControlTest::start().await;
    let message = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    let wrong: [&[_]; 4] = [&[], &[BODY], &[("Status", "sent")], &[("Body", ""), ("Status", "canceled")]];
    for parameters in wrong {
        assert_eq!(sandbox.update(&message, parameters).await, (400, json!(30400)), "{parameters:?}");
    }
    let cancel = [("Status", "canceled")];
    assert_eq!(sandbox.update(&message, &cancel).await, (400, json!(30409)));
    sandbox.choose(json!({"late_cancellation": "409"})).await;
    assert_eq!(sandbox.update(&message, &cancel).await, (409, json!(30409)));
    assert_eq!(sandbox.update(&message, &[("Body", "")]).await.0, 200);
}

#[tokio::test]
async fn scheduled_message_without_a_service_is_as_chosen() {
    let sandbox = ControlTest::start().await;
    let send_at = (Timestamp::now() + SignedDuration::from_mins(20)).to_string();
    let schedule = [("SendAt", send_at.as_str()), ("ScheduleType", "fixed")];
    let message = [[AVA, WHATSAPP, TEMPLATE].as_slice(), &schedule].concat();
    assert_eq!(sandbox.refused(&message).await, 35118);
    assert_eq!(sandbox.refused(&[AVA, SERVICE, TEMPLATE, schedule[1]]).await, 35111);
    assert_eq!(sandbox.refused(&[AVA, SERVICE, TEMPLATE, schedule[0], ("ScheduleType", "later")]).await, 35126);
    sandbox.choose(json!({"unscheduled": "sent_at_once"})).await;
    let sent = sandbox.create(&message).await;
    assert_eq!(sent["status"], "queued");
    sandbox.in_status(&sent, "read").await;
}

#[tokio::test]
async fn files_beside_a_content_fail_or_are_ignored() {
    let sandbox = ControlTest::start().await;
    let file = ("MediaUrl", "https://example.com/a.png");
    let failing = sandbox.create(&[AVA, WHATSAPP, TEMPLATE, file]).await;
    assert_eq!(sandbox.in_status(&failing, "failed").await["error_code"], 63030);
    sandbox.choose(json!({"media_beside_content": "ignored"})).await;
    let sent = sandbox.create(&[AVA, WHATSAPP, TEMPLATE, file]).await;
    assert_eq!((&sandbox.in_status(&sent, "read").await["num_media"], &sent["num_media"]), (&json!("0"), &json!("0")));
}

#[tokio::test]
async fn variable_that_the_template_lacks_fails_after_it_was_accepted() {
    let sandbox = ControlTest::start().await;
    let with = |variables: &'static str| [AVA, WHATSAPP, TEMPLATE, ("ContentVariables", variables)];
    assert_eq!(sandbox.refused(&with(r#"{"1": ""}"#)).await, 21656);
    let extra = sandbox.create(&with(r#"{"1": "Ben", "3": "x"}"#)).await;
    assert_eq!(sandbox.in_status(&extra, "failed").await["error_code"], 63028);
    let missing = sandbox.create(&with(r#"{"1": "Ben"}"#)).await;
    assert_eq!(missing["body"], "Hello Ben, your order 18473 is on its way.");
    until(async || Some(sandbox.webhooks(&missing).await).filter(|sent| sent.len() == 3)).await;
}

/// The parameters of the webhook of what Ava sends.
async fn form_of(sandbox: &ControlTest, sent: Value) -> Value {
    let mut message = json!({"from": AVA.1});
    message.as_object_mut().unwrap().extend(sent.as_object().unwrap().clone());
    let result = sandbox.send_inbound(message).await;
    let timeline = sandbox.read("timeline", &[("limit", "20")]).await;
    let entries = timeline["entries"].as_array().unwrap();
    let of_message = |entry: &&Value| entry["kind"] == "webhook" && entry["message_sid"] == result["message_sid"];
    entries.iter().rev().find(of_message).map(|entry| entry["details"]["form"].clone()).unwrap_or_default()
}

#[tokio::test]
async fn selected_row_arrives_as_it_was_chosen() {
    let sandbox = ControlTest::start().await;
    for (choice, id, title) in [
        ("list_parameters", "ListId", "ListTitle"),
        ("button_parameters", "ButtonPayload", "ButtonText"),
        ("text_alone", "", ""),
    ] {
        assert_eq!(sandbox.put("choices", json!({"list_answer": choice})).await, 200);
        let form = form_of(&sandbox, json!({"list_item": {"id": "red", "title": "Red"}})).await;
        assert_eq!((&form["Body"], &form["MessageType"]), (&json!("Red"), &json!("interactive")), "{choice}");
        if !id.is_empty() {
            assert_eq!((&form[id], &form[title]), (&json!("red"), &json!("Red")), "{choice}");
        }
        let others = ["ListId", "ButtonPayload"].iter().filter(|name| form.get(**name).is_some()).count();
        assert_eq!(others, usize::from(!id.is_empty()), "{choice}");
    }
}

#[tokio::test]
async fn flow_order_and_advertisement_have_twilios_and_metas_names() {
    let sandbox = ControlTest::start().await;
    let form = form_of(&sandbox, json!({"flow": {"size": "L"}})).await;
    assert_eq!(form["FlowData"], r#"{"size":"L"}"#);
    assert_eq!(form["InteractiveData"], r#"{"flowResponse":{"size":"L"}}"#);
    let order = json!({"order": {"catalog_id": "7", "items": [{"product_id": "mug", "quantity": 2}]}});
    for (choice, parameter) in [("interactive_data", "InteractiveData"), ("channel_metadata", "ChannelMetadata")] {
        sandbox.put("choices", json!({"order_answer": choice})).await;
        let form = form_of(&sandbox, order.clone()).await;
        let reported: Value = serde_json::from_str(form[parameter].as_str().unwrap()).unwrap();
        let order = reported.get("order").or_else(|| reported["data"].get("order")).unwrap();
        assert_eq!(order["product_items"][0]["product_retailer_id"], "mug");
        assert_eq!(form["MessageType"], "order");
    }
    sandbox.put("choices", json!({"order_answer": "absent"})).await;
    assert!(!form_of(&sandbox, order).await.to_string().contains("mug"));
    let clicked = json!({"body": "hi", "referral": {"source_id": "120", "ctwa_clid": "abc", "media_url": "https://e.example/a.png"}});
    let form = form_of(&sandbox, clicked).await;
    let values =
        ["ReferralSourceId", "ReferralCtwaClid", "ReferralNumMedia", "ReferralMediaUrl"].map(|name| form[name].clone());
    assert_eq!(values, ["120", "abc", "1", "https://e.example/a.png"]);
}

#[tokio::test]
async fn reaction_is_a_message_or_metadata_or_nothing() {
    let sandbox = ControlTest::start().await;
    let sid = sandbox.create(&[AVA, SERVICE, TEMPLATE]).await["sid"].clone();
    let reaction = json!({"reaction": "👍", "replied_to": sid});
    let form = form_of(&sandbox, reaction.clone()).await;
    assert_eq!((&form["MessageType"], &form["Body"]), (&json!("reaction"), &json!("👍")));
    assert_eq!(form["OriginalRepliedMessageSid"], sid);
    sandbox.put("choices", json!({"reaction": "channel_metadata"})).await;
    let form = form_of(&sandbox, reaction.clone()).await;
    let reported: Value = serde_json::from_str(form["ChannelMetadata"].as_str().unwrap()).unwrap();
    assert_eq!((&reported["data"]["reaction"]["emoji"], &form["Body"]), (&json!("👍"), &json!("")));
    sandbox.put("choices", json!({"reaction": "not_posted"})).await;
    assert_eq!(form_of(&sandbox, reaction).await, Value::Null);
}
