use serde_json::json;

use super::*;

const SENDER: &str = "whatsapp:+14155238886";

fn cap(json: &Value) -> DailyCap {
    DailyCap::try_from(json.clone()).unwrap()
}

fn account_sid() -> AccountSid {
    "AC00000000000000000000000000000001".parse().unwrap()
}

fn now() -> Timestamp {
    "2026-11-25T23:59:59.5Z".parse().unwrap()
}

/// The counters of a message, without day and account, with their caps.
fn counters(cap: &DailyCap, region: &str, rate_key: &str) -> Vec<(String, u32)> {
    let prefix = format!("day#2026-11-25#{}#", account_sid());
    let counters = cap.counters(&account_sid(), region.parse().ok(), rate_key, now());
    let name = |counter: &DailyCounter| counter.to_string().strip_prefix(&prefix).unwrap().to_owned();
    counters.iter().map(|capped| (name(&capped.counter), capped.cap)).collect()
}

fn named(counters: &[(&str, u32)]) -> Vec<(String, u32)> {
    counters.iter().map(|(name, cap)| ((*name).to_owned(), *cap)).collect()
}

#[test]
fn named_cap_precedes_the_default_of_its_kind() {
    let cap = cap(&json!({
        "account": 100, "countries": {"NG": 20, "default": 50}, "routes": {SENDER: 5, "default": 7},
    }));
    let service = "MG00000000000000000000000000000001";
    let expected = [("account", 100), ("country#NG", 20), ("route#whatsapp:+14155238886", 5)];
    assert_eq!(counters(&cap, "NG", SENDER), named(&expected));
    let expected = [("account", 100), ("country#DE", 50), ("route#MG00000000000000000000000000000001", 7)];
    assert_eq!(counters(&cap, "DE", service), named(&expected));
    let expected = [("account", 100), ("country#unknown", 50), ("route#whatsapp:+14155238886", 5)];
    assert_eq!(counters(&cap, "", SENDER), named(&expected));
}

#[test]
fn message_without_a_cap_has_no_counter() {
    let others = json!({"countries": {"BR": 1}, "routes": {"sms:MG00000000000000000000000000000001": 1}});
    for cap in [DailyCap::default(), cap(&others)] {
        assert_eq!(counters(&cap, "DE", SENDER), []);
    }
    assert!(DailyCap::default().is_none());
    assert!(!cap(&json!({"account": 1})).is_none());
}

#[test]
fn next_day_begins_at_midnight_utc() {
    for (at, expected) in [
        ("2026-11-25T23:59:59.5Z", "2026-11-26T00:00:00Z"),
        ("2026-11-26T00:00:00Z", "2026-11-27T00:00:00Z"),
        ("2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z"),
    ] {
        let next = next_day(at.parse().unwrap());
        assert_eq!(next, expected.parse().unwrap(), "{at}");
        assert_eq!(day_of(next), day_of(at.parse().unwrap()).tomorrow().unwrap(), "{at}");
    }
}

#[test]
fn invalid_cap_is_refused_by_the_path_of_its_field() {
    let whole = "expected a whole number from 1 to 1000000000";
    for (json, expected) in [
        (json!(5), "expected an object with account, countries or routes".to_owned()),
        (json!({"account": 0}), format!("account: {whole}")),
        (json!({"account": -1}), format!("account: {whole}")),
        (json!({"account": 1.5}), format!("account: {whole}")),
        (json!({"account": null}), format!("account: {whole}")),
        (json!({"account": 1_000_000_001}), format!("account: {whole}")),
        (json!({"countries": 5}), "countries: expected an object".to_owned()),
        (json!({"countries": {"BR": "5"}}), format!("countries.BR: {whole}")),
        (json!({"routes": {"default": 0}}), format!("routes.default: {whole}")),
        (
            json!({"routes": {"+14155238886": 5}}),
            "routes.+14155238886: expected whatsapp:+14155238886, a Messaging Service's SID, sms: and that, \
             or default"
                .to_owned(),
        ),
        (
            json!({"country": {"BR": 5}}),
            "country: unknown field, expected one of account, countries, routes".to_owned(),
        ),
    ] {
        assert_eq!(DailyCap::try_from(json.clone()).unwrap_err().to_string(), expected, "{json}");
    }
    let error = DailyCap::try_from(json!({"countries": {"Brazil": 5}})).unwrap_err().to_string();
    assert!(error.starts_with("countries.Brazil: not a country"), "{error}");
}

#[test]
fn log_shows_the_end_of_a_route_only() {
    let logged = |scope| DailyCounter { day: day_of(now()), account_sid: account_sid(), scope }.for_log();
    let prefix = "day#2026-11-25#AC00000000000000000000000000000001#";
    assert_eq!(logged(CapScope::Route(SENDER.to_owned())), format!("{prefix}route#...8886"));
    assert_eq!(logged(CapScope::Account), format!("{prefix}account"));
}
