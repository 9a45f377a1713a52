//! The Twilio client against the sandbox, over HTTP, without the stack.

use std::net::Ipv4Addr;

use sandbox::{Config, ORDER_UPDATE_SID, SandboxServer, serve_on_free_port};
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN};
use tokio::net::TcpListener;
use twilio_client::{
    AccountClient, Cancellation, CreatedMessage, Credentials, MessageFilter, MessageSender, NewContent, NewMessage,
    TwilioClient, TwilioError,
};
use twilio_types::{base_url::BaseUrl, error_code::ErrorCode, message_status::MessageStatus, sid::AccountSid};

const TO: &str = "whatsapp:+14155550123";

struct SandboxClient {
    account: AccountClient,
    url: String,
    /// None where no sandbox is served.
    _server: Option<SandboxServer>,
}

impl SandboxClient {
    async fn start() -> Self {
        let server = serve_on_free_port(|url| Config::documented(format!("{url}/nowhere"))).await.unwrap();
        let client = Self::at(&server.url);
        Self { _server: Some(server), ..client }
    }

    fn at(url: &str) -> Self {
        let client = TwilioClient::new(url.parse::<BaseUrl>().unwrap()).unwrap();
        Self { account: client.account(account_sid(), with_key()), url: url.to_owned(), _server: None }
    }

    async fn plan(&self, fault: Value) {
        let plan = json!({"to": TO, "fault": fault});
        let answer = reqwest::Client::new().post(format!("{}/sandbox/faults", self.url)).json(&plan).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    async fn create(&self, message: &NewMessage) -> Result<CreatedMessage, TwilioError> {
        self.account.create(message).await
    }
}

fn account_sid() -> AccountSid {
    ACCOUNT_SID.parse().unwrap()
}

fn with_key() -> Credentials {
    Credentials::api_key(&API_KEY_SID.parse().unwrap(), API_KEY_SECRET.into())
}

fn text(body: &str) -> NewMessage {
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    NewMessage::new(TO, sender, NewContent::Text(body.to_owned())).with_status_callback("http://127.0.0.1:9/status")
}

#[tokio::test]
async fn message_created_with_an_api_key_is_read_with_the_auth_token() {
    let twilio = SandboxClient::start().await;
    let created = twilio.create(&text("hello")).await.unwrap();
    let resource = created.resource.unwrap();
    assert_eq!(resource.status, MessageStatus::Queued.into());
    assert_eq!(resource.to.as_str(), TO);
    assert_eq!(resource.direction.as_str(), "outbound-api");
    let account = twilio.account.with_credentials(Credentials::auth_token(&account_sid(), AUTH_TOKEN.into()));
    let fetched = account.fetch(&created.sid).await.unwrap();
    assert_eq!(fetched.sid, created.sid);
    let page = account.list(&MessageFilter::default().with_to(TO)).await.unwrap();
    assert_eq!(page.messages.iter().map(|message| &message.sid).collect::<Vec<_>>(), [&created.sid]);
}

#[tokio::test]
async fn long_list_has_each_message_once_across_its_pages() {
    let twilio = SandboxClient::start().await;
    let mut created = Vec::new();
    for number in 0..5 {
        created.push(twilio.create(&text(&format!("number {number}"))).await.unwrap().sid);
    }
    let mut page = twilio.account.list(&MessageFilter::default().with_to(TO).with_page_size(2)).await.unwrap();
    let mut listed: Vec<_> = page.messages.into_iter().map(|message| message.sid).collect();
    while let Some(next) = page.next {
        page = twilio.account.list_page(&next).await.unwrap();
        listed.extend(page.messages.into_iter().map(|message| message.sid));
    }
    created.reverse();
    assert_eq!(listed, created, "the newest first");
}

#[tokio::test]
async fn list_page_can_be_read_repeatedly() {
    let twilio = SandboxClient::start().await;
    for number in 0..3 {
        twilio.create(&text(&format!("number {number}"))).await.unwrap();
    }
    let account = &twilio.account;
    let first = account.list(&MessageFilter::default().with_page_size(2)).await.unwrap();
    let path = first.next.unwrap();
    let read = async || {
        let page = account.list_page(&path).await.unwrap();
        assert_eq!(page.next, None);
        page.messages.into_iter().map(|message| message.body).collect::<Vec<_>>()
    };
    assert_eq!(read().await, [Some("number 0".to_owned())]);
    assert_eq!(read().await, [Some("number 0".to_owned())], "a page can be read again");
    assert!(account.media(&first.messages[0].sid).await.unwrap().is_empty());
}

#[tokio::test]
async fn cancelling_a_sent_or_missing_message_is_too_late() {
    let twilio = SandboxClient::start().await;
    let sent = twilio.create(&text("hello")).await.unwrap().sid;
    for sid in [sent, "SM00000000000000000000000000000001".parse().unwrap()] {
        assert_eq!(twilio.account.cancel(&sid).await.unwrap(), Cancellation::TooLate);
    }
}

#[tokio::test]
async fn create_error_is_rejected_not_done_or_unknown_by_its_status() {
    let twilio = SandboxClient::start().await;
    let refuse = |status: u16, code: u32| json!({"kind": "refuse", "status": status, "code": code, "retry_after": 7});

    twilio.plan(refuse(400, 21211)).await;
    let Err(TwilioError::Rejected(refusal)) = twilio.create(&text("hello")).await else { panic!() };
    assert_eq!(refusal.status, 400);
    assert_eq!(refusal.code, "21211".parse::<ErrorCode>().ok());
    assert!(refusal.request_id.unwrap().starts_with("RQ"));

    twilio.plan(refuse(429, 20429)).await;
    let Err(TwilioError::NotDone { retry_after, .. }) = twilio.create(&text("hello")).await else { panic!() };
    assert_eq!(retry_after, Some(std::time::Duration::from_secs(7)));

    for (status, code) in [(500, 20500), (503, 20503), (502, 0)] {
        twilio.plan(refuse(status, code)).await;
        let answer = twilio.create(&text("hello")).await;
        assert!(matches!(answer, Err(TwilioError::Unknown { response: Some(_), .. })), "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_unauthorized() {
    let twilio = SandboxClient::start().await;
    let wrong = Credentials::api_key(&API_KEY_SID.parse().unwrap(), "retired".into());
    let answer = twilio.account.with_credentials(wrong).create(&text("hello")).await;
    assert!(matches!(answer, Err(TwilioError::Unauthorized(refusal)) if refusal.code == "20003".parse().ok()));
}

#[tokio::test]
async fn no_connection_is_not_done_and_no_response_is_unknown() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let answer = SandboxClient::at(&closed).create(&text("hello")).await;
    assert!(matches!(answer, Err(TwilioError::NotDone { response: None, .. })), "{answer:?}");

    let twilio = SandboxClient::start().await;
    twilio.plan(json!({"kind": "accept_then_hang"})).await;
    let answer = twilio.create(&text("hello")).await;
    assert!(matches!(answer, Err(TwilioError::Unknown { response: None, .. })), "{answer:?}");
    assert_eq!(twilio.account.list(&MessageFilter::default()).await.unwrap().messages.len(), 1);
}

#[tokio::test]
async fn sandbox_refuses_invalid_parameters_with_twilios_codes() {
    let twilio = SandboxClient::start().await;
    let long = "x".repeat(1_601);
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json", twilio.url);
    let from = ("From", "whatsapp:+14155238886");
    let (to, body) = (("To", TO), ("Body", "hi"));
    let cases: [(&[(&str, &str)], u64); 12] = [
        (&[from, body], 21604),
        (&[to, body], 21603),
        (&[to, from], 21619),
        (&[("To", "whatsapp:nobody"), from, body], 21211),
        (&[to, ("From", "whatsapp:+14155550000"), body], 63007),
        (&[to, from, ("Body", &long)], 21617),
        (&[to, from, ("MediaUrl", "ftp://x/y")], 21620),
        (&[to, from, ("ContentSid", "HX1")], 21655),
        (&[to, from, ("ContentSid", ORDER_UPDATE_SID), ("ContentVariables", "[1]")], 21656),
        (&[to, from, body, ("ContentVariables", "{}")], 21654),
        (&[to, from, body, ("StatusCallback", "http://under_score/")], 21609),
        (&[to, ("MessagingServiceSid", "MG1"), body], 21705),
    ];
    for (parameters, code) in cases {
        let request = reqwest::Client::new().post(&url).basic_auth(ACCOUNT_SID, Some(AUTH_TOKEN)).form(parameters);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 400);
        let error: Value = answer.json().await.unwrap();
        assert_eq!(error["code"], json!(code), "{parameters:?}");
        assert_eq!(error["status"], 400, "{parameters:?}");
    }
}
