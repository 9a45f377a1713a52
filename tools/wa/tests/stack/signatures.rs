//! `wa sign` and `wa verify`

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;
use stack::{Stack, run::ACCOUNT_SID};

use crate::operator::{command, ran, wa, wa_reading};

fn url() -> String {
    format!("{}/twilio/status", Stack::from_env().unwrap().api_url)
}

fn form() -> String {
    format!("AccountSid={ACCOUNT_SID}&To=whatsapp%3A%2B14155550123&ToCity=")
}

fn sign(url: &str, form: &str) -> String {
    wa(&["sign", "--url", url, "--form", form]).done().trim().to_owned()
}

#[test]
fn a_signed_webhook_is_accepted_by_the_stack() {
    // Nothing but the account, as `wa doctor` and `wa rotate` post it: the stack answers and stores nothing.
    let form = format!("AccountSid={ACCOUNT_SID}");
    let signature = sign(&url(), &form);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let post = async |signature: &str| {
        let request = reqwest::Client::new().post(url()).header("X-Twilio-Signature", signature);
        let request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(form.clone());
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(
        runtime.block_on(async { (post(&signature).await, post("RSOYDt4T1cUTdK1PDd93/VVr8B8=").await) }),
        (204, 403)
    );
}

#[test]
fn a_signature_is_verified_with_its_own_form() {
    let signature = sign(&url(), &form());
    let verified = wa_reading(&["verify", "--url", &url(), "--form-file", "-", "--signature", &signature], &form());
    assert!(verified.done().starts_with("The signature matches: signed with the secret's first auth token"));
    let params =
        ["--param", "ToCity=", "--param", "To=whatsapp:+14155550123", "--param", &format!("AccountSid={ACCOUNT_SID}")];
    let url = url();
    let arguments = [&["verify", "--url", &url, "--signature", &signature, "--output", "json"][..], &params].concat();
    let shown = wa(&arguments).json();
    assert_eq!((&shown["matches"], &shown["key"]), (&Value::Bool(true), &Value::from("primary")));
}

#[test]
fn a_request_that_differs_is_explained() {
    let dump = format!(
        "POST /twilio/status HTTP/1.1\nHost: wa.example.com\nContent-Type: application/x-www-form-urlencoded\n\
         X-Twilio-Signature: {}\n\n{}",
        sign("https://wa.example.com/twilio/status/", &form()),
        form(),
    );
    let failed = wa_reading(&["verify", "--request", "-", "--output", "json"], &dump);
    assert_eq!(failed.code, 1, "{failed:?}");
    let shown: Value = serde_json::from_str(&failed.stdout).unwrap();
    assert_eq!((&shown["matches"], &shown["part"]), (&Value::Bool(false), &Value::from("url")));
    assert!(shown["finding"].as_str().unwrap().contains("with a slash at the end"), "{shown}");
}

#[test]
fn a_body_that_is_not_a_form_is_signed_through_its_hash() {
    let signed =
        wa_reading(&["sign", "--url", "https://wa.example.com/a", "--body-file", "-", "--output", "json"], "{}");
    let signed = signed.json();
    let (url, signature) = (signed["url"].as_str().unwrap(), signed["signature"].as_str().unwrap());
    wa_reading(&["verify", "--url", url, "--body-file", "-", "--signature", signature], "{}").done();
    let failed = wa_reading(&["verify", "--url", url, "--body-file", "-", "--signature", signature], "{ }");
    assert!(failed.stdout.starts_with("body: "), "{failed:?}");
}

#[test]
fn a_token_from_the_environment_needs_no_stack() {
    let arguments = [
        "sign",
        "--url",
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        "--token-from",
        "environment",
        "--form",
        "Digits=1234&To=%2B18005551212&From=%2B14158675310&Caller=%2B14158675310&CallSid=CA1234567890ABCDE",
    ];
    let mut signing = command(&arguments);
    // The example of Twilio's documentation, "Webhooks Security".
    let signed = ran(signing.env("TWILIO_AUTH_TOKEN", "12345").env_remove("AWS_ENDPOINT_URL"));
    assert_eq!(signed.done(), "GvWf1cFY/Q7PnoempGyD5oXAezc=\n");
    assert!(
        ran(command(&arguments).env_remove("TWILIO_AUTH_TOKEN")).failed(2).contains("TWILIO_AUTH_TOKEN is not set")
    );
}
