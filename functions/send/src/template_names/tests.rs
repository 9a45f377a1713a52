use std::{
    future::pending,
    ops::Range,
    sync::atomic::{AtomicU16, AtomicUsize, Ordering::SeqCst},
};

use aws_sdk_secretsmanager::config::{BehaviorVersion, Credentials, Region};
use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header::HOST},
    routing::{get, post},
};
use futures::future::join_all;
use serde_json::{Value, json};
use shared::secrets::{SecretMaxAge, Secrets};
use tokio::net::TcpListener;
use twilio_client::TwilioClient;

use super::*;

const ACCOUNT: &str = "AC00000000000000000000000000000001";
const PAGES: usize = 8;

/// Twilio's list of templates: eight pages, with `order` in `en` on the last one.
#[derive(Debug)]
struct ContentList {
    /// How many pages are answered; from then on a request waits for ever.
    answers: AtomicUsize,
    status: AtomicU16,
    has_order: bool,
    answered: Mutex<Vec<usize>>,
    /// What the tokens of pages begin with. Twilio refuses those that begin with anything else.
    token: AtomicUsize,
}

struct Fixture {
    list: Arc<ContentList>,
    twilio: TwilioAccounts,
    names: TemplateNames,
}

async fn secret() -> Json<Value> {
    let secret = json!({"accounts": {ACCOUNT: {"auth_tokens": ["token"]}}});
    Json(json!({"ARN": "arn", "Name": "twilio", "SecretString": secret.to_string()}))
}

async fn page(
    State(list): State<Arc<ContentList>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> (StatusCode, Json<Value>) {
    if list.answers.fetch_update(SeqCst, SeqCst, |answers| answers.checked_sub(1)).is_err() {
        pending::<()>().await;
    }
    let number = |name: &str| query.get(name).and_then(|text| text.parse::<usize>().ok());
    let (page, token) = (number("Page").unwrap_or(0), list.token.load(SeqCst));
    list.answered.lock().unwrap().push(page);
    if page > 0 && number("PageToken") != Some(token) {
        return (StatusCode::BAD_REQUEST, Json(json!({"code": 20001, "status": 400})));
    }
    let host = headers[HOST].to_str().unwrap();
    let next = (page + 1 < PAGES).then(|| format!("http://{host}/v1/Content?Page={}&PageToken={token}", page + 1));
    let name = if list.has_order && page + 1 == PAGES { "order" } else { "other" };
    let template = json!({"sid": format!("HX{page:032}"), "friendly_name": name, "language": "en"});
    let status = StatusCode::from_u16(list.status.load(SeqCst)).unwrap();
    (status, Json(json!({"contents": [template], "meta": {"next_page_url": next}})))
}

impl Fixture {
    async fn new(answers: usize, has_order: bool) -> Self {
        let list = Arc::new(ContentList {
            answers: answers.into(),
            status: 200.into(),
            has_order,
            answered: Mutex::default(),
            token: 1.into(),
        });
        let app = Router::new().route("/", post(secret)).route("/v1/Content", get(page)).with_state(Arc::clone(&list));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });
        let config = aws_sdk_secretsmanager::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&url)
            .credentials_provider(Credentials::new("AKIAIOSFODNN7EXAMPLE", "not-a-secret", None, None, "test"));
        let client = aws_sdk_secretsmanager::Client::from_conf(config.build());
        let secrets = Secrets::load(client, "twilio".to_owned(), SecretMaxAge::default()).await.unwrap();
        let twilio = TwilioAccounts::new(TwilioClient::new(url.parse().unwrap()).unwrap(), secrets);
        Self { list, twilio, names: TemplateNames::default() }
    }

    async fn resolve(&self, deadline: Deadline) -> LookupResult {
        self.names.resolve(&order(), &self.twilio, deadline).await
    }

    fn answered(&self) -> Vec<usize> {
        self.list.answered.lock().unwrap().clone()
    }
}

fn order() -> TemplateName {
    TemplateName { account_sid: ACCOUNT.parse().unwrap(), name: "order".to_owned(), locale: "en".to_owned() }
}

fn order_sid() -> ContentSid {
    format!("HX{:032}", PAGES - 1).parse().unwrap()
}

fn far() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn near() -> Deadline {
    Deadline::after(Duration::from_millis(500))
}

fn pages(range: Range<usize>) -> Vec<usize> {
    range.collect()
}

#[tokio::test]
async fn list_longer_than_an_invocation_is_read_over_several() {
    let fixture = Fixture::new(3, true).await;
    let mut cut_off = 0;
    let found = loop {
        match fixture.resolve(near()).await {
            Ok(found) => break found,
            Err(error) => assert!(matches!(*error, AccountCallError::Twilio(_)), "{error:?}"),
        }
        cut_off += 1;
        assert!(cut_off < 20, "{:?}", fixture.answered());
        fixture.list.answers.fetch_add(3, SeqCst);
    };
    assert_eq!(found, Some(order_sid()));
    assert!(cut_off >= 2, "{cut_off}");
    assert_eq!(fixture.answered(), pages(0..PAGES), "no page is read twice");
}

#[tokio::test]
async fn simultaneous_lookups_of_a_name_share_the_answer() {
    let fixture = Fixture::new(usize::MAX, true).await;
    for found in join_all((0..10).map(|_| fixture.resolve(far()))).await {
        assert_eq!(found.unwrap(), Some(order_sid()));
    }
    assert_eq!(fixture.answered(), pages(0..PAGES));
    assert_eq!(fixture.resolve(far()).await.unwrap(), Some(order_sid()));
    assert_eq!(fixture.answered().len(), PAGES, "what was found is kept");
}

#[tokio::test]
async fn simultaneous_lookups_of_a_name_share_the_error() {
    let fixture = Fixture::new(usize::MAX, true).await;
    fixture.list.status.store(500, SeqCst);
    for failed in join_all((0..10).map(|_| fixture.resolve(far()))).await {
        assert!(matches!(*failed.unwrap_err(), AccountCallError::Twilio(TwilioError::Unknown { .. })));
    }
    assert_eq!(fixture.answered(), [0]);
    fixture.list.status.store(200, SeqCst);
    assert_eq!(fixture.resolve(far()).await.unwrap(), Some(order_sid()), "an error is not kept");
}

#[tokio::test]
async fn waiting_lookup_continues_one_that_was_dropped() {
    let fixture = Fixture::new(3, true).await;
    let dropped = async {
        assert!(near().run(fixture.resolve(far())).await.is_err());
        fixture.list.answers.store(usize::MAX, SeqCst);
    };
    let ((), found) = tokio::join!(dropped, fixture.resolve(far()));
    assert_eq!(found.unwrap(), Some(order_sid()));
    assert_eq!(fixture.answered(), pages(0..PAGES));
}

#[tokio::test]
async fn list_is_read_again_when_twilio_forgot_the_page() {
    let fixture = Fixture::new(3, true).await;
    fixture.resolve(near()).await.unwrap_err();
    fixture.list.token.store(2, SeqCst);
    fixture.list.answers.store(usize::MAX, SeqCst);
    assert_eq!(fixture.resolve(far()).await.unwrap(), Some(order_sid()));
    assert_eq!(fixture.answered()[3..], [pages(3..4), pages(0..PAGES)].concat());
}

#[tokio::test]
async fn missing_template_is_looked_up_again_when_it_is_asked_for() {
    let fixture = Fixture::new(usize::MAX, false).await;
    for asked in 1..3 {
        assert_eq!(fixture.resolve(far()).await.unwrap(), None);
        assert_eq!(fixture.answered(), pages(0..PAGES).repeat(asked), "it may have been created meanwhile");
    }
}

#[test]
fn search_that_was_cut_off_is_continued_for_half_an_hour() {
    let read_at = Instant::now();
    let pages = ReadPages { count: 3, next: "/v1/Content?Page=3".parse().unwrap(), read_at };
    assert!(pages.can_continue(read_at + Duration::from_mins(29)));
    assert!(!pages.can_continue(read_at + Duration::from_mins(30)));
}
