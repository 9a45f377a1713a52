//! `wa rotate`

use reqwest::Method;
use serde_json::Value;

use crate::isolated_stack::{ACCOUNT_SID, IsolatedStack, TOKEN};

const ROTATE: [&str; 6] = ["rotate", "--yes", "--settle", "0", "--output", "json"];

/// Whether Twilio accepts a token.
fn is_accepted(isolated: &IsolatedStack, token: &str) -> bool {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json");
    isolated.twilio(Method::GET, &path, token, &[]).0 == 200
}

fn create_secondary(isolated: &IsolatedStack) -> String {
    let (status, created) = isolated.twilio(Method::POST, "/v1/AuthTokens/Secondary", TOKEN, &[]);
    assert_eq!(status, 201);
    created["secondary_auth_token"].as_str().unwrap().to_owned()
}

fn assert_rotated(isolated: &IsolatedStack, shown: &Value) {
    let tokens = isolated.tokens();
    assert_eq!(tokens.len(), 1);
    assert!(tokens[0] != TOKEN && is_accepted(isolated, &tokens[0]) && !is_accepted(isolated, TOKEN));
    assert_eq!(shown["account_sid"], ACCOUNT_SID);
}

#[test]
fn a_token_is_rotated_after_a_dry_run_that_changes_nothing() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let plan = isolated.wa(&["rotate", "--dry-run"]).done();
    assert!(plan.starts_with("1. make a secondary token at Twilio and store both\n2. wait until"), "{plan}");
    assert_eq!(isolated.tokens(), [TOKEN]);

    let before = jiff::Timestamp::now();
    let shown = isolated.wa(&ROTATE).json();
    assert_rotated(&isolated, &shown);
    assert_eq!(shown["steps"].as_array().unwrap().len(), 3);
    let until: jiff::Timestamp = shown["old_token_accepted_until"].as_str().unwrap().parse().unwrap();
    let minutes = until.duration_since(before).as_mins();
    assert!((5..7).contains(&minutes), "five minutes after the secret was written: {until}");
}

#[test]
fn a_plan_is_rows_in_csv() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let csv = isolated.wa(&["rotate", "--dry-run", "--output", "csv"]).done();
    assert!(csv.starts_with("step") && csv.lines().count() == 4, "{csv}");
}

#[test]
fn nothing_is_done_without_a_yes() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let stderr = isolated.wa(&["rotate", "--settle", "0"]).failed(2);
    assert!(stderr.contains("make a secondary token at Twilio and store both; then wait"), "{stderr}");
    assert_eq!(isolated.tokens(), [TOKEN]);
    // Twilio has no secondary token either: it creates one.
    create_secondary(&isolated);
}

#[test]
fn a_token_that_is_listed_twice_is_rotated_once() {
    let isolated = IsolatedStack::new(&[TOKEN, TOKEN]);
    let shown = isolated.wa(&ROTATE).json();
    assert_rotated(&isolated, &shown);
    assert_eq!(shown["steps"].as_array().unwrap().len(), 3);
}

#[test]
fn an_interrupted_rotation_is_completed() {
    // Interrupted after Twilio created a token and before it was stored: its value is lost.
    let isolated = IsolatedStack::new(&[TOKEN]);
    let lost = create_secondary(&isolated);
    let stderr = isolated.wa(&ROTATE).failed(2);
    assert!(stderr.contains("Delete it and make another one?") && stderr.contains("--replace-secondary"), "{stderr}");
    assert!(is_accepted(&isolated, &lost));
    assert_eq!(isolated.tokens(), [TOKEN]);
    assert_rotated(&isolated, &isolated.wa(&[&ROTATE[..], &["--replace-secondary"]].concat()).json());
    assert!(!is_accepted(&isolated, &lost));

    // Interrupted after it was stored.
    let isolated = IsolatedStack::new(&[TOKEN]);
    let new = create_secondary(&isolated);
    isolated.store(&[&new, TOKEN]);
    let shown = isolated.wa(&ROTATE).json();
    assert_rotated(&isolated, &shown);
    assert_eq!(isolated.tokens(), [new]);
    assert!(shown["rotated"] == true && shown["steps"].as_array().unwrap().len() == 2, "{shown}");

    // Interrupted after the promotion, and before the old token was removed.
    let isolated = IsolatedStack::new(&[TOKEN]);
    let new = create_secondary(&isolated);
    isolated.store(&[TOKEN, &new]);
    isolated.twilio(Method::POST, "/v1/AuthTokens/Promote", TOKEN, &[]);
    let shown = isolated.wa(&ROTATE).json();
    assert_rotated(&isolated, &shown);
    assert_eq!(isolated.tokens(), [new]);
    assert_eq!(shown["rotated"], false);
}

#[test]
fn an_outdated_secret_is_not_changed() {
    let isolated = IsolatedStack::new(&["0123456789abcdef0123456789abcdef"]);
    let stderr = isolated.wa(&ROTATE).failed(4);
    assert!(stderr.contains("Twilio refuses every auth token in the secret"), "{stderr}");
    isolated.store(&[]);
    assert!(isolated.wa(&ROTATE).failed(4).contains("the secret has no auth token"));
}
