//! The role of a sandbox: a stand-in for Twilio, or a viewer only.

use sandbox::{Config, SandboxRole, serve_on_free_port};

const CALL: &str = "/2010-04-01/Accounts/AC00000000000000000000000000000001/Messages.json";

async fn status(role: SandboxRole, path: &str) -> u16 {
    let config = Config { role, ..Config::documented("http://127.0.0.1:9/twilio/inbound".to_owned()) };
    let sandbox = serve_on_free_port(|_| config.clone()).await.unwrap();
    let url = format!("{}{path}", sandbox.url);
    let user = config.account_sid.as_str().to_owned();
    let token = secrecy::ExposeSecret::expose_secret(&config.auth_token).to_owned();
    let answer = reqwest::Client::new().get(url).basic_auth(user, Some(token)).send().await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn viewer_has_no_twilio_routes() {
    assert_eq!(status(SandboxRole::Twilio, CALL).await, 200);
    assert_eq!(status(SandboxRole::Viewer, CALL).await, 404);
    assert_eq!(status(SandboxRole::Viewer, "/sandbox/state").await, 200);
}
