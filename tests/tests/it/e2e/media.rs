//! Files: upload, download, and sending to a person.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::cancel::cancelled;
use crate::world::{Person, World, new_id, of_notification, template_notification, text_notification};

/// A person's service window is open.
async fn reader(world: &World) -> Person {
    let person = Person::new();
    world.write(&person, "send me the pictures").await;
    person
}

/// A notification with three files: `<id>/1.png` to `<id>/3.png` of a site.
fn three_files(id: &str, person: &Person) -> Value {
    let media: Vec<_> = (1..=3).map(|number| json!({"url": url(id, number)})).collect();
    let mut notification = text_notification(id, person);
    notification["content"] = json!({"type": "media", "media": media, "body": "Look", "one_message_per_file": true});
    notification
}

fn url(id: &str, number: usize) -> String {
    format!("https://example.com/{id}/{number}.png")
}

/// The captions of the messages to a person, by the URL of their only file.
async fn captions(world: &World, person: &Person) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let sent = world.sent_to(person).await;
    let mut captions: Vec<_> = sent
        .iter()
        .map(|message| {
            assert_eq!(message["num_media"], "1", "{message}");
            (text(&message["sandbox_media_urls"][0]), text(&message["body"]))
        })
        .collect();
    captions.sort();
    captions
}

pub(super) async fn link_for(world: &World, content_type: &str, bytes: &[u8]) -> Value {
    let wanted = json!({"content_type": content_type, "content_length": bytes.len()});
    let (status, link) = world.call("POST", "/media", &wanted.to_string()).await;
    assert_eq!(status, 201, "{link}");
    link
}

/// Uploads a file by a link, with all headers of the answer but one.
pub(super) async fn put(world: &World, link: &Value, bytes: &[u8], without: Option<&str>) -> reqwest::Response {
    let mut request = world.http.put(link["upload_url"].as_str().unwrap()).body(bytes.to_vec());
    for (name, value) in link["headers"].as_object().unwrap().iter().filter(|(name, _)| Some(name.as_str()) != without)
    {
        request = request.header(name, value.as_str().unwrap());
    }
    request.send().await.unwrap()
}

pub(super) async fn upload(world: &World, content_type: &str, bytes: &[u8]) -> Value {
    let link = link_for(world, content_type, bytes).await;
    let answer = put(world, &link, bytes, None).await;
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    link
}

#[tokio::test]
async fn upload_link_is_for_one_file() {
    let world = World::new();
    let link = link_for(&world, "image/png", b"the first one").await;
    let free = put(&world, &link, b"the first one", Some("if-none-match")).await;
    assert_eq!(free.status(), 403, "the header is signed");
    assert!(put(&world, &link, b"the first one", None).await.status().is_success());
    assert_eq!(put(&world, &link, b"another one..", None).await.status(), 412);
    let (_, download) = world.call("GET", &format!("/media/{}", link["key"].as_str().unwrap()), "").await;
    let file = world.http.get(download["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"the first one");
}

#[tokio::test]
async fn type_with_another_name_is_stored_under_its_own() {
    let world = World::new();
    let link = upload(&world, "Image/JPG", b"a picture").await;
    let (_, download) = world.call("GET", &format!("/media/{}", link["key"].as_str().unwrap()), "").await;
    assert_eq!(download["content_type"], "image/jpeg", "{download}");
}

#[tokio::test]
async fn file_is_uploaded_and_downloaded_by_links() {
    let world = World::new();
    let link = upload(&world, "image/png", b"not really a picture").await;
    let signed = link["upload_url"].as_str().unwrap();
    assert!(signed.contains("content-length") && signed.contains("content-type"), "both are signed: {signed}");
    let key = link["key"].as_str().unwrap();
    let (status, download) = world.call("GET", &format!("/media/{key}"), "").await;
    assert_eq!(status, 200, "{download}");
    assert_eq!(download["content_type"], "image/png");
    assert_eq!(download["content_length"], 20);
    assert!(download["url"].as_str().unwrap().contains("X-Amz-Expires=900"));
    let file = world.http.get(download["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"not really a picture");
}

#[tokio::test]
async fn file_with_an_odd_key_is_found_by_its_query() {
    let world = World::new();
    let (key, in_query) = (format!("{}/50% off?.pdf", new_id("folder")), "%2F50%25%20off%3F.pdf");
    let put = world.s3.put_object().bucket(&world.stack.outputs.media_bucket_name).key(&key);
    put.content_type("application/pdf").body(b"%PDF".to_vec().into()).send().await.unwrap();
    let folder = key.split('/').next().unwrap();
    let (status, download) = world.call("GET", &format!("/media?key={folder}{in_query}&expires_in=600"), "").await;
    assert_eq!((status, &download["key"]), (200, &json!(key)), "{download}");
    let file = world.http.get(download["url"].as_str().unwrap()).send().await.unwrap();
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"%PDF");
    let (status, problem) = world.call("GET", "/media", "").await;
    assert_eq!((status, &problem["error"]["field"]), (400, &json!("key")), "{problem}");
}

#[tokio::test]
async fn file_that_whatsapp_refuses_gets_no_link() {
    let world = World::new();
    let cases = [
        (json!({"content_type": "image/gif", "content_length": 1}), 415, "content_type"),
        (json!({"content_type": "audio/ogg;codecs=vorbis", "content_length": 10}), 415, "content_type"),
        (json!({"content_type": "image/webp", "content_length": 600 * 1024}), 413, "content_length"),
        (json!({"content_type": "image/png", "content_length": 5_242_881}), 413, "content_length"),
        (json!({"content_type": "image/png"}), 400, "content_length"),
    ];
    for (wanted, status, field) in cases {
        let (answered, problem) = world.call("POST", "/media", &wanted.to_string()).await;
        assert_eq!(answered, status, "{wanted}");
        assert_eq!(problem["error"]["field"], field, "{wanted}");
    }
    assert_eq!(world.call("GET", "/media/uploads/no-such.png", "").await.0, 404);
    let put = world.s3.put_object().bucket(&world.stack.outputs.media_bucket_name).key("odd.html");
    put.content_type("text/html").body(b"<p>".to_vec().into()).send().await.unwrap();
    assert_eq!(world.call("GET", "/media/odd.html", "").await.0, 422);
    let (status, problem) = world.call("GET", "/media/odd.html?expires_in=5", "").await;
    assert_eq!(status, 400, "{problem}");
    assert_eq!(problem["error"]["field"], "expires_in");
}

#[tokio::test]
async fn media_request_without_iam_permission_is_refused() {
    let world = World::new();
    let url = format!("{}/media", world.stack.api_url);
    let wanted = json!({"content_type": "image/png", "content_length": 1});
    assert_eq!(world.http.post(url).json(&wanted).send().await.unwrap().status(), 403);
}

#[tokio::test]
async fn file_by_key_is_sent_as_a_link_that_outlives_twilios_queue() {
    let (world, person, id) = (World::new(), Person::new(), new_id("media"));
    world.write(&person, "send me the picture").await;
    let key = upload(&world, "image/jpeg", b"a picture").await["key"].clone();
    let mut notification = template_notification(&id, &person);
    notification["content"] = json!({"type": "media", "media": [{"key": key}, {"url": "https://example.com/b.pdf"}], "body": "Look",
               "one_message_per_file": true});
    world.notify(&notification).await;
    for id in [id.clone(), format!("{id}/2")] {
        world.notification_in(&id, "accepted").await;
    }
    let sent: BTreeMap<_, _> = captions(&world, &person).await.into_iter().map(|(url, body)| (body, url)).collect();
    assert_eq!(sent.len(), 2);
    assert_eq!(sent[""], "https://example.com/b.pdf");
    let link = reqwest::Url::parse(&sent["Look"]).unwrap();
    let parameter = |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let valid_for = parameter("X-Amz-Expires").unwrap().parse::<u64>().unwrap();
    assert!(
        (3_120..=3_600).contains(&valid_for),
        "as long as the session, and longer than any such message: {valid_for}"
    );
    assert!(parameter("X-Amz-Credential").unwrap().starts_with("ASIA"), "the key of a session");
    assert!(parameter("X-Amz-Security-Token").is_some());
    let file = world.http.get(link).send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "image/jpeg");
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"a picture");
}

#[tokio::test]
async fn each_file_is_a_message_and_is_sent_once() {
    let (world, id) = (World::new(), new_id("files"));
    let person = reader(&world).await;
    let notification = three_files(&id, &person);
    // SQS delivers a message at least once.
    world.notify(&notification).await;
    world.notify(&notification).await;
    for id in [id.clone(), format!("{id}/2"), format!("{id}/3")] {
        let log = world.until_outcome(&id, "read").await;
        assert_eq!((&log["attempts"].as_array().unwrap().len(), &log["metadata"]), (&1, &notification["metadata"]));
    }
    // A fourth file under an id that is used: it is rejected with the notification. The last file of the next notification is
    // put on the queue later than it would be.
    let (mut again, later) = (notification.clone(), new_id("files"));
    again["content"]["media"].as_array_mut().unwrap().push(json!({"url": url(&id, 4)}));
    world.notify(&again).await;
    world.dead_letter(|letter| letter.body.contains(&url(&id, 4))).await;
    let other = reader(&world).await;
    (again["id"], again["to"]) = (json!(later), json!(other.identity));
    world.notify(&again).await;
    world.notification_in(&format!("{later}/4"), "accepted").await;
    let expected: Vec<_> =
        [(1, "Look"), (2, ""), (3, "")].map(|(number, body)| (url(&id, number), body.to_owned())).into();
    assert_eq!(captions(&world, &person).await, expected, "no file of a notification that was rejected");
}

#[tokio::test]
async fn several_files_are_refused_by_name_without_the_field() {
    let (world, id) = (World::new(), new_id("files"));
    let person = reader(&world).await;
    let mut notification = three_files(&id, &person);
    notification["content"].as_object_mut().unwrap().remove("one_message_per_file");
    world.notify(&notification).await;
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    let reason = event["reason"].as_str().unwrap();
    assert!(reason.starts_with("content.media: expected one file"), "{reason}");
    assert!(reason.contains("content.one_message_per_file: true"), "{reason}");
    let letter = world.dead_letter(|letter| letter.body.contains(&id)).await;
    assert_eq!(letter.reason.as_deref(), Some(reason));
    world.notification_in(&id, "rejected").await;
    assert_eq!(world.sent_to(&person).await, [] as [Value; 0]);
}

#[tokio::test]
async fn own_id_like_that_of_a_further_file_stays_its_own() {
    let (world, id) = (World::new(), new_id("files"));
    let person = reader(&world).await;
    let own = format!("{id}/2");
    world.notify(&text_notification(&own, &person)).await;
    world.notification_in(&own, "accepted").await;
    world.notify(&three_files(&id, &person)).await;
    let letter = world.dead_letter(|letter| letter.body.contains(&url(&id, 2))).await;
    assert!(letter.reason.unwrap().starts_with("id: used before"));
    world.notification_in(&format!("{id}/3"), "accepted").await;
    world.until_outcome(&own, "read").await;
    let sent = world.sent_to(&person).await;
    let files: Vec<_> = sent.iter().filter_map(|message| message["sandbox_media_urls"][0].as_str()).collect();
    assert_eq!((sent.len(), files.contains(&url(&id, 2).as_str())), (3, false), "{sent:#?}");
}

#[tokio::test]
async fn cancellation_of_the_first_file_cancels_all() {
    let (world, person, id) = (World::new(), Person::new(), new_id("files"));
    let mut notification = three_files(&id, &person);
    notification["send_at"] = json!((Timestamp::now() + SignedDuration::from_hours(24)).to_string());
    world.notify(&notification).await;
    world.notification_in(&id, "waiting").await;
    assert!(cancelled(&world, &id).await);
    for id in [id.clone(), format!("{id}/2"), format!("{id}/3")] {
        let log = world.until_outcome(&id, "cancelled").await;
        assert!(log["reason"].as_str().unwrap().starts_with("cancelled by arn:aws:"), "{log}");
        world.event("the event about it", of_notification("notification_failed", &id)).await;
    }
    let alone = new_id("files");
    notification["id"] = json!(alone);
    world.notify(&notification).await;
    world.notification_in(&format!("{alone}/3"), "waiting").await;
    assert!(cancelled(&world, &format!("{alone}%2F3")).await);
    for id in [alone.clone(), format!("{alone}/2")] {
        world.notification_in(&id, "waiting").await;
    }
}

#[tokio::test]
async fn mms_has_ten_files_of_five_megabytes_together() {
    let world = World::new();
    let key = upload(&world, "image/png", &vec![0; 512 * 1024]).await["key"].clone();
    let larger = upload(&world, "image/png", &vec![0; 512 * 1024 + 1]).await["key"].clone();
    let by_sms = async |last: &Value| {
        let (person, id) = (Person::new(), new_id("mms"));
        let mut files = vec![json!({"key": key}); 9];
        files.push(json!({"key": last}));
        let mut notification = text_notification(&id, &person);
        let content = json!({"type": "media", "media": files, "body": "Look"});
        notification["fallback"] = json!([{"channel": "sms", "content": content}]);
        world.notify(&notification).await;
        (person, id)
    };
    let (person, id) = by_sms(&key).await;
    world.notification_in(&id, "accepted").await;
    let sent = world.sent_by_sms_to(&person).await;
    assert_eq!((sent.len(), &sent[0]["num_media"], &sent[0]["body"]), (1, &json!("10"), &json!("Look")));
    let (person, id) = by_sms(&larger).await;
    let event = world.event("the refusal", of_notification("notification_failed", &id)).await;
    let expected = "fallback[0].content.media[9].key: expected files of at most 5242880 bytes in one message";
    assert_eq!(event["reason"], expected);
    assert!(world.sent_by_sms_to(&person).await.is_empty());
}

/// A bucket's policy with one more statement, for one file: tests that run at the same time use others.
async fn forbid(world: &World, key: &str) {
    let bucket = &world.stack.outputs.media_bucket_name;
    let found = world.s3.get_bucket_policy().bucket(bucket).send().await.unwrap();
    let mut policy: Value = serde_json::from_str(found.policy().unwrap()).unwrap();
    policy["Statement"].as_array_mut().unwrap().push(json!({
        "Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": format!("arn:aws:s3:::{bucket}/{key}"),
    }));
    world.s3.put_bucket_policy().bucket(bucket).policy(policy.to_string()).send().await.unwrap();
}

#[tokio::test]
async fn file_that_send_may_not_read_waits_unsent() {
    let (world, person, id) = (World::new(), Person::new(), new_id("forbidden"));
    world.open_window(&person).await;
    let key = upload(&world, "image/jpeg", b"a picture").await["key"].clone();
    forbid(&world, key.as_str().unwrap()).await;
    let mut notification = template_notification(&id, &person);
    notification["content"] = json!({"type": "media", "media": [{"key": key}]});
    world.notify(&notification).await;
    world.notification_in(&id, "waiting").await;
    let (status, log) = world.call("GET", &format!("/notifications/{id}"), "").await;
    assert_eq!((status, &log["waits_for"]), (200, &json!("composition")), "{log}");
    assert!(world.sent_to(&person).await.is_empty());
}

#[tokio::test]
async fn missing_file_is_rejected_by_its_name() {
    let (world, person, id) = (World::new(), Person::new(), new_id("missing"));
    world.open_window(&person).await;
    let mut notification = template_notification(&id, &person);
    notification["content"] = json!({"type": "media", "media": [{"key": format!("uploads/{id}.jpg")}]});
    world.notify(&notification).await;
    let log = world.until_outcome(&id, "rejected").await;
    let reason = log["reason"].as_str().unwrap();
    assert!(reason.starts_with("content.media[0].key: ") && reason.contains("there is none of this key"), "{log}");
}
