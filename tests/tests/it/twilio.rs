//! The Twilio client against the sandbox, over HTTP: neither needs the stack.

use std::net::Ipv4Addr;

use sandbox::{Config, ORDER_UPDATE_SID, serve};
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN};
use tokio::net::TcpListener;
use twilio_client::{
    Cancelled, Credentials, MessageFilter, NewContent, NewMessage, Place, Sender, TwilioClient, TwilioError,
};
use twilio_types::{base_url::BaseUrl, error_code::ErrorCode, message_status::MessageStatus, sid::AccountSid};

const TO: &str = "whatsapp:+14155550123";

struct Twilio {
    client: TwilioClient,
    account_sid: AccountSid,
    url: String,
}

impl Twilio {
    async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(serve(Config::documented(format!("{url}/nobody")), listener));
        Self::at(&url)
    }

    fn at(url: &str) -> Self {
        let client = TwilioClient::new(url.parse::<BaseUrl>().unwrap()).unwrap();
        Self { client, account_sid: ACCOUNT_SID.parse().unwrap(), url: url.to_owned() }
    }

    async fn plan(&self, fault: Value) {
        let plan = json!({"to": TO, "fault": fault});
        let answer = reqwest::Client::new().post(format!("{}/sandbox/faults", self.url)).json(&plan).send().await;
        assert!(answer.unwrap().status().is_success());
    }

    async fn create(&self, message: &NewMessage) -> Result<twilio_client::MessageResource, TwilioError> {
        self.client.create(&self.account_sid, &with_key(), message).await
    }
}

fn with_key() -> Credentials {
    Credentials { username: API_KEY_SID.to_owned(), password: API_KEY_SECRET.into() }
}

fn text(body: &str) -> NewMessage {
    NewMessage {
        to: TO.to_owned(),
        sender: Sender::From("whatsapp:+14155238886".to_owned().try_into().unwrap()),
        content: NewContent::Text(body.to_owned()),
        status_callback: "http://127.0.0.1:9/status".to_owned(),
        validity_period: None,
    }
}

#[tokio::test]
async fn a_message_is_created_fetched_and_listed_with_either_way_to_authenticate() {
    let twilio = Twilio::start().await;
    let created = twilio.create(&text("hello")).await.unwrap();
    assert_eq!(
        (created.status, created.to.as_str(), created.direction.as_str()),
        (MessageStatus::Queued, TO, "outbound-api")
    );
    let with_token = Credentials { username: ACCOUNT_SID.to_owned(), password: AUTH_TOKEN.into() };
    let fetched = twilio.client.fetch(&twilio.account_sid, &with_token, &created.sid).await.unwrap();
    assert_eq!(fetched.sid, created.sid);
    let filter = MessageFilter { to: Some(TO.to_owned()), ..MessageFilter::default() };
    let page = twilio.client.list(&twilio.account_sid, &with_token, &filter).await.unwrap();
    assert_eq!(page.messages.iter().map(|message| &message.sid).collect::<Vec<_>>(), [&created.sid]);
}

#[tokio::test]
async fn a_long_list_comes_page_by_page_and_holds_each_message_once() {
    let twilio = Twilio::start().await;
    let mut created = Vec::new();
    for number in 0..5 {
        created.push(twilio.create(&text(&format!("number {number}"))).await.unwrap().sid);
    }
    let filter = MessageFilter { to: Some(TO.to_owned()), page_size: Some(2), ..MessageFilter::default() };
    let mut page = Some(twilio.client.list(&twilio.account_sid, &with_key(), &filter).await.unwrap());
    let mut listed = Vec::new();
    while let Some(current) = page {
        listed.extend(current.messages.iter().map(|message| message.sid.clone()));
        page = twilio.client.next_page(&with_key(), &current).await.unwrap();
    }
    created.reverse();
    assert_eq!(listed, created, "the newest first");
}

#[tokio::test]
async fn the_history_is_read_from_any_of_its_places() {
    let twilio = Twilio::start().await;
    for number in 0..3 {
        twilio.create(&text(&format!("number {number}"))).await.unwrap();
    }
    let filter = MessageFilter { page_size: Some(2), ..MessageFilter::default() };
    let (account_sid, key) = (&twilio.account_sid, with_key());
    let first = twilio.client.history(account_sid, &key, &filter, &Place::Newest).await.unwrap();
    let place = first.next().unwrap();
    let read = async |place| {
        let page = twilio.client.history(account_sid, &key, &MessageFilter::default(), place).await.unwrap();
        assert_eq!(page.next(), None);
        page.messages.into_iter().flatten().map(|message| message.body).collect::<Vec<_>>()
    };
    assert_eq!(read(&place).await, [Some("number 0".to_owned())]);
    assert_eq!(read(&place).await, [Some("number 0".to_owned())], "a place can be come back to");
    let sid = &first.messages[0].as_ref().unwrap().sid;
    assert!(twilio.client.media(account_sid, &key, sid).await.unwrap().is_empty());
}

#[tokio::test]
async fn what_is_under_way_or_gone_is_too_late_to_cancel() {
    let twilio = Twilio::start().await;
    let sent = twilio.create(&text("hello")).await.unwrap().sid;
    for sid in [sent, "SM00000000000000000000000000000001".parse().unwrap()] {
        let cancelled = twilio.client.cancel(&twilio.account_sid, &with_key(), &sid).await.unwrap();
        assert_eq!(cancelled, Cancelled::TooLate);
    }
}

#[tokio::test]
async fn what_an_answer_leaves_certain_is_told_apart() {
    let twilio = Twilio::start().await;
    let refuse = |status: u16, code: u32| json!({"kind": "refuse", "status": status, "code": code, "retry_after": 7});

    twilio.plan(refuse(400, 21211)).await;
    let Err(TwilioError::Rejected(refusal)) = twilio.create(&text("hello")).await else { panic!() };
    assert_eq!((refusal.status, refusal.code), (400, "21211".parse::<ErrorCode>().ok()));
    assert!(refusal.request_id.unwrap().starts_with("RQ"));

    twilio.plan(refuse(429, 20429)).await;
    let Err(TwilioError::NotDone { retry_after, .. }) = twilio.create(&text("hello")).await else { panic!() };
    assert_eq!(retry_after, Some(std::time::Duration::from_secs(7)));

    for (status, code) in [(500, 20500), (503, 20503), (502, 0)] {
        twilio.plan(refuse(status, code)).await;
        let answer = twilio.create(&text("hello")).await;
        assert!(matches!(answer, Err(TwilioError::Unknown { refusal: Some(_) })), "{status}: {answer:?}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_apart() {
    let twilio = Twilio::start().await;
    let wrong = Credentials { username: API_KEY_SID.to_owned(), password: "retired".into() };
    let answer = twilio.client.create(&twilio.account_sid, &wrong, &text("hello")).await;
    assert!(matches!(answer, Err(TwilioError::Unauthorized(refusal)) if refusal.code == "20003".parse().ok()));
}

#[tokio::test]
async fn no_connection_is_certainly_not_sent_and_no_answer_is_not() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let answer = Twilio::at(&closed).create(&text("hello")).await;
    assert!(matches!(answer, Err(TwilioError::NotDone { refusal: None, .. })), "{answer:?}");

    let twilio = Twilio::start().await;
    twilio.plan(json!({"kind": "accept_then_hang"})).await;
    let answer = twilio.create(&text("hello")).await;
    assert!(matches!(answer, Err(TwilioError::Unknown { refusal: None })), "{answer:?}");
    assert_eq!(
        twilio.client.list(&twilio.account_sid, &with_key(), &MessageFilter::default()).await.unwrap().messages.len(),
        1
    );
}

#[tokio::test]
async fn the_sandbox_refuses_with_twilios_codes() {
    let twilio = Twilio::start().await;
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
        assert_eq!((&error["code"], &error["status"]), (&json!(code), &json!(400)), "{parameters:?}");
    }
}
