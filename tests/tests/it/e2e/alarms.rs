//! Every alarm of the template is caused in a deployed stack, and rings there.
//!
//! The emulator carries the metrics of the alarms (`tools/stack/strict/alarms.py` and `metric_filters.py`): those that AWS's services
//! record, and those that the template's metric filters make of the functions' own log lines. An alarm rings there with the first
//! value beyond its threshold; that AWS waits until each of its periods has one is not shown.
//!
//! The tests have a separate stack, because they stop functions, triggers and Twilio, and move its clock. They run one after
//! another. Each has a list of alarms, and together these are all of the template.

use std::{collections::BTreeSet, path::Path, sync::LazyLock, time::Duration};

use serde_json::{Value, json};
use stack::{
    deploy::STACK_NAME,
    movable::{MovableStack, StackSettings},
};
use tokio::{
    runtime::Runtime,
    sync::{Mutex, MutexGuard, OnceCell},
};

use crate::{template, world::World};

mod canary;
mod functions;
mod lines;
mod lost;
mod queues;
mod webhooks;

/// A stack whose API refuses requests soon.
struct Alarms {
    stack: MutexGuard<'static, MovableStack>,
    world: World,
}

/// The stack, as soon as no other test uses it. The first test starts it.
async fn alarms() -> Alarms {
    // The stack runs in a runtime that does not end with the test that started it.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static STACK: OnceCell<Mutex<MovableStack>> = OnceCell::const_new();
    let start = async || {
        let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
        let limits = ["WebhookRateLimit=20", "WebhookBurstLimit=20", "ApiRateLimit=20", "ApiBurstLimit=20"];
        let canary = [format!("CanaryTo={}", canary::PHONE), format!("CanaryTemplate={}", canary::TEMPLATE)];
        let further = [&limits.map(str::to_owned)[..], &canary[..]].concat();
        let started = RUNTIME.spawn(async move {
            let settings = StackSettings { further: &further, ..StackSettings::default() };
            MovableStack::start(Path::new(&built), "alarms", &settings).await
        });
        Mutex::new(started.await.unwrap().unwrap())
    };
    let stack = STACK.get_or_init(start).await.lock().await;
    let world = World::of(stack.stack.clone());
    Alarms { stack, world }
}

impl Alarms {
    async fn advance(&self, by: Duration) {
        self.stack.advance(by).await.unwrap();
    }

    /// Waits until an alarm rings.
    async fn rings(&self, alarm: &str) {
        let rings = async || self.world.alarm_rings(alarm).await.then_some(());
        self.world.until(&format!("{alarm} in the state ALARM"), rings).await;
    }

    async fn assert_quiet(&self, alarms: &[&str]) {
        for alarm in alarms {
            assert!(!self.world.alarm_rings(alarm).await, "{alarm} rings before its cause");
        }
    }

    /// A request to the API of Lambda, such as `GET functions/`.
    async fn lambda(&self, method: &str, version: &str, path: &str, body: &str) -> (u16, Value) {
        let url = format!("{}/{version}/{path}", self.world.stack.aws_endpoint);
        let answer = self.world.signed("lambda", method, &url, body).send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    /// The ARN of a deployed function.
    async fn arn_of(&self, function: &str) -> String {
        let (_, listed) = self.lambda("GET", "2015-03-31", "functions/", "").await;
        let functions = listed["Functions"].as_array().unwrap_or_else(|| panic!("{listed}"));
        let is_it = |found: &&Value| {
            let name = found["FunctionName"].as_str().unwrap();
            name.strip_prefix(STACK_NAME).is_some_and(|rest| rest.starts_with(&format!("-{function}-")))
        };
        let found = functions.iter().find(is_it).unwrap_or_else(|| panic!("no {function}: {listed}"));
        found["FunctionArn"].as_str().unwrap().to_owned()
    }

    /// Invokes a function directly.
    async fn invoke(&self, function: &str, event: &str) -> (u16, Value) {
        let path = format!("functions/{}/invocations", name_in(&self.arn_of(function).await));
        self.lambda("POST", "2015-03-31", &path, event).await
    }

    /// Takes a function's settings away, without which it cannot start, and gives them.
    async fn remove_settings(&self, function: &str) -> Value {
        let path = format!("functions/{}/configuration", name_in(&self.arn_of(function).await));
        let (_, configuration) = self.lambda("GET", "2015-03-31", &path, "").await;
        self.set_settings(function, &json!({"Variables": {}})).await;
        configuration["Environment"].clone()
    }

    async fn set_settings(&self, function: &str, environment: &Value) {
        let path = format!("functions/{}/configuration", name_in(&self.arn_of(function).await));
        let body = json!({"Environment": environment}).to_string();
        let (status, answer) = self.lambda("PUT", "2015-03-31", &path, &body).await;
        assert_eq!(status, 200, "{answer}");
        self.publish(function).await;
    }

    /// Publishes a version of a function, and points the alias to it, as a deployment does.
    async fn publish(&self, function: &str) {
        let name = name_in(&self.arn_of(function).await).to_owned();
        let (status, version) = self.lambda("POST", "2015-03-31", &format!("functions/{name}/versions"), "{}").await;
        assert_eq!(status, 201, "{version}");
        let body = json!({"FunctionVersion": version["Version"]}).to_string();
        let (status, answer) = self.lambda("PUT", "2015-03-31", &format!("functions/{name}/aliases/live"), &body).await;
        assert_eq!(status, 200, "{answer}");
    }

    /// Starts or stops the triggers whose source contains a text: a queue's name, or `/stream/`.
    async fn set_triggers(&self, source: &str, is_enabled: bool) {
        let (_, listed) = self.lambda("GET", "2015-03-31", "event-source-mappings/", "").await;
        let mappings = listed["EventSourceMappings"].as_array().unwrap_or_else(|| panic!("{listed}"));
        let has_source = |mapping: &&Value| mapping["EventSourceArn"].as_str().unwrap().contains(source);
        for mapping in mappings.iter().filter(has_source) {
            let path = format!("event-source-mappings/{}", mapping["UUID"].as_str().unwrap());
            let body = json!({"Enabled": is_enabled}).to_string();
            let (status, answer) = self.lambda("PUT", "2015-03-31", &path, &body).await;
            assert!((200..300).contains(&status), "{answer}");
        }
    }
}

fn name_in(arn: &str) -> &str {
    arn.rsplit(':').next().unwrap()
}

#[test]
fn every_alarm_of_the_template_is_caused() {
    let caused =
        [canary::ALARMS, functions::ALARMS, lines::ALARMS, lost::ALARMS, queues::ALARMS, webhooks::ALARMS].concat();
    let names: BTreeSet<_> = caused.iter().map(|alarm| (*alarm).to_owned()).collect();
    assert_eq!(names.len(), caused.len(), "an alarm is caused twice");
    assert_eq!(names, template::of_type("AWS::CloudWatch::Alarm").into_keys().collect());
}
