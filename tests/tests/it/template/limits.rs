//! The numbers and permissions of the template.

use domain::{limits::STATUS_CALLBACKS, policy::Policy, token_bucket::RateLimit};

use super::{file, of_type, value};

/// The default of a parameter.
fn default_of(parameter: &str) -> u32 {
    let template = file("template.yaml");
    let (_, parameter) = template.split_once(&format!("\n  {parameter}:\n")).unwrap();
    let default = parameter.lines().find_map(|line| line.strip_prefix("    Default: ")).unwrap();
    default.parse().unwrap()
}

/// The status callbacks in a second, if all senders of a policy use their rates.
fn callbacks(policy: &str) -> u32 {
    let policy: Policy = policy.parse().unwrap();
    STATUS_CALLBACKS * policy.rates().map(RateLimit::per_second).sum::<u32>()
}

#[test]
fn webhooks_accept_the_callbacks_of_the_documented_rates() {
    let configuration = file("docs/configuration.md");
    let (_, section) = configuration.split_once("\n## Send policy\n").unwrap();
    let example = section.split("```json\n").nth(1).unwrap().split("```").next().unwrap();
    let limit = default_of("WebhookRateLimit");
    assert_eq!(callbacks("{}"), 320);
    for policy in ["{}", example] {
        assert!(limit >= callbacks(policy), "{policy}");
    }
    // What all APIs of an account in a region accept together. Source: Amazon API Gateway, "Quotas".
    let (account_rate, account_burst) = (10_000, 5_000);
    assert!(2 * limit + default_of("ApiRateLimit") <= account_rate);
    assert!(default_of("WebhookBurstLimit").max(default_of("ApiBurstLimit")) <= account_burst);
}

#[test]
fn only_the_webhooks_have_settings_of_their_route() {
    let api = &of_type("AWS::Serverless::HttpApi")["HttpApi"];
    let (_, settings) = api.split_once("RouteSettings:\nThrottlingRateLimit: !Ref ApiRateLimit\n").unwrap();
    let (_, settings) = settings.split_once("\nRouteSettings:\n").unwrap();
    let settings = settings.split("AccessLogSettings:").next().unwrap();
    let limits = "ThrottlingRateLimit: !Ref WebhookRateLimit\nThrottlingBurstLimit: !Ref WebhookBurstLimit\n";
    assert_eq!(settings, format!("POST /twilio/inbound:\n{limits}POST /twilio/status:\n{limits}"));
}

/// A path names a person or a notification, and a query the notification of a status callback.
#[test]
fn access_log_has_no_path_and_no_query() {
    let api = &of_type("AWS::Serverless::HttpApi")["HttpApi"];
    let format = value(api, "Format").unwrap();
    let variables = format.split("$context.").skip(1).map(|rest| rest.split('"').next().unwrap());
    let expected = [
        "requestId",
        "requestTimeEpoch",
        "routeKey",
        "status",
        "integrationStatus",
        "error.message",
        "identity.sourceIp",
        "responseLatency",
    ];
    assert!(variables.eq(expected), "{format}");
}

#[test]
fn new_accounts_concurrency_is_not_used_up_by_sending() {
    // AWS Lambda, "Lambda quotas": new accounts have reduced quotas, 10 at the least.
    let (new_account, lanes) = (10, 3);
    assert!(lanes * default_of("SendConcurrency") <= new_account - 4, "webhooks, publish and both schedules");
}

/// The smallest number that Lambda allows (AWS Lambda API, `ScalingConfig`), until an operator raises it.
#[test]
fn every_reader_of_a_queue_has_two_instances_by_default() {
    let mappings = of_type("AWS::Lambda::EventSourceMapping");
    let readers: Vec<_> = mappings.iter().filter(|(_, mapping)| mapping.contains("Queue.Arn\nBatchSize")).collect();
    assert_eq!(readers.len(), 5, "three lanes, files, and spooled webhooks");
    for (name, mapping) in readers {
        let most = value(mapping, "MaximumConcurrency").unwrap_or_else(|| panic!("{name} has no limit"));
        assert_eq!(default_of(most.trim_start_matches("!Ref ")), 2, "{name}");
    }
}

/// Tables that fill again by themselves.
const COPIES: [&str; 3] = ["RateLimitsTable", "TemplatesTable", "VerificationsTable"];

#[test]
fn what_cannot_be_made_again_outlives_the_stack() {
    let retained = |text: &str| {
        value(text, "DeletionPolicy") == Some("RetainExceptOnCreate")
            && value(text, "UpdateReplacePolicy") == Some("Retain")
    };
    for secret in ["TwilioSecret", "ErasureKeySecret"] {
        assert!(retained(&of_type("AWS::SecretsManager::Secret")[secret]), "{secret}");
    }
    let tables = of_type("AWS::DynamoDB::Table");
    for (name, table) in tables.iter().filter(|(name, _)| !COPIES.contains(&name.as_str())) {
        assert!(retained(table), "{name}");
    }
    for (name, bucket) in of_type("AWS::S3::Bucket") {
        assert!(retained(&bucket), "{name}");
    }
}

#[test]
fn every_log_group_forgets_after_the_same_days() {
    for (name, group) in of_type("AWS::Logs::LogGroup") {
        assert_eq!(value(&group, "RetentionInDays"), Some("!Ref LogRetentionDays"), "{name}");
    }
}

/// Without it a package index could give other code under the same version.
#[test]
fn every_installed_package_has_a_hash() {
    for name in ["bench", "contracts", "java", "ministack", "proof", "sam"] {
        let requirements = file(&format!("tools/requirements/{name}.txt"));
        let lines: Vec<_> = requirements.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
        assert!(!lines.is_empty());
        for pair in lines.windows(2).filter(|pair| !pair[0].starts_with(' ')) {
            assert!(pair[0].contains("==") && pair[1].trim().starts_with("--hash=sha256:"), "{name}: {}", pair[0]);
        }
    }
    for lock in ["tools/requirements/npm/package-lock.json", "samples/node/package-lock.json"] {
        let lock: serde_json::Value = serde_json::from_str(&file(lock)).unwrap();
        for (path, package) in lock["packages"].as_object().unwrap().iter().filter(|(path, _)| !path.is_empty()) {
            assert!(package["integrity"].is_string(), "{path}");
        }
    }
    assert!(file("Makefile").contains("--require-hashes"));
}
