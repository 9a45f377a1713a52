//! `wa messages`

use serde_json::Value;

use crate::operator::{command, new_number, ran, sent_to, until, wa, wa_on_terminal, write};

const SENDER: &str = "whatsapp:+14155238886";

fn create(to: &str, more: &[&str]) -> Value {
    let address = format!("whatsapp:{to}");
    wa(&[&["messages", "create", "--to", &address, "--output", "json"][..], more].concat()).json()
}

#[test]
fn a_message_is_created_fetched_listed_and_redacted() {
    let to = new_number();
    let address = format!("whatsapp:{to}");
    let created = create(&to, &["--from", SENDER, "--body", "Testing the sender"]);
    let sid = created["sid"].as_str().unwrap();
    assert_eq!(created["to"], address.as_str());

    let fetched = wa(&["messages", "fetch", sid, "--properties", "sid,body", "--output", "json"]).json();
    assert_eq!(fetched, serde_json::json!({"sid": sid, "body": "Testing the sender"}));

    let whole = wa(&["messages", "fetch", sid, "--output", "json"]).json();
    assert!(whole.get("body").is_none() && whole["date_created"].as_str().unwrap().ends_with('Z'), "{whole}");
    let with_text = wa(&["messages", "fetch", sid, "--show-body", "--output", "json"]).json();
    assert_eq!(with_text["body"], "Testing the sender");

    create(&to, &["--from", SENDER, "--body", "Once more"]);
    let list = ["messages", "list", "--to", &address, "--output", "tsv", "--properties", "body,sid"];
    let listed = wa(&[&list[..], &["--page-size", "1"]].concat()).done();
    let mut bodies: Vec<_> = listed.lines().map(|line| line.split('\t').next().unwrap()).collect();
    assert_eq!(bodies.remove(0), "body");
    assert_eq!(bodies, ["Once more", "Testing the sender"], "the newest first, over two pages");
    let limited = wa(&[&list[..], &["--limit", "1"]].concat()).done();
    assert_eq!(limited.lines().count(), 2, "{limited}");

    let stderr = wa(&["messages", "redact", sid]).failed(2);
    assert!(stderr.contains("It cannot be brought back. There is no terminal to ask on"), "{stderr}");
    until("the final status of the message", || {
        let redacted = wa(&["messages", "redact", "--sid", sid, "--yes", "--output", "json"]);
        (redacted.code == 0).then(|| assert_eq!(redacted.json()["body"], ""))
    });
}

#[test]
fn a_scheduled_message_is_canceled() {
    let to = new_number();
    let later = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(1)).to_string();
    let service = stack::run::MESSAGING_SERVICE_SID;
    let scheduled = create(&to, &["--messaging-service-sid", service, "--body", "Later", "--send-at", &later]);
    assert_eq!(scheduled["status"], "scheduled");
    let cancel = ["messages", "cancel", scheduled["sid"].as_str().unwrap()];
    wa(&cancel).failed(2);
    let canceled = wa(&[&cancel[..], &["--yes", "--output", "json"]].concat()).json();
    assert_eq!(canceled["status"], "canceled");
}

#[test]
fn a_message_to_an_opted_out_person_needs_its_own_option() {
    let to = new_number();
    write(&to, "STOP");
    let address = format!("whatsapp:{to}");
    let words = ["messages", "create", "--to", &address, "--from", SENDER, "--body", "Hello"];
    let stderr = until("the suppression", || {
        let ran = wa(&words);
        (ran.code == 2).then_some(ran.stderr)
    });
    assert!(stderr.contains("has opted out") && stderr.contains("--yes"), "{stderr}");
    let script = wa(&[&words[..], &["--yes"]].concat()).failed(2);
    assert!(script.contains("Only --despite-opt-out answers this with yes"), "{script}");
    assert!(sent_to(&to).is_empty());
    wa(&[&words[..], &["--despite-opt-out"]].concat()).done();
}

#[test]
fn a_table_and_a_text_suit_the_terminal() {
    let to = new_number();
    write(&to, "Hello?");
    let created = create(&to, &["--from", SENDER, "--body", "\u{1b}[2J;=1+1"]);
    let sid = created["sid"].as_str().unwrap();
    for (width, expected) in [(80, "SID STATUS TO"), (160, "SID STATUS ERROR_CODE TO FROM DATE_SENT DIRECTION")] {
        let shown = wa_on_terminal(width, &["messages", "fetch", sid]).done();
        let header: Vec<_> = shown.lines().next().unwrap().split_whitespace().collect();
        assert_eq!(header.join(" "), expected);
        assert!(shown.contains(sid) && shown.lines().all(|line| line.trim_end().chars().count() <= width), "{shown}");
    }
    let on_terminal = wa_on_terminal(80, &["messages", "fetch", sid, "--columns", "body", "--output", "csv"]).done();
    assert_eq!(on_terminal, "body\r\n\u{fffd}[2J;'=1+1\r\n");
    let piped = wa(&["messages", "fetch", sid, "--columns", "body", "--output", "json"]).json();
    assert_eq!(piped["body"], "\u{1b}[2J;=1+1");
}

#[test]
fn an_empty_list_says_what_may_be_meant_and_calls_are_printed() {
    let to = new_number();
    let listed = wa(&["messages", "list", "--to", &to, "--debug"]);
    assert!(listed.stderr.contains(&format!("on WhatsApp it is --to whatsapp:{to}")), "{listed:?}");
    assert!(listed.stderr.contains("/Messages.json?To&PageSize: 200 in "), "{listed:?}");
    assert!(listed.stderr.contains(" DescribeStacks: 200 in "), "{listed:?}");
}

#[test]
fn a_table_has_no_colour_without_a_terminal() {
    let to = new_number();
    let created = create(&to, &["--from", SENDER, "--body", "Hello"]);
    let fetch = ["messages", "fetch", created["sid"].as_str().unwrap()];
    let table = wa(&fetch).done();
    let mut lines = table.lines();
    assert!(lines.next().unwrap().starts_with("SID"), "{table}");
    assert!(lines.next().unwrap().contains(&to), "{table}");
    assert!(!table.contains('\u{1b}') && !table.contains("Hello"), "{table}");
    let coloured = ran(command(&fetch).env("CLICOLOR_FORCE", "1")).done();
    assert!(coloured.contains('\u{1b}'), "{coloured}");
    let plain = ran(command(&fetch).env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1")).done();
    assert!(!plain.contains('\u{1b}'), "{plain}");
}

#[test]
fn missing_messages_and_wrong_credentials_have_their_codes() {
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let stderr = wa(&["messages", "fetch", &sid]).failed(3);
    assert!(stderr.contains("HTTP 404, code 20404") && stderr.contains("https://www.twilio.com/docs/api/errors/20404"));
    let stderr = wa(&["messages", "fetch", "SM1"]).failed(2);
    assert!(stderr.contains("expected SM or MM and 32 hexadecimal digits"), "{stderr}");
    let mut unauthorized = command(&["messages", "list"]);
    unauthorized.env("TWILIO_ACCOUNT_SID", stack::run::ACCOUNT_SID);
    unauthorized.env("TWILIO_API_KEY", "SK00000000000000000000000000000009").env("TWILIO_API_SECRET", "wrong-secret");
    let stderr = ran(&mut unauthorized).failed(4);
    assert!(stderr.contains("HTTP 401") && !stderr.contains("wrong-secret"), "{stderr}");
    let to = new_number();
    let created = create(&to, &["--from", SENDER, "--body", "Hello"]);
    let sid = created["sid"].as_str().unwrap();
    let stderr = wa(&["messages", "fetch", sid, "--properties", "sid,colour"]).failed(2);
    assert!(stderr.contains("--columns: there is no colour, expected some of account_sid"), "{stderr}");
}

#[test]
fn a_missing_stack_and_a_silent_aws_have_their_codes() {
    let mut other = command(&["messages", "list"]);
    other.args(["--stack", "no-such-stack"]);
    let stderr = ran(&mut other).failed(3);
    assert!(stderr.contains("there is no stack no-such-stack in us-east-1: name it with --stack"), "{stderr}");
    let mut nowhere = command(&["messages", "list"]);
    nowhere.env("AWS_ENDPOINT_URL", "http://127.0.0.1:9");
    let stderr = ran(&mut nowhere).failed(5);
    assert!(stderr.contains("no answer from AWS"), "{stderr}");
    let mut anonymous = command(&["messages", "list"]);
    anonymous
        .env_remove("AWS_ACCESS_KEY_ID")
        .env_remove("AWS_SECRET_ACCESS_KEY")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let stderr = ran(&mut anonymous).failed(4);
    assert!(stderr.contains("no AWS credentials that can be used"), "{stderr}");
}
