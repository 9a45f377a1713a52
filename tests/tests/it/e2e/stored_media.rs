//! The files that people send: stored in the media bucket, and announced.

use axum::body::Bytes;
use domain::digest::sha256_hex;
use futures::future::join_all;
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use tests::harness::{
    bootstrap,
    function::FunctionProcess,
    wire::{KillPoint, Wire},
};

use super::reconcile::{lose, sweep};
use crate::world::{Person, World, events_so_far, is, subject_of_message};

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n and the rest of a picture";

/// Uploads a file to the sandbox, as the phone of a person has it.
pub(super) async fn file(world: &World, content_type: &str, bytes: &[u8]) -> Value {
    let url = format!("{}/sandbox/files", world.stack.sandbox_url);
    let upload = world.http.post(url).header("content-type", content_type).body(bytes.to_vec());
    let mut file: Value = upload.send().await.unwrap().error_for_status().unwrap().json().await.unwrap();
    file.as_object_mut().unwrap().remove("size");
    file
}

/// A person sends a file. Gives the message's SID.
async fn send_file(world: &World, person: &Person, file: &Value) -> String {
    let sent = world.write_with(person, json!({"body": "Look", "media": [file]})).await;
    assert_eq!(sent["status"], 200, "{sent}");
    sent["message_sid"].as_str().unwrap().to_owned()
}

/// The event of the only file of a message.
async fn media_event(world: &World, sid: &str) -> Value {
    world.event("what became of the file", is("event_id", &format!("{sid}.media.0"))).await
}

fn key(sid: &str) -> String {
    format!("inbound/{ACCOUNT_SID}/{sid}/0")
}

/// The bytes of a file by the link of `GET /media/{key}`.
async fn download(world: &World, sid: &str) -> (Value, Bytes) {
    let (status, link) = world.call("GET", &format!("/media/{}", key(sid)), "").await;
    assert_eq!(status, 200, "{link}");
    let answer = world.http.get(link["url"].as_str().unwrap()).send().await.unwrap();
    (link, answer.bytes().await.unwrap())
}

#[tokio::test]
async fn picture_of_a_person_is_stored_with_its_hash() {
    let (world, person) = (World::new(), Person::new());
    let sid = send_file(&world, &person, &file(&world, "image/png", PNG).await).await;
    let event = media_event(&world, &sid).await;
    let expected = json!({
        "event_type": "media_stored", "schema": "media.stored.v1", "event_id": format!("{sid}.media.0"),
        "account_sid": ACCOUNT_SID, "occurred_at": event["occurred_at"], "sequence": event["sequence"],
        "trace_id": event["trace_id"],
        "message_sid": sid, "index": 0, "from": person.address(), "to": "whatsapp:+14155238886", "key": key(&sid),
        "content_type": "image/png", "claimed_content_type": "image/png", "bytes": PNG.len(), "sha256": sha256_hex(PNG),
    });
    assert_eq!(event, expected);
    let (link, bytes) = download(&world, &sid).await;
    assert_eq!((&link["content_type"], &link["content_length"]), (&json!("image/png"), &json!(PNG.len())));
    assert_eq!(bytes.as_ref(), PNG);
    // On the page.
    let shown = world
        .until("the stored file on the page", async || {
            let state = world.control("GET", "state", &Value::Null).await;
            let messages = state["messages"].as_array().unwrap();
            let message = messages.iter().find(|message| message["sid"] == sid.as_str())?;
            Some(message["sandbox"]["media"][0]["published"]["stored"].clone()).filter(Value::is_object)
        })
        .await;
    assert_eq!((&shown["key"], &shown["sha256"]), (&event["key"], &event["sha256"]));
}

#[tokio::test]
async fn each_file_of_a_message_is_stored() {
    let (world, person) = (World::new(), Person::new());
    let gif = b"GIF89a and so on";
    let files = [file(&world, "image/png", PNG).await, file(&world, "image/gif", gif).await];
    let sent = world.write_with(&person, json!({"from": person.identity, "media": files})).await;
    let sid = sent["message_sid"].as_str().unwrap();
    for (index, bytes) in [PNG, gif].into_iter().enumerate() {
        let event = world.event("a file of the message", is("event_id", &format!("{sid}.media.{index}"))).await;
        assert_eq!((&event["index"], &event["sha256"]), (&json!(index), &json!(sha256_hex(bytes))), "{event}");
    }
    let (status, link) = world.call("GET", &format!("/media/inbound/{ACCOUNT_SID}/{sid}/1"), "").await;
    assert_eq!((status, &link["content_type"]), (200, &json!("image/gif")), "of a type that cannot be sent: {link}");
}

#[tokio::test]
async fn voice_note_and_sticker_are_stored_with_their_types() {
    let (world, person) = (World::new(), Person::new());
    let cases: [(&str, &[u8]); 2] = [
        ("audio/ogg; codecs=opus", b"OggS\0\x02 and OpusHead and so on"),
        ("image/webp", b"RIFF\x20\0\0\0WEBPVP8 and so on"),
    ];
    for (content_type, bytes) in cases {
        let sent = world.write_with(&person, json!({"media": [file(&world, content_type, bytes).await]})).await;
        let sid = sent["message_sid"].as_str().unwrap();
        let event = media_event(&world, sid).await;
        for field in ["content_type", "claimed_content_type"] {
            assert_eq!(event[field], content_type, "{event}");
        }
        let (link, stored) = download(&world, sid).await;
        assert_eq!((&link["content_type"], stored.as_ref()), (&json!(content_type), bytes));
        let answer = world.http.get(link["url"].as_str().unwrap()).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], content_type);
    }
}

/// Twilio's list names no file: each is looked up.
#[tokio::test]
async fn file_of_a_message_whose_webhook_was_lost_is_stored() {
    let (world, person) = (World::new(), Person::new());
    lose(&world, &person.identity, 1.0, 1).await;
    let picture = file(&world, "image/png", PNG).await;
    let sent = world.write_with(&person, json!({"body": "Look", "media": [picture]})).await;
    assert_eq!(sent["status"], Value::Null, "{sent}");
    lose(&world, &person.identity, 0.0, 1).await;
    sweep(&world).await;
    let sid = sent["message_sid"].as_str().unwrap();
    assert_eq!(world.event("the message", is("event_id", sid)).await["recovered"], true);
    assert_eq!(media_event(&world, sid).await["sha256"], sha256_hex(PNG));
    assert_eq!(download(&world, sid).await.1.as_ref(), PNG);
}

#[tokio::test]
async fn contact_card_is_in_the_event_of_its_file() {
    let (world, person) = (World::new(), Person::new());
    let card = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada Lovelace\r\nTEL;type=CELL;waid=14155550199:+1 415 555 0199\r\nEND:VCARD\r\n";
    let sid = send_file(&world, &person, &file(&world, "text/vcard", card).await).await;
    let event = media_event(&world, &sid).await;
    let phone = json!({"number": "+1 415 555 0199", "kind": "cell", "wa_id": "14155550199"});
    assert_eq!(
        event["contacts"],
        json!([{"name": "Ada Lovelace", "organization": null, "phones": [phone], "emails": []}]),
        "{event}"
    );
}

#[tokio::test]
async fn file_that_twilio_lacks_at_first_is_stored_later() {
    let (world, person) = (World::new(), Person::new());
    world.plan(&person, 1, json!({"kind": "file", "problem": "missing", "seconds": 3})).await;
    let sid = send_file(&world, &person, &file(&world, "image/png", PNG).await).await;
    assert_eq!(media_event(&world, &sid).await["sha256"], sha256_hex(PNG));
}

#[tokio::test]
async fn slow_file_is_stored() {
    let (world, person) = (World::new(), Person::new());
    world.plan(&person, 1, json!({"kind": "file", "problem": "slow", "milliseconds": 3_000})).await;
    let sid = send_file(&world, &person, &file(&world, "image/png", PNG).await).await;
    assert_eq!(media_event(&world, &sid).await["sha256"], sha256_hex(PNG));
}

#[tokio::test]
async fn file_that_cannot_be_stored_has_an_event_with_the_reason() {
    let world = &World::new();
    let elsewhere = |url: &str| json!({"problem": "redirected", "url": url});
    let cases = [
        (json!({"problem": "empty"}), "empty"),
        (json!({"problem": "too_large"}), "too_large"),
        (json!({"problem": "wrong_type"}), "type_mismatch"),
        (elsewhere("http://169.254.169.254/latest/meta-data/"), "redirect"),
        (elsewhere("https://169.254.169.254/latest/meta-data/"), "redirect"),
        (elsewhere("https://localhost/a.png"), "redirect"),
        (elsewhere(&format!("{}/", world.stack.aws_endpoint)), "redirect"),
    ];
    let failures = cases.map(async |(mut fault, reason)| {
        let person = Person::new();
        fault["kind"] = json!("file");
        world.plan(&person, 1, fault).await;
        let sid = send_file(world, &person, &file(world, "image/png", PNG).await).await;
        let event = media_event(world, &sid).await;
        assert_eq!((&event["event_type"], &event["schema"]), (&json!("media_failed"), &json!("media.failed.v1")));
        assert_eq!((&event["reason"], &event["message_sid"]), (&json!(reason), &json!(sid)), "{event}");
        assert!(!event["detail"].as_str().unwrap().is_empty() && event["claimed_content_type"] == "image/png");
        assert_eq!(world.call("GET", &format!("/media/{}", key(&sid)), "").await.0, 404, "nothing is stored");
    });
    join_all(failures).await;
    let person = Person::new();
    let foreign = json!({"url": "https://files.example.com/a.png", "content_type": "image/png"});
    let event = media_event(world, &send_file(world, &person, &foreign).await).await;
    assert_eq!(event["reason"], "foreign_url", "{event}");
}

#[tokio::test]
async fn file_that_is_not_there_holds_up_no_event_and_no_other_file() {
    let (world, person) = (World::new(), Person::new());
    world.plan(&person, 1, json!({"kind": "file", "problem": "missing"})).await;
    let picture = file(&world, "image/png", PNG).await;
    let lost = send_file(&world, &person, &picture).await;
    // As many as can be stored at the same time, so that each waits for one before it.
    let later: Vec<_> = join_all((0..6).map(|_| send_file(&world, &person, &picture))).await;
    let text = world.write(&person, "Did you get it?").await;
    for sid in later.iter().map(String::as_str).chain([lost.as_str(), text["message_sid"].as_str().unwrap()]) {
        world.event("the message", is("event_id", sid)).await;
    }
    for sid in &later {
        assert_eq!(media_event(&world, sid).await["event_type"], "media_stored");
    }
    assert!(events_so_far(is("event_id", &format!("{lost}.media.0"))).is_empty(), "it is still tried");
}

/// The function's own process, with other settings than the deployed one.
async fn own_process(world: &World, aws_url: &str, delete_at_twilio: bool) -> FunctionProcess {
    let mut environment = world.stack.function_environments()["StoreMediaFunction"].clone();
    environment["AWS_ENDPOINT_URL"] = json!(aws_url);
    environment["DELETE_MEDIA_AT_TWILIO"] = json!(delete_at_twilio.to_string());
    FunctionProcess::start(&bootstrap("store-media"), &[], &environment).await.unwrap()
}

/// The message of the media queue for the only file of a message.
fn queue_event(sid: &str) -> Bytes {
    let sent_at = jiff::Timestamp::now().as_millisecond().to_string();
    let reference = json!({"account_sid": ACCOUNT_SID, "message_sid": sid, "index": 0});
    let record = json!({
        "messageId": "1", "receiptHandle": "1", "body": reference.to_string(), "messageAttributes": {}, "md5OfBody": "",
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": sent_at}, "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:under-test", "awsRegion": "us-east-1",
    });
    json!({"Records": [record]}).to_string().into()
}

/// Forgets that a file was stored, and deletes it.
async fn forget(world: &World, sid: &str) {
    let text = aws_sdk_dynamodb::types::AttributeValue::S;
    let item = world.dynamodb.delete_item().table_name(&world.stack.outputs.messages_table_name);
    let item = item.key("subject", text(subject_of_message(sid))).key("event", text("media#0".to_owned()));
    item.send().await.unwrap();
    world.s3.delete_object().bucket(&world.stack.outputs.media_bucket_name).key(key(sid)).send().await.unwrap();
}

/// The files that a message still has at Twilio.
async fn files_at_twilio(world: &World, sid: &str) -> usize {
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages/{sid}/Media.json", world.stack.sandbox_url);
    let answer = world.http.get(url).basic_auth(ACCOUNT_SID, Some(stack::run::AUTH_TOKEN)).send().await.unwrap();
    let list: Value = answer.error_for_status().unwrap().json().await.unwrap();
    list["media_list"].as_array().unwrap().len()
}

#[tokio::test]
async fn file_is_deleted_at_twilio_once_it_is_stored() {
    let (world, person) = (World::new(), Person::new());
    let sid = send_file(&world, &person, &file(&world, "image/png", PNG).await).await;
    media_event(&world, &sid).await;
    assert_eq!(files_at_twilio(&world, &sid).await, 1, "the deployed function deletes nothing");
    let mut process = own_process(&world, &world.stack.aws_endpoint, true).await;
    // Twice, as SQS may deliver it.
    for _ in 0..2 {
        let answer = process.invoke(&queue_event(&sid)).await.unwrap();
        assert_eq!(answer["batchItemFailures"], json!([]), "{answer}");
        assert_eq!(files_at_twilio(&world, &sid).await, 0);
    }
    assert_eq!(download(&world, &sid).await.1.as_ref(), PNG);
}

#[tokio::test]
async fn file_is_stored_once_wherever_its_process_is_killed() {
    let (world, person) = (World::new(), Person::new());
    let sid = send_file(&world, &person, &file(&world, "image/png", PNG).await).await;
    media_event(&world, &sid).await;
    let mut moment = 0;
    loop {
        moment += 1;
        forget(&world, &sid).await;
        let wire = Wire::start(&world.stack).await.unwrap();
        let mut process = own_process(&world, &wire.aws_url, false).await;
        wire.arm_to_kill(process.pid().unwrap(), KillPoint::Moment(moment)).unwrap();
        let event = queue_event(&sid);
        let is_killed = tokio::select! {
            killed = wire.killed() => killed.map(|_| true).unwrap(),
            answered = process.runtime.invoke(&event) => answered.map(|_| false).unwrap(),
        };
        process.kill().await.unwrap();
        wire.settled().await.unwrap();
        // SQS delivers the message again.
        let mut process = own_process(&world, &world.stack.aws_endpoint, false).await;
        let answer = process.invoke(&queue_event(&sid)).await.unwrap();
        assert_eq!(answer["batchItemFailures"], json!([]), "killed at moment {moment}: {answer}");
        let items = world.items(&sid).await;
        assert_eq!(items.len(), 2, "the message and its file, killed at moment {moment}");
        assert_eq!(download(&world, &sid).await.1.as_ref(), PNG);
        if !is_killed {
            break;
        }
    }
    assert!(moment > 6, "before and after the read, the file and the record: {moment}");
}

/// 16 MB, streamed in parts.
#[tokio::test]
async fn largest_file_is_stored_within_40_mb_of_memory() {
    const MEGABYTE: u64 = 1_000_000;
    let (world, person) = (World::new(), Person::new());
    let mut bytes = vec![7; 16 * 1024 * 1024];
    bytes[4..8].copy_from_slice(b"ftyp");
    let video = file(&world, "video/mp4", &bytes).await;
    let sid = send_file(&world, &person, &video).await;
    let event = media_event(&world, &sid).await;
    assert_eq!((&event["bytes"], &event["sha256"]), (&json!(bytes.len()), &json!(sha256_hex(&bytes))), "{event}");
    assert!(download(&world, &sid).await.1 == bytes, "the parts are in their order");
    forget(&world, &sid).await;
    let mut process = own_process(&world, &world.stack.aws_endpoint, false).await;
    let before = process.peak_resident().unwrap();
    let answer = process.invoke(&queue_event(&sid)).await.unwrap();
    assert_eq!(answer["batchItemFailures"], json!([]), "{answer}");
    assert!(download(&world, &sid).await.1 == bytes);
    let peak = process.peak_resident().unwrap();
    println!("peak of resident memory: {} MB before, {} MB with 16 MB", before / MEGABYTE, peak / MEGABYTE);
    assert!(peak < 40 * MEGABYTE, "{peak}");
}
