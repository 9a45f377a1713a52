//! The running stack, with a method for each thing that a test does or waits for.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_sqs::types::MessageSystemAttributeName;
use domain::{
    contact_key::ContactKey,
    erasure::ErasureKey,
    person::WindowKey,
    preference::Preference,
    suppression::{Scope, SuppressionKey},
};
use serde_json::{Value, json};
use stack::{
    Stack,
    deploy::STACK_NAME,
    run::{ACCOUNT_SID, AUTH_TOKEN, MESSAGING_SERVICE_SID},
    signed::{UnsignedRequest, signed},
};
use stores::{
    contacts::{Contacts, StoredPerson},
    dynamodb::Item,
};
use twilio_types::address::Channel;
use twilio_webhook::{form::Form, signature::sign};

/// A working system needs less. It is longer than the lease of a lost request, the validity period that the tests use and two
/// minutes, and the visibility timeout of 270 seconds, after which a message comes again if its delay could not be changed.
pub(crate) const DEADLINE: Duration = Duration::from_mins(8);
const PAUSE: Duration = Duration::from_millis(100);

/// The running stack. All tests read its events through one consumer, since a queue gives each message once.
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) http: reqwest::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) s3: aws_sdk_s3::Client,
}

static EVENTS: Mutex<Vec<Value>> = Mutex::new(Vec::new());
static DEAD_LETTERS: Mutex<Vec<DeadLetter>> = Mutex::new(Vec::new());

/// A message on the outbound dead-letter queue.
#[derive(Clone)]
pub(crate) struct DeadLetter {
    pub(crate) body: String,
    pub(crate) reason: Option<String>,
    /// The trace header of the invocation that sent it.
    pub(crate) trace: Option<String>,
}

static CONSUMERS: LazyLock<()> = LazyLock::new(|| {
    std::thread::spawn(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let world = World::without_consumers();
            tokio::join!(world.collect_events(), world.collect_dead_letters())
        })
    });
});

impl World {
    pub(crate) fn new() -> Self {
        LazyLock::force(&CONSUMERS);
        Self::without_consumers()
    }

    pub(crate) fn without_consumers() -> Self {
        Self::of(Stack::from_env().unwrap_or_else(|error| panic!("{error}")))
    }

    /// Another stack than the one that the tests share. Its events and dead letters are not read.
    pub(crate) fn of(stack: Stack) -> Self {
        let config = stack.aws();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            // The emulator closes idle connections, and a request that meets the close is not repeated if it is a POST or a PUT.
            http: reqwest::Client::builder().pool_max_idle_per_host(0).build().unwrap(),
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            sqs: aws_sdk_sqs::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(s3),
            stack,
        }
    }

    async fn collect_events(&self) {
        self.drain(&self.stack.outputs.events_queue_url, |message| {
            let event = serde_json::from_str(message.body().unwrap_or_default()).unwrap();
            EVENTS.lock().unwrap_or_else(PoisonError::into_inner).push(event);
        })
        .await;
    }

    async fn collect_dead_letters(&self) {
        self.drain(&self.stack.outputs.outbound_dead_letter_queue_url, |message| {
            let reason = message.message_attributes().and_then(|found| found.get("reason")?.string_value());
            let trace = message.attributes().and_then(|found| found.get(&MessageSystemAttributeName::AwsTraceHeader));
            let body = message.body().unwrap_or_default().to_owned();
            let letter = DeadLetter { body, reason: reason.map(str::to_owned), trace: trace.cloned() };
            DEAD_LETTERS.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        })
        .await;
    }

    async fn drain(&self, queue_url: &str, mut collect: impl FnMut(&aws_sdk_sqs::types::Message)) {
        loop {
            let receive =
                self.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10).wait_time_seconds(1);
            let receive = receive.message_system_attribute_names(MessageSystemAttributeName::AwsTraceHeader);
            let Ok(received) = receive.message_attribute_names("All").send().await else { continue };
            received.messages().iter().for_each(&mut collect);
            // At once: the crash tests bring thousands of events, and other tests wait for theirs.
            let deletions = received.messages().iter().map(|message| {
                let handle = message.receipt_handle().unwrap_or_default();
                self.sqs.delete_message().queue_url(queue_url).receipt_handle(handle).send()
            });
            futures::future::join_all(deletions).await;
        }
    }

    /// Waits until `count` events match, and returns them.
    pub(crate) async fn events(&self, what: &str, wanted: impl Fn(&Value) -> bool, count: usize) -> Vec<Value> {
        self.until(what, async || {
            let events = EVENTS.lock().unwrap_or_else(PoisonError::into_inner);
            let found: Vec<_> = events.iter().filter(|event| wanted(event)).cloned().collect();
            (found.len() >= count).then_some(found)
        })
        .await
    }

    /// Waits for one event.
    pub(crate) async fn event(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        self.events(what, wanted, 1).await.remove(0)
    }

    /// Waits for a message on the outbound dead-letter queue.
    pub(crate) async fn dead_letter(&self, wanted: impl Fn(&DeadLetter) -> bool) -> DeadLetter {
        self.until("a message on the dead-letter queue", async || {
            DEAD_LETTERS.lock().unwrap_or_else(PoisonError::into_inner).iter().find(|letter| wanted(letter)).cloned()
        })
        .await
    }

    /// Waits for a condition, with a deadline.
    pub(crate) async fn until<T>(&self, what: &str, mut found: impl AsyncFnMut() -> Option<T>) -> T {
        self.until_ok(what, async || found().await.ok_or_else(String::new)).await
    }

    /// As [`World::until`], where the error says what is there instead.
    async fn until_ok<T>(&self, what: &str, mut found: impl AsyncFnMut() -> Result<T, String>) -> T {
        let end = Instant::now() + DEADLINE;
        loop {
            match found().await {
                Ok(found) => return found,
                Err(instead) => assert!(Instant::now() < end, "{what}: not seen within {DEADLINE:?} {instead}"),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Posts a form as Twilio does, with its signature.
    pub(crate) async fn post_signed(&self, path_and_query: &str, parameters: &[(&str, &str)]) -> reqwest::Response {
        let form: Form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let url = format!("{}{path_and_query}", self.stack.api_url);
        let signature = sign(&AUTH_TOKEN.into(), &url, &form);
        let request = self.http.post(url).header("X-Twilio-Signature", signature).form(parameters);
        request.send().await.unwrap()
    }

    /// Calls a route with IAM authorization, as the administrator.
    pub(crate) async fn call(&self, method: &str, path_and_query: &str, body: &str) -> (u16, Value) {
        let url = format!("{}{path_and_query}", self.stack.api_url);
        let answer = self.signed("execute-api", method, &url, body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// A request with the administrator's signature.
    pub(crate) fn signed(&self, service: &str, method: &str, url: &str, body: &str) -> reqwest::RequestBuilder {
        self.signed_as(&self.stack.administrator.credentials(), service, method, url, body)
    }

    pub(crate) fn signed_as(
        &self,
        credentials: &Credentials,
        service: &str,
        method: &str,
        url: &str,
        body: &str,
    ) -> reqwest::RequestBuilder {
        let request = UnsignedRequest { service, method, url, body };
        signed(&self.http, credentials, request, self.stack.clock.now()).unwrap()
    }

    /// Whether an alarm of the template is in the state ALARM. The emulator counts the log lines that metric filters match.
    pub(crate) async fn alarm_rings(&self, logical_id: &str) -> bool {
        self.alarm(logical_id).await.contains("<StateValue>ALARM</StateValue>")
    }

    /// Ends an alarm until the next value of its metric.
    pub(crate) async fn end_alarm(&self, logical_id: &str) {
        let found = self.alarm(logical_id).await;
        let name = found.split("<AlarmName>").nth(1).and_then(|rest| rest.split('<').next());
        let name = name.unwrap_or_else(|| panic!("{found}"));
        self.cloudwatch(&format!("Action=SetAlarmState&AlarmName={name}&StateValue=OK&StateReason=test")).await;
        assert!(!self.alarm_rings(logical_id).await, "{logical_id}");
    }

    /// The description of an alarm of the template.
    async fn alarm(&self, logical_id: &str) -> String {
        // CloudFormation adds characters to the name, if the template gives none.
        let prefix = format!("{STACK_NAME}-{logical_id}");
        let answer = self.cloudwatch(&format!("Action=DescribeAlarms&AlarmNamePrefix={prefix}")).await;
        assert!(answer.contains(&format!("<AlarmName>{prefix}")), "{answer}");
        answer
    }

    async fn cloudwatch(&self, parameters: &str) -> String {
        let body = format!("{parameters}&Version=2010-08-01");
        let request = self.signed("monitoring", "POST", &self.stack.aws_endpoint, &body);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        request.send().await.unwrap().text().await.unwrap()
    }

    /// Puts a notification on the outbound queue.
    pub(crate) async fn notify(&self, notification: &Value) {
        self.enqueue(&notification.to_string()).await;
    }

    pub(crate) async fn enqueue(&self, body: &str) {
        let queue = &self.stack.outputs.outbound_queue_url;
        self.sqs.send_message().queue_url(queue).message_body(body).send().await.unwrap();
    }

    /// A person's messages in the sandbox, the oldest first.
    pub(crate) async fn messages_at_twilio(&self, person: &Person) -> Vec<Value> {
        self.messages_at_twilio_of(&person.address()).await
    }

    /// The messages to or from an address in the sandbox, the oldest first.
    pub(crate) async fn messages_at_twilio_of(&self, address: &str) -> Vec<Value> {
        let url = format!("{}/sandbox/messages", self.stack.sandbox_url);
        let request = self.http.get(url).query(&[("address", address)]);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The messages that were sent to a person by SMS.
    pub(crate) async fn sent_by_sms_to(&self, person: &Person) -> Vec<Value> {
        let messages = self.messages_at_twilio_of(&person.identity).await;
        messages.into_iter().filter(|message| message["direction"] == "outbound-api").collect()
    }

    /// The messages that were sent to a person through the API.
    pub(crate) async fn sent_to(&self, person: &Person) -> Vec<Value> {
        let messages = self.messages_at_twilio(person).await;
        messages.into_iter().filter(|message| message["direction"] == "outbound-api").collect()
    }

    /// Plans a fault for the next messages to a person.
    pub(crate) async fn plan(&self, person: &Person, times: u32, fault: Value) {
        self.plan_at(&person.address(), times, fault).await;
    }

    /// Plans a fault for the next messages to an address.
    pub(crate) async fn plan_at(&self, address: &str, times: u32, fault: Value) {
        self.control("POST", "faults", &json!({"to": address, "times": times, "fault": fault})).await;
    }

    /// Calls the sandbox's control interface, and returns its answer.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/sandbox/{path}", self.stack.sandbox_url);
        let answer = self.http.request(method.parse().unwrap(), url).json(body).send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "the sandbox refused {method} {path}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// A person sends a message. Returns the sandbox's report of it.
    pub(crate) async fn write(&self, person: &Person, body: &str) -> Value {
        self.write_with(person, json!({"body": body})).await
    }

    /// As [`World::write`], with more fields. The message comes by WhatsApp unless `writing` has another `from`.
    pub(crate) async fn write_with(&self, person: &Person, mut writing: Value) -> Value {
        if writing["from"].is_null() {
            writing["from"] = json!(person.address());
        }
        let url = format!("{}/sandbox/inbound", self.stack.sandbox_url);
        self.http.post(url).json(&writing).send().await.unwrap().json().await.unwrap()
    }

    /// A notification's item.
    pub(crate) async fn notification(&self, id: &str) -> Option<Item> {
        let key = AttributeValue::S(format!("{ACCOUNT_SID}#{id}"));
        let get = self.dynamodb.get_item().table_name(&self.stack.outputs.notifications_table_name);
        get.key("notification", key).consistent_read(true).send().await.unwrap().item
    }

    /// Waits until a notification is in a state.
    pub(crate) async fn notification_in(&self, id: &str, state: &str) -> Item {
        self.until(&format!("notification {id} in state {state}"), async || {
            self.notification(id).await.filter(|item| text(item, "state") == Some(state))
        })
        .await
    }

    /// The outcome that `GET /notifications/{id}` answers with; none as long as it is not known.
    pub(crate) async fn outcome(&self, id: &str) -> Option<String> {
        self.log(id).await["outcome"].as_str().map(str::to_owned)
    }

    /// Waits until a notification has this outcome, and returns its log.
    pub(crate) async fn until_outcome(&self, id: &str, outcome: &str) -> Value {
        self.until_ok(&format!("notification {id} with the outcome {outcome}"), async || {
            let log = self.log(id).await;
            if log["outcome"] == outcome { Ok(log) } else { Err(log.to_string()) }
        })
        .await
    }

    /// The answer of `GET /notifications/{id}`.
    pub(crate) async fn log(&self, id: &str) -> Value {
        let path = format!("/notifications/{}", id.replace('/', "%2F").replace(' ', "%20"));
        let (status, log) = self.call("GET", &path, "").await;
        assert!(matches!(status, 200 | 404), "{log}");
        log
    }

    /// The items of a message that a person sent, or that another system sent.
    pub(crate) async fn items(&self, message_sid: &str) -> Vec<Item> {
        self.items_of(&subject_of_message(message_sid)).await
    }

    /// The items of the message that an attempt of a notification became: its status callbacks.
    pub(crate) async fn callbacks(&self, id: &str, attempt: u32) -> Vec<Item> {
        self.items_of(&format!("{ACCOUNT_SID}#{id}#{attempt}")).await
    }

    pub(crate) async fn items_of(&self, subject: &str) -> Vec<Item> {
        let query = self.dynamodb.query().table_name(&self.stack.outputs.messages_table_name).consistent_read(true);
        let query = query.key_condition_expression("subject = :subject");
        let query = query.expression_attribute_values(":subject", AttributeValue::S(subject.to_owned()));
        query.send().await.unwrap().items.unwrap_or_default()
    }

    pub(crate) async fn contacts(&self) -> Contacts {
        Contacts::new(
            self.dynamodb.clone(),
            self.stack.outputs.contacts_table_name.clone(),
            erasure_key(&self.stack).await,
        )
    }

    /// What is stored of a person, whichever of the person's identities this is.
    pub(crate) async fn person(&self, person: &Person) -> StoredPerson {
        self.contacts().await.person(&person.key()).await.unwrap()
    }

    /// What the person last said about all messages on WhatsApp.
    pub(crate) async fn preference(&self, person: &Person) -> Option<Preference> {
        self.preference_in(person, Scope::All).await
    }

    pub(crate) async fn preference_in(&self, person: &Person, scope: Scope) -> Option<Preference> {
        let key = SuppressionKey::of(&Channel::WhatsApp, scope);
        self.person(person).await.person.preferences.get(&key).map(|said| said.preference)
    }

    /// Whether the person wrote to this sender or service on WhatsApp.
    pub(crate) async fn has_window(&self, person: &Person, sender: &str) -> bool {
        self.person(person).await.person.last_inbound_at(&WindowKey::of(sender)).is_some()
    }

    /// A person sends a message. The service window is open as soon as the webhook is answered.
    pub(crate) async fn open_window(&self, person: &Person) {
        let answered = self.write(person, "Where is my order?").await;
        assert_eq!(answered["status"], 200, "{answered}");
        assert!(self.has_window(person, MESSAGING_SERVICE_SID).await, "the window is open");
    }
}

/// The hash key of the Messages table for a message that belongs to no notification.
pub(crate) fn subject_of_message(message_sid: &str) -> String {
    format!("{ACCOUNT_SID}#{message_sid}")
}

/// The matching events that have arrived so far.
pub(crate) fn events_so_far(wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner).iter().filter(|event| wanted(event)).cloned().collect()
}

pub(crate) fn text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

/// A WhatsApp user that no other test uses.
pub(crate) struct Person {
    pub(crate) identity: String,
}

impl Person {
    /// With a phone number.
    pub(crate) fn new() -> Self {
        Self { identity: format!("+1415{:07}", uuid::Uuid::new_v4().as_u128() % 10_000_000) }
    }

    /// With a user id instead of a phone number.
    pub(crate) fn without_number() -> Self {
        Self { identity: format!("US.{}", uuid::Uuid::new_v4().as_u128() % 10_000_000_000_000) }
    }

    pub(crate) fn address(&self) -> String {
        format!("whatsapp:{}", self.identity)
    }

    /// The key of this identity in the Contacts table.
    pub(crate) fn key(&self) -> ContactKey {
        ContactKey::new(&ACCOUNT_SID.parse().unwrap(), &self.identity.parse().unwrap())
    }
}

/// An id that no other test uses.
pub(crate) fn new_id(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4().simple())
}

/// A message SID that no other test uses.
pub(crate) fn new_sid() -> String {
    format!("SM{}", uuid::Uuid::new_v4().simple())
}

/// A notification with free-form text.
pub(crate) fn text_notification(id: &str, person: &Person) -> Value {
    json!({"id": id, "to": person.identity, "category": "utility", "content": {"type": "text", "body": "On its way."},
           "metadata": {"order": id}})
}

/// A notification with the sandbox's approved template.
pub(crate) fn template_notification(id: &str, person: &Person) -> Value {
    json!({"id": id, "to": person.identity, "category": "utility", "metadata": {"order": id},
           "content": {"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": id}}})
}

/// A one-time password.
pub(crate) fn password_notification(id: &str, person: &Person, code: &str) -> Value {
    let mut notification = template_notification(id, person);
    notification["category"] = json!("authentication");
    notification["content"]["content_sid"] = json!(sandbox::VERIFICATION_CODE_SID);
    notification["content"]["variables"] = json!({"1": code});
    notification
}

/// Matches events whose field has this value.
pub(crate) fn is(field: &'static str, value: &str) -> impl Fn(&Value) -> bool {
    let value = value.to_owned();
    move |event| event[field] == value.as_str()
}

/// Matches events of this type about this notification.
pub(crate) fn of_notification(event_type: &'static str, id: &str) -> impl Fn(&Value) -> bool {
    let id = id.to_owned();
    move |event| event["event_type"] == event_type && event["notification_id"] == id.as_str()
}

/// The key under which the stack remembers erased people.
pub(crate) async fn erasure_key(stack: &Stack) -> ErasureKey {
    let client = aws_sdk_secretsmanager::Client::new(&stack.aws());
    shared::erasure::read_key(&client, &stack.outputs.erasure_key_secret_arn).await.unwrap()
}
