//! Where Twilio itself plays, the sandbox does not.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sandbox::{Config, Plays, serve};
use tokio::net::TcpListener;

const CALL: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json";

async fn status(plays: Plays, path: &str) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{path}", listener.local_addr().unwrap());
    let config = Config { plays, ..Config::documented("http://127.0.0.1:9/twilio/inbound".to_owned()) };
    let serving = tokio::spawn(serve(config, listener));
    let config = Config::documented(String::new());
    let user = config.account_sid.as_str().to_owned();
    let token = secrecy::ExposeSecret::expose_secret(&config.auth_token).to_owned();
    let answer = reqwest::Client::new().get(url).basic_auth(user, Some(token)).send().await.unwrap();
    serving.abort();
    answer.status().as_u16()
}

#[tokio::test]
async fn only_who_plays_twilio_answers_as_twilio() {
    assert_eq!(status(Plays::Twilio, CALL).await, 200);
    assert_eq!(status(Plays::Nothing, CALL).await, 404);
    assert_eq!(status(Plays::Nothing, "/sandbox/state").await, 200);
}
