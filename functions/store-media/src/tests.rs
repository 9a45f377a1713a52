//! The function with [`stand_in`]'s Twilio and AWS.

use axum::{body::Bytes, http::StatusCode};
use domain::{account_settings::AccountSettings, digest::sha256_hex, media_settings::MediaSettings};
use jiff::SignedDuration;
use lambda_runtime::Context;
use serde_json::{Value, json};

use super::*;

mod stand_in;

use stand_in::{ACCOUNT, AtTwilio, KEY, MEDIA, MESSAGE, PNG, World, function};

fn deletes_at_twilio() -> TenantCache {
    let media = MediaSettings { store_inbound: true, delete_at_twilio: true };
    TenantCache::of_parameters(AccountSettings { media, ..AccountSettings::default() }, None)
}

/// Delivers the message of the queue that has been there for this time. Whether it comes again.
async fn deliver(function: &StoreMediaFunction, age: SignedDuration) -> bool {
    deliver_in(function, age, Context::default()).await
}

async fn deliver_in(function: &StoreMediaFunction, age: SignedDuration, context: Context) -> bool {
    deliver_reference(function, json!({}), age, context).await
}

/// Delivers a reference with further fields.
async fn deliver_reference(
    function: &StoreMediaFunction,
    further: Value,
    age: SignedDuration,
    context: Context,
) -> bool {
    let mut reference = json!({"account_sid": ACCOUNT, "message_sid": MESSAGE, "index": 0});
    reference.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    let sent_at = (Timestamp::now() - age).as_millisecond().to_string();
    let message = json!({
        "messageId": "1", "body": reference.to_string(), "messageAttributes": {},
        "attributes": {"SentTimestamp": sent_at, "ApproximateReceiveCount": "1"},
    });
    let event = serde_json::from_value(json!({"Records": [message]})).unwrap();
    let response = function.handle(LambdaEvent::new(event, context)).await.unwrap();
    !response.batch_item_failures.is_empty()
}

/// Delivers it once, new. Whether it comes again.
async fn deliver_new(function: &StoreMediaFunction) -> bool {
    deliver(function, SignedDuration::ZERO).await
}

#[tokio::test]
async fn file_is_fetched_with_credentials_from_twilio_alone() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    assert!(!deliver_new(&function(&url).await).await);
    let path = format!("GET /2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media/{MEDIA}");
    assert_eq!(world.read(|world| world.requests.clone()), [(path, true), ("GET /storage".to_owned(), false)]);
    let stored = json!({
        "key": KEY, "content_type": "image/png", "bytes": PNG.len(), "sha256": sha256_hex(PNG),
    });
    assert_eq!(world.outcome(), json!({"stored": stored}));
    assert_eq!(world.read(|world| world.objects[KEY].clone()), ("image/png".to_owned(), PNG.len()));
}

#[tokio::test]
async fn reference_of_a_later_release_stays_on_the_queue() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    let later = json!({"format": 9});
    assert!(deliver_reference(&function(&url).await, later, SignedDuration::ZERO, Context::default()).await);
    assert_eq!(world.read(|world| world.requests.len()), 0);
}

#[tokio::test]
async fn largest_file_is_written_in_parts() {
    let mut bytes = vec![0; 16 * 1024 * 1024];
    bytes[..PNG.len()].copy_from_slice(PNG);
    let sha256 = sha256_hex(&bytes);
    let (world, url) = World::start(AtTwilio::Has(bytes.into())).await;
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!(world.outcome()["stored"]["sha256"], sha256);
    let parts: Vec<_> = world.read(|world| world.objects.values().map(|(_, bytes)| *bytes).collect());
    assert_eq!(parts, [5 << 20, 5 << 20, 5 << 20, 1 << 20]);
}

#[tokio::test]
async fn file_of_another_size_or_type_is_recorded_with_its_reason() {
    let large = vec![0x89; 17 * 1024 * 1024];
    let cases: [(&str, Bytes, &str); 4] = [
        ("image/png", Bytes::new(), "empty"),
        ("image/png", large.into(), "too_large"),
        ("application/pdf", Bytes::from_static(PNG), "type_mismatch"),
        ("text/vcard", Bytes::from_static(PNG), "type_mismatch"),
    ];
    for (claimed, bytes, reason) in cases {
        let (world, url) = World::start(AtTwilio::Has(bytes)).await;
        world.change(|world| world.claimed = claimed);
        assert!(!deliver_new(&function(&url).await).await, "{reason}: it never becomes another file");
        assert_eq!(world.reason(), reason);
        assert_eq!(world.read(|world| world.objects.len()), 0, "{reason}");
        if reason == "type_mismatch" {
            assert_eq!(world.outcome()["failed"]["content_type"], "image/png");
        }
    }
}

/// Only the bytes themselves say how many there are.
#[tokio::test]
async fn upload_of_a_file_that_is_too_large_is_abandoned() {
    let (world, url) = World::start(AtTwilio::Streams { megabytes: 17, is_endless: false }).await;
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!(world.reason(), "too_large");
    assert!(world.read(|world| world.objects.contains_key("aborted") && !world.objects.contains_key(KEY)));
}

#[tokio::test]
async fn upload_of_a_file_that_does_not_end_is_abandoned() {
    // A busy machine needs longer for the first part.
    for seconds in [2, 8] {
        let (world, url) = World::start(AtTwilio::Streams { megabytes: 6, is_endless: true }).await;
        let mut context = Context::default();
        let left = LOG_RESERVE + READ_RESERVE + Duration::from_secs(seconds);
        context.deadline = u64::try_from((Timestamp::now() + left).as_millisecond()).unwrap();
        assert!(deliver_in(&function(&url).await, SignedDuration::ZERO, context).await, "it comes again");
        assert_eq!(world.outcome(), Value::Null);
        let objects = world.read(|world| world.objects.keys().cloned().collect::<Vec<_>>());
        if !objects.is_empty() {
            assert_eq!(objects, ["aborted".to_owned(), format!("{KEY} 1")]);
            return;
        }
    }
    panic!("no part was written");
}

#[tokio::test]
async fn file_in_another_encoding_is_not_stored() {
    let (world, url) = World::start(AtTwilio::Encodes("gzip")).await;
    let function = function(&url).await;
    assert!(deliver_new(&function).await, "it comes again");
    assert!(!deliver(&function, job::UNAVAILABLE_FOR).await);
    assert_eq!((world.reason().as_str(), world.read(|world| world.objects.len())), ("unavailable", 0));
    world.change(|world| (world.at_twilio, world.item) = (AtTwilio::Encodes("Identity"), None));
    assert!(!deliver_new(&function).await);
    assert_eq!(world.outcome()["stored"]["sha256"], sha256_hex(PNG));
}

#[tokio::test]
async fn redirect_elsewhere_is_not_followed() {
    for elsewhere in ["https://127.0.0.1/a", "https://169.254.169.254/a", "http://example.com/a", "https://localhost/a"]
    {
        let (world, url) = World::start(AtTwilio::RedirectsTo(elsewhere.to_owned())).await;
        assert!(!deliver_new(&function(&url).await).await, "{elsewhere}");
        assert_eq!(world.reason(), "redirect", "{elsewhere}");
        assert_eq!(world.read(|world| world.requests.len()), 1);
    }
    let (world, url) = World::start(AtTwilio::RedirectsTo("/2010-04-01/again".to_owned())).await;
    world.change(|world| world.at_twilio = AtTwilio::RedirectsTo(world.url.clone()));
    assert!(deliver_new(&function(&url).await).await, "without credentials Twilio answers 401, which may pass");
}

#[tokio::test]
async fn url_that_is_not_twilios_is_not_requested() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    world.change(|world| world.url = "https://api.twilio.com/2010-04-01/a".to_owned());
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!((world.reason().as_str(), world.read(|world| world.requests.len())), ("foreign_url", 0));
}

#[tokio::test]
async fn file_that_twilio_lacks_at_first_is_stored() {
    let (world, url) = World::start(AtTwilio::LacksFor(2)).await;
    assert!(!deliver_new(&function(&url).await).await);
    assert_eq!(world.outcome()["stored"]["key"], KEY);
}

#[tokio::test]
async fn file_that_twilio_does_not_get_is_given_up_after_minutes() {
    let (world, url) = World::start(AtTwilio::LacksFor(usize::MAX)).await;
    let function = function(&url).await;
    assert!(deliver_new(&function).await, "it comes again");
    assert_eq!(world.outcome(), Value::Null);
    assert!(!deliver(&function, job::NOT_FOUND_FOR).await);
    assert_eq!(world.reason(), "not_found");
}

#[tokio::test]
async fn file_is_given_up_after_a_day_without_twilio() {
    let (world, url) = World::start(AtTwilio::Fails(StatusCode::SERVICE_UNAVAILABLE)).await;
    let function = function(&url).await;
    assert!(deliver(&function, SignedDuration::from_hours(23)).await);
    assert!(!deliver(&function, job::UNAVAILABLE_FOR).await);
    assert_eq!(world.reason(), "unavailable");
    assert!(world.outcome()["failed"]["detail"].as_str().unwrap().contains("503"));
}

#[tokio::test]
async fn credentials_that_twilio_refuses_give_no_file_up() {
    for refusal in [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN] {
        let (world, url) = World::start(AtTwilio::Fails(refusal)).await;
        assert!(deliver(&function(&url).await, SignedDuration::from_hours(48)).await, "the operator changes them");
        assert_eq!(world.outcome(), Value::Null, "{refusal}");
    }
}

#[tokio::test]
async fn broken_bucket_gives_no_file_up() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    world.change(|world| world.is_bucket_broken = true);
    let function = function(&url).await;
    assert!(deliver(&function, SignedDuration::from_hours(48)).await);
    assert_eq!(world.outcome(), Value::Null);
    world.change(|world| world.is_bucket_broken = false);
    assert!(!deliver(&function, SignedDuration::from_hours(49)).await);
    assert_eq!(world.outcome()["stored"]["key"], KEY);
}

#[tokio::test]
async fn second_delivery_fetches_nothing() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    let function = function(&url).await;
    assert!(!deliver_new(&function).await && !deliver_new(&function).await);
    assert_eq!(world.read(|world| (world.requests.len(), world.puts)), (2, 1));
}

#[tokio::test]
async fn deletion_at_twilio_is_repeated_until_it_is_done() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    let mut function = function(&url).await;
    function.tenants = deletes_at_twilio();
    world.change(|world| world.deletion = StatusCode::SERVICE_UNAVAILABLE);
    assert!(deliver_new(&function).await, "it comes again");
    assert_eq!(world.outcome()["stored"]["key"], KEY, "the file is stored first");
    for answer in [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND] {
        world.change(|world| world.deletion = answer);
        assert!(!deliver_new(&function).await, "{answer}");
    }
    let path = format!("DELETE /2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media/{MEDIA}.json");
    let deletions = world.read(|world| world.requests.iter().filter(|(request, _)| *request == path).count());
    assert_eq!(deletions, 3);
    assert_eq!(world.read(|world| world.puts), 1, "it was fetched and recorded once");
}

/// Two deliveries at the same time: the one that gave the file up was faster.
#[tokio::test]
async fn file_that_another_delivery_gave_up_stays_at_twilio() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(PNG))).await;
    let mut function = function(&url).await;
    function.tenants = deletes_at_twilio();
    world.change(|world| world.is_item_late = true);
    world.change(|world| world.at_twilio = AtTwilio::LacksFor(usize::MAX));
    assert!(!deliver(&function, job::NOT_FOUND_FOR).await);
    world.change(|world| world.at_twilio = AtTwilio::Has(Bytes::from_static(PNG)));
    assert!(!deliver_new(&function).await);
    assert_eq!((world.reason().as_str(), world.read(|world| world.puts)), ("not_found", 2));
    assert!(world.read(|world| world.requests.iter().all(|(request, _)| request.starts_with("GET "))));
}

#[tokio::test]
async fn file_that_is_not_stored_stays_at_twilio() {
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(b"a lie"))).await;
    let mut function = function(&url).await;
    function.tenants = deletes_at_twilio();
    assert!(!deliver_new(&function).await);
    assert_eq!(world.reason(), "type_mismatch");
    assert!(world.read(|world| world.requests.iter().all(|(request, _)| request.starts_with("GET "))));
}

#[tokio::test]
async fn contact_card_is_recorded_with_its_file() {
    let card = b"BEGIN:VCARD\nFN:Ada\nTEL;waid=14155550199:+14155550199\nEND:VCARD\n";
    let (world, url) = World::start(AtTwilio::Has(Bytes::from_static(card))).await;
    world.change(|world| world.claimed = "text/x-vcard");
    assert!(!deliver_new(&function(&url).await).await);
    let stored = world.outcome()["stored"].clone();
    assert_eq!(stored["content_type"], "text/vcard");
    assert_eq!(stored["contacts"][0]["phones"][0]["wa_id"], "14155550199");
}
