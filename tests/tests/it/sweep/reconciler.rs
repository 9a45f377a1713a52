//! The reconcile function's process, and what it works with.

use std::collections::HashMap;

use aws_sdk_dynamodb::{
    Client,
    types::{AttributeValue, PutRequest, WriteRequest},
};
use domain::{
    contact_key::ContactKey,
    digest::sha256_hex,
    preference::Preference,
    suppression::{Scope, SuppressionKey},
};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use sandbox::{Config, ORDER_UPDATE_SID, SandboxServer, serve_on_free_port};
use serde_json::{Value, json};
use stack::{
    Stack,
    run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, MESSAGING_SERVICE_SID},
};
use stores::{contacts::Contacts, dynamodb::Item, senders::KnownSenders};
use tests::{
    bench::counter::Counter,
    harness::{bootstrap, function::FunctionProcess},
};
use twilio_types::{address::Channel, sid::AccountSid};

use super::tables::create_tables;
use crate::world::erasure_key;

pub(super) const SENDER: &str = "whatsapp:+14155238886";
pub(super) const PERSON: &str = "+14155550123";
/// The person who, or whose messages, cannot be read.
pub(super) const BAD_PERSON: &str = "+14155550124";

/// DynamoDB writes at most 25 items in one request.
const BATCH: usize = 25;

/// How much of Twilio a run may use.
pub(super) struct Limits {
    pub(super) requests: u32,
    pub(super) page_size: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self { requests: 100, page_size: 1_000 }
    }
}

/// A number of requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requests(pub(super) u64);

/// The function with a sandbox and tables that no other test uses. The tables have no streams.
pub(super) struct Reconciler {
    sandbox: SandboxServer,
    http: reqwest::Client,
    dynamodb: Client,
    /// The names of the tables by their variables.
    tables: HashMap<&'static str, String>,
    function: FunctionProcess,
    to_dynamodb: Counter,
    to_twilio: Counter,
}

impl Reconciler {
    pub(super) async fn start(limits: Limits) -> Self {
        let stack = Stack::from_env().unwrap_or_else(|error| panic!("{error}"));
        let dynamodb = Client::new(&stack.aws());
        // Every webhook is lost.
        let sandbox = serve_on_free_port(|url| Config::documented(format!("{url}/nowhere"))).await.unwrap();
        let to_dynamodb = Counter::of_dynamodb(&stack.aws_endpoint).await.unwrap();
        let to_twilio = Counter::of_everything(&sandbox.url).await.unwrap();
        let tables = create_tables(&dynamodb).await;
        let mut environment = stack.function_environments()["ReconcileFunction"].clone();
        let variables = environment.as_object_mut().unwrap();
        variables.extend(tables.iter().map(|(name, table)| ((*name).to_owned(), json!(table))));
        variables.insert("AWS_ENDPOINT_URL".to_owned(), json!(to_dynamodb.url));
        variables.insert("TWILIO_API_BASE_URL".to_owned(), json!(to_twilio.url));
        variables.insert("RECONCILE_REQUESTS".to_owned(), json!(limits.requests.to_string()));
        variables.insert("RECONCILE_PAGE_SIZE".to_owned(), json!(limits.page_size.to_string()));
        // Otherwise the senders of the service are ours, too.
        variables.remove("MESSAGING_SERVICE_SID");
        let function = FunctionProcess::start(&bootstrap("reconcile"), &[], &environment).await.unwrap();
        Self { sandbox, http: reqwest::Client::new(), dynamodb, tables, function, to_dynamodb, to_twilio }
    }

    fn table(&self, variable: &str) -> &str {
        &self.tables[variable]
    }

    /// As `publish` does when a webhook arrives.
    pub(super) async fn know_sender(&self) {
        let senders = KnownSenders::new(self.dynamodb.clone(), self.table("RATE_LIMITS_TABLE").to_owned());
        senders.learn(&account_sid(), &SENDER.parse().unwrap()).await.unwrap();
    }

    /// Invokes the function as the schedule does, and returns its report of the account.
    pub(super) async fn run(&mut self) -> Value {
        let event = json!({"minimum_age_seconds": 0}).to_string().into();
        let answer = self.function.invoke(&event).await.unwrap();
        answer["accounts"].as_array().unwrap_or_else(|| panic!("{answer}"))[0].clone()
    }

    /// Requests so far to DynamoDB and to Twilio.
    pub(super) fn requests(&self) -> [Requests; 2] {
        [Requests(self.to_dynamodb.count()), Requests(self.to_twilio.count())]
    }

    async fn control(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/sandbox/{path}", self.sandbox.url);
        let request = self.http.request(method.parse().unwrap(), url).json(body);
        let answer = request.send().await.unwrap().error_for_status().unwrap();
        serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default()
    }

    /// Different people write, and every webhook is lost. Returns the messages' SIDs.
    pub(super) async fn add_history(&self, messages: usize, per_second: u32, ended_seconds_ago: u32) -> Vec<String> {
        let history = json!({
            "to": SENDER, "messages": messages, "per_second": per_second, "ended_seconds_ago": ended_seconds_ago,
            "body": "Hello",
        });
        serde_json::from_value(self.control("POST", "history", &history).await).unwrap()
    }

    /// A person writes, and the webhook is lost. Returns the message's SID.
    pub(super) async fn write(&self, person: &str, body: &str) -> String {
        let message = json!({"from": format!("whatsapp:{person}"), "body": body});
        self.control("POST", "inbound", &message).await["message_sid"].as_str().unwrap().to_owned()
    }

    /// Twilio fails to fetch or to list messages to a person.
    pub(super) async fn fail_reading(&self, person: &str, operation: &str, fails: bool) {
        self.control("PUT", "outages", &json!({"to": format!("whatsapp:{person}"), operation: fails})).await;
    }

    async fn create(&self, form: &[(&str, &str)]) -> String {
        let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", self.sandbox.url);
        let request = self.http.post(url).basic_auth(API_KEY_SID, Some(API_KEY_SECRET)).form(form);
        let created: Value = request.send().await.unwrap().json().await.unwrap();
        created["sid"].as_str().unwrap_or_else(|| panic!("{created}")).to_owned()
    }

    /// A message that is scheduled at Twilio.
    pub(super) async fn schedule(&self, person: &str) -> String {
        let (to, send_at) =
            (format!("whatsapp:{person}"), (Timestamp::now() + SignedDuration::from_hours(1)).to_string());
        let variables = json!({"1": "Ava", "2": "1"}).to_string();
        self.create(&[
            ("To", &to),
            ("MessagingServiceSid", MESSAGING_SERVICE_SID),
            ("ContentSid", ORDER_UPDATE_SID),
            ("ContentVariables", &variables),
            ("ScheduleType", "fixed"),
            ("SendAt", &send_at),
        ])
        .await
    }

    /// A message of a notification, which Twilio has delivered, and whose callbacks are lost.
    pub(super) async fn send(&self, id: &str, person: &str, open_until: &str) -> String {
        let to = format!("whatsapp:{person}");
        let variables = json!({"1": "Ava", "2": "1"}).to_string();
        let form =
            [("To", to.as_str()), ("From", SENDER), ("ContentSid", ORDER_UPDATE_SID), ("ContentVariables", &variables)];
        let sid = self.create(&form).await;
        self.control("POST", &format!("messages/{sid}/status"), &json!({"status": "delivered"})).await;
        let at = "2026-11-20T08:00:00Z";
        let shard = u8::from_str_radix(&sha256_hex(id.as_bytes())[..1], 16).unwrap();
        let attempt =
            json!({"route": 0, "channel": "whatsapp", "claimed_at": at, "at": at, "outcome": "accepted"}).to_string();
        let mut item: Item = [
            ("notification", format!("{ACCOUNT_SID}#{id}")),
            ("state", "accepted".to_owned()),
            ("digest", "d".to_owned()),
            ("message_sid", sid.clone()),
            ("open", format!("{ACCOUNT_SID}#{shard}")),
            ("open_until", open_until.to_owned()),
            ("enqueued_at", at.to_owned()),
            ("updated_at", at.to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)))
        .into();
        let attempt: HashMap<String, Value> = serde_json::from_str(&attempt).unwrap();
        let attribute = |value: Value| match value {
            Value::String(text) => AttributeValue::S(text),
            number => AttributeValue::N(number.to_string()),
        };
        let attempt = attempt.into_iter().map(|(name, value)| (name, attribute(value))).collect();
        item.insert("attempts".to_owned(), AttributeValue::L(vec![AttributeValue::M(attempt)]));
        item.insert("version".to_owned(), AttributeValue::N("1".to_owned()));
        item.insert("expires_at".to_owned(), AttributeValue::N("4102444800".to_owned()));
        self.put("NOTIFICATIONS_TABLE", item).await;
        sid
    }

    async fn put(&self, table: &str, item: Item) {
        self.dynamodb.put_item().table_name(self.table(table)).set_item(Some(item)).send().await.unwrap();
    }

    async fn get(&self, table: &str, keys: &[(&str, &str)]) -> Option<Item> {
        let mut get = self.dynamodb.get_item().table_name(self.table(table)).consistent_read(true);
        for (name, value) in keys {
            get = get.key(*name, AttributeValue::S((*value).to_owned()));
        }
        get.send().await.unwrap().item
    }

    /// Records messages as if their webhooks had arrived. The function asks for the keys only.
    pub(super) async fn record(&self, sids: &[String]) {
        let table = self.table("MESSAGES_TABLE");
        let writes = sids.chunks(BATCH).map(|batch| {
            let writes = batch.iter().map(|sid| {
                let subject = AttributeValue::S(format!("{ACCOUNT_SID}#{sid}"));
                let event = AttributeValue::S("inbound".to_owned());
                let put = PutRequest::builder().item("subject", subject).item("event", event).build().unwrap();
                WriteRequest::builder().put_request(put).build()
            });
            let writes = [(table.to_owned(), writes.collect())].into();
            self.dynamodb.batch_write_item().set_request_items(Some(writes)).send()
        });
        let mut written = stream::iter(writes).buffer_unordered(4);
        while let Some(answer) = written.try_next().await.unwrap() {
            assert!(answer.unprocessed_items.is_none_or(|left| left.is_empty()));
        }
    }

    pub(super) async fn is_recorded(&self, sid: &str) -> bool {
        let subject = format!("{ACCOUNT_SID}#{sid}");
        self.get("MESSAGES_TABLE", &[("subject", &subject), ("event", "inbound")]).await.is_some()
    }

    /// The sandbox goes on by itself: a delivered message is soon read.
    pub(super) async fn has_final_status(&self, id: &str, sid: &str) -> bool {
        let subject = format!("{ACCOUNT_SID}#{id}#0");
        let of = async |status: &str| {
            let event = format!("{sid}#{status}");
            self.get("MESSAGES_TABLE", &[("subject", &subject), ("event", &event)]).await.is_some()
        };
        of("delivered").await || of("read").await
    }

    pub(super) async fn is_open(&self, id: &str) -> bool {
        let key = format!("{ACCOUNT_SID}#{id}");
        self.get("NOTIFICATIONS_TABLE", &[("notification", &key)]).await.unwrap().contains_key("open")
    }

    pub(super) async fn status(&self, sid: &str) -> String {
        let messages = self.control("GET", "messages", &Value::Null).await;
        let messages = messages.as_array().unwrap();
        messages.iter().find(|message| message["sid"] == sid).unwrap()["status"].as_str().unwrap().to_owned()
    }

    /// What the person said about all messages on WhatsApp.
    pub(super) async fn preference(&self, person: &str) -> Option<Preference> {
        let key = erasure_key(&Stack::from_env().unwrap()).await;
        let contacts = Contacts::new(self.dynamodb.clone(), self.table("CONTACTS_TABLE").to_owned(), key);
        let stored = contacts.person(&contact(person)).await.unwrap();
        let key = SuppressionKey::of(&Channel::WhatsApp, Scope::All);
        stored.person.preferences.get(&key).map(|said| said.preference)
    }

    /// Stores an item of a person that no version can read.
    pub(super) async fn spoil_person(&self, person: &str) {
        let contact = contact(person);
        let item = [("contact", contact.as_str()), ("facet", "person"), ("version", "none")];
        let item = item.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned())));
        self.put("CONTACTS_TABLE", item.into()).await;
    }

    pub(super) async fn delete_person(&self, person: &str) {
        let delete = self.dynamodb.delete_item().table_name(self.table("CONTACTS_TABLE"));
        let delete = delete.key("contact", AttributeValue::S(contact(person).as_str().to_owned()));
        delete.key("facet", AttributeValue::S("person".to_owned())).send().await.unwrap();
    }

    /// Invokes the function as the stream of the Contacts table does.
    pub(super) async fn opt_out(&mut self, people: &[&str]) -> Value {
        let event = include_str!("../../../../events/reconcile-opt-out.json");
        let mut event: Value = serde_json::from_str(event).unwrap();
        let record = event["Records"][0].to_string();
        let now = Timestamp::now().to_string();
        let record = |person: &&str| -> Value {
            let record = record.replace("+14155550123", person);
            let mut record: Value = serde_json::from_str(&record).unwrap();
            record["dynamodb"]["NewImage"]["preference_change"]["M"]["at"]["S"] = json!(now);
            record["dynamodb"]["SequenceNumber"] = json!(format!("1{}", &person[1..]));
            record
        };
        event["Records"] = people.iter().map(record).collect();
        self.function.invoke(&event.to_string().into()).await.unwrap()
    }

    /// As if the time until the next try had passed.
    pub(super) async fn let_retries_begin(&self) {
        for prefix in ["reconcile", "cancellations"] {
            let key = format!("{prefix}#{ACCOUNT_SID}");
            let Some(mut item) = self.get("RATE_LIMITS_TABLE", &[("sender", &key)]).await else { continue };
            for name in ["postponed", "pending"] {
                let Some(AttributeValue::M(entries)) = item.get_mut(name) else { continue };
                for entry in entries.values_mut() {
                    let AttributeValue::M(entry) = entry else { panic!("{entry:?}") };
                    let begun = AttributeValue::S("2026-11-20T09:00:00Z".to_owned());
                    assert!(entry.insert("retry_at".to_owned(), begun).is_some());
                }
            }
            self.put("RATE_LIMITS_TABLE", item).await;
        }
    }
}

fn account_sid() -> AccountSid {
    ACCOUNT_SID.parse().unwrap()
}

fn contact(person: &str) -> ContactKey {
    ContactKey::new(&account_sid(), &person.parse().unwrap())
}
