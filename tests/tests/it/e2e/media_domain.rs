//! Media links on a domain of the operator, from the first deployment to the second key. The test has a separate stack, whose media
//! domain the emulator's CloudFront serves; until there is a key, an IAM user of the template signs the links.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use reqwest::{Method, Response, StatusCode, Url, header::RANGE};
use serde_json::{Value, json};
use stack::{
    aws_environment,
    deploy::STACK_NAME,
    movable::{MovableStack, StackSettings},
};

use super::media::upload;
use crate::world::{Person, World, new_id, template_notification};

const PICTURE: &[u8] = b"not really a picture";

struct DomainStack {
    stack: MovableStack,
    world: World,
}

impl DomainStack {
    async fn start() -> Self {
        let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
        let further = ["MediaSigner=user", "SecretMaxAgeSeconds=1"].map(str::to_owned);
        let settings = StackSettings { media_domain: true, further: &further, ..StackSettings::default() };
        let stack = MovableStack::start(Path::new(&built), "media-domain", &settings).await.unwrap();
        let world = World::of(stack.stack.clone());
        Self { stack, world }
    }

    /// Deploys with one more parameter.
    async fn deploy(&mut self, parameter: &str) {
        let further = [parameter.to_owned()];
        self.stack.update(&StackSettings { further: &further, ..StackSettings::default() }).await.unwrap();
        self.world = World::of(self.stack.stack.clone());
    }

    /// Runs `wa`, whose requests this thread may answer.
    async fn wa(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(self.stack.folder.join("bin/wa"));
        command.args(arguments).arg("--yes").env("WA_STACK", STACK_NAME);
        let environment = aws_environment(&self.world.stack.aws_endpoint, &self.world.stack.administrator);
        command.envs(environment);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    /// Runs `wa media-key`, and returns what it printed.
    async fn media_key(&self, command: &str) -> Result<String, String> {
        let ran = self.wa(&["media-key", command]).await;
        let printed = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if ran.status.success() { Ok(printed(&ran.stdout)) } else { Err(printed(&ran.stderr)) }
    }

    /// What `wa doctor` finds about media links.
    async fn finding(&self) -> Value {
        let findings: Value = serde_json::from_slice(&self.wa(&["doctor", "--output", "json"]).await.stdout).unwrap();
        let found = findings.as_array().unwrap().iter().find(|finding| finding["check"] == "media links");
        found.unwrap_or_else(|| panic!("{findings}")).clone()
    }

    /// Sends a file, and returns its link.
    async fn send(&self, key: &Value) -> Url {
        let (person, id) = (Person::new(), new_id("file"));
        self.world.open_window(&person).await;
        let mut notification = template_notification(&id, &person);
        notification["content"] = json!({"type": "media", "media": [{"key": key}]});
        self.world.notify(&notification).await;
        self.world.notification_in(&id, "accepted").await;
        let sent = self.world.sent_to(&person).await;
        sent[0]["sandbox_media_urls"][0].as_str().unwrap().parse().unwrap()
    }

    /// Sends files until a link has this key of CloudFront.
    async fn send_with(&self, key: &Value, key_pair_id: &str) -> Url {
        let signed_by = format!("&Key-Pair-Id={key_pair_id}&");
        let sent = async || Some(self.send(key).await).filter(|link| link.as_str().contains(&signed_by));
        self.world.until("a link with the new key", sent).await
    }

    async fn request(&self, method: Method, link: &str) -> Response {
        self.world.http.request(method, link).send().await.unwrap()
    }

    async fn status(&self, link: &str) -> u16 {
        self.request(Method::GET, link).await.status().as_u16()
    }
}

/// The value of a parameter in the link's query.
fn parameter(link: &Url, name: &str) -> Option<String> {
    link.query_pairs().find(|(found, _)| found == name).map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn file_is_sent_by_a_link_on_the_operators_domain() {
    let mut domain = DomainStack::start().await;
    let key = upload(&domain.world, "image/png", PICTURE).await["key"].clone();
    signed_by_the_user_of_the_template(&domain, &key).await;

    assert_eq!(domain.finding().await["finding"], "warning", "it is prepared, and has no key");
    let made = domain.media_key("create").await.unwrap();
    assert!(made.starts_with("MediaPublicKeyA="), "{made}");
    assert_eq!(domain.media_key("create").await.unwrap(), made, "a second run prints the same");
    assert!(domain.media_key("use").await.unwrap_err().contains("CloudFront does not know the new key"));
    domain.deploy(&made).await;
    let first = domain.world.stack.outputs.media_key_pair_id_a.clone().unwrap();
    assert!(domain.media_key("use").await.unwrap().starts_with(&format!("{first} signs media links within 1 s.")));

    let finding = domain.finding().await;
    assert_eq!(finding["finding"], "ok", "{finding}");

    let link = domain.send_with(&key, &first).await;
    fetched_as_twilio_may_fetch_it(&domain, &link).await;
    refused_if_anything_differs(&domain, &link).await;
    given_for_a_download(&domain, &key).await;
    key_is_replaced_without_a_broken_link(&mut domain, &key, &link).await;
    domain.stack.advance(Duration::from_hours(11)).await.unwrap();
    assert_eq!(domain.status(link.as_str()).await, 403, "a link ends");
}

/// The template's parameter `MediaSigner`: CloudFormation makes the user, the key and the secret.
async fn signed_by_the_user_of_the_template(domain: &DomainStack, key: &Value) {
    let link = domain.send(key).await;
    assert_eq!(parameter(&link, "X-Amz-Expires").as_deref(), Some("21600"), "{link}");
    assert_eq!(parameter(&link, "X-Amz-Security-Token"), None, "the key of a user, and not of a role");
    assert_eq!(domain.request(Method::GET, link.as_str()).await.bytes().await.unwrap().as_ref(), PICTURE);
    assert_eq!(domain.request(Method::HEAD, link.as_str()).await.status(), 403, "as S3 answers");
}

async fn fetched_as_twilio_may_fetch_it(domain: &DomainStack, link: &Url) {
    for method in [Method::GET, Method::HEAD] {
        let answer = domain.request(method.clone(), link.as_str()).await;
        assert_eq!(answer.status(), StatusCode::OK, "{method}");
        let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("content-type").as_deref(), Some("image/png"), "{method}");
        assert_eq!(header("content-length").as_deref(), Some("20"), "{method}");
        assert_eq!(header("cache-control").as_deref(), Some("private, no-cache"), "{method}");
        assert_eq!(header("x-content-type-options").as_deref(), Some("nosniff"), "{method}");
        assert!(header("etag").is_some() && header("last-modified").is_some(), "{method}");
        let expected = if method == Method::GET { PICTURE } else { b"" };
        assert_eq!(answer.bytes().await.unwrap().as_ref(), expected, "{method}");
    }
    let part = domain.world.http.get(link.clone()).header(RANGE, "bytes=4-9").send().await.unwrap();
    assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(part.bytes().await.unwrap().as_ref(), b"really");
}

async fn refused_if_anything_differs(domain: &DomainStack, link: &Url) {
    let text = link.as_str();
    let expires = parameter(link, "Expires").unwrap();
    let later = text.replace(&expires, &(expires.parse::<u64>().unwrap() + 1).to_string());
    let other_file = text.replacen("/uploads/", "/uploads/0", 1);
    let unsigned = text.split('?').next().unwrap().to_owned();
    let more = format!("{text}&response-content-type=text/html");
    for different in [later, other_file, unsigned, more] {
        assert_eq!(domain.status(&different).await, 403, "{different}");
    }
    for method in [Method::PUT, Method::DELETE, Method::POST] {
        assert_eq!(domain.request(method.clone(), text).await.status(), 403, "{method}");
    }
}

async fn given_for_a_download(domain: &DomainStack, key: &Value) {
    let path = format!("/media/{}?expires_in=600", key.as_str().unwrap());
    let on_domain = async || {
        let (status, download) = domain.world.call("GET", &path, "").await;
        assert_eq!(status, 200, "{download}");
        Some(download).filter(|download| download["url"].as_str().unwrap().contains("&Hash-Algorithm=SHA256"))
    };
    let download = domain.world.until("a link for a download on the domain", on_domain).await;
    let link: Url = download["url"].as_str().unwrap().parse().unwrap();
    let expires_at: jiff::Timestamp = serde_json::from_value(download["expires_at"].clone()).unwrap();
    assert_eq!(parameter(&link, "Expires").unwrap(), expires_at.as_second().to_string());
    assert_eq!(domain.request(Method::GET, link.as_str()).await.bytes().await.unwrap().as_ref(), PICTURE);
}

async fn key_is_replaced_without_a_broken_link(domain: &mut DomainStack, key: &Value, old_link: &Url) {
    let made = domain.media_key("create").await.unwrap();
    assert!(made.starts_with("MediaPublicKeyB="), "{made}");
    domain.deploy(&made).await;
    let used = domain.media_key("use").await.unwrap();
    assert!(used.contains("Deploy with an empty MediaPublicKeyA after 13 hours"), "{used}");
    let second = used.split(' ').next().unwrap().to_owned();
    let link = domain.send_with(key, &second).await;
    for link in [old_link, &link] {
        assert_eq!(domain.status(link.as_str()).await, 200, "{link}");
    }
    domain.deploy(r#"MediaPublicKeyA="""#).await;
    assert_eq!(domain.status(old_link.as_str()).await, 403, "its key was removed");
    assert_eq!(domain.status(link.as_str()).await, 200);
}
