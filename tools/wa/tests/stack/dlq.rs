//! `wa dlq`

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::Stack;

use crate::operator::{CommandRun, new_id, new_number, notification, sent_to, until, wa, wa_reading, write};

const PASSWORD: &str = "471123";

/// Runs the command as soon as no other test hides the letter that it is about.
fn dlq(arguments: &[&str]) -> CommandRun {
    until("a letter that no other test reads", || {
        let ran = wa(&[&["dlq"], arguments].concat());
        (ran.code != 3).then_some(ran)
    })
}

/// The line of a letter in the list.
fn listed(queue: &str, id: &str) -> Value {
    until("a line of the list", || {
        let lines = wa(&["dlq", "list", "--queue", queue, "--limit", "100000", "--output", "json"]).json();
        lines.as_array()?.iter().find(|line| line["id"] == id).cloned()
    })
}

fn state_of(id: &str) -> Option<String> {
    let shown = wa(&["notifications", "show", id, "--output", "json"]);
    let shown: Value = serde_json::from_str(&shown.stdout).ok()?;
    shown["state"].as_str().map(str::to_owned)
}

fn until_state(id: &str, state: &str) {
    until(&format!("the state {state}"), || (state_of(id)? == state).then_some(()));
}

/// Queues a free-form text, which is rejected, because the person has not written.
fn rejected_text(to: &str, change: &Value) -> String {
    let id = new_id("dead");
    let mut text = notification(&id, to);
    text["content"] = json!({"type": "text", "body": format!("Your code is {PASSWORD}.")});
    text.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    wa_reading(&["send", "--file", "-"], &text.to_string()).done();
    until_state(&id, "rejected");
    id
}

/// Sends what the queue of this output does not get from the system itself.
fn put_on(queue: fn(&Stack) -> String, body: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stack = Stack::from_env().unwrap();
    let send = aws_sdk_sqs::Client::new(&stack.aws()).send_message().queue_url(queue(&stack)).message_body(body);
    runtime.block_on(send.send()).unwrap();
}

#[test]
fn rejected_notification_is_listed_and_sent_once_by_a_retry() {
    let to = new_number();
    let id = rejected_text(&to, &json!({}));
    let line = listed("outbound", &id);
    assert_eq!((&line["category"], &line["count"]), (&json!("utility"), &json!(1)));
    assert!(line["reason"].as_str().unwrap().starts_with("content: free-form outside"), "{line}");

    let shown = dlq(&["show", &id]).done();
    assert!(shown.contains("possible: wa dlq retry") && !shown.contains(PASSWORD), "{shown}");
    assert!(dlq(&["show", &id, "--body"]).done().contains(PASSWORD));

    // The person writes, so the cause is gone.
    write(&to, "Hello?");
    let retried = dlq(&["retry", &id]).done();
    assert!(retried.contains("retried"), "{retried}");
    until_state(&id, "accepted");
    assert_eq!(sent_to(&to).len(), 1);
    let lines = wa(&["dlq", "list", "--limit", "100000", "--output", "json"]).done();
    assert!(!lines.contains(&id), "the letter is deleted");
}

#[test]
fn retry_to_a_person_who_opted_out_meanwhile_is_suppressed() {
    let to = new_number();
    let id = rejected_text(&to, &json!({}));
    write(&to, "STOP");
    dlq(&["retry", &id]).done();
    until_state(&id, "suppressed");
    assert!(sent_to(&to).is_empty());
}

#[test]
fn retry_after_expires_at_ends_as_expired_with_an_event() {
    let to = new_number();
    let expires_at = Timestamp::now() + SignedDuration::from_secs(20);
    let id = rejected_text(&to, &json!({"expires_at": expires_at.to_string()}));
    write(&to, "Hello?");
    until("the end of the notification", || (Timestamp::now() > expires_at).then_some(()));
    dlq(&["retry", &id]).done();
    until_state(&id, "expired");
    assert!(sent_to(&to).is_empty());
    until("the event of the second end", || {
        let tail =
            ["events", "tail", "--since", "1h", "--no-follow", "--type", "notification_failed", "--contact", &to];
        let events = wa(&[&tail[..], &["--output", "json"]].concat()).done();
        let outcomes: Vec<_> = events
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
            .filter(|event| event["notification_id"] == id.as_str())
            .map(|event| event["outcome"].clone())
            .collect();
        (outcomes == ["rejected", "expired"]).then_some(())
    });
}

#[test]
fn one_time_password_is_not_in_its_letter_and_not_retried() {
    let to = new_number();
    let id = rejected_text(&to, &json!({"category": "authentication"}));
    let line = listed("outbound", &id);
    assert_eq!(line["category"], "authentication");
    let shown = dlq(&["show", &id, "--body"]).done();
    assert!(!shown.contains(PASSWORD), "{shown}");
    write(&to, "Hello?");
    let refused = dlq(&["retry", &id]);
    assert_eq!(refused.code, 1);
    assert!(refused.stdout.contains("one-time passwords are not kept"), "{refused:?}");
    assert!(dlq(&["drop", &id]).failed(2).contains("--yes"));
    dlq(&["drop", &id, "--yes"]).done();
    assert!(sent_to(&to).is_empty());
}

#[test]
fn invalid_notification_stays_with_its_reason() {
    let id = new_id("invalid");
    let mut invalid = notification(&id, &new_number());
    invalid["colour"] = json!("red");
    put_on(|stack| stack.outputs.outbound_queue_url.clone(), &invalid.to_string());
    let line = listed("outbound", &id);
    assert!(line["reason"].as_str().unwrap().starts_with("colour: "), "{line}");
    let refused = dlq(&["retry", &id]);
    assert_eq!(refused.code, 1);
    assert!(refused.stdout.contains("send it with a new id"), "{refused:?}");
    listed("outbound", &id);
}

#[test]
fn letter_is_retried_twice_and_sent_once() {
    let to = new_number();
    let id = rejected_text(&to, &json!({}));
    let body = dlq(&["show", &id, "--body", "--output", "json"]).json()["body"].to_string();
    // As if a retry had been interrupted between sending and deleting.
    put_on(|stack| stack.outputs.outbound_dead_letter_queue_url.clone(), &body);
    until("both letters", || (listed_count(&id) == 2).then_some(()));
    write(&to, "Hello?");
    assert!(outcomes(&id).contains(&"retried".into()));
    until_state(&id, "accepted");
    // The other one is left, because a message exists.
    assert_eq!(outcomes(&id), ["not retried"]);
    assert_eq!(sent_to(&to).len(), 1);
}

/// Retries all letters of a notification.
fn outcomes(id: &str) -> Vec<Value> {
    let ran = dlq(&["retry", id, "--output", "json"]);
    let outcomes: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    outcomes.iter().map(|letter| letter["outcome"].clone()).collect()
}

fn listed_count(id: &str) -> u64 {
    let lines = wa(&["dlq", "list", "--limit", "100000", "--output", "json"]).json();
    let of_id = lines.as_array().unwrap().iter().filter(|line| line["id"] == id);
    of_id.map(|line| line["count"].as_u64().unwrap()).sum()
}

#[test]
fn letters_of_a_reason_and_a_limit_are_selected() {
    let id = rejected_text(&new_number(), &json!({}));
    let usage = wa(&["dlq", "retry"]).failed(2);
    assert!(usage.contains("<ID>") || usage.contains("--all"), "{usage}");
    let asked = wa(&["dlq", "retry", "--reason", "free-form"]).failed(2);
    assert!(asked.contains("Retry the outbound dead letters with the reason") && asked.contains("--yes"), "{asked}");
    let other = wa(&["dlq", "retry", &id, "--reason", "no such reason"]).failed(3);
    assert!(other.contains("there is no dead letter"), "{other}");
    rejected_text(&new_number(), &json!({}));
    until("a list that says that there is more", || {
        wa(&["dlq", "list", "--limit", "1"]).stderr.contains("more are in the queue").then_some(())
    });
}

#[test]
fn item_that_was_not_published_is_published_by_a_retry() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stack = Stack::from_env().unwrap();
    let (dynamodb, table) = (aws_sdk_dynamodb::Client::new(&stack.aws()), stack.outputs.messages_table_name.clone());
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let subject = format!("{}#{sid}", stack::run::ACCOUNT_SID);
    let put = |attributes: &[(&str, &str)]| {
        use aws_sdk_dynamodb::types::AttributeValue::{M, N, S};
        let raw = [
            ("MessageSid", sid.as_str()),
            ("AccountSid", stack::run::ACCOUNT_SID),
            ("From", "whatsapp:+14155550199"),
            ("To", "whatsapp:+14155238886"),
            ("NumMedia", "0"),
            ("Body", "hello"),
        ];
        let raw = raw.map(|(name, value)| (name.to_owned(), S(value.to_owned())));
        let mut put = dynamodb.put_item().table_name(&table).item("subject", S(subject.clone()));
        put = put.item("event", S("inbound".to_owned())).item("message_sid", S(sid.clone()));
        put = put.item("account_sid", S(stack::run::ACCOUNT_SID.to_owned())).item("raw", M(raw.into_iter().collect()));
        put = put.item("expires_at", N("1995000000".to_owned()));
        for (name, value) in attributes {
            put = put.item(*name, S((*value).to_owned()));
        }
        runtime.block_on(put.send()).unwrap();
    };
    put(&[("received_at", "yesterday")]);
    let id = format!("{subject} inbound");
    let line = listed("unpublished", &id);
    assert_eq!(line["table"], table.as_str());
    assert!(line["reason"].as_str().unwrap().contains("cannot be read"), "{line}");

    // The cause is corrected, which by itself publishes nothing.
    put(&[("received_at", "2026-11-20T09:00:00Z")]);
    let retried = dlq(&["retry", "--queue", "unpublished", &id]).done();
    assert!(retried.contains("retried"), "{retried}");
    let event = until("the event", || {
        // A batch is stored under the day of its first event, which may be one of another test.
        let days = [jiff::civil::date(2026, 11, 20), jiff::Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC).date()];
        let archived = |day| archived(&runtime, &stack, &shared::archive::prefix(day));
        days.into_iter().find_map(|day| archived(day).into_iter().find(|event| event["event_id"] == sid.as_str()))
    });
    assert_eq!((&event["event_type"], &event["body"]), (&json!("twilio_inbound"), &json!("hello")));
}

#[test]
fn webhook_that_was_not_applied_is_stored_by_a_retry() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stack = Stack::from_env().unwrap();
    let account_sid = stack::run::ACCOUNT_SID;
    let sid = format!("SM{}", uuid::Uuid::new_v4().simple());
    let form = format!("MessageSid={sid}&AccountSid={account_sid}&From=%2B14155550199&To=%2B14155238886&Body=private");
    let webhook = json!({"version": 1, "arrived_at": "2026-11-20T09:00:00Z", "path": "/twilio/inbound", "form": form});
    put_on(|stack| stack.outputs.spool_dead_letter_queue_url.clone(), &webhook.to_string());
    assert_eq!(listed("spool", &sid)["webhook"], "inbound");
    assert!(!dlq(&["show", "--queue", "spool", &sid]).done().contains("private"));
    dlq(&["retry", "--queue", "spool", &sid]).done();
    let item = until("the stored message", || {
        use aws_sdk_dynamodb::types::AttributeValue::S;
        let get = aws_sdk_dynamodb::Client::new(&stack.aws()).get_item().table_name(&stack.outputs.messages_table_name);
        let get = get.key("subject", S(format!("{account_sid}#{sid}"))).key("event", S("inbound".to_owned()));
        runtime.block_on(get.send()).unwrap().item
    });
    assert_eq!(item["received_at"].as_s().unwrap(), "2026-11-20T09:00:00Z");
}

/// The events in the archive's objects with this prefix.
fn archived(runtime: &tokio::runtime::Runtime, stack: &Stack, prefix: &str) -> Vec<Value> {
    let config = aws_sdk_s3::config::Builder::from(&stack.aws()).force_path_style(true).build();
    let (client, bucket) = (aws_sdk_s3::Client::from_conf(config), &stack.outputs.archive_bucket_name);
    runtime.block_on(async {
        let mut events = Vec::new();
        let listed = client.list_objects_v2().bucket(bucket).prefix(prefix).send().await.unwrap();
        for object in listed.contents() {
            let object = client.get_object().bucket(bucket).key(object.key().unwrap()).send().await.unwrap();
            let lines = object.body.collect().await.unwrap().into_bytes();
            events.extend(
                lines.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice::<Value>(line).ok()),
            );
        }
        events
    })
}
