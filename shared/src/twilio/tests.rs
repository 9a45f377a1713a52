use std::{
    future::{pending, ready},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::Router;
use secrecy::ExposeSecret as _;
use tokio::net::TcpListener;
use twilio_client::{ErrorResponse, MessageSender, NewContent, NewMessage};

use super::*;
use crate::secrets::tests::{ONE, TWO, secrets};

const OLD: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["old"]}}}"#;
const NEW: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["new"]}}}"#;

async fn accounts(secret: &[&str]) -> TwilioAccounts {
    accounts_at("http://127.0.0.1:9", secret).await
}

async fn accounts_at(url: &str, secret: &[&str]) -> TwilioAccounts {
    let client = TwilioClient::new(url.parse().unwrap()).unwrap();
    TwilioAccounts::new(client, secrets(secret).await)
}

fn unauthorized() -> TwilioError {
    TwilioError::Unauthorized(ErrorResponse::new(401, None))
}

fn far() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// Calls an imitation of Twilio that accepts the token `new`. Gives the answer, and how often Twilio was asked.
async fn call(accounts: &TwilioAccounts, account_sid: &str) -> (Result<(), AccountCallError>, usize) {
    let requests = AtomicUsize::new(0);
    let answer = accounts
        .call(&account_sid.parse().unwrap(), far(), async |account| {
            requests.fetch_add(1, Relaxed);
            if account.credentials().password.expose_secret() == "new" { Ok(()) } else { Err(unauthorized()) }
        })
        .await;
    (answer, requests.load(Relaxed))
}

/// A Twilio that counts the requests and never answers.
async fn silent_twilio() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let app = Router::new().fallback(move || {
        counter.fetch_add(1, Relaxed);
        pending::<String>()
    });
    tokio::spawn(async { axum::serve(listener, app).await });
    (url, requests)
}

/// Creates a message at a Twilio that never answers. Gives the error, and how many requests reached Twilio.
async fn create_until(deadline: impl Fn() -> Deadline) -> (TwilioError, usize) {
    let (url, requests) = silent_twilio().await;
    let accounts = accounts_at(&url, &[NEW]).await;
    let sender = MessageSender::From("whatsapp:+14155238886".to_owned());
    let message = NewMessage::new("whatsapp:+14155550123", sender, NewContent::Text("Hello".to_owned()));
    let created =
        accounts.call(&ONE.parse().unwrap(), deadline(), async |account| account.create(&message).await).await;
    match created.unwrap_err() {
        AccountCallError::Twilio(error) => (error, requests.load(Relaxed)),
        other @ (AccountCallError::NoCredentials(_) | AccountCallError::Secrets(_)) => panic!("{other}"),
    }
}

#[tokio::test]
async fn replaced_token_is_read_again_and_the_request_repeated() {
    let accounts = accounts(&[OLD, NEW]).await;
    let (answer, requests) = call(&accounts, ONE).await;
    assert!(answer.is_ok());
    assert_eq!(requests, 2);
    assert_eq!(call(&accounts, ONE).await.1, 1, "the new token is kept");
}

#[tokio::test]
async fn owned_request_is_repeated_with_a_replaced_token() {
    let accounts = accounts(&[OLD, NEW]).await;
    let (account_sid, requests) = (ONE.parse().unwrap(), AtomicUsize::new(0));
    let call = accounts.call_owned(&account_sid, far(), |account| {
        requests.fetch_add(1, Relaxed);
        ready(if account.credentials().password.expose_secret() == "new" { Ok(()) } else { Err(unauthorized()) })
    });
    assert!(call.await.is_ok());
    assert_eq!(requests.load(Relaxed), 2);
}

#[tokio::test]
async fn removed_credentials_are_not_used_after_five_minutes() {
    let accounts = accounts(&[OLD, NEW]).await;
    accounts.secrets().freeze_for(Duration::from_mins(5));
    let (answer, requests) = call(&accounts, ONE).await;
    assert!(answer.is_ok());
    assert_eq!(requests, 1, "Twilio was not asked with the old token");
}

#[tokio::test]
async fn unreadable_secret_calls_nobody_after_an_hour() {
    let accounts = accounts(&[NEW]).await;
    accounts.secrets().freeze_for(Duration::from_hours(1));
    let (answer, requests) = call(&accounts, ONE).await;
    assert!(matches!(answer, Err(AccountCallError::Secrets(_))), "{answer:?}");
    assert_eq!(requests, 0);
    assert!(accounts.has(&ONE.parse().unwrap()).await.is_err(), "whether there is such an account is not known");
}

#[tokio::test]
async fn refused_token_that_was_not_replaced_is_an_error() {
    let accounts = accounts(&[OLD, OLD, NEW]).await;
    for expected in [2, 1] {
        let (answer, requests) = call(&accounts, ONE).await;
        assert!(matches!(answer, Err(AccountCallError::Twilio(TwilioError::Unauthorized(_)))));
        assert_eq!(requests, expected, "the secret is not read again for every request");
    }
}

#[tokio::test]
async fn account_without_credentials_is_named_and_twilio_not_called() {
    let (answer, requests) = call(&accounts(&[NEW]).await, TWO).await;
    assert_eq!(requests, 0);
    let error = answer.unwrap_err().to_string();
    assert!(error.contains(TWO) && error.contains("Twilio secret"), "{error}");
}

#[tokio::test]
async fn create_after_the_deadline_is_certainly_not_sent() {
    let (error, requests) = create_until(|| Deadline::after(Duration::ZERO)).await;
    assert!(matches!(error, TwilioError::NotDone { response: None, source: Some(_), .. }), "{error:?}");
    assert_eq!(requests, 0);
}

#[tokio::test]
async fn create_under_way_at_the_deadline_has_an_unknown_outcome() {
    let (error, requests) = create_until(|| Deadline::after(Duration::from_secs(1))).await;
    assert!(matches!(error, TwilioError::Unknown { response: None, .. }), "{error:?}");
    assert_eq!(requests, 1);
}

#[tokio::test]
async fn refusal_after_the_deadline_is_not_repeated() {
    let accounts = accounts(&[OLD, NEW]).await;
    let requests = AtomicUsize::new(0);
    let deadline = Deadline::after(Duration::from_millis(10));
    let answer = accounts
        .call(&ONE.parse().unwrap(), deadline, async |_| {
            requests.fetch_add(1, Relaxed);
            deadline.run(pending::<()>()).await.unwrap_err();
            Err::<(), _>(unauthorized())
        })
        .await;
    assert!(matches!(answer, Err(AccountCallError::Twilio(TwilioError::Unauthorized(_)))), "{answer:?}");
    assert_eq!(requests.load(Relaxed), 1);
    let (answer, requests) = call(&accounts, ONE).await;
    assert!(answer.is_ok(), "the secret can still be read again: {answer:?}");
    assert_eq!(requests, 2);
}

#[tokio::test]
async fn repeated_request_ends_by_the_same_deadline() {
    let accounts = accounts(&[OLD, NEW]).await;
    let deadline = Deadline::after(Duration::from_secs(2));
    let message_sid = "SM00000000000000000000000000000001".parse().unwrap();
    let answer = accounts
        .call(&ONE.parse().unwrap(), deadline, async |account| {
            if account.credentials().password.expose_secret() == "old" {
                return Err(unauthorized());
            }
            deadline.run(pending::<()>()).await.unwrap_err();
            account.fetch(&message_sid).await
        })
        .await;
    let error = answer.unwrap_err();
    assert!(matches!(error, AccountCallError::Twilio(TwilioError::NotDone { .. })), "{error:?}");
    assert!(Chain(&error).to_string().contains("the deadline had passed"), "{}", Chain(&error));
}
