//! The registry of templates: what Event Streams and Twilio's list say of a template is in force for the next notification.

use std::sync::LazyLock;

use domain::templates::RegisteredTemplate;
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, AUTH_TOKEN};
use stores::templates::{FoundTemplate, TemplateStore};
use tests::harness::{
    sender::{Record, Sender},
    wire::Side,
};
use tokio::sync::OnceCell;

use crate::{
    support::queue_of_the_test,
    world::{Person, World, new_id, of_notification},
};

const EVENT_TYPE: &str = "com.twilio.messaging.template.approval.updated";

/// A request to the sandbox as Twilio.
async fn twilio(world: &World, method: &str, path: &str, body: &Value) -> Value {
    let request = world.http.request(method.parse().unwrap(), format!("{}{path}", world.stack.sandbox_url));
    let request = request.basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN));
    // The Content API has JSON, Event Streams has forms.
    let request = if path.starts_with("/v1/Content") { request.json(body) } else { request.form(body) };
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{path}: {} {}", answer.status(), answer.text().await.unwrap());
    answer.json().await.unwrap_or_default()
}

static SUBSCRIBED: LazyLock<OnceCell<()>> = LazyLock::new(OnceCell::new);

/// Lets the sandbox post the changes of templates to the stack, once for all tests.
async fn subscribe(world: &World) {
    SUBSCRIBED.get_or_init(|| add_sink(world)).await;
}

/// Lets Twilio report the changes of templates to the stack.
pub(super) async fn add_sink(world: &World) {
    let destination = format!("{}/twilio/events", world.stack.api_url);
    let configuration = json!({"destination": destination, "method": "POST", "batch_events": true}).to_string();
    let sink = json!({"Description": "tests", "SinkType": "webhook", "SinkConfiguration": configuration});
    let sink = twilio(world, "POST", "/v1/Sinks", &sink).await;
    let types = json!({"type": EVENT_TYPE, "schema_version": 1}).to_string();
    let subscription = json!({"Description": "tests", "SinkSid": sink["sid"], "Types": types});
    twilio(world, "POST", "/v1/Subscriptions", &subscription).await;
}

/// Creates a template with this text in this language. Gives its SID.
async fn create(world: &World, name: &str, language: &str, body: &str) -> String {
    let content = json!({"friendly_name": name, "language": language, "types": {"twilio/text": {"body": body}}});
    let created = twilio(world, "POST", "/v1/Content", &content).await;
    created["sid"].as_str().unwrap().to_owned()
}

/// WhatsApp changes a template, which the sandbox reports by Event Streams.
pub(super) async fn change(world: &World, sid: &str, change: Value) {
    world.control("PUT", &format!("templates/{sid}"), &change).await;
}

/// A template that WhatsApp has approved.
pub(super) async fn approved(world: &World, name: &str, language: &str, body: &str) -> String {
    let sid = create(world, name, language, body).await;
    let request = json!({"name": format!("{name}_{language}").to_lowercase(), "category": "UTILITY"});
    twilio(world, "POST", &format!("/v1/Content/{sid}/ApprovalRequests/whatsapp"), &request).await;
    change(world, &sid, json!({"status": "approved"})).await;
    sid
}

pub(super) fn new_name(name: &str) -> String {
    format!("{name}_{}", &uuid::Uuid::new_v4().simple().to_string()[..12])
}

/// A notification with a template by its name.
fn named(id: &str, person: &Person, name: &str, locale: Option<&str>) -> Value {
    let content = json!({"type": "template", "name": name, "locale": locale, "variables": {"1": "Ava"}});
    json!({"id": id, "to": person.identity, "category": "utility", "content": content})
}

/// Sends notifications, one after the other, until one is sent as wanted. A change is in force as soon as each running function
/// has read the registry again. Gives the log of that one.
async fn until_sent(
    world: &World,
    what: &str,
    request: impl Fn(&str) -> Value,
    is_wanted: impl Fn(&Value) -> bool,
) -> Value {
    world
        .until(what, async || {
            let id = new_id("template");
            world.notify(&request(&id)).await;
            let log = world
                .until("its outcome", async || {
                    let (status, log) = world.call("GET", &format!("/notifications/{id}"), "").await;
                    (status == 200 && !log["outcome"].is_null()).then_some(log)
                })
                .await;
            is_wanted(&log).then_some(log)
        })
        .await
}

#[tokio::test]
async fn named_template_falls_back_by_locale() {
    let (world, person, name) = (World::new(), Person::new(), new_name("locale"));
    subscribe(&world).await;
    let portuguese = approved(&world, &name, "pt", "Olá {{1}}, o seu pedido chegou hoje.").await;
    let english = approved(&world, &name, "en", "Hello {{1}}, your order has arrived today.").await;
    for (locale, sid, text) in [
        (Some("pt-BR"), &portuguese, "Olá Ava, o seu pedido chegou hoje."),
        (Some("de"), &english, "Hello Ava, your order has arrived today."),
        (None, &english, "Hello Ava, your order has arrived today."),
    ] {
        // A function may have read the registry when WhatsApp had approved one of them.
        let request = |id: &str| named(id, &person, &name, locale);
        until_sent(&world, text, request, |log| log["attempts"][0]["content_sid"] == json!(sid)).await;
        assert_eq!(world.sent_to(&person).await.last().unwrap()["body"], text, "{locale:?}");
    }
    let used = async || stored(&world, &portuguese).await.last_used_on;
    world.until("the day of its use", async || used().await).await;
}

#[tokio::test]
async fn paused_template_is_replaced_by_its_fallback_and_comes_back() {
    let (world, person, name) = (World::new(), Person::new(), new_name("paused"));
    subscribe(&world).await;
    let sid = approved(&world, &name, "en", "Hello {{1}}, your order has arrived today.").await;
    let request = |id: &str| {
        let mut request = named(id, &person, &name, Some("en"));
        request["fallback"] = json!([{"channel": "sms", "content": {"type": "text", "body": "By SMS."}}]);
        request
    };
    until_sent(&world, "a message by the template", request, |log| log["attempts"][0]["route"] == 0).await;
    change(&world, &sid, json!({"status": "paused"})).await;
    let reason = "content: the template is paused at WhatsApp, expected an approved one";
    let passed_over = json!([{"route": 0, "reason": reason}]);
    // Another process of `send` may not know the template at all yet.
    let is_passed_over = |log: &Value| log["attempts"][0]["passed_over"] == passed_over;
    let log = until_sent(&world, "a message by the fallback", request, is_passed_over).await;
    let attempts = log["attempts"].as_array().unwrap();
    assert_eq!((attempts.len(), &attempts[0]["channel"]), (1, &json!("sms")), "nothing was tried at Twilio: {log}");
    assert_eq!(attempts[0]["route"], 1);
    let known = stored(&world, &sid).await;
    assert_eq!((known.status.as_str(), known.name.as_deref()), ("paused", Some(name.as_str())));

    let without_fallback = |id: &str| named(id, &person, &name, Some("en"));
    let log = until_sent(&world, "a refusal", without_fallback, |log| log["outcome"] == "rejected").await;
    let id = log["id"].as_str().unwrap();
    let event = world.event("the refusal", of_notification("notification_failed", id)).await;
    assert_eq!((&event["outcome"], &event["reason"]), (&json!("rejected"), &json!(reason)));

    change(&world, &sid, json!({"status": "approved"})).await;
    let log =
        until_sent(&world, "a message by the template again", request, |log| log["attempts"][0]["route"] == 0).await;
    assert_eq!(log["attempts"][0]["content_sid"], json!(sid));
}

#[tokio::test]
async fn value_that_is_missing_is_named_and_no_sample_is_sent() {
    let (world, person) = (World::new(), Person::new());
    let variables = json!({"1": "Ava", "3": "x"});
    let content = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": variables});
    let request = |id: &str| json!({"id": id, "to": person.identity, "category": "utility", "content": content});
    let reason = |log: &Value| log["reason"].as_str().unwrap_or_default().to_owned();
    let log = until_sent(&world, "a refusal by the registry", request, |log| reason(log).contains("missing")).await;
    assert_eq!((&log["outcome"], log["attempts"].as_array().map(Vec::len)), (&json!("rejected"), Some(0)), "{log}");
    assert!(reason(&log).contains("content.variables.2: missing"), "{log}");
    assert!(reason(&log).contains("content.variables.3: expected no such variable"), "{log}");
}

/// The SIDs of the templates in the registry.
async fn registry(world: &World) -> Vec<String> {
    let scan = world.dynamodb.scan().table_name(&world.stack.outputs.templates_table_name).consistent_read(true);
    let items = scan.send().await.unwrap().items.unwrap_or_default();
    items.iter().filter_map(|item| item.get("template")?.as_s().ok().cloned()).collect()
}

#[tokio::test]
async fn new_template_is_sent_by_name_after_the_next_list() {
    let (world, person, name) = (World::new(), Person::new(), new_name("new"));
    world.open_window(&person).await;
    // Not submitted, so Event Streams says nothing. In the open window WhatsApp accepts it all the same.
    let sid = create(&world, &name, "en", "Hello {{1}}, this is new for you today.").await;
    let id = new_id("new");
    world.notify(&named(&id, &person, &name, Some("en"))).await;
    let log = world.until_outcome(&id, "read").await;
    assert_eq!(log["attempts"][0]["content_sid"], json!(sid), "{log}");
}

/// Creates a template, and waits until the registry has it.
pub(super) async fn known_template(world: &World) -> String {
    let sid = create(world, &new_name("deleted"), "en", "Hello {{1}}, this goes away again.").await;
    let is_known = async || registry(world).await.contains(&sid);
    world.until("the new template", async || is_known().await.then_some(())).await;
    // As if it had been known for a while: a list that is read now may be older than a new template.
    let key = |name: &str, value: &str| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value.to_owned()));
    let update = world.dynamodb.update_item().table_name(&world.stack.outputs.templates_table_name);
    let update = update.set_key(Some([key("account", ACCOUNT_SID), key("template", &sid)].into()));
    let update = update.update_expression("SET entry.registered_at = :long_ago");
    let long_ago = aws_sdk_dynamodb::types::AttributeValue::S("2026-01-01T00:00:00Z".to_owned());
    update.expression_attribute_values(":long_ago", long_ago).send().await.unwrap();
    sid
}

/// Deletes a template at Twilio.
pub(super) async fn delete_template(world: &World, sid: &str) {
    twilio(world, "DELETE", &format!("/v1/Content/{sid}"), &json!({})).await;
}

#[tokio::test]
async fn deleted_template_leaves_the_registry() {
    let world = World::new();
    let sid = known_template(&world).await;
    delete_template(&world, &sid).await;
    let is_known = async || registry(&world).await.contains(&sid);
    world.until("the registry without it", async || (!is_known().await).then_some(())).await;
}

#[tokio::test]
async fn forged_event_of_a_template_is_refused() {
    let world = World::new();
    let data = json!({"type": "status_update", "accountSid": ACCOUNT_SID,
                      "template": {"sid": sandbox::ORDER_UPDATE_SID, "currentValue": "disabled"}});
    let body = json!([{"type": EVENT_TYPE, "data": data}]).to_string();
    let hash = domain::digest::sha256_hex(body.as_bytes());
    let url = format!("{}/twilio/events?bodySHA256={hash}", world.stack.api_url);
    for token in ["forged", AUTH_TOKEN] {
        let signature = twilio_webhook::signature::sign(&token.into(), &url, &twilio_webhook::form::Form::default());
        let request = world.http.post(&url).header("Content-Type", "application/json");
        // The right signature, of another body.
        let sent = if token == "forged" { body.clone() } else { body.replace("disabled", "paused") };
        let answer = request.header("X-Twilio-Signature", signature).body(sent).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{token}");
    }
    let order = stored(&world, sandbox::ORDER_UPDATE_SID).await;
    assert_eq!(order.status.as_str(), "approved", "nothing changed");
}

/// Posts events as Twilio does, signed. Gives the status of the answer.
async fn post_events(world: &World, events: &Value) -> u16 {
    let body = events.to_string();
    let hash = domain::digest::sha256_hex(body.as_bytes());
    let url = format!("{}/twilio/events?bodySHA256={hash}", world.stack.api_url);
    let signature = twilio_webhook::signature::sign(&AUTH_TOKEN.into(), &url, &twilio_webhook::form::Form::default());
    let request = world.http.post(&url).header("Content-Type", "application/json");
    request.header("X-Twilio-Signature", signature).body(body).send().await.unwrap().status().as_u16()
}

/// The event that a template has this status since this time.
fn status_event(account_sid: &str, sid: &str, status: &str, at: jiff::Timestamp) -> Value {
    let template = json!({"sid": sid, "friendlyName": "order", "previousValue": "approved", "currentValue": status});
    let data = json!({"type": "status_update", "accountSid": account_sid, "dateUpdated": at, "template": template});
    json!({"specversion": "1.0", "type": EVENT_TYPE, "id": new_id("event"), "time": at, "data": data})
}

#[tokio::test]
async fn bad_event_leaves_the_others_of_its_request() {
    let (world, name) = (World::new(), new_name("events"));
    let [first, second] = ["pt", "en"].map(|language| (language, "Hello {{1}}, your order has arrived today."));
    let (first, second) =
        (create(&world, &name, first.0, first.1).await, create(&world, &name, second.0, second.1).await);
    let (now, earlier) = (jiff::Timestamp::now(), jiff::Timestamp::now() - jiff::SignedDuration::from_hours(1));
    let stranger = "AC00000000000000000000000000000099";
    let mut without_template = status_event(ACCOUNT_SID, &first, "paused", now);
    without_template["data"]["template"]["sid"] = json!("owl");
    let missing = format!("HX{}", "9".repeat(32));
    let events = json!([
        without_template,
        status_event(ACCOUNT_SID, &missing, "paused", now),
        status_event(stranger, &second, "disabled", now),
        status_event(ACCOUNT_SID, &first, "paused", now),
        status_event(ACCOUNT_SID, &first, "approved", earlier),
        status_event(ACCOUNT_SID, &second, "On_Hold", now),
        {"type": "com.twilio.eventstreams.test-event", "data": {"test_id": "1"}},
        7,
    ]);
    for _ in 0..2 {
        assert_eq!(post_events(&world, &events).await, 204);
        assert_eq!(stored(&world, &first).await.status.as_str(), "paused", "the newest counts, not the last one");
        assert_eq!(
            stored(&world, &second).await.status.as_str(),
            "on_hold",
            "a word that is new, and not a stranger's"
        );
    }
    assert!(!registry(&world).await.contains(&missing));
    let late = json!([status_event(ACCOUNT_SID, &first, "approved", earlier)]);
    assert_eq!(post_events(&world, &late).await, 204);
    assert_eq!(stored(&world, &first).await.status.as_str(), "paused", "a late event changes nothing");
    assert_eq!(post_events(&world, &json!([status_event(stranger, &first, "disabled", now)])).await, 403);
    assert_eq!(stored(&world, &first).await.status.as_str(), "paused");
}

/// A template of the registry, as soon as that has it.
async fn stored(world: &World, sid: &str) -> RegisteredTemplate {
    let store = TemplateStore::new(world.dynamodb.clone(), world.stack.outputs.templates_table_name.clone());
    let (account_sid, sid) = (ACCOUNT_SID.parse().unwrap(), sid.parse().unwrap());
    let read = async || match store.get(&account_sid, &sid).await.unwrap() {
        Some(FoundTemplate::Stored(stored)) => Some(stored.template),
        _ => None,
    };
    world.until("the template in the registry", read).await
}

/// At steady state a message costs no request for its template.
#[tokio::test]
async fn registry_is_not_read_again_for_each_message() {
    let world = World::new();
    let queue_url = queue_of_the_test(&world).await;
    let mut sender = Sender::start(&world.stack, &queue_url, &[]).await.unwrap();
    let mut operations = Vec::new();
    for _ in 0..5 {
        let person = Person::new();
        let content =
            json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "7"}});
        let id = new_id("steady");
        let body = json!({"id": id, "to": person.identity, "category": "utility", "content": content}).to_string();
        sender.deliver(&[Record { message_id: id.clone(), body }]).await.unwrap();
        world.notification_in(&id, "accepted").await;
        // Those of this delivery.
        let moments = sender.wire.moments();
        let of_registry =
            moments.iter().filter(|moment| moment.side == Side::Before && moment.operation.contains("Templates"));
        operations.push(of_registry.map(|moment| moment.operation.clone()).collect::<Vec<_>>());
    }
    // The templates were read at the cold start. The first use of a day is written down.
    let (first, later) = operations.split_first().unwrap();
    assert!(!first.contains(&"Query of Templates".to_owned()), "{operations:?}");
    // After 20 seconds the version is read again, and no more.
    assert!(later.iter().flatten().all(|operation| operation == "GetItem of Templates"), "{operations:?}");
    assert!(later.iter().any(Vec::is_empty), "{operations:?}");
}
