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
fn without_a_yes_the_secondary_is_kept_and_not_promoted_and_the_next_run_goes_on() {
    let own = OwnStack::new(&[TOKEN]);
    let said = own.wa(&["rotate", "--settle", "0"]).failed(2);
    assert!(said.contains("Promote the secondary auth token"), "{said}");
    let both = own.tokens();
    assert!(both.len() == 2 && both[1] == TOKEN && both.iter().all(|token| is_admitted(&own, token)), "{}", both.len());
    let shown = own.wa(&ROTATE).json();
    assert_rotated(&own, &shown);
    assert_eq!(own.tokens(), both[..1]);
    assert_eq!(shown["steps"].as_array().unwrap().len(), 2);
}

#[test]
fn a_rotation_that_was_stopped_elsewhere_is_finished() {
    // After Twilio had made a token, and before it was stored: nobody can know it any more.
    let own = OwnStack::new(&[TOKEN]);
    let lost = make_secondary(&own);
    let said = own.wa(&["rotate", "--settle", "0"]).failed(2);
    assert!(said.contains("Delete it and make another one?"), "{said}");
    assert_rotated(&own, &own.wa(&ROTATE).json());
    assert!(!is_admitted(&own, &lost));

    // After the promotion, and before the old one was dropped.
    let own = OwnStack::new(&[TOKEN]);
    let new = make_secondary(&own);
    own.store(&[TOKEN, &new]);
    own.twilio(Method::POST, "/v1/AuthTokens/Promote", TOKEN, &[]);
    let shown = own.wa(&ROTATE).json();
    assert_rotated(&own, &shown);
    assert_eq!(own.tokens(), [new]);
}

#[test]
fn a_secret_that_is_out_of_date_is_left_as_it_is() {
    let own = OwnStack::new(&["0123456789abcdef0123456789abcdef"]);
    let said = own.wa(&ROTATE).failed(4);
    assert!(said.contains("Twilio refuses every auth token in the secret"), "{said}");
    own.store(&[]);
    assert!(own.wa(&ROTATE).failed(4).contains("the secret has no auth token"));
}
