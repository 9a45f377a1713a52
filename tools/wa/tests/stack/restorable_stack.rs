//! A stack whose tables a test puts back to an earlier state, with its own clock, emulator and functions. The tests that use it
//! run one after another.

use std::{
    collections::HashMap,
    path::Path,
    process::Command,
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use aws_sdk_dynamodb::types::{AttributeValue, BillingMode};
use serde_json::Value;
use stack::{
    Stack,
    movable::{MovableStack, StackSettings},
};
use tokio::runtime::Runtime;

use crate::operator::{CommandRun, STACK, command_for, new_id, ran, until};

type Item = HashMap<String, AttributeValue>;

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static SHARED: LazyLock<Mutex<MovableStack>> = LazyLock::new(|| {
    let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
    let settings = StackSettings::default();
    Mutex::new(RUNTIME.block_on(MovableStack::start(Path::new(&built), "restorable", &settings)).unwrap())
});

/// The stack, for the test that is using it.
pub(crate) struct RestorableStack(MutexGuard<'static, MovableStack>);

impl RestorableStack {
    pub(crate) fn new() -> Self {
        Self(SHARED.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn stack(&self) -> &Stack {
        &self.0.stack
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command_for(self.stack(), STACK, arguments)
    }

    pub(crate) fn wa(&self, arguments: &[&str]) -> CommandRun {
        ran(&mut self.command(arguments))
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        RUNTIME.block_on(self.0.advance(by)).unwrap();
    }

    pub(crate) fn set_clock_back(&self) {
        RUNTIME.block_on(self.0.set_clock_back()).unwrap();
    }

    /// Puts a notification on the outbound queue.
    pub(crate) fn notify(&self, notification: &Value) {
        let client = aws_sdk_sqs::Client::new(&self.stack().aws());
        let send = client.send_message().queue_url(&self.stack().outputs.outbound_queue_url);
        RUNTIME.block_on(send.message_body(notification.to_string()).send()).unwrap();
    }

    /// A call to the sandbox's control API.
    pub(crate) fn sandbox(&self, method: reqwest::Method, path: &str, body: &Value) -> Value {
        RUNTIME.block_on(async {
            let request = reqwest::Client::new().request(method, format!("{}{path}", self.stack().sandbox_url));
            let answer = if body.is_null() { request } else { request.json(body) }.send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            answer.json().await.unwrap_or_default()
        })
    }

    /// A person writes.
    pub(crate) fn write(&self, from: &str, body: &str) {
        let message = serde_json::json!({"from": format!("whatsapp:{from}"), "body": body});
        self.sandbox(reqwest::Method::POST, "/sandbox/inbound", &message);
    }

    /// How many messages a person was sent.
    pub(crate) fn sent_to(&self, number: &str) -> usize {
        let address = format!("whatsapp%3A%2B{}", number.trim_start_matches('+'));
        let messages =
            self.sandbox(reqwest::Method::GET, &format!("/sandbox/messages?address={address}"), &Value::Null);
        let is_ours = |message: &&Value| message["direction"] == "outbound-api";
        messages.as_array().unwrap().iter().filter(is_ours).count()
    }

    /// What is stored of a notification, as `wa notifications show` gives it; none if it is not stored.
    pub(crate) fn notification(&self, id: &str) -> Option<Value> {
        let shown = self.wa(&["notifications", "show", id, "--output", "json"]);
        (shown.code == 0).then(|| serde_json::from_str(&shown.stdout).unwrap())
    }

    pub(crate) fn until_state(&self, id: &str, state: &str) {
        until(state, || self.notification(id).filter(|shown| shown["state"] == state));
    }

    /// Waits for one of these outcomes.
    pub(crate) fn until_outcome(&self, id: &str, outcomes: &[&str]) {
        until("an outcome", || {
            self.notification(id).filter(|shown| outcomes.iter().any(|one| shown["outcome"] == *one))
        });
    }

    /// Every line of the archive, also those of events that were published twice.
    pub(crate) fn archived(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let config = self.stack().aws();
        let config = aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build();
        let client = aws_sdk_s3::Client::from_conf(config);
        let bucket = &self.stack().outputs.archive_bucket_name;
        RUNTIME.block_on(async {
            let listed = client.list_objects_v2().bucket(bucket).send().await.unwrap();
            let mut lines = Vec::new();
            for object in listed.contents() {
                let object = client.get_object().bucket(bucket).key(object.key().unwrap()).send().await.unwrap();
                let bytes = object.body.collect().await.unwrap().into_bytes();
                let events = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                lines.extend(events.map(|line| serde_json::from_slice::<Value>(line).unwrap()));
            }
            lines.retain(|event| wanted(event));
            lines
        })
    }

    pub(crate) fn until_archived(&self, what: &str, wanted: impl Fn(&Value) -> bool) {
        until(what, || (!self.archived(&wanted).is_empty()).then_some(()));
    }

    fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.stack().aws())
    }

    /// The tables that have point-in-time recovery and that events fill.
    fn restored_tables(&self) -> [(&'static str, &str); 3] {
        let outputs = &self.stack().outputs;
        [
            ("messages", &outputs.messages_table_name),
            ("contacts", &outputs.contacts_table_name),
            ("notifications", &outputs.notifications_table_name),
        ]
    }

    async fn items(client: &aws_sdk_dynamodb::Client, table: &str) -> Vec<Item> {
        let scan = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
        scan.collect::<Result<Vec<_>, _>>().await.unwrap()
    }

    /// Copies the tables into new ones, as a recovery to this moment would. Gives each option of `wa restore copy` with its table.
    pub(crate) fn copy_tables(&self) -> Vec<(&'static str, String)> {
        let client = self.dynamodb();
        RUNTIME.block_on(async {
            let mut copies = Vec::new();
            for (option, table) in self.restored_tables() {
                let copy = new_id(option);
                let described = client.describe_table().table_name(table).send().await.unwrap().table.unwrap();
                let keys = described.key_schema.unwrap();
                let is_key = |name: &str| keys.iter().any(|key| key.attribute_name() == name);
                let attributes = described.attribute_definitions.unwrap().into_iter();
                let attributes = attributes.filter(|attribute| is_key(attribute.attribute_name())).collect();
                let create = client.create_table().table_name(&copy).billing_mode(BillingMode::PayPerRequest);
                let create = create.set_attribute_definitions(Some(attributes)).set_key_schema(Some(keys));
                create.send().await.unwrap();
                for item in Self::items(&client, table).await {
                    client.put_item().table_name(&copy).set_item(Some(item)).send().await.unwrap();
                }
                copies.push((option, copy));
            }
            copies
        })
    }

    /// Deletes every item of these tables.
    pub(crate) fn lose_tables(&self) {
        let client = self.dynamodb();
        RUNTIME.block_on(async {
            for (_, table) in self.restored_tables() {
                for item in Self::items(&client, table).await {
                    client.delete_item().table_name(table).set_key(Some(key_of(item))).send().await.unwrap();
                }
            }
        });
    }

    /// Deletes the item of an inbound message.
    pub(crate) fn forget_message(&self, subject: &str) {
        let text = |text: &str| AttributeValue::S(text.to_owned());
        let delete = self.dynamodb().delete_item().table_name(&self.stack().outputs.messages_table_name);
        let delete = delete.key("subject", text(subject)).key("event", text("inbound"));
        RUNTIME.block_on(delete.send()).unwrap();
    }

    /// Receives what is on the events queue now, and takes it from there.
    pub(crate) fn receive_events(&self) -> Vec<Value> {
        let client = aws_sdk_sqs::Client::new(&self.stack().aws());
        let url = &self.stack().outputs.events_queue_url;
        RUNTIME.block_on(async {
            let receive = client.receive_message().queue_url(url).max_number_of_messages(10).wait_time_seconds(1);
            let mut events = Vec::new();
            for message in receive.send().await.unwrap().messages() {
                events.push(serde_json::from_str(message.body().unwrap()).unwrap());
                let delete = client.delete_message().queue_url(url).receipt_handle(message.receipt_handle().unwrap());
                delete.send().await.unwrap();
            }
            events
        })
    }
}

fn key_of(item: Item) -> Item {
    const KEYS: [&str; 5] = ["subject", "event", "contact", "facet", "notification"];
    item.into_iter().filter(|(name, _)| KEYS.contains(&name.as_str())).collect()
}
