//! User ids of people, hidden and changed numbers, and service windows.

use serde_json::{Value, json};
use twilio_webhook::form::Form;

use crate::control::{AVA, AVA_BY_SMS, BODY, ControlTest, TEMPLATE, WHATSAPP};

const CHLOE: &str = "whatsapp:US.13491208655302741918";
const OTHER_SENDER: &str = "whatsapp:+14155238887";

impl ControlTest {
    /// A person writes. Gives the webhook's form.
    async fn webhook_from(&self, from: &str) -> Form {
        let sent = self.send_inbound(json!({"from": from, "body": "hi"})).await;
        self.forms(&sent["message_sid"]).await.pop().unwrap()
    }

    /// The forms of the webhooks about a message.
    async fn forms(&self, sid: &Value) -> Vec<Form> {
        let state = self.read("state", &[]).await;
        let entries = state["timeline"].as_array().unwrap().iter();
        let webhooks = entries.filter(|entry| entry["message_sid"] == *sid && entry["details"]["form"].is_object());
        let form = |entry: &Value| {
            let fields = entry["details"]["form"].as_object().unwrap().iter();
            fields.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect()
        };
        webhooks.map(form).collect()
    }

    async fn change_person(&self, address: &str, change: Value) -> Value {
        let url = format!("{}/sandbox/people/{address}", self.server.url);
        self.http.put(url).json(&change).send().await.unwrap().json().await.unwrap()
    }

    /// The error code of a message to this address; null where it was read.
    async fn error_to(&self, to: &str) -> Value {
        let message = self.create(&[("To", to), WHATSAPP, TEMPLATE]).await;
        self.ended(&message).await
    }

    async fn ended(&self, message: &Value) -> Value {
        let last = async || self.reported(message, 1).await.last().cloned().unwrap();
        let failed = last().await == "failed";
        self.in_status(message, if failed { "failed" } else { "read" }).await["error_code"].clone()
    }

    /// Creates an approved template for one-time passwords.
    async fn authentication_template(&self) -> String {
        let actions = json!([{"type": "COPY_CODE", "copy_code_text": "Copy"}]);
        let content = json!({"friendly_name": "code", "language": "en", "variables": {"1": "123456"},
                             "types": {"whatsapp/authentication": {"actions": actions}}});
        let post = async |path: &str, body: &Value| {
            let request = self.http.post(format!("{}/v1/Content{path}", self.server.url)).json(body);
            let request = request.basic_auth("SK00000000000000000000000000000001", Some("sandbox-secret"));
            request.send().await.unwrap().json::<Value>().await.unwrap()
        };
        let sid = post("", &content).await["sid"].as_str().unwrap().to_owned();
        let approval = json!({"name": "code", "category": "AUTHENTICATION"});
        post(&format!("/{sid}/ApprovalRequests/whatsapp"), &approval).await;
        assert_eq!(self.post_control("clock", json!({"advance_seconds": 60})).await, 200);
        sid
    }
}

#[tokio::test]
async fn webhook_has_the_user_id_and_the_number_unless_it_is_hidden() {
    let sandbox = ControlTest::start().await;
    let shown = sandbox.webhook_from(AVA.1).await;
    let user_id = shown.get("ExternalUserId").unwrap().to_owned();
    assert_eq!((shown.get("From"), shown.get("ParentExternalUserId")), (Some(AVA.1), None));
    assert!(user_id.starts_with("whatsapp:US."), "{user_id}");

    let changed = sandbox.change_person(AVA.1, json!({"hides_number": true})).await;
    assert_eq!((&changed["user_id"], &changed["hides_number"]), (&json!(user_id), &json!(true)));
    let hidden = sandbox.webhook_from(AVA.1).await;
    let ids = ["From", "ExternalUserId"].map(|name| hidden.get(name));
    assert_eq!((ids, hidden.get("ProfileName")), ([Some(user_id.as_str()); 2], Some("Ava")));

    assert_eq!(sandbox.put("portfolio", json!({"parent_linked": true, "to": AVA.1})).await, 204);
    let linked = sandbox.webhook_from(AVA.1).await;
    let parent = linked.get("ParentExternalUserId").unwrap();
    assert!(parent.starts_with("whatsapp:US.ENT."), "{parent}");
    assert_eq!((linked.get("From"), linked.get("ExternalUserId")), (Some(parent), Some(user_id.as_str())));
    assert_eq!(sandbox.error_to(parent).await, Value::Null);
}

#[tokio::test]
async fn user_id_is_reached_once_it_came_in_a_webhook() {
    let sandbox = ControlTest::start().await;
    assert_eq!(sandbox.refused(&[("To", CHLOE), WHATSAPP, TEMPLATE]).await, 21211);
    sandbox.webhook_from(CHLOE).await;
    assert_eq!(sandbox.error_to(CHLOE).await, Value::Null);
    assert_eq!(sandbox.error_to("whatsapp:US.123").await, 63024, "of another portfolio");
}

#[tokio::test]
async fn one_time_password_needs_a_number() {
    let sandbox = ControlTest::start().await;
    let user_id = sandbox.webhook_from(AVA.1).await.get("ExternalUserId").unwrap().to_owned();
    let template = sandbox.authentication_template().await;
    let send = async |to: &str| {
        let message = sandbox.create(&[("To", to), WHATSAPP, ("ContentSid", &template)]).await;
        sandbox.ended(&message).await
    };
    assert_eq!((send(AVA.1).await, send(&user_id).await), (Value::Null, json!(63024)));
}

#[tokio::test]
async fn new_number_has_a_new_user_id() {
    let sandbox = ControlTest::start().await;
    let user_id = sandbox.webhook_from(AVA.1).await.get("ExternalUserId").unwrap().to_owned();
    let changed = sandbox.change_person(AVA.1, json!({"number": "whatsapp:+14155550199"})).await;
    assert_eq!(changed["address"], "whatsapp:+14155550199");
    assert_ne!(changed["user_id"], json!(user_id));
    let webhook = sandbox.webhook_from("whatsapp:+14155550199").await;
    assert_eq!((webhook.get("ExternalUserId"), webhook.get("ProfileName")), (changed["user_id"].as_str(), Some("Ava")));
    for left in [AVA.1, &user_id] {
        assert_eq!(sandbox.error_to(left).await, 63024, "{left}");
    }
    assert_eq!(sandbox.error_to(changed["user_id"].as_str().unwrap()).await, Value::Null);
}

#[tokio::test]
async fn delivered_and_read_callbacks_have_the_user_ids() {
    let sandbox = ControlTest::start().await;
    assert_eq!(sandbox.put("portfolio", json!({"parent_linked": true})).await, 204);
    let message = sandbox.create(&[AVA, WHATSAPP, TEMPLATE]).await;
    sandbox.reported(&message, 3).await;
    let forms = sandbox.forms(&message["sid"]).await;
    assert_eq!(forms.len(), 3);
    for form in forms {
        let ids = ["ExternalUserId", "ParentExternalUserId"].map(|name| form.get(name).is_some());
        assert_eq!(ids, [form.get("MessageStatus") != Some("sent"); 2], "{form:?}");
        assert_eq!(form.get("To"), Some(AVA.1));
    }
}

#[tokio::test]
async fn window_is_open_for_the_sender_that_the_person_wrote_to() {
    let sandbox = ControlTest::start().await;
    let send = async |sender: &str| {
        let message = sandbox.create(&[AVA, ("From", sender), BODY]).await;
        sandbox.ended(&message).await
    };
    sandbox.webhook_from(AVA_BY_SMS.1).await;
    assert_eq!(send(WHATSAPP.1).await, 63016, "an SMS opens no window");
    assert_eq!(sandbox.refused(&[AVA, ("From", OTHER_SENDER), BODY]).await, 63007);
    assert_eq!(sandbox.post_control("senders", json!({"address": OTHER_SENDER})).await, 204);
    sandbox.send_inbound(json!({"from": AVA.1, "to": OTHER_SENDER, "body": "hi"})).await;
    assert_eq!((send(WHATSAPP.1).await, send(OTHER_SENDER).await), (json!(63016), Value::Null));
    sandbox.webhook_from(AVA.1).await;
    assert_eq!(send(WHATSAPP.1).await, Value::Null);
}
