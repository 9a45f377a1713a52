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

const ROTATE_KEY: [&str; 7] = ["rotate", "--api-key", "--yes", "--settle", "0", "--output", "json"];
const FIRST_KEY: (&str, &str) = ("SK00000000000000000000000000000001", "sandbox-secret");

/// Whether Twilio accepts an API key.
fn is_accepted_key(isolated: &IsolatedStack, (sid, secret): (&str, &str)) -> bool {
    let path = format!("/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json");
    isolated.twilio_as((sid, secret), Method::GET, &path, &[]).0 == 200
}

/// Creates an API key as an interrupted rotation left it. Gives its SID and its secret.
fn create_key(isolated: &IsolatedStack, replaces: &str) -> (String, String) {
    let form = [("AccountSid", ACCOUNT_SID), ("FriendlyName", &format!("wa rotate: replaces {replaces}"))];
    let (status, created) = isolated.twilio(Method::POST, "/v1/Keys", TOKEN, &form);
    assert_eq!(status, 201, "{created}");
    let text = |name: &str| created[name].as_str().unwrap().to_owned();
    (text("sid"), text("secret"))
}

#[test]
fn an_api_key_is_replaced_and_the_old_one_deleted() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    isolated.store_api_key(FIRST_KEY.0, FIRST_KEY.1);
    let plan = isolated.wa(&["rotate", "--api-key", "--dry-run"]).done();
    assert!(plan.starts_with("1. create an API key with the permissions of SK") && plan.lines().count() == 3, "{plan}");
    let asked = isolated.wa(&["rotate", "--api-key", "--settle", "0"]).failed(2);
    assert!(asked.contains("Then Twilio refuses every program that uses SK"), "{asked}");
    assert_eq!(isolated.api_key().0, FIRST_KEY.0, "nothing is done without a yes");

    let ran = isolated.wa(&ROTATE_KEY);
    let (sid, secret) = isolated.api_key();
    assert!(!ran.stdout.contains(&secret) && !ran.stderr.contains(&secret), "the secret of the key was printed");
    let shown = ran.json();
    assert_eq!((&shown["api_key_sid"], &shown["rotated"]), (&sid.as_str().into(), &true.into()), "{shown}");
    assert_ne!(sid, FIRST_KEY.0);
    assert!(is_accepted_key(&isolated, (&sid, &secret)) && !is_accepted_key(&isolated, FIRST_KEY));
    assert_eq!(isolated.tokens(), [TOKEN], "the auth token stays");
}

#[test]
fn an_interrupted_rotation_of_the_key_is_completed() {
    // Interrupted after the key was stored, and before the old one was deleted.
    let isolated = IsolatedStack::new(&[TOKEN]);
    let new = create_key(&isolated, FIRST_KEY.0);
    isolated.store_api_key(&new.0, &new.1);
    let shown = isolated.wa(&ROTATE_KEY).json();
    assert_eq!((&shown["rotated"], &shown["deleted"]), (&false.into(), &serde_json::json!([FIRST_KEY.0])), "{shown}");
    assert!(is_accepted_key(&isolated, (&new.0, &new.1)) && !is_accepted_key(&isolated, FIRST_KEY));

    // Interrupted a moment ago, before the key was stored: another run may still store it.
    let isolated = IsolatedStack::new(&[TOKEN]);
    isolated.store_api_key(FIRST_KEY.0, FIRST_KEY.1);
    create_key(&isolated, FIRST_KEY.0);
    let stderr = isolated.wa(&ROTATE_KEY).failed(4);
    assert!(stderr.contains("was created a few minutes ago by another rotation"), "{stderr}");
    assert!(is_accepted_key(&isolated, FIRST_KEY));
}

#[test]
fn a_first_api_key_is_created_and_an_old_one_kept_on_request() {
    let isolated = IsolatedStack::new(&[TOKEN]);
    let shown = isolated.wa(&ROTATE_KEY).json();
    assert_eq!(shown["deleted"], serde_json::json!([]), "{shown}");
    let first = isolated.api_key();
    let kept = isolated.wa(&[&ROTATE_KEY[..], &["--keep-old-key"]].concat()).json();
    assert_eq!((&kept["rotated"], &kept["deleted"]), (&true.into(), &serde_json::json!([])), "{kept}");
    let second = isolated.api_key();
    assert_ne!(first.0, second.0);
    for key in [first, second] {
        assert!(is_accepted_key(&isolated, (&key.0, &key.1)), "{}", key.0);
    }
}

#[test]
fn an_outdated_secret_is_not_changed() {
    let isolated = IsolatedStack::new(&["0123456789abcdef0123456789abcdef"]);
    let stderr = isolated.wa(&ROTATE).failed(4);
    assert!(stderr.contains("Twilio refuses every auth token in the secret"), "{stderr}");
    isolated.store(&[]);
    assert!(isolated.wa(&ROTATE).failed(4).contains("the secret has no auth token"));
}
