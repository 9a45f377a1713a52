//! Two accounts in one deployment, each with its sandbox: their settings, the routes by country, and that one reaches nothing
//! of the other.
//!
//! The tests share a stack with its own clock and run one after another, because each applies a document for all.

use std::{path::Path, sync::LazyLock, time::Duration};

use domain::region::Region;
use jiff::Timestamp;
use serde_json::{Value, json};
use stack::{
    movable::{MovableStack, StackSettings},
    run::{ACCOUNT_SID, AUTH_TOKEN, VERIFY_SERVICE_SID},
};
use stores::tenants::{ApplyOutcome, TenantsTable};
use tokio::{
    runtime::Runtime,
    sync::{Mutex, MutexGuard, OnceCell},
};
use twilio_webhook::{form::Form, signature::sign};

use super::{media::put, stored_media::file, trace::lines_with};
use crate::world::{Person, World, new_id, new_sid, template_notification, text_notification};

/// The second account, as the sandbox has it.
const OTHER: &str = "AC000000000000000000000000000000b2";
const OTHER_SERVICE: &str = "MG000000000000000000000000000000b2";
const OTHER_VERIFY_SERVICE: &str = "VA000000000000000000000000000000b2";
const OTHER_SENDER: &str = "whatsapp:+14155238899";

/// After this time a new document is in force.
const IN_FORCE: Duration = Duration::from_secs(31);

/// The two accounts, for the test that is using their stack.
struct Tenants {
    stack: MutexGuard<'static, MovableStack>,
    /// The world with the sandbox of the default account.
    one: World,
    /// The world with the sandbox of the second account.
    other: World,
}

impl Tenants {
    /// With a document that says of the second account what every test needs.
    async fn new() -> Self {
        Self::with(&json!({})).await
    }

    /// With a document that also has these settings of the second account.
    async fn with(settings: &Value) -> Self {
        // The stack runs in a runtime that does not end with the test that started it.
        static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
        static STACK: OnceCell<Mutex<MovableStack>> = OnceCell::const_new();
        let start = async || {
            let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
            let settings = StackSettings { second_account: true, timeline: true, ..StackSettings::default() };
            let started =
                RUNTIME.spawn(async move { MovableStack::start(Path::new(&built), "tenants", &settings).await });
            Mutex::new(started.await.unwrap().unwrap())
        };
        let stack = STACK.get_or_init(start).await.lock().await;
        let one = World::of(stack.stack.clone());
        let mut of_other = stack.stack.clone();
        of_other.sandbox_url = stack.second_sandbox_url.clone().unwrap();
        let tenants = Self { stack, one, other: World::of(of_other) };
        tenants.apply(settings).await;
        tenants
    }

    fn table(&self) -> TenantsTable {
        TenantsTable::new(self.one.dynamodb.clone(), self.one.stack.outputs.tenants_table_name.clone())
    }

    /// Applies a document, and lets the time pass until it is in force.
    async fn apply(&self, settings: &Value) {
        let mut of_other = json!({"name": "The second shop", "messaging_service_sid": OTHER_SERVICE});
        for (name, value) in settings.as_object().unwrap() {
            of_other[name] = value.clone();
        }
        let document = json!({"format": 1, "accounts": {OTHER: of_other}}).to_string();
        let table = self.table();
        let seen = table.current().await.unwrap();
        let applied = table.apply(seen, &document, Some("a test"), Timestamp::now()).await.unwrap();
        assert!(matches!(applied, ApplyOutcome::Applied(_)), "{applied:?}");
        let again = table.apply(seen, &document, None, Timestamp::now()).await.unwrap();
        assert_eq!(again, ApplyOutcome::Changed, "another operator was faster");
        self.stack.advance(IN_FORCE).await.unwrap();
    }

    /// Sends a notification of the second account, and waits for its outcome.
    async fn outcome_of(&self, mut notification: Value, account_sid: &str, outcome: &str) -> Value {
        notification["account_sid"] = json!(account_sid);
        self.one.notify(&notification).await;
        self.until_outcome(notification["id"].as_str().unwrap(), account_sid, outcome).await
    }

    /// Whether a function logged that it cannot read the document.
    async fn has_alarm(&self, function: &str) -> bool {
        let lines = lines_with(&self.one, function, "is not valid").await;
        lines.iter().any(|line| line["fields"]["alarm"] == "tenants")
    }

    async fn until_outcome(&self, id: &str, account_sid: &str, outcome: &str) -> Value {
        let path = format!("/notifications/{id}?account_sid={account_sid}");
        self.one
            .until(&format!("notification {id} with the outcome {outcome}"), async || {
                let (_, log) = self.one.call("GET", &path, "").await;
                (log["outcome"] == outcome).then_some(log)
            })
            .await
    }
}

fn marketing(id: &str, person: &Person) -> Value {
    let mut notification = template_notification(id, person);
    notification["category"] = json!("marketing");
    notification
}

#[tokio::test]
async fn tenant_has_its_own_words_texts_scope_and_retention() {
    let text = "The second shop writes no more. START begins again.";
    let tenants = Tenants::with(&json!({
        "retention_days": 90,
        "opt_out": {"scope": "sender", "keywords": {"en": {"stop": {"add": ["ENOUGH OF IT"]}}},
                    "confirmations": {"en": {"stop": text}}},
    }))
    .await;
    let (one, other, person) = (&tenants.one, &tenants.other, Person::new());
    // The word is one of the second account alone.
    assert_eq!(one.write(&person, "ENOUGH OF IT").await["reply"], Value::Null);
    let stopped = other.write(&person, "ENOUGH OF IT").await;
    assert_eq!((&stopped["status"], &stopped["reply"]), (&json!(200), &json!(text)), "{stopped}");

    let items = other.items_of(&format!("{OTHER}#{}", stopped["message_sid"].as_str().unwrap())).await;
    let expires_at: i64 = items[0]["expires_at"].as_n().unwrap().parse().unwrap();
    let days = (expires_at - Timestamp::now().as_second()) / 86_400;
    assert!((88..=91).contains(&days), "{days} days");

    let (of_one, of_other) = (new_id("one"), new_id("other"));
    let suppressed = tenants.outcome_of(template_notification(&of_other, &person), OTHER, "suppressed").await;
    assert!(suppressed["reason"].as_str().unwrap().contains("opted out of this sender"), "{suppressed}");
    tenants.outcome_of(template_notification(&of_one, &person), ACCOUNT_SID, "read").await;
    assert_eq!(one.sent_to(&person).await.len(), 1);
    assert!(other.sent_to(&person).await.iter().all(|message| message["body"] == text), "only the answer");
}

#[tokio::test]
async fn new_document_is_in_force_without_a_deployment() {
    let tenants = Tenants::new().await;
    let person = Person::new();
    let offer = new_id("offer");
    let refused = tenants.outcome_of(marketing(&offer, &person), OTHER, "suppressed").await;
    assert!(refused["reason"].as_str().unwrap().contains("no living consent"), "{refused}");
    tenants.apply(&json!({"policy": {"default": {"consent": {}}}})).await;
    let (again, elsewhere) = (new_id("offer"), new_id("offer"));
    tenants.outcome_of(marketing(&again, &person), OTHER, "read").await;
    tenants.outcome_of(marketing(&elsewhere, &person), ACCOUNT_SID, "suppressed").await;
}

#[tokio::test]
async fn route_follows_the_recipients_country() {
    let brazil: Region = "BR".parse().unwrap();
    let tenants = Tenants::with(&json!({"routes": [{"countries": [brazil.as_str()], "from": OTHER_SENDER}]})).await;
    let brazilian =
        Person { identity: format!("+5511{:09}", 900_000_000 + uuid::Uuid::new_v4().as_u128() % 90_000_000) };
    for (person, by_service) in [(Person::new(), true), (brazilian, false)] {
        tenants.outcome_of(template_notification(&new_id("route"), &person), OTHER, "read").await;
        let sent = tenants.other.sent_to(&person).await;
        let service = if by_service { json!(OTHER_SERVICE) } else { Value::Null };
        assert_eq!((&sent[0]["from"], &sent[0]["messaging_service_sid"]), (&json!(OTHER_SENDER), &service), "{sent:?}");
        assert!(tenants.one.sent_to(&person).await.is_empty(), "the other account's");
    }
}

/// A file of an account, and its key.
async fn file_of(world: &World, account_sid: &str) -> String {
    let wanted = json!({"content_type": "image/png", "content_length": 9, "account_sid": account_sid});
    let (status, link) = world.call("POST", "/media", &wanted.to_string()).await;
    assert_eq!(status, 201, "{link}");
    assert!(put(world, &link, b"a picture", None).await.status().is_success());
    let key = link["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with(&format!("uploads/{account_sid}/")), "{key}");
    key
}

#[tokio::test]
async fn file_of_one_tenant_is_not_sent_by_the_other() {
    let tenants = Tenants::new().await;
    let (one, other, person) = (&tenants.one, &tenants.other, Person::new());
    let key = file_of(one, OTHER).await;
    for world in [one, other] {
        assert_eq!(world.write(&person, "Send me the picture").await["status"], 200);
    }
    let with_file = |id: &str| {
        let mut notification = text_notification(id, &person);
        notification["content"] = json!({"type": "media", "media": [{"key": key}]});
        notification
    };
    let refused = tenants.outcome_of(with_file(&new_id("file")), ACCOUNT_SID, "rejected").await;
    assert!(refused["reason"].as_str().unwrap().starts_with("content.media[0].key: expected the key"), "{refused}");
    tenants.outcome_of(with_file(&new_id("file")), OTHER, "read").await;
    assert!(one.sent_to(&person).await.is_empty());

    for (account, status) in [("", 200), (OTHER, 200), (ACCOUNT_SID, 404)] {
        let query = if account.is_empty() { String::new() } else { format!("?account_sid={account}") };
        let (answered, link) = one.call("GET", &format!("/media/{key}{query}"), "").await;
        assert_eq!(answered, status, "{account}: {link}");
    }
}

#[tokio::test]
async fn file_that_a_person_sent_to_one_tenant_is_closed_to_the_other() {
    let tenants = Tenants::new().await;
    let (one, other, person) = (&tenants.one, &tenants.other, Person::new());
    let picture: &[u8] = b"\x89PNG\r\n\x1a\n of the second account";
    let sent =
        other.write_with(&person, json!({"body": "Look", "media": [file(other, "image/png", picture).await]})).await;
    let key = format!("inbound/{OTHER}/{}/0", sent["message_sid"].as_str().unwrap());
    let stored =
        async || Some(one.call("GET", &format!("/media/{key}"), "").await).filter(|(status, _)| *status == 200);
    let (_, link) = one.until("the stored file", stored).await;
    assert_eq!(one.http.get(link["url"].as_str().unwrap()).send().await.unwrap().bytes().await.unwrap(), picture);
    let (status, answer) = one.call("GET", &format!("/media/{key}?account_sid={ACCOUNT_SID}"), "").await;
    assert_eq!(status, 404, "{answer}");

    assert_eq!(one.write(&person, "Send me the picture").await["status"], 200);
    let mut notification = text_notification(&new_id("file"), &person);
    notification["content"] = json!({"type": "media", "media": [{"key": key}]});
    let refused = tenants.outcome_of(notification, ACCOUNT_SID, "rejected").await;
    assert!(refused["reason"].as_str().unwrap().starts_with("content.media[0].key: expected the key"), "{refused}");
    assert!(one.sent_to(&person).await.is_empty());
}

#[tokio::test]
async fn notifications_and_people_of_a_tenant_are_closed_to_the_other() {
    let tenants = Tenants::new().await;
    let (one, other, person, id) = (&tenants.one, &tenants.other, Person::new(), new_id("shared-id"));
    assert_eq!(other.write(&person, "STOP").await["status"], 200);
    // The same id in both accounts is two notifications.
    let suppressed = tenants.outcome_of(template_notification(&id, &person), OTHER, "suppressed").await;
    assert_eq!(suppressed["account_sid"], OTHER);
    let delivered = tenants.outcome_of(template_notification(&id, &person), ACCOUNT_SID, "read").await;
    let message_sid = delivered["attempts"][0]["message_sid"].as_str().unwrap();
    for (method, path) in [("GET", message_sid), ("DELETE", message_sid)] {
        let (status, answer) = one.call(method, &format!("/notifications/{path}?account_sid={OTHER}"), "").await;
        assert_eq!(status, 404, "{method}: {answer}");
    }
    let contact = format!("/contacts/{}", person.identity.trim_start_matches('+'));
    for (account, opted_out) in [(OTHER, true), (ACCOUNT_SID, false)] {
        let (_, overview) = one.call("GET", &format!("{contact}?account_sid={account}"), "").await;
        let suppressions = overview["suppressions"].as_array().unwrap();
        assert_eq!(suppressions.iter().any(|found| found["preference"] == "opted_out"), opted_out, "{overview}");
    }
}

#[tokio::test]
async fn one_tenant_cannot_sign_or_send_for_the_other() {
    let tenants = Tenants::new().await;
    let (one, other, person, id) = (&tenants.one, &tenants.other, Person::new(), new_id("theirs"));
    tenants.outcome_of(template_notification(&id, &person), OTHER, "read").await;
    // The token of one account signs no form of the other one.
    let address = person.address();
    for path in ["/twilio/inbound", "/twilio/status"] {
        let form = [("MessageSid", new_sid()), ("AccountSid", OTHER.to_owned()), ("From", address.clone())];
        let form = form.map(|(name, value)| (name.to_owned(), value));
        let url = format!("{}{path}", one.stack.api_url);
        let signature = sign(&AUTH_TOKEN.into(), &url, &form.iter().cloned().collect::<Form>());
        let answer = one.http.post(&url).header("X-Twilio-Signature", signature).form(&form).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{path}");
    }
    // A callback of one account that names a notification of the other one changes nothing of it.
    let sid = new_sid();
    let failed = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("MessageStatus", "failed"),
        ("ErrorCode", "63024"),
    ];
    let path = format!("/twilio/status?notification={id}&attempt=0");
    assert_eq!(one.post_signed(&path, &failed).await.status(), 204);
    // What is named of the other account, Twilio refuses: the messages go out with this account's credentials.
    let mut by_their_service = template_notification(&new_id("service"), &person);
    by_their_service["messaging_service_sid"] = json!(OTHER_SERVICE);
    let refused = tenants.outcome_of(by_their_service, ACCOUNT_SID, "rejected").await;
    assert!(refused["attempts"][0]["code"].is_number() || refused["attempts"][0]["code"].is_string(), "{refused}");
    assert_eq!(other.sent_to(&person).await.len(), 1, "the first one alone");
    let log = tenants.until_outcome(&id, OTHER, "read").await;
    assert_eq!(log["attempts"].as_array().unwrap().len(), 1, "{log}");
}

/// The account in the query of a request.
fn of_account(account_sid: &str) -> String {
    format!("?account_sid={account_sid}")
}

#[tokio::test]
async fn one_time_password_of_a_tenant_is_its_own() {
    let (person, id) = (Person::new(), new_id("login"));
    let body = json!({"id": id, "to": person.identity}).to_string();
    let tenants = Tenants::new().await;
    let (one, other) = (&tenants.one, &tenants.other);
    let of_other = format!("/verifications{}", of_account(OTHER));
    let (status, answer) = one.call("POST", &of_other, &body).await;
    assert_eq!((status, &answer["error"]["field"]), (404, &json!("account_sid")), "no service: {answer}");

    // Twilio finds the service of one account in no other one.
    tenants.apply(&json!({"verify": {"service_sid": VERIFY_SERVICE_SID}})).await;
    let (status, answer) = one.call("POST", &of_other, &body).await;
    assert_eq!((status, &answer["error"]["reason"]), (502, &json!("refused_by_twilio")), "{answer}");

    tenants.apply(&json!({"verify": {"service_sid": OTHER_VERIFY_SERVICE, "channels": ["sms"]}})).await;
    let (status, sent) = one.call("POST", &of_other, &body).await;
    assert_eq!((status, &sent["account_sid"], &sent["channel"]), (201, &json!(OTHER), &json!("sms")), "{sent}");
    assert_eq!((other.sent_by_sms_to(&person).await.len(), one.sent_by_sms_to(&person).await.len()), (1, 0));
    // The id and the verification are unknown to the default account, which may use the same id.
    let sid = sent["sid"].as_str().unwrap();
    for target in [json!({"id": id, "code": "123456"}), json!({"sid": sid, "code": "123456"})] {
        let (status, answer) = one.call("POST", "/verifications/check", &target.to_string()).await;
        assert_eq!((status, &answer["error"]["reason"]), (404, &json!("not_found")), "{answer}");
    }
    let (status, own) = one.call("POST", "/verifications", &body).await;
    assert_eq!((status, &own["account_sid"], &own["channel"]), (201, &json!(ACCOUNT_SID), &json!("whatsapp")), "{own}");
    assert_ne!(own["sid"], sent["sid"]);
}

#[tokio::test]
async fn message_to_one_tenant_is_not_marked_as_read_by_the_other() {
    let tenants = Tenants::new().await;
    let (one, other, person) = (&tenants.one, &tenants.other, Person::new());
    let written = other.write(&person, "Where is my order?").await["message_sid"].as_str().unwrap().to_owned();
    for (account_sid, status) in [(ACCOUNT_SID, 404), (OTHER, 200)] {
        let path = format!("/messages/{written}/typing{}", of_account(account_sid));
        let (answered, answer) = one.call("POST", &path, "").await;
        assert_eq!(answered, status, "{account_sid}: {answer}");
    }
    let messages = other.messages_at_twilio(&person).await;
    assert!(messages[0]["sandbox"]["read_at"].is_string(), "{messages:?}");
}

#[tokio::test]
async fn events_name_the_tenant_that_they_belong_to() {
    let tenants = Tenants::new().await;
    let (one, other, person) = (&tenants.one, &tenants.other, Person::new());
    let by_account = [(one, ACCOUNT_SID), (other, OTHER)];
    for (world, _) in by_account {
        assert_eq!(world.write(&person, "Where is my order?").await["status"], 200);
    }
    let mut missing = vec![ACCOUNT_SID, OTHER];
    one.until("an event of each account", async || {
        let queue = &one.stack.outputs.events_queue_url;
        let receive = one.sqs.receive_message().queue_url(queue).max_number_of_messages(10).wait_time_seconds(1);
        for message in receive.send().await.unwrap().messages() {
            let event: Value = serde_json::from_str(message.body().unwrap()).unwrap();
            let handle = message.receipt_handle().unwrap();
            one.sqs.delete_message().queue_url(queue).receipt_handle(handle).send().await.unwrap();
            if event["from"] == person.address() {
                missing.retain(|account| event["account_sid"] != *account);
            }
        }
        missing.is_empty().then_some(())
    })
    .await;
    // Each sandbox has its own message, and nothing of the other one's.
    for (world, _) in by_account {
        assert_eq!(world.messages_at_twilio(&person).await.len(), 1);
    }
}

#[tokio::test]
async fn timeline_of_a_tenant_shows_what_the_system_does_for_it() {
    let tenants = Tenants::new().await;
    let (one, other, person, id) = (&tenants.one, &tenants.other, Person::new(), new_id("shown"));
    tenants.outcome_of(template_notification(&id, &person), OTHER, "read").await;
    let decisions = async |world: &World| -> Vec<Value> {
        let url = format!("{}/sandbox/timeline", world.stack.sandbox_url);
        let timeline: Value = world.http.get(url).send().await.unwrap().json().await.unwrap();
        let entries = timeline["entries"].as_array().unwrap().iter();
        entries.filter(|entry| entry["kind"] == "decision" && entry["notification_id"] == id).cloned().collect()
    };
    let shown =
        other.until("a decision", async || Some(decisions(other).await).filter(|shown| !shown.is_empty())).await;
    assert!(shown[0]["summary"].as_str().unwrap().starts_with(&id), "{shown:?}");
    assert!(decisions(one).await.is_empty(), "nothing of another account");
}

#[tokio::test]
async fn account_with_callers_is_closed_to_all_others() {
    let verify = json!({"service_sid": OTHER_VERIFY_SERVICE});
    let callers = json!(["arn:aws:iam::123456789012:role/second-shop"]);
    let tenants = Tenants::with(&json!({"callers": callers, "verify": verify})).await;
    let (one, other, person) = (&tenants.one, &tenants.other, Person::new());
    let written = other.write(&person, "Hello").await["message_sid"].as_str().unwrap().to_owned();
    let contact = format!("/contacts/{}", person.identity.trim_start_matches('+'));
    let consent = json!({"category": "marketing", "source": "form", "text": "Yes"}).to_string();
    let suppression = json!({"scope": "all", "reason": "a letter"}).to_string();
    let upload = json!({"content_type": "image/png", "content_length": 9}).to_string();
    let code = json!({"id": new_id("login"), "to": person.identity}).to_string();
    let check = json!({"to": person.identity, "code": "123456"}).to_string();
    for (method, path, body) in [
        ("GET", contact.clone(), ""),
        ("PUT", format!("{contact}/consent"), consent.as_str()),
        ("PUT", format!("{contact}/suppression"), &suppression),
        ("DELETE", format!("{contact}/suppression"), &suppression),
        ("GET", "/notifications/order-1".to_owned(), ""),
        ("DELETE", "/notifications/order-1".to_owned(), ""),
        ("POST", "/media".to_owned(), &upload),
        ("GET", format!("/media/uploads/{OTHER}/a.png"), ""),
        ("GET", format!("/media/inbound/{OTHER}/{}/0", new_sid()), ""),
        ("POST", "/verifications".to_owned(), &code),
        ("POST", "/verifications/check".to_owned(), &check),
        ("POST", format!("/messages/{written}/typing"), ""),
    ] {
        let (status, problem) = one.call(method, &format!("{path}?account_sid={OTHER}"), body).await;
        assert_eq!((status, &problem["error"]["field"]), (403, &json!("account_sid")), "{method} {path}: {problem}");
        if path.starts_with("/media/") {
            let (status, problem) = one.call(method, &path, body).await;
            assert_eq!(status, 403, "the key names the account: {problem}");
        }
    }
    assert!(other.sent_to(&person).await.is_empty(), "neither a code nor anything else");
    let (status, overview) = one.call("GET", &contact, "").await;
    assert_eq!(status, 200, "the default account lists no caller: {overview}");
    assert_eq!(overview["account_sid"], ACCOUNT_SID);
}

#[tokio::test]
async fn broken_document_is_an_alarm_and_the_last_one_counts() {
    let tenants = Tenants::with(&json!({"policy": {"default": {"consent": {}}}})).await;
    let person = Person::new();
    tenants.outcome_of(marketing(&new_id("before"), &person), OTHER, "read").await;
    let table = tenants.table();
    let (current, broken) = (table.current().await.unwrap(), r#"{"format": 1, "accounts": {"AC"#);
    table.apply(current, broken, None, Timestamp::now()).await.unwrap();
    tenants.stack.advance(IN_FORCE).await.unwrap();
    tenants.outcome_of(marketing(&new_id("after"), &person), OTHER, "read").await;
    tenants.one.until("the alarm of send", async || tenants.has_alarm("Send").await.then_some(())).await;
}
