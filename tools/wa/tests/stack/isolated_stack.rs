//! A stack of one test, for changes that other tests must not see: a secret, a stand-in for Twilio, and a webhook that accepts
//! what the secret's keys signed. It has nothing else of the template.

use std::{process::Command, sync::Arc};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use domain::route_health::RouteResults;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::{Value, json};
use shared::secrets::{SecretMaxAge, Secrets};
use stack::Stack;
use stores::route_health::RouteHealth;
use tokio::{net::TcpListener, runtime::Runtime};
use twilio_webhook::signature::{SignatureError, UnverifiedRequest};

use crate::operator::{CommandRun, command_in, new_id, ran};

/// The account that the stack sends from.
pub(crate) const ACCOUNT_SID: &str = "AC00000000000000000000000000000077";
/// The auth token that the account begins with.
pub(crate) const TOKEN: &str = "abababababababababababababababab";

/// A stack that exists as long as the test.
pub(crate) struct IsolatedStack {
    name: String,
    runtime: Runtime,
    /// The base URL of its webhooks.
    pub(crate) api_url: String,
    /// The base URL of its stand-in for Twilio.
    pub(crate) sandbox_url: String,
    secret_arn: String,
}

impl IsolatedStack {
    /// A stack whose secret holds these auth tokens.
    pub(crate) fn new(tokens: &[&str]) -> Self {
        let runtime = Runtime::new().unwrap();
        let (webhook, api_url) = runtime.block_on(listen());
        let (sandbox, sandbox_url) = runtime.block_on(listen());
        let config = sandbox::Config {
            account_sid: ACCOUNT_SID.parse().unwrap(),
            auth_token: SecretString::from(TOKEN),
            ..sandbox::Config::documented(format!("{api_url}/twilio/inbound"))
        };
        let messaging_service_sid = config.messaging_service_sid.to_string();
        runtime.spawn(sandbox::serve(config, sandbox));
        let name = new_id("isolated");
        let parameters = [
            ("TwilioAccountSid", ACCOUNT_SID),
            ("TwilioApiBaseUrl", &sandbox_url),
            ("MessagingServiceSid", &messaging_service_sid),
        ];
        let secret_arn = runtime.block_on(deploy(&name, &api_url, &parameters));
        let isolated = Self { name, runtime, api_url, sandbox_url, secret_arn };
        isolated.store(tokens);
        isolated.runtime.block_on(async {
            let client = aws_sdk_secretsmanager::Client::new(&Stack::from_env().unwrap().aws());
            let secrets = Secrets::load(client, isolated.secret_arn.clone(), SecretMaxAge::default()).await.unwrap();
            let state = Arc::new((secrets, isolated.api_url.clone()));
            let app = Router::new().route("/twilio/status", post(answer_webhook)).with_state(state);
            tokio::spawn(async { axum::serve(webhook, app).await });
        });
        isolated
    }

    /// Runs the command for this stack.
    pub(crate) fn wa(&self, arguments: &[&str]) -> CommandRun {
        let ran = ran(&mut self.command(arguments));
        for token in self.tokens().iter().map(String::as_str).chain([TOKEN]) {
            assert!(!ran.stdout.contains(token) && !ran.stderr.contains(token), "a token was printed");
        }
        ran
    }

    /// The command, not yet run.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        command_in(&self.name, arguments)
    }

    /// Puts these auth tokens into the secret.
    pub(crate) fn store(&self, tokens: &[&str]) {
        let secret = json!({"accounts": {ACCOUNT_SID: {"auth_tokens": tokens, "shared_keys": {"k": "kept"}}}});
        let client = aws_sdk_secretsmanager::Client::new(&Stack::from_env().unwrap().aws());
        let put = client.put_secret_value().secret_id(&self.secret_arn).secret_string(secret.to_string());
        self.runtime.block_on(put.send()).unwrap();
    }

    /// Puts the sandbox's first API key into the secret, beside an auth token.
    pub(crate) fn store_api_key(&self, sid: &str, secret: &str) {
        let account = json!({"auth_tokens": [TOKEN], "shared_keys": {"k": "kept"}, "api_key_sid": sid,
                             "api_key_secret": secret});
        let secret = json!({"accounts": {ACCOUNT_SID: account}}).to_string();
        let client = aws_sdk_secretsmanager::Client::new(&Stack::from_env().unwrap().aws());
        self.runtime
            .block_on(client.put_secret_value().secret_id(&self.secret_arn).secret_string(secret).send())
            .unwrap();
    }

    /// The API key in the secret.
    pub(crate) fn api_key(&self) -> (String, String) {
        let account = &self.secret()["accounts"][ACCOUNT_SID];
        assert_eq!(account["shared_keys"]["k"], "kept");
        let text = |name: &str| account[name].as_str().unwrap().to_owned();
        (text("api_key_sid"), text("api_key_secret"))
    }

    /// A person writes to the account's sender.
    pub(crate) fn person_writes(&self, body: &str) {
        let message = json!({"from": "whatsapp:+14155550123", "body": body});
        self.runtime.block_on(async {
            let request = reqwest::Client::new().post(format!("{}/sandbox/inbound", self.sandbox_url));
            assert!(request.json(&message).send().await.unwrap().status().is_success());
        });
    }

    fn secret(&self) -> Value {
        let client = aws_sdk_secretsmanager::Client::new(&Stack::from_env().unwrap().aws());
        let secret = self.runtime.block_on(client.get_secret_value().secret_id(&self.secret_arn).send()).unwrap();
        serde_json::from_str(secret.secret_string().unwrap()).unwrap()
    }

    /// The auth tokens in the secret.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let secret = self.secret();
        let account = &secret["accounts"][ACCOUNT_SID];
        assert_eq!(account["shared_keys"]["k"], "kept");
        serde_json::from_value(account["auth_tokens"].clone()).unwrap()
    }

    /// The counts of failures, which `wa resume` forgets.
    pub(crate) fn route_results(&self, rate_key: &str, results: RouteResults) -> RouteResults {
        let config = Stack::from_env().unwrap().aws();
        self.runtime.block_on(async {
            let describe = aws_sdk_cloudformation::Client::new(&config).describe_stacks().stack_name(&self.name);
            let described = describe.send().await.unwrap();
            let outputs = described.stacks()[0].outputs().iter();
            let mut table = outputs.filter(|output| output.output_key() == Some("RateLimitsTableName"));
            let table = table.find_map(|output| output.output_value()).unwrap();
            let health = RouteHealth::new(aws_sdk_dynamodb::Client::new(&config), table.to_owned());
            health.add(rate_key, results, Timestamp::now()).await.unwrap().results
        })
    }

    /// Puts a message on the outbound dead-letter queue.
    pub(crate) fn dead_letter(&self, body: &str) {
        let client = aws_sdk_sqs::Client::new(&Stack::from_env().unwrap().aws());
        self.runtime.block_on(async {
            let url = client.get_queue_url().queue_name(format!("{}-dead", self.name)).send().await.unwrap();
            client.send_message().queue_url(url.queue_url().unwrap()).message_body(body).send().await.unwrap();
        });
    }

    /// Sends a request to the control interface of the stand-in for Twilio.
    pub(crate) fn control(&self, method: reqwest::Method, path: &str, body: &Value) {
        self.runtime.block_on(async {
            let request = reqwest::Client::new().request(method, format!("{}/sandbox/{path}", self.sandbox_url));
            let answer = request.json(body).send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
        });
    }

    /// Calls Twilio's API with a token. Gives the status and the answer.
    pub(crate) fn twilio(
        &self,
        method: reqwest::Method,
        path: &str,
        token: &str,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        self.twilio_as((ACCOUNT_SID, token), method, path, form)
    }

    /// The same with any credentials.
    pub(crate) fn twilio_as(
        &self,
        (user, password): (&str, &str),
        method: reqwest::Method,
        path: &str,
        form: &[(&str, &str)],
    ) -> (u16, Value) {
        self.runtime.block_on(async {
            let request = reqwest::Client::new().request(method, format!("{}{path}", self.sandbox_url));
            let answer = request.basic_auth(user, Some(password)).form(form).send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap_or_default())
        })
    }
}

async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

/// Answers as the status function does: 403 for a wrong signature, then 204 for a form with nothing but its account.
async fn answer_webhook(State(state): State<Arc<(Secrets, String)>>, headers: HeaderMap, body: String) -> StatusCode {
    let (secrets, api_url) = state.as_ref();
    let request = UnverifiedRequest::new(format!("{api_url}/twilio/status"), &headers, body);
    let account_sid = ACCOUNT_SID.parse().unwrap();
    let verify = |accounts: &shared::secrets::Accounts| {
        accounts.signing_keys(&account_sid).map_or(Err(SignatureError::Mismatch), |keys| request.verify(keys))
    };
    let verified = match verify(&secrets.current().await.unwrap()) {
        Err(SignatureError::Mismatch) => match secrets.reread().await.unwrap() {
            Some(accounts) => verify(&accounts),
            None => Err(SignatureError::Mismatch),
        },
        verified => verified,
    };
    if verified.is_ok() { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN }
}

/// Gives the secret's ARN.
async fn deploy(name: &str, api_url: &str, parameters: &[(&str, &str)]) -> String {
    let types: serde_json::Map<_, _> =
        parameters.iter().map(|(key, _)| ((*key).to_owned(), json!({"Type": "String"}))).collect();
    let queue =
        |queue: &str| json!({"Type": "AWS::SQS::Queue", "Properties": {"QueueName": format!("{name}-{queue}")}});
    let url = |queue: &str| json!({"Value": {"Ref": queue}});
    let template = json!({
        "Parameters": types,
        "Resources": {
            "TwilioSecret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"SecretString": "{\"accounts\": {}}"}},
            "Outbound": queue("outbound"), "Dead": queue("dead"),
            "RateLimits": {"Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": "sender", "AttributeType": "S"}],
                "KeySchema": [{"AttributeName": "sender", "KeyType": "HASH"}],
            }},
            "Tenants": {"Type": "AWS::DynamoDB::Table", "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [
                    {"AttributeName": "document", "AttributeType": "S"},
                    {"AttributeName": "version", "AttributeType": "S"},
                ],
                "KeySchema": [
                    {"AttributeName": "document", "KeyType": "HASH"}, {"AttributeName": "version", "KeyType": "RANGE"},
                ],
            }},
        },
        "Outputs": {
            "ApiUrl": {"Value": api_url}, "TwilioSecretArn": {"Value": {"Ref": "TwilioSecret"}},
            "RateLimitsTableName": {"Value": {"Ref": "RateLimits"}},
            "TenantsTableName": {"Value": {"Ref": "Tenants"}},
            "OutboundQueueUrl": url("Outbound"), "OutboundDeadLetterQueueUrl": url("Dead"),
        },
    });
    let client = aws_sdk_cloudformation::Client::new(&Stack::from_env().unwrap().aws());
    let given = parameters.iter().map(|(key, value)| {
        aws_sdk_cloudformation::types::Parameter::builder().parameter_key(*key).parameter_value(*value).build()
    });
    let create = client.create_stack().stack_name(name).template_body(template.to_string());
    create.set_parameters(Some(given.collect())).send().await.unwrap();
    loop {
        let stacks = client.describe_stacks().stack_name(name).send().await.unwrap();
        let stack = &stacks.stacks()[0];
        let status = stack.stack_status().map(|status| status.as_str().to_owned()).unwrap_or_default();
        if status == "CREATE_COMPLETE" {
            let arn = stack.outputs().iter().find(|output| output.output_key() == Some("TwilioSecretArn"));
            return arn.unwrap().output_value().unwrap().to_owned();
        }
        assert!(status.ends_with("IN_PROGRESS"), "{status}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}
