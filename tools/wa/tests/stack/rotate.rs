//! `wa rotate`

use reqwest::Method;
use serde_json::Value;

use crate::own_stack::{ACCOUNT_SID, OwnStack, TOKEN};

const ROTATE: [&str; 6] = ["rotate", "--yes", "--settle", "0", "--output", "json"];

/// Whether Twilio lets a token in.
fn is_admitted(own: &OwnStack, token: &str) -> bool {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json");
    own.twilio(Method::GET, &path, token, &[]).0 == 200
}

fn make_secondary(own: &OwnStack) -> String {
    let (status, made) = own.twilio(Method::POST, "/v1/AuthTokens/Secondary", TOKEN, &[]);
    assert_eq!(status, 201);
    made["secondary_auth_token"].as_str().unwrap().to_owned()
}

fn assert_rotated(own: &OwnStack, shown: &Value) {
    let tokens = own.tokens();
    assert_eq!(tokens.len(), 1);
    assert!(tokens[0] != TOKEN && is_admitted(own, &tokens[0]) && !is_admitted(own, TOKEN));
    assert_eq!(shown["account_sid"], ACCOUNT_SID);
}

#[test]
fn a_token_is_rotated_and_the_plan_is_shown_before() {
    let own = OwnStack::new(&[TOKEN]);
    let plan = own.wa(&["rotate", "--dry-run"]).done();
    assert!(plan.starts_with("1. make a secondary token at Twilio and store both\n2. wait until"), "{plan}");
    assert_eq!(own.tokens(), [TOKEN]);

    let shown = own.wa(&ROTATE).json();
    assert_rotated(&own, &shown);
    assert_eq!(shown["steps"].as_array().unwrap().len(), 3);
}

#[test]
fn the_plan_is_rows_for_programs() {
    let own = OwnStack::new(&[TOKEN]);
    let csv = own.wa(&["rotate", "--dry-run", "--output", "csv"]).done();
    assert!(csv.starts_with("step") && csv.lines().count() == 4, "{csv}");
}

#[test]
fn without_a_yes_nothing_is_done() {
    let own = OwnStack::new(&[TOKEN]);
    let said = own.wa(&["rotate", "--settle", "0"]).failed(2);
    assert!(said.contains("make a secondary token at Twilio and store both; then wait"), "{said}");
    assert_eq!(own.tokens(), [TOKEN]);
    // Nor is there one at Twilio.
    make_secondary(&own);
}

#[test]
fn a_token_that_the_secret_lists_twice_is_not_taken_for_a_secondary_one() {
    let own = OwnStack::new(&[TOKEN, TOKEN]);
    let shown = own.wa(&ROTATE).json();
    assert_rotated(&own, &shown);
    assert_eq!(shown["steps"].as_array().unwrap().len(), 3);
}

#[test]
fn a_rotation_that_was_stopped_elsewhere_is_finished() {
    // After Twilio had made a token, and before it was stored: nobody can know it any more.
    let own = OwnStack::new(&[TOKEN]);
    let lost = make_secondary(&own);
    let said = own.wa(&ROTATE).failed(2);
    assert!(said.contains("Delete it and make another one?") && said.contains("--replace-secondary"), "{said}");
    assert!(is_admitted(&own, &lost));
    assert_eq!(own.tokens(), [TOKEN]);
    assert_rotated(&own, &own.wa(&[&ROTATE[..], &["--replace-secondary"]].concat()).json());
    assert!(!is_admitted(&own, &lost));

    // After it was stored.
    let own = OwnStack::new(&[TOKEN]);
    let new = make_secondary(&own);
    own.store(&[&new, TOKEN]);
    let shown = own.wa(&ROTATE).json();
    assert_rotated(&own, &shown);
    assert_eq!(own.tokens(), [new]);
    assert!(shown["rotated"] == true && shown["steps"].as_array().unwrap().len() == 2, "{shown}");

    // After the promotion, and before the old one was dropped.
    let own = OwnStack::new(&[TOKEN]);
    let new = make_secondary(&own);
    own.store(&[TOKEN, &new]);
    own.twilio(Method::POST, "/v1/AuthTokens/Promote", TOKEN, &[]);
    let shown = own.wa(&ROTATE).json();
    assert_rotated(&own, &shown);
    assert_eq!(own.tokens(), [new]);
    assert_eq!(shown["rotated"], false);
}

#[test]
fn a_secret_that_is_out_of_date_is_left_as_it_is() {
    let own = OwnStack::new(&["0123456789abcdef0123456789abcdef"]);
    let said = own.wa(&ROTATE).failed(4);
    assert!(said.contains("Twilio refuses every auth token in the secret"), "{said}");
    own.store(&[]);
    assert!(own.wa(&ROTATE).failed(4).contains("the secret has no auth token"));
}
