//! `wa doctor`

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    isolated_stack::{IsolatedStack, TOKEN},
    operator::{CommandRun, wa},
};

const SERVICE: &str = "/v1/Services/MG00000000000000000000000000000001";

/// The worst level of a check, and all its texts.
fn found(ran: &CommandRun, check: &str) -> (String, String) {
    let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let of_check: Vec<_> = findings.iter().filter(|found| found["check"] == check).collect();
    let worst = ["wrong", "warning", "not_checked", "ok"]
        .into_iter()
        .find(|level| of_check.iter().any(|found| found["finding"] == *level));
    let seen: Vec<_> = of_check.iter().map(|found| format!("{} {}", found["what"], found["fix"])).collect();
    (worst.unwrap_or_default().to_owned(), seen.join("\n"))
}

fn set(isolated: &IsolatedStack, form: &[(&str, &str)]) {
    assert_eq!(isolated.twilio(Method::POST, SERVICE, TOKEN, form).0, 200);
}

#[test]
fn a_working_stack_is_ok() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let inbound = format!("{}/twilio/inbound", isolated.api_url);
    set(&isolated, &[("InboundRequestUrl", &format!("{inbound}#rc=3")), ("FallbackUrl", &inbound)]);
    let ran = isolated.wa(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let checks = ["AWS", "stack", "secret", "Twilio", "webhooks", "signature", "keywords", "pauses", "queues", "clock"];
    for check in checks {
        assert_eq!(found(&ran, check).0, "ok", "{check}: {ran:?}");
    }
    assert!(found(&ran, "webhooks").1.contains("connection overrides rc=3"), "{ran:?}");
    // The emulator's limit depends on the memory of this machine.
    let (level, seen) = found(&ran, "concurrency");
    assert!(level != "not_checked" && seen.contains("functions of this account at the same time"), "{seen}");
    // No alarm is deployed here, and a check that was not made does not count as ok.
    assert_eq!(found(&ran, "alarms").0, "not_checked");
    let shown = isolated.wa(&["doctor"]).done();
    assert!(shown.contains("✓ signature") && shown.contains("? alarms"), "{shown}");
}

#[test]
fn wrong_webhook_urls_are_found_and_fixed() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    set(&isolated, &[("InboundRequestUrl", &format!("{}/twilio/inbound/", isolated.api_url))]);
    let ran = isolated.wa(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let (level, seen) = found(&ran, "webhooks");
    assert!(level == "wrong" && seen.contains("/twilio/inbound/, and the stack checks signatures for"), "{seen}");

    let asked = isolated.wa(&["doctor", "--fix"]).failed(2);
    assert!(asked.contains("Set InboundRequestUrl=") && asked.contains("FallbackUrl="), "{asked}");
    let fixed = isolated.wa(&["doctor", "--fix", "--yes", "--output", "json"]);
    assert_eq!((fixed.code, found(&fixed, "webhooks").0.as_str()), (0, "ok"), "{fixed:?}");
    let (_, service) = isolated.twilio(Method::GET, SERVICE, TOKEN, &[]);
    assert_eq!(service["inbound_request_url"], json!(format!("{}/twilio/inbound", isolated.api_url)));
}

#[test]
fn a_service_that_leaves_webhooks_to_senders_is_not_changed() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    set(&isolated, &[("UseInboundWebhookOnNumber", "true"), ("InboundRequestUrl", "https://other.example.com/")]);
    let (_, before) = isolated.twilio(Method::GET, SERVICE, TOKEN, &[]);
    let ran = isolated.wa(&["doctor", "--fix", "--yes", "--output", "json"]);
    assert!(ran.stderr.contains("leaves webhooks to its senders, and nothing was changed"), "{ran:?}");
    assert!(!found(&ran, "webhooks").1.contains("--fix"), "{ran:?}");
    assert_eq!(isolated.twilio(Method::GET, SERVICE, TOKEN, &[]).1, before);
}

#[test]
fn each_problem_is_reported_with_its_fix() {
    let isolated = IsolatedStack::new(&["0123456789abcdef0123456789abcdef", TOKEN]);
    isolated.dead_letter("{}");
    let ran = isolated.wa(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let (level, seen) = found(&ran, "secret");
    assert!(level == "warning" && seen.contains("2 auth tokens") && seen.contains("wa rotate"), "{seen}");
    let (level, seen) = found(&ran, "Twilio");
    assert!(level == "wrong" && seen.contains("20003") && seen.contains("put current credentials"), "{seen}");
    let (level, seen) = found(&ran, "queues");
    assert!(level == "wrong" && seen.contains("outbound dead letters: 1 waiting"), "{seen}");
    assert!(seen.contains("dlq list`"), "{seen}");

    isolated.store(&[]);
    let (level, seen) = found(&isolated.wa(&["doctor", "--output", "json"]), "secret");
    assert!(level == "warning" && seen.contains("shared keys and no auth token"), "{seen}");
}

/// Runs the command, and checks the command of each finding. Gives how many have to be fixed.
fn with_complete_commands(isolated: &IsolatedStack) -> usize {
    let ran = isolated.wa(&["--region", "us-east-1", "doctor", "--output", "json"]);
    let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    let to_fix: Vec<_> = findings.iter().filter(|found| found["fix"].is_string()).collect();
    for found in &to_fix {
        let command = found["command"].as_str().unwrap_or_else(|| panic!("{found}"));
        let starts = ["wa --stack isolated-", "aws ", "curl ", "make build", "open https://console.twilio.com/"];
        assert!(starts.iter().any(|start| command.starts_with(start)), "{found}");
        if command.starts_with("wa ") || command.starts_with("aws ") {
            assert!(command.contains("--region us-east-1"), "{found}");
        }
    }
    to_fix.len()
}

#[test]
fn alarms_of_the_stack_are_read() {
    let (level, seen) = found(&wa(&["doctor", "--output", "json"]), "alarms");
    assert!(level != "not_checked", "{seen}");
}

#[test]
fn every_finding_has_a_complete_command() {
    const OLD: &str = "0123456789abcdef0123456789abcdef";
    let isolated = IsolatedStack::new(&[TOKEN, OLD]);
    set(&isolated, &[("InboundRequestUrl", "https://other.example.com/")]);
    set(&isolated, &[("StatusCallback", "https://other.example.com/")]);
    isolated.dead_letter("{}");
    // Two tokens, three URLs, and a dead letter.
    assert!(with_complete_commands(&isolated) >= 5);
    let shown = isolated.wa(&["doctor"]).stdout;
    assert!(shown.contains("  run: wa --stack isolated-"), "{shown}");
    // Twilio refuses the token, so that it cannot be asked for its URLs.
    isolated.store(&[OLD]);
    assert!(with_complete_commands(&isolated) >= 2);
}

#[test]
fn findings_are_printed_before_a_fix_is_asked_for() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    set(&isolated, &[("InboundRequestUrl", &format!("{}/twilio/inbound", isolated.api_url))]);
    let stderr = isolated.wa(&["doctor", "--fix"]).failed(2);
    let (found, asked) = stderr.split_once("Set ").unwrap();
    assert!(found.contains("has no fallback URL") && asked.contains("FallbackUrl="), "{stderr}");
    assert!(found.contains("no status callback URL") && asked.contains("StatusCallback="), "{stderr}");
}

#[test]
fn alerts_about_the_stack_are_a_warning() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    // The isolated stack has no such route.
    isolated.person_writes("Hello?");
    let ran = isolated.wa(&["doctor", "--output", "json"]);
    let (level, seen) = found(&ran, "alerts");
    assert!(level == "warning" && seen.contains("1 times in the last 24 hours: 11200"), "{seen}");
}

#[test]
fn a_missing_stack_is_reported() {
    let ran = crate::operator::ran(&mut crate::operator::command_in("no-such-stack", &["doctor", "--output", "json"]));
    assert_eq!(ran.code, 1, "{ran:?}");
    let (level, seen) = found(&ran, "stack");
    assert!(level == "wrong" && seen.contains("there is no stack no-such-stack"), "{seen}");
}
