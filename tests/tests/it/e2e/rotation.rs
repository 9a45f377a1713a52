//! The signing keys in the secret change while the functions run.

use serde_json::json;
use stack::run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, AUTH_TOKEN};
use twilio_webhook::{
    form::Form,
    signature::{sign, sign_with_shared_key},
};

use crate::world::{World, new_sid};

const NEXT_TOKEN: &str = "98765432109876543210987654321098";
const SHARED_KEY_ID: &str = "webhooks_sharedkey_01";
const SHARED_KEY: &str = "c2hhcmVkIGtleSBvZiB0aGUgbG9jYWwgc3RhY2s=";

#[tokio::test]
async fn new_token_and_shared_key_are_accepted_without_a_deploy() {
    let world = World::new();
    let secret = json!({"accounts": {ACCOUNT_SID: {
        "auth_tokens": [AUTH_TOKEN, NEXT_TOKEN], "shared_keys": {SHARED_KEY_ID: SHARED_KEY},
        "api_key_sid": API_KEY_SID, "api_key_secret": API_KEY_SECRET,
        "sendgrid_api_key": sandbox::SENDGRID_API_KEY, "sendgrid_public_key": sandbox::SENDGRID_PUBLIC_KEY,
    }}});
    let secrets_manager = aws_sdk_secretsmanager::Client::new(&world.stack.aws());
    let put = secrets_manager.put_secret_value().secret_id(&world.stack.outputs.twilio_secret_arn);
    put.secret_string(secret.to_string()).send().await.unwrap();

    let sid = new_sid();
    let body = format!("MessageSid={sid}&AccountSid={ACCOUNT_SID}&MessageStatus=sent");
    let url = format!("{}/twilio/status", world.stack.api_url);
    let form = Form::parse(body.as_bytes());
    let with_token = sign(&NEXT_TOKEN.into(), &url, &form);
    let with_shared_key = sign_with_shared_key(&SHARED_KEY.into(), &url, &form);
    let settings = format!("key={SHARED_KEY_ID},algorithm=HMAC_SHA256");
    for (case, signature, settings) in [("token", with_token, ""), ("shared key", with_shared_key, &settings)] {
        // Each instance of the function reads the secret again at its first refusal, and then not for 30 s.
        world
            .until(case, async || {
                let request = world.http.post(&url).header("Content-Type", "application/x-www-form-urlencoded");
                let request = request.header("X-Twilio-Signature", &signature);
                let request = request.header("X-Twilio-Webhooks-Signature-Settings", settings);
                let status = request.body(body.clone()).send().await.unwrap().status();
                (status == 204).then_some(())
            })
            .await;
    }
}
