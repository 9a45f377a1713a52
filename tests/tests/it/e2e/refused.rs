//! Webhooks that Twilio did not sign, or that cannot be parsed.

use std::{fs, path::Path};

use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, AUTH_TOKEN};
use tests::harness::{bootstrap, function::FunctionProcess};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use twilio_webhook::{form::Form, signature::sign};

use crate::world::{World, new_sid};

const FORM: &str = "application/x-www-form-urlencoded";

async fn post(world: &World, url: &str, content_type: &str, body: &str, signature: Option<&str>) -> u16 {
    let mut request = world.http.post(url).header("Content-Type", content_type).body(body.to_owned());
    if let Some(signature) = signature {
        request = request.header("X-Twilio-Signature", signature);
    }
    request.send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn request_without_a_valid_signature_is_refused_and_not_stored() {
    let (world, sid) = (World::new(), new_sid());
    let body = format!(
        "MessageSid={sid}&AccountSid={ACCOUNT_SID}&From=whatsapp%3A%2B14155550123&To=whatsapp%3A%2B14155238886&Body=hi"
    );
    for path in ["/twilio/inbound", "/twilio/status"] {
        let url = format!("{}{path}", world.stack.api_url);
        let right = sign(&AUTH_TOKEN.into(), &url, &Form::parse(body.as_bytes()));
        let forged = sign(&"another token".into(), &url, &Form::parse(body.as_bytes()));
        let changed_body = body.replace("Body=hi", "Body=ho");
        let changed_signature = right.replace(&right[3..4], if &right[3..4] == "A" { "B" } else { "A" });
        for (case, url, body, signature) in [
            ("no signature", url.clone(), &body, None),
            ("an empty signature", url.clone(), &body, Some("")),
            ("another token's", url.clone(), &body, Some(forged.as_str())),
            ("a changed body", url.clone(), &changed_body, Some(right.as_str())),
            ("a changed signature", url.clone(), &body, Some(changed_signature.as_str())),
            ("a changed query", format!("{url}?a=1"), &body, Some(right.as_str())),
        ] {
            assert_eq!(post(&world, &url, FORM, body, signature).await, 403, "{path}: {case}");
        }
    }
    assert!(world.items(&sid).await.is_empty());
}

#[tokio::test]
async fn forwarded_host_header_does_not_change_the_verified_url() {
    let world = World::new();
    let body = format!("MessageSid={}&AccountSid={ACCOUNT_SID}", new_sid());
    let signature = sign(&AUTH_TOKEN.into(), "http://elsewhere.example/twilio/inbound", &Form::parse(body.as_bytes()));
    let request = world.http.post(format!("{}/twilio/inbound", world.stack.api_url));
    let request = request.header("Content-Type", FORM).header("X-Twilio-Signature", signature);
    let answer = request.header("X-Forwarded-Host", "elsewhere.example").body(body).send().await.unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn signed_json_body_without_its_hash_is_refused() {
    let world = World::new();
    let url = format!("{}/twilio/inbound", world.stack.api_url);
    let signature = sign(&AUTH_TOKEN.into(), &url, &Form::default());
    assert_eq!(post(&world, &url, "application/json", "{}", Some(&signature)).await, 403);
}

#[tokio::test]
async fn signed_form_with_an_invalid_field_is_refused_by_name() {
    let world = World::new();
    let sid = new_sid();
    let [inbound, status] = [("From", "whatsapp:+14155550123"), ("MessageStatus", "sent")];
    for (path, parameter) in [("/twilio/inbound", inbound), ("/twilio/status", status)] {
        let form = [parameter, ("MessageSid", sid.as_str()), ("To", "whatsapp:+14155238886")];
        let answer = world.post_signed(path, &form).await;
        assert_eq!(answer.status(), 400);
        assert!(answer.text().await.unwrap().starts_with("AccountSid: expected"));
    }
    assert!(world.items(&sid).await.is_empty());
}

#[tokio::test]
async fn malformed_body_is_refused_without_a_server_error() {
    let world = World::new();
    let url = format!("{}/twilio/inbound", world.stack.api_url);
    for body in ["", "=", "&&&", "%", "%zz=%", "a=%ff%fe", "\u{0}", "Body=\u{feff}&Body=", &"x".repeat(300_000)] {
        let form = Form::parse(body.as_bytes());
        let signature = sign(&AUTH_TOKEN.into(), &url, &form);
        let status = post(&world, &url, FORM, body, Some(&signature)).await;
        assert!(matches!(status, 400 | 413), "{status} for {:?}", body.chars().take(20).collect::<String>());
        assert_eq!(post(&world, &url, FORM, body, Some("bm9uc2Vuc2U=")).await, if status == 413 { 413 } else { 403 });
    }
}

/// Posts without an HTTP client, which would encode the URL. Returns the response's status line.
async fn post_raw(world: &World, path_and_query: &str) -> String {
    let host = world.stack.api_url.strip_prefix("http://").unwrap();
    let mut connection = TcpStream::connect(host).await.unwrap();
    let request = format!(
        "POST {path_and_query} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Type: {FORM}\r\n\
         Content-Length: 1\r\n\r\na"
    );
    connection.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn unencoded_query_of_an_unsigned_webhook_is_refused() {
    let world = World::new();
    for path in ["/twilio/inbound", "/twilio/status"] {
        let answer = post_raw(&world, &format!("{path}?a=\"<>")).await;
        assert!(answer.starts_with("HTTP/1.1 403"), "{path}: {answer}");
    }
}

/// API Gateway may refuse these requests itself. The functions refuse them as well, because an event is not parsed before
/// it is verified.
#[tokio::test]
async fn malformed_url_of_an_unsigned_webhook_is_refused() {
    let world = World::new();
    let environments = world.stack.function_environments();
    for (function, resource) in [("inbound", "InboundFunction"), ("status", "StatusFunction")] {
        let mut function = FunctionProcess::start(&bootstrap(function), &[], &environments[resource]).await.unwrap();
        for event in malformed_events() {
            let answer = function.invoke(&event.to_string().into()).await.unwrap();
            assert_eq!(answer["statusCode"], 403, "{resource}: {event}");
        }
    }
}

/// Events that cannot become an `http::Uri`.
fn malformed_events() -> Vec<Value> {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events/inbound-bad-signature.json");
    let sample: Value = serde_json::from_str(&fs::read_to_string(sample).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut Value)| {
        let mut event = sample.clone();
        change(&mut event);
        event
    };
    let queries = ["a=\"<", "a=>", "a b", "a=\u{7f}", "a=\t", "#"];
    let hosts = ["wa example.com", "[::1", "a:x", "a:99999", ""];
    let protocols = ["", "https,https"];
    let queries = queries.iter().map(|query| with(&|event| event["rawQueryString"] = json!(query)));
    let hosts = hosts.iter().map(|host| with(&|event| event["headers"]["host"] = json!(host)));
    let protocols = protocols.iter().map(|name| with(&|event| event["headers"]["x-forwarded-proto"] = json!(name)));
    let path = with(&|event| event["rawPath"] = json!("/twilio/../\0 #?"));
    queries.chain(hosts).chain(protocols).chain([path]).collect()
}

/// The event of a form that a wrong token signed.
fn forged_event(path: &str, body: &str, signature: Option<&str>) -> String {
    let mut headers = json!({"content-type": FORM});
    if let Some(signature) = signature {
        headers["x-twilio-signature"] = json!(signature);
    }
    let event = json!({
        "version": "2.0", "rawPath": path, "rawQueryString": "", "headers": headers, "body": body,
        "requestContext": {"domainName": "wa.example.com", "http": {"method": "POST"}}, "isBase64Encoded": false,
    });
    event.to_string()
}

#[tokio::test]
async fn refused_webhook_of_our_account_is_logged_with_an_alarm() {
    let world = World::new();
    let environments = world.stack.function_environments();
    for (name, resource) in [("inbound", "InboundFunction"), ("status", "StatusFunction")] {
        let log = std::env::temp_dir().join(new_sid());
        let started = FunctionProcess::start_with_log(&bootstrap(name), &[], &environments[resource], Some(&log)).await;
        let mut function = started.unwrap();
        let (path, body) = (format!("/twilio/{name}"), format!("AccountSid={ACCOUNT_SID}&Body=hi"));
        let url = format!("https://wa.example.com{path}");
        let forged = sign(&"rolled".into(), &url, &Form::parse(body.as_bytes()));
        let too_large = format!("{body}&x={}", "x".repeat(300_000));
        let of_a_stranger = "AccountSid=AC00000000000000000000000000000099&Body=hi";
        for (event, expected) in [
            (forged_event(&path, &body, Some(&forged)), 403),
            (forged_event(&path, &body, Some(&format!("{forged},{forged}"))), 403),
            (forged_event(&path, &too_large, Some(&forged)), 413),
            (forged_event(&path, &body, None), 403),
            (forged_event(&path, of_a_stranger, Some(&forged)), 403),
            (forged_event(&path, "Body=hi", Some(&forged)), 400),
        ] {
            assert_eq!(function.invoke(&event.into()).await.unwrap()["statusCode"], expected);
        }
        let lines = fs::read_to_string(&log).unwrap();
        let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let refused: Vec<_> =
            lines.filter(|line| line["fields"]["message"] == "a webhook request was refused").collect();
        let alarms: Vec<_> = refused.iter().map(|line| line["fields"]["alarm"].as_str()).collect();
        let refused_alarm = Some("refused");
        assert_eq!(alarms, [refused_alarm, refused_alarm, refused_alarm, None, None, None], "{resource}");
        assert!(refused[..3].iter().all(|line| line["fields"]["account_sid"] == ACCOUNT_SID), "{resource}");
        fs::remove_file(&log).unwrap();
    }
}
