//! What people write, and what Twilio says of messages.

use jiff::Timestamp;
use serde_json::json;
use stack::run::ACCOUNT_SID;
use tests::harness::emulator::{RefusalReason, RefusedRequests};
use twilio_webhook::form::Form;

use super::{super::canaries, Erased, SPOOLED_AND_MORE, Traffic, post_until_answered};
use crate::{
    e2e::{reconcile::lose, stored_media::file},
    support::stranger,
    world::{Person, World, new_sid},
};

const SENDER: &str = "whatsapp:+14155238886";

fn message<'a>(sid: &'a str, from: &'a str, body: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("MessageSid", sid),
        ("AccountSid", ACCOUNT_SID),
        ("From", from),
        ("To", SENDER),
        ("Body", body),
        ("NumMedia", "0"),
        ("ProfileName", canaries::PROFILE_NAME),
        ("ButtonText", canaries::BUTTON_TEXT),
        ("ButtonPayload", canaries::BUTTON_PAYLOAD),
    ]
}

pub(super) async fn write(world: &World, erased: &Erased) -> Traffic {
    let mut traffic = Traffic::default();
    let unknown: Vec<_> = (0..SPOOLED_AND_MORE).map(|_| stranger()).collect();
    // Twilio may post the same message twice, and to either URL.
    let to_inbound = unknown.iter().chain(&erased.inbound).map(|person| (person, "/twilio/inbound"));
    let others: Vec<_> = (0..SPOOLED_AND_MORE).map(|_| stranger()).collect();
    let to_status = others.iter().chain(&erased.status).map(|person| (person, "/twilio/status"));
    for (person, path) in to_inbound.chain(to_status) {
        let (sid, address) = (new_sid(), person.address());
        for _ in 0..2 {
            post_until_answered(world, path, &message(&sid, &address, canaries::BODY)).await;
        }
        traffic.messages.push(sid);
    }
    stop(world, &mut traffic).await;
    report_opt_out(world, &mut traffic).await;
    for person in [&stranger(), &erased.spooled] {
        traffic.messages.push(put_on_spool(world, person).await);
    }
    put_unreadable_on_spool(world).await;
    let sid = new_sid();
    post_until_answered(world, "/twilio/status", &delivered(&sid)).await;
    traffic.statuses.push(sid);
    let (sid, address) = (new_sid(), stranger().address());
    refuse_and_post(world, "/twilio/inbound", &sid, &message(&sid, &address, canaries::BODY)).await;
    traffic.messages.push(sid);
    let sid = new_sid();
    refuse_and_post(world, "/twilio/status", &sid, &delivered(&sid)).await;
    traffic.statuses.push(sid);
    send_files(world, &mut traffic).await;
    for person in [&stranger(), &erased.lost] {
        lose_one(world, &mut traffic, person).await;
    }
    traffic
}

fn delivered(sid: &str) -> [(&str, &str); 3] {
    [("MessageSid", sid), ("AccountSid", ACCOUNT_SID), ("MessageStatus", "delivered")]
}

async fn stop(world: &World, traffic: &mut Traffic) {
    let (sid, person) = (new_sid(), stranger());
    let from = person.address();
    let mut form = message(&sid, &from, "STOP");
    form.retain(|(name, _)| !name.starts_with("Button"));
    post_until_answered(world, "/twilio/inbound", &form).await;
    traffic.messages.push(sid);
    traffic.stopped.push(person);
}

/// Twilio says of another system's message that its recipient has opted out, of whom nothing is stored.
async fn report_opt_out(world: &World, traffic: &mut Traffic) {
    let (sid, person) = (new_sid(), stranger());
    let to = person.address();
    let form = [
        ("MessageSid", sid.as_str()),
        ("AccountSid", ACCOUNT_SID),
        ("From", SENDER),
        ("To", &to),
        ("MessageStatus", "failed"),
        // Twilio: 21610, "Attempt to send to unsubscribed recipient".
        ("ErrorCode", "21610"),
    ];
    post_until_answered(world, "/twilio/status", &form).await;
    traffic.stopped.push(person);
}

/// Posts a form whose writes DynamoDB refuses for so long that it is spooled, and is applied at a later receipt.
async fn refuse_and_post(world: &World, path: &str, sid: &str, form: &[(&str, &str)]) {
    // The inbound message is a transaction, and a status is one item.
    let operation = Some(if path == "/twilio/inbound" { "TransactWriteItems" } else { "PutItem" });
    let refused = RefusedRequests::containing(sid, RefusalReason::ProvisionedThroughputExceeded, 8);
    let refused = RefusedRequests { operation, ..refused };
    refused.begin(&world.stack).await.unwrap();
    post_until_answered(world, path, form).await;
}

/// Spools a message, as `inbound` does if DynamoDB fails for too long.
async fn put_on_spool(world: &World, person: &Person) -> String {
    let (sid, address) = (new_sid(), person.address());
    let form: Form = message(&sid, &address, canaries::BODY)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let now: Timestamp = world.stack.clock.now().try_into().unwrap();
    let body = json!({"version": 1, "arrived_at": now, "path": "/twilio/inbound", "form": form.encode()});
    let queue_url = &world.stack.outputs.spool_queue_url;
    world.sqs.send_message().queue_url(queue_url).message_body(body.to_string()).send().await.unwrap();
    sid
}

async fn put_unreadable_on_spool(world: &World) {
    let body = json!({"form": canaries::BODY}).to_string();
    let queue_url = &world.stack.outputs.spool_queue_url;
    world.sqs.send_message().queue_url(queue_url).message_body(body).send().await.unwrap();
}

/// A picture and a contact card. The sandbox does not repeat a webhook that fails, which `reconcile` then finds.
async fn send_files(world: &World, traffic: &mut Traffic) {
    let card =
        format!("BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{}\r\nTEL:+1 415 555 0199\r\nEND:VCARD\r\n", canaries::CARD_NAME);
    for (content_type, bytes) in
        [("image/png", b"\x89PNG\r\n\x1a\n a picture".as_slice()), ("text/vcard", card.as_bytes())]
    {
        let file = file(world, content_type, bytes).await;
        let written = world.write_with(&stranger(), json!({"body": canaries::BODY, "media": [file]})).await;
        let sid = written["message_sid"].as_str().unwrap().to_owned();
        traffic.messages.push(sid.clone());
        traffic.files.push(sid);
    }
}

/// A message whose webhook is lost.
async fn lose_one(world: &World, traffic: &mut Traffic, person: &Person) {
    lose(world, &person.identity, 1.0, 1).await;
    let written = world.write(person, canaries::BODY).await;
    lose(world, &person.identity, 0.0, 1).await;
    traffic.messages.push(written["message_sid"].as_str().unwrap().to_owned());
}
