//! `wa erase` and `wa export`

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};
use stack::{
    Stack,
    run::{ACCOUNT_SID, AUTH_TOKEN},
};
use twilio_webhook::{form::Form, signature::sign};

use crate::operator::{new_id, new_number, notification, sandbox, sent_to, until, wa, wa_reading, write};

/// What is searched for everywhere: it is in the texts, names and files of one person.
struct Canary {
    number: String,
    text: String,
}

impl Canary {
    fn new() -> Self {
        Self { number: new_number(), text: new_id("canary") }
    }

    fn digits(&self) -> &str {
        self.number.trim_start_matches('+')
    }

    fn is_in(&self, text: &str) -> bool {
        text.contains(self.digits()) || text.contains(&self.text)
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Every item of all tables in which a canary is.
fn items_with(canary: &Canary) -> Vec<String> {
    let stack = Stack::from_env().unwrap();
    let outputs = &stack.outputs;
    let tables = [
        &outputs.messages_table_name,
        &outputs.contacts_table_name,
        &outputs.notifications_table_name,
        &outputs.rate_limits_table_name,
        &outputs.verifications_table_name,
        &outputs.tenants_table_name,
        &outputs.templates_table_name,
    ];
    let client = aws_sdk_dynamodb::Client::new(&stack.aws());
    runtime().block_on(async {
        let mut found = Vec::new();
        for table in tables {
            let scan = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
            let items = scan.collect::<Result<Vec<_>, _>>().await.unwrap();
            let items = items.iter().map(|item| format!("{table}: {item:?}"));
            found.extend(items.filter(|item| canary.is_in(item)));
        }
        found
    })
}

/// The keys of the files of a message.
fn files_of(message_sid: &str) -> Vec<String> {
    let stack = Stack::from_env().unwrap();
    let client = aws_sdk_s3::Client::from_conf(shared::aws::s3_config(&stack.aws()).build());
    let prefix = format!("inbound/{ACCOUNT_SID}/{message_sid}/");
    let list = client.list_objects_v2().bucket(&stack.outputs.media_bucket_name).prefix(prefix);
    let listed = runtime().block_on(list.send()).unwrap().contents.unwrap_or_default();
    listed.into_iter().filter_map(|object| object.key).collect()
}

fn put_letter(body: &str) {
    let stack = Stack::from_env().unwrap();
    let url = &stack.outputs.outbound_dead_letter_queue_url;
    let send = aws_sdk_sqs::Client::new(&stack.aws()).send_message().queue_url(url).message_body(body);
    runtime().block_on(send.send()).unwrap();
}

fn letters() -> String {
    wa(&["dlq", "list", "--limit", "100000", "--output", "json"]).done()
}

fn state_of(id: &str) -> Option<String> {
    let shown = wa(&["notifications", "show", id, "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).ok()?;
    shown["state"].as_str().map(str::to_owned)
}

fn send(id: &str, to: &str, change: &Value) {
    let mut queued = notification(id, to);
    queued.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    wa_reading(&["send", "--file", "-"], &queued.to_string()).done();
}

/// A file of the person's phone, with the canary in it. Gives the SID of its message.
fn write_with_file(canary: &Canary) -> String {
    let file = runtime().block_on(async {
        let url = format!("{}/sandbox/files", Stack::from_env().unwrap().sandbox_url);
        let bytes = [b"\x89PNG\r\n\x1a\n", canary.text.as_bytes()].concat();
        let upload = reqwest::Client::new().post(url).header("content-type", "image/png").body(bytes).send();
        let mut file: Value = upload.await.unwrap().json().await.unwrap();
        file.as_object_mut().unwrap().remove("size");
        file
    });
    let message = json!({"from": format!("whatsapp:{}", canary.number), "body": canary.text, "media": [file]});
    let sent = sandbox(reqwest::Method::POST, "/sandbox/inbound", &message);
    sent["message_sid"].as_str().unwrap().to_owned()
}

/// A person of whom there is everything: messages, a file, consents, sent and waiting notifications, a dead letter.
fn person_with_everything(canary: &Canary) -> (String, String) {
    let Canary { number, text } = canary;
    write(number, &format!("Hello {text}"));
    let message_sid = write_with_file(canary);
    wa(&["consent", "add", number, "--category", "marketing", "--source", "shop", "--text", text]).done();
    let variables = json!({"content": {"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID,
                           "variables": {"1": text, "2": "1"}}, "metadata": {"name": text}});
    let sent = new_id("erased");
    send(&sent, number, &variables);
    until("the accepted notification", || (state_of(&sent)? == "accepted").then_some(()));
    let waiting = new_id("erased-later");
    let send_at = (jiff::Timestamp::now() + jiff::SignedDuration::from_hours(48)).to_string();
    send(&waiting, number, &json!({"send_at": send_at, "metadata": {"name": text}}));
    until("the waiting notification", || (state_of(&waiting)? == "waiting").then_some(()));
    put_letter(&json!({"id": text, "to": number, "category": "utility", "text": text}).to_string());
    until("the file in the bucket", || (!files_of(&message_sid).is_empty()).then_some(()));
    (message_sid, waiting)
}

fn until_delivered(number: &str) {
    until("the final statuses", || {
        let sent = sent_to(number);
        let is_final = |message: &Value| matches!(message["status"].as_str(), Some("delivered" | "read" | "failed"));
        (!sent.is_empty() && sent.iter().all(is_final)).then_some(())
    });
}

#[test]
fn erased_person_is_nowhere_and_stays_suppressed() {
    let canary = Canary::new();
    let number = canary.number.as_str();
    let (message_sid, _) = person_with_everything(&canary);
    until_delivered(number);
    assert!(!items_with(&canary).is_empty(), "the search finds what there is");
    until("the dead letter", || canary.is_in(&letters()).then_some(()));

    let counted = |receipt: &Value, what: &str| {
        let steps = receipt["steps"].as_array().unwrap().iter();
        steps.filter(|step| step["what"] == what).map(|step| step["done"].as_u64().unwrap()).sum::<u64>()
    };
    // A command of another test hides letters while it reads them: docs/privacy.md.
    let before = until("a dry run that finds the letter", || {
        let receipt = wa(&["erase", number, "--dry-run", "--output", "json"]).json();
        (counted(&receipt, "dead letters") > 0).then_some(receipt)
    });
    for (what, least) in [("messages at Twilio", 3), ("files", 1), ("notifications", 2), ("dead letters", 1)] {
        assert!(counted(&before, what) >= least, "{what}: {before}");
    }
    assert_eq!(files_of(&message_sid).len(), 1, "a dry run deletes nothing");
    assert!(wa(&["erase", number]).failed(2).contains("--yes"));

    let receipt = until("an erasure with nothing left", || {
        let ran = wa(&["erase", number, "--yes", "--output", "json"]);
        (ran.code == 0 && !canary.is_in(&letters())).then_some(ran.stdout)
    });
    let parsed: Value = serde_json::from_str(&receipt).unwrap();
    assert_eq!((&parsed["complete"], &parsed["dry_run"]), (&json!(true), &json!(false)));
    assert!(!canary.is_in(&receipt), "{receipt}");
    assert_eq!(parsed["person"].as_str().unwrap().len(), 64);
    let archive =
        parsed["remains"].as_array().unwrap().iter().find(|rest| rest["what"] == "archive of events").unwrap();
    assert!(archive["until"].as_str().unwrap().starts_with("20"), "{archive}");

    assert_eq!(files_of(&message_sid), Vec::<String>::new());
    assert!(sent_to(number).is_empty(), "at Twilio");
    assert!(!canary.is_in(&letters()));
    until("tables without the person", || items_with(&canary).is_empty().then_some(()));

    let again = wa(&["erase", number, "--yes", "--output", "json"]).json();
    assert_eq!(again["complete"], true, "it can be repeated");

    let later = new_id("erased-after");
    send(&later, number, &json!({"metadata": {"name": canary.text}}));
    until("the suppression", || (state_of(&later)? == "suppressed").then_some(()));
    assert_eq!(items_with(&canary), Vec::<String>::new(), "what comes later stores no person");

    write(number, "START");
    let welcome = new_id("erased-back");
    send(&welcome, number, &json!({}));
    until("the message after START", || (state_of(&welcome)? == "accepted").then_some(()));
    assert_eq!(sent_to(number).len(), 1);
}

/// Posts a status as Twilio reports it, of the message that the first attempt of a notification became.
fn report(id: Option<&str>, message_sid: &str, number: &str, status: &str) {
    let stack = Stack::from_env().unwrap();
    let query = id.map(|id| format!("?attempt=0&notification={id}")).unwrap_or_default();
    let url = format!("{}/twilio/status{query}", stack.api_url);
    let to = format!("whatsapp:{number}");
    let parameters =
        [("MessageSid", message_sid), ("AccountSid", ACCOUNT_SID), ("MessageStatus", status), ("To", to.as_str())];
    let form: Form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let signature = sign(&AUTH_TOKEN.into(), &url, &form);
    let post = reqwest::Client::new().post(url).header("X-Twilio-Signature", signature).form(&parameters).send();
    assert_eq!(runtime().block_on(post).unwrap().status(), 204);
}

#[test]
fn status_after_an_erasure_is_not_stored() {
    let (canary, id) = (Canary::new(), new_id("erased-status"));
    let other_sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    send(&id, &canary.number, &json!({}));
    until("the accepted notification", || (state_of(&id)? == "accepted").then_some(()));
    until_delivered(&canary.number);
    let message_sid = sent_to(&canary.number)[0]["sid"].as_str().unwrap().to_owned();
    report(None, &other_sid, &canary.number, "sent");
    assert!(items_with(&canary).iter().any(|item| item.contains(&other_sid)), "a status has the number");
    wa(&["erase", &canary.number, "--yes"]).done();
    until("tables without the person", || items_with(&canary).is_empty().then_some(()));
    for status in ["sent", "delivered", "read", "undelivered", "failed"] {
        report(Some(&id), &message_sid, &canary.number, status);
        report(None, &other_sid, &canary.number, status);
    }
    assert_eq!(items_with(&canary), Vec::<String>::new());
    // What is written later is published later.
    let (other, later) = (new_number(), new_id("later"));
    write(&other, &later);
    until("the event of a later message", || {
        wa(&["export", &other, "--with-archive", "1d"]).json().to_string().contains(r#""part":"event""#).then_some(())
    });
    let set_aside = wa(&["dlq", "list", "--queue", "unpublished", "--limit", "1000", "--output", "json"]).done();
    assert!(!set_aside.contains(&id) && !set_aside.contains(&other_sid), "a marker is no event: {set_aside}");
}

#[test]
fn id_of_an_erased_notification_can_be_used_again() {
    let (number, id) = (new_number(), new_id("welcome"));
    let statuses = |id: &str| {
        let shown = wa(&["notifications", "show", id, "--output", "json"]).json();
        let statuses = shown["attempts"][0]["statuses"].as_array().unwrap().clone();
        statuses.iter().map(|one| one["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    send(&id, &number, &json!({}));
    until("the accepted notification", || (state_of(&id)? == "accepted").then_some(()));
    until_delivered(&number);
    wa(&["erase", &number, "--yes"]).done();
    write(&number, "START");
    send(&id, &number, &json!({}));
    until("the second message", || (state_of(&id)? == "accepted").then_some(()));
    until_delivered(&number);
    let reported =
        until("its statuses", || Some(statuses(&id)).filter(|found| found.contains(&"delivered".to_owned())));
    let never = ["failed", "undelivered", "canceled", "scheduled"];
    assert!(!never.iter().any(|status| reported.contains(&(*status).to_owned())), "never reported: {reported:?}");
    assert_eq!(sent_to(&number).len(), 1, "and the message to the erased person is gone");
}

#[test]
fn evidence_of_an_erased_person_is_still_proved() {
    let canary = Canary::new();
    let number = canary.number.as_str();
    wa(&["consent", "add", number, "--category", "marketing", "--source", "shop", "--text", &canary.text]).done();
    write(number, "STOP");
    let shown = || wa(&["evidence", number, "--output", "json"]);
    let recorded = |count: usize| {
        until("the evidence", || {
            let rows = Some(shown()).filter(|shown| shown.code == 0)?.json();
            (rows.as_array()?.len() == count).then_some(rows)
        })
    };
    let rows = recorded(2);
    assert!(!canary.is_in(&rows.to_string()), "{rows}");
    assert_eq!((&rows[0]["what"], &rows[1]["what"]), (&json!("consent given"), &json!("STOP")), "{rows}");
    wa(&["erase", number, "--yes"]).done();
    assert_eq!(recorded(2), rows, "a second opt-out changes nothing");
    assert!(wa(&["evidence", &new_number()]).failed(3).contains("no evidence"));
    let table = wa(&["evidence", number]).done();
    assert!(table.contains("LOCKED_UNTIL") && table.contains("STOP"), "{table}");

    // An administrator hides one record, and writes another one again.
    let stack = Stack::from_env().unwrap();
    let client = aws_sdk_s3::Client::from_conf(shared::aws::s3_config(&stack.aws()).build());
    let bucket = stack.outputs.evidence_bucket_name.clone().unwrap();
    let [hidden, rewritten] = [&rows[0]["key"], &rows[1]["key"]].map(|key| key.as_str().unwrap().to_owned());
    runtime().block_on(async {
        client.delete_object().bucket(&bucket).key(&hidden).send().await.unwrap();
        let put = client.put_object().bucket(&bucket).key(&rewritten).body(b"{}".to_vec().into());
        put.send().await.unwrap();
    });
    let tampered = shown();
    assert_eq!(tampered.code, 1, "{tampered:?}");
    for problem in ["was hidden by a deletion", "has a second version"] {
        assert!(tampered.stdout.contains(problem), "{problem}: {tampered:?}");
    }
}

#[test]
fn export_has_everything_and_nothing_of_others() {
    let (canary, other) = (Canary::new(), Canary::new());
    let (message_sid, waiting) = person_with_everything(&canary);
    write(&other.number, &format!("{} wrote to me", other.text));
    let exported = wa(&["export", &canary.number, "--with-twilio", "--with-archive", "1d"]).json();
    let parts = exported.as_array().unwrap();
    let of = |part: &str| {
        parts.iter().filter(|one| one["part"] == part).map(|one| one["data"].to_string()).collect::<Vec<_>>()
    };
    for part in ["contact", "notification", "message", "message_at_twilio"] {
        assert!(of(part).iter().any(|data| data.contains(&canary.text) || data.contains(canary.digits())), "{part}");
    }
    assert!(of("notification").iter().any(|data| data.contains(&waiting)));
    assert_eq!(of("file"), [json!(format!("inbound/{ACCOUNT_SID}/{message_sid}/0")).to_string()]);
    assert!(!other.is_in(&exported.to_string()));
    until("the events in the archive", || {
        let exported = wa(&["export", &canary.number, "--with-archive", "1d"]).json().to_string();
        exported.contains(r#""part":"event""#).then_some(())
    });
    assert!(wa(&["export", "+14155550100"]).json().as_array().is_some());
}

#[test]
fn suppression_of_a_stranger_survives_as_a_hash() {
    let canary = Canary::new();
    wa(&["contacts", "suppress", &canary.number, "--reason", &canary.text]).done();
    wa(&["erase", &canary.number, "--yes"]).done();
    assert_eq!(items_with(&canary), Vec::<String>::new());
    let shown = wa(&["contacts", "show", &canary.number, "--output", "json"]).json();
    let preference = &shown["suppressions"][0];
    assert_eq!((&preference["preference"], &preference["reason"]), (&json!("opted_out"), &json!("erased")));
    wa(&["contacts", "unsuppress", &canary.number, "--reason", "came back", "--yes"]).done();
    let id = new_id("erased-lifted");
    send(&id, &canary.number, &json!({}));
    until("the accepted notification", || (state_of(&id)? == "accepted").then_some(()));
    let hashes = items_with(&canary);
    assert!(!hashes.iter().any(|item| item.contains("erased:")), "the hash is gone: {hashes:?}");
}

/// An item as text shows every attribute.
#[test]
fn canary_would_be_found_in_an_item() {
    let canary = Canary::new();
    let item = format!("{:?}", AttributeValue::S(format!("whatsapp:{}", canary.number)));
    assert!(canary.is_in(&item), "{item}");
}
