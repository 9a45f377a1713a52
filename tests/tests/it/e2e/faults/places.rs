//! Everything that the stack has written somewhere: logs, metrics, queues, events, items and answers.

use aws_sdk_sqs::types::Message;
use serde_json::{Value, json};
use stack::deploy::STACK_NAME;

use crate::world::World;

/// What was seen, each text with its place, such as `log SendFunction` or `table Messages`.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) texts: Vec<(String, String)>,
    pub(super) events: Vec<Value>,
}

impl Seen {
    pub(super) fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.texts.push((place.into(), text.into()));
    }

    /// Receives all messages of a queue, deletes them and gives their bodies.
    pub(super) async fn receive(&mut self, world: &World, queue_url: &str) -> Vec<String> {
        let mut bodies = Vec::new();
        loop {
            let receive = world.sqs.receive_message().queue_url(queue_url).max_number_of_messages(10);
            let received = receive.message_attribute_names("All").send().await.unwrap().messages.unwrap_or_default();
            if received.is_empty() {
                return bodies;
            }
            for message in received {
                let handle = message.receipt_handle.clone().unwrap_or_default();
                world.sqs.delete_message().queue_url(queue_url).receipt_handle(handle).send().await.unwrap();
                let queue = queue_url.rsplit('/').next().unwrap_or_default();
                self.add(format!("queue {}", logical(queue)), text_of(&message));
                bodies.push(message.body.unwrap_or_default());
            }
        }
    }

    pub(super) async fn receive_events(&mut self, world: &World) {
        let received = self.receive(world, &world.stack.outputs.events_queue_url).await;
        self.events.extend(received.iter().map(|body| serde_json::from_str(body).unwrap_or_else(|_| panic!("{body}"))));
    }

    /// The events of the archive.
    pub(super) async fn read_archive(&mut self, world: &World) -> Vec<Value> {
        let bucket = &world.stack.outputs.archive_bucket_name;
        let mut pages = world.s3.list_objects_v2().bucket(bucket).into_paginator().send();
        let mut events = Vec::new();
        while let Some(page) = pages.next().await {
            for key in page.unwrap().contents.unwrap_or_default().into_iter().filter_map(|object| object.key) {
                let object = world.s3.get_object().bucket(bucket).key(&key).send().await.unwrap();
                let bytes = object.body.collect().await.unwrap().into_bytes();
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                events.extend(text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()));
            }
        }
        events
    }

    /// Reads what is left: the logs, the metrics, the tables, and the events.
    pub(super) async fn read_all(&mut self, world: &World) {
        for event in std::mem::take(&mut self.events).into_iter().chain(self.read_archive(world).await) {
            self.add(format!("event {}", event["event_type"].as_str().unwrap_or_default()), event.to_string());
        }
        self.read_logs(world).await;
        self.read_metrics(world).await;
        self.read_tables(world).await;
    }

    async fn read_logs(&mut self, world: &World) {
        let groups = logs(world, "DescribeLogGroups", &json!({})).await;
        for group in groups["logGroups"].as_array().unwrap_or_else(|| panic!("{groups}")) {
            let name = group["logGroupName"].as_str().unwrap();
            let mut request = json!({"logGroupName": name});
            loop {
                let page = logs(world, "FilterLogEvents", &request).await;
                for event in page["events"].as_array().unwrap_or_else(|| panic!("{page}")) {
                    let short = name.rsplit('/').next().unwrap_or_default();
                    self.add(format!("log {short}"), event["message"].as_str().unwrap());
                }
                if page["nextToken"].is_null() {
                    break;
                }
                request["nextToken"] = page["nextToken"].clone();
            }
        }
    }

    async fn read_metrics(&mut self, world: &World) {
        let body = "Action=ListMetrics&Version=2010-08-01";
        let request = world.signed("monitoring", "POST", &world.stack.aws_endpoint, body);
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        self.add("metrics", request.send().await.unwrap().text().await.unwrap());
    }

    pub(super) async fn read_tables(&mut self, world: &World) {
        let outputs = &world.stack.outputs;
        let tables = [
            ("Messages", &outputs.messages_table_name),
            ("Contacts", &outputs.contacts_table_name),
            ("Notifications", &outputs.notifications_table_name),
            ("RateLimits", &outputs.rate_limits_table_name),
            ("Tenants", &outputs.tenants_table_name),
            ("Templates", &outputs.templates_table_name),
            ("Verifications", &outputs.verifications_table_name),
        ];
        for (name, table) in tables {
            let mut pages = world.dynamodb.scan().table_name(table).into_paginator().send();
            while let Some(page) = pages.next().await {
                for item in page.unwrap().items.unwrap_or_default() {
                    self.add(format!("table {name}"), format!("{item:?}"));
                }
            }
        }
    }
}

/// The body and the attributes.
fn text_of(message: &Message) -> String {
    format!("{} {:?}", message.body.as_deref().unwrap_or_default(), message.message_attributes)
}

/// The logical id in a physical name.
fn logical(name: &str) -> &str {
    let rest = name.strip_prefix(STACK_NAME).unwrap_or(name).trim_start_matches('-');
    rest.split('-').next().unwrap_or(rest)
}

async fn logs(world: &World, action: &str, request: &Value) -> Value {
    let request = world.signed("logs", "POST", &world.stack.aws_endpoint, &request.to_string());
    let request = request.header("Content-Type", "application/x-amz-json-1.1");
    let request = request.header("X-Amz-Target", format!("Logs_20140328.{action}"));
    request.send().await.unwrap().json().await.unwrap()
}
