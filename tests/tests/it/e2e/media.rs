//! Files: upload, download, and sending to a person.

use serde_json::{Value, json};

use crate::world::{Person, World, new_id, template_notification};

async fn upload(world: &World, content_type: &str, bytes: &[u8]) -> Value {
    let wanted = json!({"content_type": content_type, "content_length": bytes.len()});
    let (status, link) = world.call("POST", "/media", &wanted.to_string()).await;
    assert_eq!(status, 201, "{link}");
    let mut request = world.http.put(link["upload_url"].as_str().unwrap()).body(bytes.to_vec());
    for (name, value) in link["headers"].as_object().unwrap() {
        request = request.header(name, value.as_str().unwrap());
    }
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    link
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
async fn file_that_whatsapp_refuses_gets_no_link() {
    let world = World::new();
    let cases = [
        (json!({"content_type": "image/gif", "content_length": 1}), 415, "content_type"),
        (json!({"content_type": "image/png", "content_length": 5_242_881}), 413, "content_length"),
        (json!({"content_type": "image/png"}), 400, "body"),
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
    notification["content"] =
        json!({"type": "media", "media": [{"key": key}, {"url": "https://example.com/b.pdf"}], "body": "Look"});
    world.notify(&notification).await;
    world.notification_in(&id, "accepted").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent[0]["num_media"], "2");
    assert_eq!(sent[0]["body"], "Look");
    let urls = sent[0]["sandbox_media_urls"].as_array().unwrap();
    assert_eq!(urls[1], "https://example.com/b.pdf");
    let link = reqwest::Url::parse(urls[0].as_str().unwrap()).unwrap();
    let parameter = |name: &str| link.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert!(parameter("X-Amz-Expires").unwrap().parse::<u64>().unwrap() > 4 * 60 * 60);
    assert_eq!(parameter("X-Amz-Security-Token"), None, "no session that ends before the link does");
    let file = world.http.get(link).send().await.unwrap();
    assert_eq!(file.headers()["content-type"], "image/jpeg");
    assert_eq!(file.bytes().await.unwrap().as_ref(), b"a picture");
}
