//! The running stack, with a method for each thing that a test does or waits for.

use std::{
    sync::{LazyLock, Mutex, PoisonError},
    time::{Duration, Instant},
};

use aws_credential_types::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use stack::{
    Stack,
    run::{ACCOUNT_SID, AUTH_TOKEN},
    signed::{UnsignedRequest, signed},
};
use stores::dynamodb::Item;
use twilio_webhook::{form::Form, signature::sign};

/// A working system needs less: a notification passes four functions, at some 100 ms each in the emulator, and other
/// tests' messages are in the queues too.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);
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
        let stack = Stack::from_env().unwrap_or_else(|error| panic!("{error}"));
        let config = stack.aws();
        let s3 = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        Self {
            http: reqwest::Client::new(),
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
            let letter =
                DeadLetter { body: message.body().unwrap_or_default().to_owned(), reason: reason.map(str::to_owned) };
            DEAD_LETTERS.lock().unwrap_or_else(PoisonError::into_inner).push(letter);
        })
        .await;
    }

    async fn drain(&self, queue_url: &str, mut collect: impl FnMut(&aws_sdk_sqs::types::Message)) {
        loop {
            let receive =
                self.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10).wait_time_seconds(1);
            let Ok(received) = receive.message_attribute_names("All").send().await else { continue };
            for message in received.messages() {
                collect(message);
                let handle = message.receipt_handle().unwrap_or_default();
                let _ = self.sqs.delete_message().queue_url(queue_url).receipt_handle(handle).send().await;
            }
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
        self.until_within(DEADLINE, what, &mut found).await
    }

    pub(crate) async fn until_within<T>(
        &self,
        deadline: Duration,
        what: &str,
        mut found: impl AsyncFnMut() -> Option<T>,
    ) -> T {
        let end = Instant::now() + deadline;
        loop {
            if let Some(found) = found().await {
                return found;
            }
            assert!(Instant::now() < end, "{what}: not seen within {deadline:?}");
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
        signed(&self.http, credentials, UnsignedRequest { service, method, url, body }).unwrap()
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
        let url = format!("{}/sandbox/messages", self.stack.sandbox_url);
        let request = self.http.get(url).query(&[("address", person.address())]);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The messages that were sent to a person through the API.
    pub(crate) async fn sent_to(&self, person: &Person) -> Vec<Value> {
        let messages = self.messages_at_twilio(person).await;
        messages.into_iter().filter(|message| message["direction"] == "outbound-api").collect()
    }

    /// Plans a fault for the next messages to a person.
    pub(crate) async fn plan(&self, person: &Person, times: u32, fault: Value) {
        let plan = json!({"to": person.address(), "times": times, "fault": fault});
        let url = format!("{}/sandbox/faults", self.stack.sandbox_url);
        let answer = self.http.post(url).json(&plan).send().await.unwrap();
        assert!(answer.status().is_success(), "the sandbox refused the fault");
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

    /// The items of a message.
    pub(crate) async fn items(&self, message_sid: &str) -> Vec<Item> {
        let query = self.dynamodb.query().table_name(&self.stack.outputs.messages_table_name).consistent_read(true);
        let query = query.key_condition_expression("message_sid = :sid");
        let query = query.expression_attribute_values(":sid", AttributeValue::S(message_sid.to_owned()));
        query.send().await.unwrap().items.unwrap_or_default()
    }

    /// A person's item of a facet in the Contacts table.
    pub(crate) async fn contact(&self, person: &Person, facet: &str) -> Option<Item> {
        let contact = AttributeValue::S(format!("{ACCOUNT_SID}#{}", person.identity));
        let get = self.dynamodb.get_item().table_name(&self.stack.outputs.contacts_table_name);
        let get = get.key("contact", contact).key("facet", AttributeValue::S(facet.to_owned()));
        get.consistent_read(true).send().await.unwrap().item
    }
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
