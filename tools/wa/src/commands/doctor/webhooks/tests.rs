use serde_json::{Value, json};

use super::*;
use crate::finding::Level;

const OURS: &str = "https://wa.example.com/twilio/inbound";

fn api_url() -> BaseUrl {
    "https://wa.example.com".parse().unwrap()
}

fn levels(inbound: Option<&str>, method: &str, fallback: Option<&str>, status: Option<&str>) -> Vec<Level> {
    let text = |text: Option<&str>| text.map(str::to_owned);
    let settings = WebhookSettings {
        owner: WebhookOwner::Service("MG00000000000000000000000000000001".parse().unwrap()),
        inbound: text(inbound),
        inbound_method: Some(method.to_owned()),
        fallback: text(fallback),
        status: text(status),
    };
    settings.findings(&api_url(), &CopyableCommands::of_test()).into_iter().map(|found| found.finding).collect()
}

#[test]
fn urls_are_compared_to_the_letter_without_overrides() {
    use Level::{Ok, Warning, Wrong};
    let with_overrides = format!("{OURS}#rc=3&rp=all");
    assert_eq!(levels(Some(OURS), "POST", Some(OURS), None), [Ok]);
    assert_eq!(
        levels(Some(&with_overrides), "POST", Some(&with_overrides), Some("https://wa.example.com/twilio/status")),
        [Ok]
    );
    for wrong in [
        "https://wa.example.com/twilio/inbound/",
        "http://wa.example.com/twilio/inbound",
        "https://WA.example.com/twilio/inbound",
    ] {
        assert_eq!(levels(Some(wrong), "POST", Some(OURS), None), [Wrong], "{wrong}");
    }
    assert_eq!(levels(None, "POST", None, Some("https://other.example.com")), [Wrong, Warning, Warning]);
    assert_eq!(levels(Some(OURS), "GET", Some("https://other.example.com"), None), [Ok, Wrong, Warning]);
}

#[test]
fn one_sender_that_calls_the_stack_is_enough() {
    let senders = |urls: &[Option<&str>]| {
        let senders = urls.iter().map(|url| {
            let sender =
                json!({"sender_id": "whatsapp:+14155238886", "webhook": {"callback_url": url, "fallback_url": OURS}});
            serde_json::from_value(sender).unwrap()
        });
        let found = sender_findings(senders.collect(), None, &api_url(), &CopyableCommands::of_test());
        found.into_iter().map(|found| found.finding).collect::<Vec<_>>()
    };
    assert_eq!(senders(&[Some(OURS), Some("https://other.example.com")]), [Level::Ok]);
    assert_eq!(senders(&[None]), [Level::Wrong]);
    assert_eq!(senders(&[]), [Level::Wrong]);
}

#[test]
fn a_senders_webhook_is_fixed_in_the_console() {
    let sender =
        json!({"sender_id": "whatsapp:+14155238886", "webhook": {"callback_url": OURS, "callback_method": "GET"}});
    let found =
        sender_findings(vec![serde_json::from_value(sender).unwrap()], None, &api_url(), &CopyableCommands::of_test());
    let fixes: Vec<_> = found.into_iter().filter_map(|found| found.fix).collect();
    assert_eq!(fixes.len(), 2);
    assert!(fixes.iter().all(|fix| fix.contains("in the Console") && !fix.contains("--fix")), "{fixes:?}");
}

#[test]
fn only_urls_that_differ_are_set() {
    let service = |service: Value| changes(&serde_json::from_value(service).unwrap(), &api_url());
    let overrides = format!("{OURS}#rc=3");
    let right = json!({"inbound_request_url": overrides, "inbound_method": "POST", "fallback_url": OURS, "status_callback": "https://x"});
    assert_eq!(service(right), []);
    let names: Vec<_> = service(json!({})).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["InboundRequestUrl", "FallbackUrl", "StatusCallback"]);
}
