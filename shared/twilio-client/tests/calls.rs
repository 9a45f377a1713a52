//! Each call against an HTTP server that answers what the test has written down.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::{
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{
        Mutex,
        mpsc::{Receiver, channel},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use twilio_client::{
    AccountClient, ApiRequest, CallRecord, Cancellation, Credentials, Deletion, MediaFile, MessageFilter,
    MessageSender, NewContent, NewMessage, NewTemplate, NewVerification, PagePath, Product, Redaction, TwilioClient,
    TwilioError, VerificationTarget,
};
use twilio_types::verification::VerificationChannel;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const MESSAGE: &str = "SM00000000000000000000000000000001";
const MESSAGES: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages";

/// What the server does with a request.
enum Script {
    /// It answers with this status and body.
    Answer(u16, String),
    /// It answers with this status and a `Location`.
    Redirect(String),
    /// It reads the request and closes the connection.
    Close,
    /// It reads the request and answers only when the client has not given up for a long time.
    AnswerLate(String),
}

/// An HTTP server that serves one connection for each line of its script.
struct Server {
    url: String,
    requests: Receiver<String>,
}

impl Server {
    fn start(script: Vec<Script>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sender, requests) = channel();
        thread::spawn(move || {
            for line in script {
                let Ok((mut stream, _)) = listener.accept() else { return };
                if sender.send(read_request(&mut stream)).is_err() {
                    return;
                }
                play(&line, &mut stream);
            }
        });
        Self { url, requests }
    }

    fn account(&self) -> AccountClient {
        account_at(&self.url)
    }

    /// The next request that came.
    fn request(&self) -> String {
        self.requests.recv_timeout(Duration::from_secs(30)).unwrap()
    }
}

fn account_at(url: &str) -> AccountClient {
    TwilioClient::new(url.parse().unwrap()).unwrap().account(ACCOUNT.parse().unwrap(), credentials())
}

fn credentials() -> Credentials {
    Credentials::auth_token(&ACCOUNT.parse().unwrap(), "the-token".into())
}

fn read_request(stream: &mut TcpStream) -> String {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let read = stream.read(&mut buffer).unwrap();
        assert!(read > 0, "the request broke off: {text}");
        bytes.extend_from_slice(&buffer[..read]);
    }
}

fn play(script: &Script, stream: &mut TcpStream) {
    let answer = match script {
        Script::Answer(status, body) => {
            format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        }
        Script::Redirect(to) => format!("HTTP/1.1 302 x\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n"),
        Script::Close => return,
        Script::AnswerLate(body) => {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            if stream.read(&mut [0; 1]).is_ok() {
                // The client has closed the connection.
                return;
            }
            format!("HTTP/1.1 200 x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())
        }
    };
    stream.write_all(answer.as_bytes()).unwrap();
}

fn ok(body: &Value) -> Script {
    Script::Answer(200, body.to_string())
}

fn refused(status: u16, code: u32) -> Script {
    Script::Answer(status, json!({"code": code, "message": "no", "status": status}).to_string())
}

fn message(number: u32) -> Value {
    json!({"sid": format!("SM{number:032}"), "status": "queued", "to": "whatsapp:+14155550123",
           "direction": "outbound-api", "num_media": "0"})
}

fn text() -> NewMessage {
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    NewMessage::new("whatsapp:+14155550123", sender, NewContent::Text("Hello".to_owned()))
}

#[tokio::test]
async fn a_message_is_created_with_a_form_and_the_credentials() {
    let server = Server::start(vec![ok(&message(1))]);
    let created = server.account().create(&text()).await.unwrap();
    assert_eq!(created.sid.as_str(), MESSAGE);
    let request = server.request();
    assert!(request.starts_with(&format!("POST {MESSAGES}.json HTTP/1.1\r\n")), "{request}");
    assert!(request.contains("authorization: Basic QUMw"), "{request}");
    assert!(request.contains(concat!("user-agent: twilio-client/", env!("CARGO_PKG_VERSION"), "\r\n")), "{request}");
    assert!(request.ends_with("To=whatsapp%3A%2B14155550123&From=whatsapp%3A%2B14155238886&Body=Hello"), "{request}");
}

#[tokio::test]
async fn a_connection_that_is_refused_leaves_nothing_done() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let answer = account_at(&url).create(&text()).await;
    assert!(matches!(answer, Err(TwilioError::NotDone { response: None, source: Some(_), .. })), "{answer:?}");
}

#[tokio::test]
async fn a_lost_or_unreadable_answer_is_an_unknown_outcome() {
    let script = [Script::Close, Script::Answer(200, "<html>".to_owned()), ok(&json!({"sid": "nonsense"}))];
    for (index, line) in script.into_iter().enumerate() {
        let server = Server::start(vec![line]);
        let answer = server.account().create(&text()).await;
        assert!(matches!(answer, Err(TwilioError::Unknown { source: Some(_), .. })), "{index}: {answer:?}");
    }
}

#[tokio::test]
async fn an_answer_with_a_sid_is_a_created_message() {
    let mut new_status = message(1);
    new_status["status"] = json!("teleported");
    let mut no_status = message(1);
    no_status.as_object_mut().unwrap().retain(|name, _| name == "sid");
    let mut odd = message(1);
    odd["num_media"] = json!("many");
    odd["error_code"] = json!({"code": "new"});
    for (answer, is_readable) in [(message(1), true), (new_status, true), (no_status, false), (odd, false)] {
        let server = Server::start(vec![Script::Answer(201, answer.to_string())]);
        let created = server.account().create(&text()).await.unwrap();
        assert_eq!((created.sid.as_str(), created.resource.is_some()), (MESSAGE, is_readable), "{answer}");
    }
}

#[tokio::test]
async fn no_call_is_tried_twice() {
    let server = Server::start(vec![refused(503, 20503), ok(&message(1))]);
    let answer = server.account().create(&text()).await;
    assert!(matches!(answer, Err(TwilioError::Unknown { response: Some(_), .. })), "{answer:?}");
    server.request();
    assert!(server.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::start(vec![ok(&message(1))]);
    let server = Server::start(vec![Script::Redirect(format!("{}/", elsewhere.url))]);
    let answer = server.account().fetch(&MESSAGE.parse().unwrap()).await;
    assert!(matches!(answer, Err(TwilioError::Unknown { response: Some(_), .. })), "{answer:?}");
    assert!(elsewhere.requests.try_recv().is_err());
}

#[tokio::test]
async fn after_the_deadline_no_request_is_sent() {
    let server = Server::start(vec![ok(&message(1))]);
    let account = server.account().with_deadline(Instant::now());
    let (message_sid, page) = (MESSAGE.parse().unwrap(), "/page".parse::<PagePath>().unwrap());
    let answers = [
        account.create(&text()).await.map(drop),
        account.fetch(&message_sid).await.map(drop),
        account.cancel(&message_sid).await.map(drop),
        account.media(&message_sid).await.map(drop),
        account.list(&MessageFilter::default()).await.map(drop),
        account.list_page(&page).await.map(drop),
        account.find_content("order", "en").await.map(drop),
        account.content_page(&page).await.map(drop),
    ];
    for answer in answers {
        assert!(matches!(answer, Err(TwilioError::NotDone { response: None, source: Some(_), .. })), "{answer:?}");
    }
    assert!(server.requests.try_recv().is_err());
}

#[tokio::test]
async fn a_deadline_ends_a_search_on_a_later_page() {
    let page = json!({"contents": [], "meta": {"next_page_url": "https://content.example.com/v1/Content?Page=1"}});
    let server = Server::start(vec![ok(&page), Script::AnswerLate(page.to_string()), ok(&page)]);
    let account = server.account().with_deadline(Instant::now() + Duration::from_secs(1));
    let answer = account.find_content("order", "en").await;
    assert!(matches!(answer, Err(TwilioError::Unknown { response: None, source: Some(_) })), "{answer:?}");
    server.request();
    server.request();
    assert!(server.requests.try_recv().is_err(), "the third page is not asked for");
}

#[tokio::test]
async fn a_request_under_way_ends_with_its_time_limit() {
    let late = || Script::AnswerLate(message(1).to_string());
    let (soon, server) = (Duration::from_secs(1), Server::start(vec![late(), late()]));
    let client = TwilioClient::builder(server.url.parse().unwrap()).request_timeout(Duration::from_mins(1)).build();
    let client = client.unwrap();
    let limits: [fn(AccountClient, Duration) -> AccountClient; 2] =
        [AccountClient::with_timeout, |account, soon| account.with_deadline(Instant::now() + soon)];
    for limit in limits {
        let account = client.account(ACCOUNT.parse().unwrap(), credentials());
        let answer = limit(account, soon).create(&text()).await;
        assert!(matches!(answer, Err(TwilioError::Unknown { response: None, source: Some(_) })), "{answer:?}");
        server.request();
    }
}

#[tokio::test]
async fn a_list_is_read_page_by_page() {
    let next = format!("{MESSAGES}.json?PageSize=1&Page=1");
    let first = json!({"messages": [message(2)], "next_page_uri": next});
    let last = json!({"messages": [message(1)], "next_page_uri": null});
    let server = Server::start(vec![ok(&first), ok(&last)]);
    let account = server.account();
    let filter = MessageFilter::default().with_sent_since("2026-11-20".parse().unwrap()).with_page_size(1);
    let page = account.list(&filter).await.unwrap();
    assert!(server.request().starts_with(&format!("GET {MESSAGES}.json?DateSent%3E=2026-11-20&PageSize=1 HTTP")));
    let page = account.list_page(&page.next.unwrap()).await.unwrap();
    assert!(server.request().starts_with(&format!("GET {next} HTTP")));
    assert_eq!((page.messages[0].sid.as_str(), page.unreadable, page.next), (MESSAGE, 0, None::<PagePath>));
}

#[tokio::test]
async fn cancelling_a_message_that_is_not_scheduled_is_too_late() {
    for (line, expected) in [
        (ok(&message(1)), Some(Cancellation::Canceled)),
        (Script::Answer(200, "<html>".to_owned()), Some(Cancellation::Canceled)),
        (refused(409, 30409), Some(Cancellation::TooLate)),
        (refused(404, 20404), Some(Cancellation::TooLate)),
        (refused(400, 20001), None),
    ] {
        let server = Server::start(vec![line]);
        let answer = server.account().cancel(&MESSAGE.parse().unwrap()).await;
        assert!(server.request().ends_with("\r\n\r\nStatus=canceled"));
        match expected {
            Some(expected) => assert_eq!(answer.unwrap(), expected),
            None => assert!(matches!(answer, Err(TwilioError::Rejected(_))), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn redacting_a_message_deletes_its_text_alone() {
    for (line, expected) in [
        (ok(&message(1)), Some(Redaction::Redacted)),
        (Script::Answer(200, "<html>".to_owned()), Some(Redaction::Redacted)),
        (refused(404, 20404), Some(Redaction::Deleted)),
        (refused(409, 20009), None),
    ] {
        let server = Server::start(vec![line]);
        let answer = server.account().redact(&MESSAGE.parse().unwrap()).await;
        let request = server.request();
        assert!(request.starts_with(&format!("POST {MESSAGES}/{MESSAGE}.json HTTP")), "{request}");
        assert!(request.ends_with("\r\n\r\nBody="), "{request}");
        match expected {
            Some(expected) => assert_eq!(answer.unwrap(), expected),
            None => assert!(matches!(answer, Err(TwilioError::Rejected(_))), "{answer:?}"),
        }
    }
}

#[tokio::test]
async fn files_that_were_deleted_are_none() {
    let uri = format!("{MESSAGES}/{MESSAGE}/Media/ME1");
    let media = json!({"media_list": [{"uri": format!("{uri}.json"), "content_type": "image/png"}]});
    let server = Server::start(vec![ok(&media), refused(404, 20404)]);
    let (account, message_sid) = (server.account(), MESSAGE.parse().unwrap());
    let expected = MediaFile::new(format!("{}{uri}", server.url), Some("image/png".to_owned()));
    assert_eq!(account.media(&message_sid).await.unwrap(), [expected]);
    assert_eq!(account.media(&message_sid).await.unwrap(), []);
}

#[tokio::test]
async fn a_file_is_deleted_whether_it_still_exists_or_not() {
    let server = Server::start(vec![Script::Answer(204, String::new()), refused(404, 20404), refused(403, 20403)]);
    let (account, message_sid) = (server.account(), MESSAGE.parse().unwrap());
    let media_sid = format!("ME{:032}", 1).parse().unwrap();
    account.delete_media(&message_sid, &media_sid).await.unwrap();
    let request = server.request();
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}/Media/{media_sid}.json");
    assert!(request.starts_with(&format!("DELETE {path} HTTP")), "{request}");
    account.delete_media(&message_sid, &media_sid).await.unwrap();
    let refused = account.delete_media(&message_sid, &media_sid).await;
    assert!(matches!(refused, Err(TwilioError::Rejected(_) | TwilioError::Unauthorized(_))), "{refused:?}");
}

#[tokio::test]
async fn message_is_deleted_unless_twilio_still_sends_it() {
    let script =
        vec![Script::Answer(204, String::new()), refused(404, 20404), refused(409, 20009), refused(403, 20403)];
    let server = Server::start(script);
    let (account, message_sid) = (server.account(), MESSAGE.parse().unwrap());
    assert_eq!(account.delete(&message_sid).await.unwrap(), Deletion::Deleted);
    let request = server.request();
    let path = format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/{MESSAGE}.json");
    assert!(request.starts_with(&format!("DELETE {path} HTTP")), "{request}");
    assert_eq!(account.delete(&message_sid).await.unwrap(), Deletion::Deleted, "it does not exist any more");
    assert_eq!(account.delete(&message_sid).await.unwrap(), Deletion::NotYet);
    assert!(account.delete(&message_sid).await.is_err());
}

#[tokio::test]
async fn a_template_is_found_on_a_later_page_by_name_and_language() {
    let template = |sid: u32, language: &str| json!({"sid": format!("HX{sid:032}"), "friendly_name": "order", "language": language});
    let next = "https://elsewhere.example.com/v1/Content?Page=1";
    let first = json!({"contents": [template(1, "pt_BR")], "meta": {"next_page_url": next}});
    let last = json!({"contents": [template(2, "en")], "meta": {"next_page_url": null}});
    let server = Server::start(vec![ok(&first), ok(&last)]);
    let found = server.account().find_content("order", "en").await.unwrap();
    assert_eq!(found, format!("HX{:032}", 2).parse().ok());
    assert!(server.request().starts_with("GET /v1/Content?PageSize=500 HTTP"));
    assert!(server.request().starts_with("GET /v1/Content?Page=1 HTTP"), "on the same host");
}

#[tokio::test]
async fn any_other_request_can_be_made() {
    let server = Server::start(vec![ok(&json!({"a": 1})), Script::Answer(204, String::new())]);
    let account = server.account();
    let request = ApiRequest::post(Product::Verify, "/v2/Services?a=b").query([("c", "d")]).json(json!({"e": "f"}));
    assert_eq!(account.call::<Value>(request).await.unwrap(), json!({"a": 1}));
    let request = server.request();
    assert!(request.starts_with("POST /v2/Services?a=b&c=d HTTP") && request.ends_with(r#"{"e":"f"}"#), "{request}");
    let deleted = account.call::<Value>(ApiRequest::delete(Product::Verify, "/v2/Services/VA1")).await.unwrap();
    assert_eq!(deleted, Value::Null);
}

#[tokio::test]
async fn an_observer_sees_each_call_with_its_status() {
    static SEEN: Mutex<Vec<(String, Option<u16>)>> = Mutex::new(Vec::new());
    fn observe(record: &CallRecord<'_>) {
        SEEN.lock().unwrap().push((format!("{} {}", record.method, record.url), record.status));
    }
    let server = Server::start(vec![refused(404, 20404), Script::Close]);
    let client = TwilioClient::builder(server.url.parse().unwrap()).observer(observe).build().unwrap();
    let account = client.account(ACCOUNT.parse().unwrap(), credentials());
    for _ in 0..2 {
        account.fetch(&MESSAGE.parse().unwrap()).await.unwrap_err();
    }
    let fetch = format!("GET {}{MESSAGES}/{MESSAGE}.json", server.url);
    assert_eq!(*SEEN.lock().unwrap(), [(fetch.clone(), Some(404)), (fetch, None)]);
}

#[tokio::test]
async fn templates_are_listed_with_their_approvals() {
    let sid = format!("HX{:032}", 1);
    let approval = json!({"status": "paused", "category": "UTILITY"});
    let content = json!({"sid": sid, "friendly_name": "order", "language": "en", "variables": {"1": "Ava"},
                         "types": {"twilio/text": {"body": "Hi {{1}}"}}, "approval_requests": approval});
    let next = "https://elsewhere.example.com/v1/ContentAndApprovals?Page=1";
    let first = json!({"contents": [content], "meta": {"next_page_url": next}});
    let last = json!({"contents": [], "meta": {"next_page_url": null}});
    let server = Server::start(vec![ok(&first), ok(&last), ok(&content), ok(&json!({"whatsapp": approval}))]);
    let account = server.account();
    let page = account.list_content_with_approvals().await.unwrap();
    assert!(server.request().starts_with("GET /v1/ContentAndApprovals?PageSize=250 HTTP"));
    account.content_approval_page(&page.next.unwrap()).await.unwrap();
    assert!(server.request().starts_with("GET /v1/ContentAndApprovals?Page=1 HTTP"), "on the same host");
    let one = account.content_with_approval(&sid.parse().unwrap()).await.unwrap();
    assert_eq!(one, page.contents[0]);
    assert_eq!(one.approval.unwrap().status.as_deref(), Some("paused"));
    assert!(server.request().starts_with(&format!("GET /v1/Content/{sid} HTTP")));
    assert!(server.request().starts_with(&format!("GET /v1/Content/{sid}/ApprovalRequests HTTP")));
}

#[tokio::test]
async fn template_is_created_changed_submitted_and_deleted() {
    let sid = format!("HX{:032}", 1);
    let content = json!({"sid": sid, "friendly_name": "order", "language": "en"});
    let received = json!({"name": "order", "category": "UTILITY", "status": "received"});
    let approved = json!({"sid": sid, "whatsapp": {"status": "approved"}});
    let script = vec![
        Script::Answer(201, content.to_string()),
        ok(&content),
        Script::Answer(201, received.to_string()),
        ok(&approved),
        Script::Answer(204, String::new()),
    ];
    let server = Server::start(script);
    let (account, types) = (server.account(), json!({"twilio/text": {"body": "Hi {{1}}"}}));
    let template = NewTemplate {
        friendly_name: "order".to_owned(),
        language: "en".to_owned(),
        variables: json!({"1": "Ava"}).as_object().unwrap().clone(),
        types: types.as_object().unwrap().clone(),
    };
    let created = account.create_content(&template).await.unwrap().sid;
    let request = server.request();
    assert!(request.starts_with("POST /v1/Content HTTP"), "{request}");
    let body: Value = serde_json::from_str(request.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!((&body["types"], &body["variables"]["1"]), (&types, &json!("Ava")));
    account.update_content(&created, &template).await.unwrap();
    assert!(server.request().starts_with(&format!("PUT /v1/Content/{sid} HTTP")));
    let approval = account.submit_content(&created, "order", "utility").await.unwrap();
    assert_eq!(approval.status.as_deref(), Some("received"));
    let request = server.request();
    assert!(request.starts_with(&format!("POST /v1/Content/{sid}/ApprovalRequests/whatsapp HTTP")), "{request}");
    assert!(request.contains(r#""category":"UTILITY""#), "{request}");
    assert_eq!(account.content_approval(&created).await.unwrap().status.as_deref(), Some("approved"));
    server.request();
    account.delete_content(&created).await.unwrap();
    assert!(server.request().starts_with(&format!("DELETE /v1/Content/{sid} HTTP")));
}

#[tokio::test]
async fn sink_and_subscription_are_created_and_listed() {
    let sink = |sid: &str, url: &str| {
        let configuration = json!({"destination": url, "method": "POST"});
        json!({"sid": sid, "sink_type": "webhook", "status": "active", "sink_configuration": configuration})
    };
    let next = "https://elsewhere.example.com/v1/Sinks?Page=1";
    let first = json!({"sinks": [sink("DG1", "https://a.example")], "meta": {"next_page_url": next}});
    let last = json!({"sinks": [sink("DG2", "https://b.example")], "meta": {"next_page_url": null}});
    let subscription = json!({"sid": "DF1", "sink_sid": "DG2"});
    let meta = json!({"next_page_url": null});
    let server = Server::start(vec![
        ok(&first),
        ok(&last),
        Script::Answer(201, sink("DG3", "https://c.example").to_string()),
        Script::Answer(201, subscription.to_string()),
        ok(&json!({"subscriptions": [subscription], "meta": meta})),
        ok(&json!({"types": [{"type": "com.twilio.a", "schema_version": 1}], "meta": meta})),
    ]);
    let account = server.account();
    let sinks = account.event_sinks().await.unwrap();
    let urls: Vec<_> = sinks.iter().map(|sink| sink.configuration.destination.as_deref().unwrap()).collect();
    assert_eq!(urls, ["https://a.example", "https://b.example"]);
    server.request();
    assert!(server.request().starts_with("GET /v1/Sinks?Page=1 HTTP"), "on the same host");
    account.create_webhook_sink("templates", "https://c.example").await.unwrap();
    assert!(server.request().contains("SinkType=webhook"));
    account.create_event_subscription("templates", "DG2", "com.twilio.a").await.unwrap();
    assert!(server.request().contains("SinkSid=DG2"));
    assert_eq!(account.event_subscriptions("DG2").await.unwrap()[0].sid, "DF1");
    assert!(server.request().starts_with("GET /v1/Subscriptions?SinkSid=DG2"));
    assert_eq!(account.subscribed_event_types("DF1").await.unwrap()[0].name, "com.twilio.a");
}

const SERVICE: &str = "VA00000000000000000000000000000001";
const VERIFICATION: &str = "VE00000000000000000000000000000001";

#[tokio::test]
async fn a_verification_is_started_fetched_and_checked() {
    let body = json!({"sid": VERIFICATION, "status": "pending", "channel": "sms"});
    let approved = json!({"sid": VERIFICATION, "status": "approved"});
    let server = Server::start(vec![ok(&body), ok(&body), refused(404, 20404), ok(&approved)]);
    let (account, service) = (server.account(), SERVICE.parse().unwrap());
    let to = "+14155550123".parse().unwrap();
    let new = NewVerification { to, channel: VerificationChannel::Sms, locale: None, rate_limits: [].into() };
    let started = account.start_verification(&service, &new).await.unwrap();
    assert_eq!((started.sid.as_str(), started.channel), (VERIFICATION, Some(VerificationChannel::Sms)));
    let request = server.request();
    assert!(request.starts_with(&format!("POST /v2/Services/{SERVICE}/Verifications HTTP/1.1\r\n")), "{request}");
    assert!(request.ends_with("To=%2B14155550123&Channel=sms"), "{request}");

    let by_number = VerificationTarget::To(new.to.clone());
    assert!(account.fetch_verification(&service, &by_number).await.unwrap().is_some());
    assert!(server.request().starts_with(&format!("GET /v2/Services/{SERVICE}/Verifications/%2B14155550123 ")));
    assert!(account.fetch_verification(&service, &by_number).await.unwrap().is_none());
    server.request();

    let target = VerificationTarget::Sid(VERIFICATION.parse().unwrap());
    let checked = account.check_verification(&service, &target, &"004217".into()).await.unwrap();
    assert_eq!(checked.status, "approved");
    let request = server.request();
    assert!(request.starts_with(&format!("POST /v2/Services/{SERVICE}/VerificationCheck ")), "{request}");
    assert!(request.ends_with(&format!("VerificationSid={VERIFICATION}&Code=004217")), "{request}");
}

#[tokio::test]
async fn a_typing_indicator_names_the_message_of_the_person() {
    let server = Server::start(vec![ok(&json!({"success": true}))]);
    server.account().send_typing_indicator(&MESSAGE.parse().unwrap()).await.unwrap();
    let request = server.request();
    assert!(request.starts_with("POST /v2/Indicators/Typing.json "), "{request}");
    assert!(request.ends_with(&format!("channel=whatsapp&messageId={MESSAGE}")), "{request}");
}
