//! Keys that are removed or replaced while a function runs. Each test has its own secret and its own process of a function, so
//! that it is certain which keys the process has read.

use std::{collections::BTreeSet, time::Duration};

use aws_sdk_secretsmanager::Client;
use axum::body::Bytes;
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN};
use tests::harness::{
    bootstrap,
    function::FunctionProcess,
    sender::{Record, Sender},
};
use twilio_webhook::{
    form::Form,
    signature::{sign, sign_with_shared_key},
};

use crate::{
    e2e::{
        clock::{Time, time},
        media::upload,
    },
    support::queue_of_the_test,
    world::{Person, World, new_id, new_sid, template_notification},
};

const LEAKED_TOKEN: &str = "11111111111111111111111111111111";
const SHARED_KEY_ID: &str = "webhooks_sharedkey_leaked";
const SHARED_KEY: &str = "c2hhcmVkIGtleSBvZiB0aGUgbG9jYWwgc3RhY2s=";
const STATUS_URL: &str = "https://wa.example.com/twilio/status";

/// The function `status` with a secret that no other function reads. The clock of its stack can be moved.
struct StatusProcess {
    time: Time,
    secrets_manager: Client,
    secret_id: String,
    function: FunctionProcess,
}

/// Who signs a webhook.
#[derive(Debug, Clone, Copy)]
enum Signer {
    Token(&'static str),
    SharedKey,
}

impl StatusProcess {
    async fn start(account: &Value) -> Self {
        let time = time().await;
        let stack = &time.world.stack;
        let secrets_manager = Client::new(&stack.aws());
        let secret_id = new_id("twilio");
        let create = secrets_manager.create_secret().name(&secret_id).secret_string(secret(account));
        create.send().await.unwrap();
        let mut environment = stack.function_environments()["StatusFunction"].clone();
        environment["TWILIO_SECRET_ID"] = json!(secret_id);
        for (name, path) in stack.clock.environment() {
            environment[name] = json!(path.to_str().unwrap());
        }
        let function = FunctionProcess::start(&bootstrap("status"), &[], &environment).await.unwrap();
        Self { time, secrets_manager, secret_id, function }
    }

    async fn store(&self, account: &Value) {
        let put = self.secrets_manager.put_secret_value().secret_id(&self.secret_id);
        put.secret_string(secret(account)).send().await.unwrap();
    }

    /// Sends a status callback, and returns the status of the answer.
    async fn call(&mut self, signer: Signer) -> Value {
        self.function.invoke(&callback(signer)).await.unwrap()["statusCode"].clone()
    }
}

fn secret(account: &Value) -> String {
    json!({"accounts": {ACCOUNT_SID: account}}).to_string()
}

fn account(tokens: &[&str], shared_keys: &Value) -> Value {
    json!({"auth_tokens": tokens, "shared_keys": shared_keys, "api_key_sid": API_KEY_SID, "api_key_secret": API_KEY_SECRET})
}

fn callback(signer: Signer) -> Bytes {
    let body = format!("MessageSid={}&AccountSid={ACCOUNT_SID}&MessageStatus=sent&To=%2B14155550100", new_sid());
    let form = Form::parse(body.as_bytes());
    let mut headers = json!({"content-type": "application/x-www-form-urlencoded"});
    headers["x-twilio-signature"] = match signer {
        Signer::Token(token) => json!(sign(&token.into(), STATUS_URL, &form)),
        Signer::SharedKey => json!(sign_with_shared_key(&SHARED_KEY.into(), STATUS_URL, &form)),
    };
    if let Signer::SharedKey = signer {
        headers["x-twilio-webhooks-signature-settings"] = json!(format!("key={SHARED_KEY_ID},algorithm=HMAC_SHA256"));
    }
    let event = json!({
        "version": "2.0", "routeKey": "POST /twilio/status", "rawPath": "/twilio/status", "rawQueryString": "",
        "headers": headers, "body": body, "isBase64Encoded": false,
        "requestContext": {
            "domainName": "wa.example.com", "stage": "$default",
            "http": {"method": "POST", "path": "/twilio/status"},
        },
    });
    Bytes::from(event.to_string())
}

#[tokio::test]
async fn removed_keys_are_refused_after_five_minutes() {
    let leaked = account(&[AUTH_TOKEN, LEAKED_TOKEN], &json!({SHARED_KEY_ID: SHARED_KEY}));
    let mut process = StatusProcess::start(&leaked).await;
    let signers = [Signer::Token(LEAKED_TOKEN), Signer::SharedKey, Signer::Token(AUTH_TOKEN)];
    for signer in signers {
        assert_eq!(process.call(signer).await, 204, "{signer:?}");
    }
    process.store(&account(&[AUTH_TOKEN], &json!({}))).await;
    process.time.advance(Duration::from_mins(5)).await;
    for (signer, status) in signers.into_iter().zip([403, 403, 204]) {
        assert_eq!(process.call(signer).await, status, "{signer:?}");
    }
}

#[tokio::test]
async fn webhooks_pass_for_an_hour_while_the_secret_is_unreadable() {
    let mut process = StatusProcess::start(&account(&[AUTH_TOKEN], &json!({}))).await;
    let twilio = Signer::Token(AUTH_TOKEN);
    assert_eq!(process.call(twilio).await, 204);
    process.secrets_manager.delete_secret().secret_id(&process.secret_id).send().await.unwrap();
    for minutes in [5, 50] {
        process.time.advance(Duration::from_mins(minutes)).await;
        assert_eq!(process.call(twilio).await, 204, "after {minutes} more minutes");
    }
    process.time.advance(Duration::from_mins(5)).await;
    assert_eq!(process.call(twilio).await, 500, "Twilio repeats it");
    assert_eq!(process.call(Signer::Token(LEAKED_TOKEN)).await, 500, "no key counts any more");
    process.secrets_manager.restore_secret().secret_id(&process.secret_id).send().await.unwrap();
    process.time.advance(Duration::from_mins(1)).await;
    assert_eq!(process.call(twilio).await, 204);
    assert_eq!(process.call(Signer::Token(LEAKED_TOKEN)).await, 403);
}

#[tokio::test]
async fn notification_waits_after_an_hour_without_the_secret() {
    let time = time().await;
    let (world, person, id) = (&time.world, Person::new(), new_id("locked"));
    let (secrets_manager, secret_id) = (Client::new(&world.stack.aws()), new_id("twilio"));
    let create = secrets_manager.create_secret().name(&secret_id);
    create.secret_string(secret(&account(&[AUTH_TOKEN], &json!({})))).send().await.unwrap();
    let clock = world.stack.clock.environment().map(|(name, path)| (name, path.to_str().unwrap()));
    let different: Vec<_> = clock.chain([("TWILIO_SECRET_ID", secret_id.as_str())]).collect();
    let mut sender = Sender::start(&world.stack, &queue_of_the_test(world).await, &different).await.unwrap();
    secrets_manager.delete_secret().secret_id(&secret_id).send().await.unwrap();
    time.advance(Duration::from_hours(1)).await;
    let record = Record { message_id: id.clone(), body: template_notification(&id, &person).to_string() };
    assert_eq!(sender.deliver(&[record]).await.unwrap(), BTreeSet::new());
    let (status, log) = world.call("GET", &format!("/notifications/{id}"), "").await;
    assert_eq!((status, &log["waits_for"]), (200, &json!("account")), "{log}");
    assert!(world.sent_to(&person).await.is_empty());
}

/// A user who can read the files of the media bucket.
struct MediaUser<'a> {
    world: &'a World,
    name: String,
}

impl MediaUser<'_> {
    async fn create(world: &World) -> MediaUser<'_> {
        let user = MediaUser { world, name: new_id("signer") };
        user.call("CreateUser", &[]).await;
        let bucket = &world.stack.outputs.media_bucket_name;
        let statement =
            json!({"Effect": "Allow", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/*")});
        let policy = json!({"Version": "2012-10-17", "Statement": statement}).to_string();
        user.call("PutUserPolicy", &[("PolicyName", "read-media"), ("PolicyDocument", &policy)]).await;
        user
    }

    /// The id of a new access key, and the secret with it.
    async fn new_key(&self) -> (String, String) {
        let created = self.call("CreateAccessKey", &[]).await;
        let text = |tag: &str| {
            let (_, rest) = created.split_once(&format!("<{tag}>")).unwrap();
            rest.split_once('<').unwrap().0.to_owned()
        };
        let id = text("AccessKeyId");
        let secret = json!({"access_key_id": id, "secret_access_key": text("SecretAccessKey")}).to_string();
        (id, secret)
    }

    /// Calls IAM. Source: AWS Identity and Access Management API Reference.
    async fn call(&self, action: &str, parameters: &[(&str, &str)]) -> String {
        let always = [("Action", action), ("Version", "2010-05-08"), ("UserName", &self.name)];
        let body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(always.iter().chain(parameters)).finish();
        let request = self.world.signed("iam", "POST", &self.world.stack.aws_endpoint, &body);
        let answer = request.header("Content-Type", "application/x-www-form-urlencoded").send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{action}: {status} {text}");
        text
    }
}

/// Sends a file by a process of the function, and returns its link.
async fn sent_link(world: &World, sender: &mut Sender, key: &Value) -> reqwest::Url {
    let (person, id) = (Person::new(), new_id("media"));
    world.open_window(&person).await;
    let mut notification = template_notification(&id, &person);
    notification["content"] = json!({"type": "media", "media": [{"key": key}]});
    let record = Record { message_id: id.clone(), body: notification.to_string() };
    assert_eq!(sender.deliver(&[record]).await.unwrap(), BTreeSet::new());
    world.notification_in(&id, "accepted").await;
    let sent = world.sent_to(&person).await;
    sent[0]["sandbox_media_urls"][0].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn media_link_after_a_key_was_replaced_has_the_new_key() {
    let world = World::new();
    let key = upload(&world, "image/jpeg", b"a picture").await["key"].clone();
    let user = MediaUser::create(&world).await;
    let (old, old_secret) = user.new_key().await;
    let (secrets_manager, secret_id) = (Client::new(&world.stack.aws()), new_id("signer"));
    secrets_manager.create_secret().name(&secret_id).secret_string(old_secret).send().await.unwrap();
    let queue_url = queue_of_the_test(&world).await;
    let signer = [("MEDIA_SIGNER_SECRET_ID", secret_id.as_str()), ("MEDIA_SIGNER_SERIAL", "1")];
    let mut sender = Sender::start(&world.stack, &queue_url, &signer).await.unwrap();
    let link = sent_link(&world, &mut sender, &key).await;
    assert!(link.as_str().contains(&format!("X-Amz-Credential={old}")), "{link}");

    // As a deployment with another serial does, but without the restart of the function.
    let (new, new_secret) = user.new_key().await;
    secrets_manager.put_secret_value().secret_id(&secret_id).secret_string(new_secret).send().await.unwrap();
    user.call("DeleteAccessKey", &[("AccessKeyId", &old)]).await;
    let link = sent_link(&world, &mut sender, &key).await;
    assert!(link.as_str().contains(&format!("X-Amz-Credential={new}")), "{link}");
    let file = world.http.get(link.clone()).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"a picture");
    // The signature covers the method.
    assert_eq!(world.http.head(link).send().await.unwrap().status(), 403);
}
