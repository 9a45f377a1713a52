//! `wa doctor`

use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    operator::Ran,
    own_stack::{OwnStack, TOKEN},
};

const SERVICE: &str = "/v1/Services/MG00000000000000000000000000000001";

/// The findings by check: how bad the worst is, and all that was seen.
fn found(ran: &Ran, check: &str) -> (String, String) {
    let findings: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap_or_else(|_| panic!("{ran:?}"));
    let of_check: Vec<_> = findings.iter().filter(|found| found["check"] == check).collect();
    let worst = ["wrong", "warning", "not_checked", "ok"]
        .into_iter()
        .find(|level| of_check.iter().any(|found| found["finding"] == *level));
    let seen: Vec<_> = of_check.iter().map(|found| format!("{} {}", found["what"], found["fix"])).collect();
    (worst.unwrap_or_default().to_owned(), seen.join("\n"))
}

fn set(own: &OwnStack, form: &[(&str, &str)]) {
    assert_eq!(own.twilio(Method::POST, SERVICE, TOKEN, form).0, 200);
}

#[test]
fn a_stack_that_is_well_is_found_well() {
    let own = OwnStack::new(&[TOKEN]);
    let inbound = format!("{}/twilio/inbound", own.api_url);
    set(&own, &[("InboundRequestUrl", &format!("{inbound}#rc=3")), ("FallbackUrl", &inbound)]);
    let ran = own.wa(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    for check in ["AWS", "stack", "secret", "Twilio", "webhooks", "signature", "queues", "clock"] {
        assert_eq!(found(&ran, check).0, "ok", "{check}: {ran:?}");
    }
    assert!(found(&ran, "webhooks").1.contains("connection overrides rc=3"), "{ran:?}");
    // No alarm is deployed here, and what nobody told is not taken for well.
    assert_eq!(found(&ran, "alarms").0, "not_checked");
    let shown = own.wa(&["doctor"]).done();
    assert!(shown.contains("✓ signature") && shown.contains("? alarms"), "{shown}");
}

#[test]
fn webhooks_that_go_elsewhere_are_found_and_mended() {
    let own = OwnStack::new(&[TOKEN]);
    set(&own, &[("InboundRequestUrl", &format!("{}/twilio/inbound/", own.api_url))]);
    let ran = own.wa(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let (level, seen) = found(&ran, "webhooks");
    assert!(level == "wrong" && seen.contains("/twilio/inbound/, and the stack checks signatures for"), "{seen}");

    let asked = own.wa(&["doctor", "--fix"]).failed(2);
    assert!(asked.contains("Set InboundRequestUrl=") && asked.contains("FallbackUrl="), "{asked}");
    let mended = own.wa(&["doctor", "--fix", "--yes", "--output", "json"]);
    assert_eq!((mended.code, found(&mended, "webhooks").0.as_str()), (0, "ok"), "{mended:?}");
    let (_, service) = own.twilio(Method::GET, SERVICE, TOKEN, &[]);
    assert_eq!(service["inbound_request_url"], json!(format!("{}/twilio/inbound", own.api_url)));
}

#[test]
fn a_service_that_leaves_webhooks_to_its_senders_is_left_so() {
    let own = OwnStack::new(&[TOKEN]);
    set(&own, &[("UseInboundWebhookOnNumber", "true"), ("InboundRequestUrl", "https://other.example.com/")]);
    let (_, before) = own.twilio(Method::GET, SERVICE, TOKEN, &[]);
    let ran = own.wa(&["doctor", "--fix", "--yes", "--output", "json"]);
    assert!(ran.stderr.contains("leaves webhooks to its senders, and nothing was changed"), "{ran:?}");
    assert!(!found(&ran, "webhooks").1.contains("--fix"), "{ran:?}");
    assert_eq!(own.twilio(Method::GET, SERVICE, TOKEN, &[]).1, before);
}

#[test]
fn each_thing_that_is_wrong_is_named_with_its_fix() {
    let own = OwnStack::new(&["0123456789abcdef0123456789abcdef", TOKEN]);
    own.dead_letter("{}");
    let ran = own.wa(&["doctor", "--output", "json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    let (level, seen) = found(&ran, "secret");
    assert!(level == "warning" && seen.contains("2 auth tokens") && seen.contains("wa rotate"), "{seen}");
    let (level, seen) = found(&ran, "Twilio");
    assert!(level == "wrong" && seen.contains("20003") && seen.contains("put current credentials"), "{seen}");
    let (level, seen) = found(&ran, "queues");
    assert!(level == "wrong" && seen.contains("outbound dead letters: 1 waiting"), "{seen}");

    own.store(&[]);
    let (level, seen) = found(&own.wa(&["doctor", "--output", "json"]), "secret");
    assert!(level == "warning" && seen.contains("shared keys and no auth token"), "{seen}");
}

#[test]
fn without_the_stack_that_is_what_is_said() {
    let ran = crate::operator::ran(&mut crate::operator::command_in("no-such-stack", &["doctor", "--output", "json"]));
    assert_eq!(ran.code, 1, "{ran:?}");
    let (level, seen) = found(&ran, "stack");
    assert!(level == "wrong" && seen.contains("there is no stack no-such-stack"), "{seen}");
}
