//! A running local stack: its URLs, its template's outputs, and the environment of processes that use it.

use anyhow::{Context as _, Result};
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_types::SdkConfig;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use crate::{
    clock::StackClock,
    emulator::Emulator,
    run::{ACCOUNT_SID, MESSAGING_SERVICE_SID, VERIFY_SERVICE_SID},
};

/// The AWS region of the stack.
pub const REGION: &str = "us-east-1";

const API_URL: &str = "STACK_API_URL";
const SANDBOX_URL: &str = "STACK_SANDBOX_URL";
const AWS_ENDPOINT: &str = "STACK_AWS_ENDPOINT";
const OUTPUTS: &str = "STACK_OUTPUTS";
const ADMINISTRATOR_SECRET: &str = "AWS_SECRET_ACCESS_KEY";

/// The outputs of the deployed template.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[expect(missing_docs, reason = "template.yaml describes each output")]
pub struct Outputs {
    pub api_url: String,
    pub urgent_queue_url: String,
    pub outbound_queue_url: String,
    pub marketing_queue_url: String,
    pub outbound_dead_letter_queue_url: String,
    pub events_queue_url: String,
    pub events_dead_letter_queue_url: String,
    pub unpublished_queue_url: String,
    pub media_queue_url: String,
    pub media_dead_letter_queue_url: String,
    pub spool_queue_url: String,
    pub spool_dead_letter_queue_url: String,
    pub messages_table_name: String,
    pub contacts_table_name: String,
    pub notifications_table_name: String,
    pub rate_limits_table_name: String,
    pub tenants_table_name: String,
    pub templates_table_name: String,
    pub verifications_table_name: String,
    pub media_bucket_name: String,
    pub archive_bucket_name: String,
    pub twilio_secret_arn: String,
    pub erasure_key_secret_arn: String,
    pub reconcile_function_name: String,
    pub release_function_name: String,
    pub template_sync_function_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence_bucket_name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_key_secret_arn: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_key_pair_id_a: Option<String>,
}

/// The administrator of the emulator. The secret key is random for each run, because with `make run TWILIO=1` the emulator
/// stores the credentials of a real account.
#[derive(Debug, Clone)]
pub struct Administrator {
    secret_key: SecretString,
}

impl Administrator {
    const ACCESS_KEY: &str = "LOCALADMINISTRATOR";

    /// An administrator with a new secret key.
    pub fn random() -> Self {
        Self { secret_key: uuid::Uuid::new_v4().simple().to_string().into() }
    }

    /// The keys as environment variables for AWS tools and SDKs.
    pub fn environment(&self) -> [(&'static str, &str); 2] {
        [("AWS_ACCESS_KEY_ID", Self::ACCESS_KEY), (ADMINISTRATOR_SECRET, self.secret_key.expose_secret())]
    }

    /// The keys as credentials for the SDK.
    pub fn credentials(&self) -> Credentials {
        Credentials::new(Self::ACCESS_KEY, self.secret_key.expose_secret(), None, None, "local stack")
    }
}

/// A running local stack.
#[derive(Debug, Clone)]
pub struct Stack {
    /// The base URL of the deployed API, which Twilio calls. Like the other URLs it has no slash at the end.
    pub api_url: String,
    /// The base URL of the sandbox.
    pub sandbox_url: String,
    /// The endpoint of the emulator of AWS.
    pub aws_endpoint: String,
    /// The emulator's administrator, who has every permission.
    pub administrator: Administrator,
    /// The clock of the emulator and the functions.
    pub clock: StackClock,
    /// The outputs of the template.
    pub outputs: Outputs,
}

impl Stack {
    /// The stack that was deployed to this emulator.
    pub(crate) fn new(emulator: &Emulator, sandbox_url: String, outputs: Outputs) -> Self {
        Self {
            api_url: emulator.front_door.clone(),
            sandbox_url,
            aws_endpoint: emulator.endpoint.clone(),
            administrator: emulator.administrator.clone(),
            clock: emulator.clock.clone(),
            outputs,
        }
    }

    /// The stack in which `make test` or `stack exec` started this process.
    pub fn from_env() -> Result<Self> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let variable = |name| {
            variable(name).with_context(|| {
                format!("{name} is not set: `make test` starts the local stack that this program needs")
            })
        };
        Ok(Self {
            api_url: variable(API_URL)?,
            sandbox_url: variable(SANDBOX_URL)?,
            aws_endpoint: variable(AWS_ENDPOINT)?,
            administrator: Administrator { secret_key: variable(ADMINISTRATOR_SECRET)?.into() },
            clock: StackClock::default(),
            outputs: serde_json::from_str(&variable(OUTPUTS)?).with_context(|| format!("{OUTPUTS} cannot be read"))?,
        })
    }

    /// The environment of a process in this stack: the variables that [`Self::from_env`] reads, and those that connect AWS
    /// SDKs and tools to the emulator.
    pub fn environment(&self) -> Result<Vec<(&'static str, String)>> {
        Ok([
            (API_URL, self.api_url.clone()),
            (SANDBOX_URL, self.sandbox_url.clone()),
            (AWS_ENDPOINT, self.aws_endpoint.clone()),
            (OUTPUTS, serde_json::to_string(&self.outputs)?),
        ]
        .into_iter()
        .chain(aws_environment(&self.aws_endpoint, &self.administrator))
        .collect())
    }

    /// The SDK's configuration for calls to the emulator as its administrator. They are signed with the time of the stack,
    /// because the emulator refuses a signature of another time, as AWS does.
    pub fn aws(&self) -> SdkConfig {
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static(REGION))
            .endpoint_url(&self.aws_endpoint)
            .time_source(self.clock.clone())
            .credentials_provider(SharedCredentialsProvider::new(self.administrator.credentials()))
            .build()
    }
}

impl Stack {
    /// The environment of each function by its logical id, for functions that a test starts itself with events like those in
    /// `events/`, which are signed for the domain `wa.example.com`.
    pub fn function_environments(&self) -> serde_json::Value {
        let Outputs {
            messages_table_name,
            contacts_table_name,
            notifications_table_name,
            rate_limits_table_name,
            templates_table_name,
            ..
        } = &self.outputs;
        let mut environment: serde_json::Map<_, _> = aws_environment(&self.aws_endpoint, &self.administrator)
            .map(|(name, value)| (name.to_owned(), value.into()))
            .collect();
        let functions = [
            ("PUBLIC_BASE_URL", "https://wa.example.com"),
            ("MESSAGES_TABLE", messages_table_name),
            ("CONTACTS_TABLE", contacts_table_name),
            ("NOTIFICATIONS_TABLE", notifications_table_name),
            ("RATE_LIMITS_TABLE", rate_limits_table_name),
            ("TEMPLATES_TABLE", templates_table_name),
            ("VERIFICATIONS_TABLE", &self.outputs.verifications_table_name),
            ("VERIFY_SERVICE_SID", VERIFY_SERVICE_SID),
            ("URGENT_QUEUE_URL", &self.outputs.urgent_queue_url),
            ("OUTBOUND_QUEUE_URL", &self.outputs.outbound_queue_url),
            ("MARKETING_QUEUE_URL", &self.outputs.marketing_queue_url),
            ("OUTBOUND_DEAD_LETTER_QUEUE_URL", &self.outputs.outbound_dead_letter_queue_url),
            ("EVENTS_QUEUE_URL", &self.outputs.events_queue_url),
            ("UNPUBLISHED_QUEUE_URL", &self.outputs.unpublished_queue_url),
            ("MEDIA_QUEUE_URL", &self.outputs.media_queue_url),
            ("SPOOL_QUEUE_URL", &self.outputs.spool_queue_url),
            ("SPOOL_DEAD_LETTER_QUEUE_URL", &self.outputs.spool_dead_letter_queue_url),
            ("MEDIA_BUCKET", &self.outputs.media_bucket_name),
            ("ARCHIVE_BUCKET", &self.outputs.archive_bucket_name),
            ("TWILIO_SECRET_ID", &self.outputs.twilio_secret_arn),
            ("ERASURE_KEY_SECRET_ID", &self.outputs.erasure_key_secret_arn),
            ("TWILIO_ACCOUNT_SID", ACCOUNT_SID),
            ("MESSAGING_SERVICE_SID", MESSAGING_SERVICE_SID),
            ("TWILIO_API_BASE_URL", &self.sandbox_url),
        ];
        environment.extend(functions.map(|(name, value)| (name.to_owned(), value.into())));
        let names = [
            "InboundFunction",
            "StatusFunction",
            "SendFunction",
            "ReleaseFunction",
            "PresignFunction",
            "ContactsFunction",
            "VerifyFunction",
            "TypingFunction",
            "PublishFunction",
            "ReconcileFunction",
            "StoreMediaFunction",
            "ApplyWebhooksFunction",
            "TemplateEventsFunction",
            "TemplateSyncFunction",
        ];
        names
            .map(|function| (function.to_owned(), environment.clone().into()))
            .into_iter()
            .collect::<serde_json::Map<_, _>>()
            .into()
    }
}

/// The variables that connect AWS SDKs and tools to the emulator, and that prevent them from using a real account.
pub fn aws_environment(endpoint: &str, administrator: &Administrator) -> impl Iterator<Item = (&'static str, String)> {
    [
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_SESSION_TOKEN", ""),
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
    ]
    .into_iter()
    .chain(administrator.environment())
    .map(|(name, value)| (name, value.to_owned()))
    .collect::<Vec<_>>()
    .into_iter()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    pub(crate) fn stack() -> Stack {
        let names = serde_json::json!({
            "ApiUrl": "http://api", "OutboundQueueUrl": "q1", "OutboundDeadLetterQueueUrl": "q2",
            "UrgentQueueUrl": "q6", "MarketingQueueUrl": "q7",
            "EventsQueueUrl": "q3", "EventsDeadLetterQueueUrl": "q4", "UnpublishedQueueUrl": "q5",
            "MessagesTableName": "t1", "ContactsTableName": "t2", "NotificationsTableName": "t3",
            "RateLimitsTableName": "t4", "TenantsTableName": "t5", "TemplatesTableName": "t6", "VerificationsTableName": "t7", "MediaBucketName": "b1", "ArchiveBucketName": "b2", "TwilioSecretArn": "s1", "ErasureKeySecretArn": "s2",
            "MediaQueueUrl": "q8", "MediaDeadLetterQueueUrl": "q9", "SpoolQueueUrl": "q10", "SpoolDeadLetterQueueUrl": "q11", "ReconcileFunctionName": "f1", "ReleaseFunctionName": "f2", "TemplateSyncFunctionName": "f3",
        });
        Stack {
            api_url: "http://api".into(),
            sandbox_url: "http://sandbox".into(),
            aws_endpoint: "http://aws".into(),
            administrator: Administrator::random(),
            clock: StackClock::default(),
            outputs: serde_json::from_value(names).unwrap(),
        }
    }

    #[test]
    fn environment_of_a_stack_is_read_as_the_same_stack() {
        let environment: BTreeMap<_, _> = stack().environment().unwrap().into_iter().collect();
        assert_eq!(environment["STACK_API_URL"], "http://api");
        let read = Stack::from_variables(|name| environment.get(name).cloned()).unwrap();
        assert_eq!(read.environment().unwrap().into_iter().collect::<BTreeMap<_, _>>(), environment);
    }

    #[test]
    fn process_outside_a_stack_is_refused_with_instructions() {
        let error = Stack::from_variables(|_| None).unwrap_err().to_string();
        assert_eq!(error, "STACK_API_URL is not set: `make test` starts the local stack that this program needs");
    }
}
