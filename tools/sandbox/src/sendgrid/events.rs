//! The Signed Event Webhook: what happened to an e-mail is posted, signed, and posted again until it is accepted.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{Email, MailFault, PRIVATE_KEY, api::record};
use crate::{state::Sandbox, timeline::TimelineOutcome};

/// SendGrid tries for 24 hours; the sandbox as often as a test waits.
const ATTEMPTS: u32 = 20;
const PAUSE: Duration = Duration::from_millis(500);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Source: Twilio SendGrid, "Getting Started with the Event Webhook Security Features".
const SIGNATURE: &str = "X-Twilio-Email-Event-Webhook-Signature";
const TIMESTAMP: &str = "X-Twilio-Email-Event-Webhook-Timestamp";

/// Reports what becomes of an e-mail that was accepted.
pub(super) async fn report(sandbox: Arc<Sandbox>, email: Email, fault: Option<MailFault>) {
    let dropped = sandbox.memory().mailbox.drop_reason(&email);
    if let Some(reason) = dropped {
        return post(&sandbox, &email, "dropped", json!({"reason": reason})).await;
    }
    post(&sandbox, &email, "processed", json!({})).await;
    match fault {
        Some(MailFault::Bounce) => {
            let reason = format!("550 5.1.1 no such user {}", email.to);
            let bounce = json!({"type": "bounce", "status": "5.1.1", "reason": reason});
            post(&sandbox, &email, "bounce", bounce).await;
        }
        Some(MailFault::Defer) => {
            let deferral = json!({"response": "400 try again later", "attempt": "5"});
            post(&sandbox, &email, "deferred", deferral).await;
        }
        _ => post(&sandbox, &email, "delivered", json!({"response": "250 OK"})).await,
    }
}

/// Posts one event.
pub(super) async fn post(sandbox: &Sandbox, email: &Email, event: &str, more: Value) {
    sandbox.memory().mailbox.set_status(&email.id, event);
    let outcome = if matches!(event, "bounce" | "dropped") { TimelineOutcome::Bad } else { TimelineOutcome::Neutral };
    record(sandbox, email, outcome, format!("SendGrid reports an e-mail as {event}"));
    let Some(url) = events_url(sandbox) else { return };
    let own = json!({
        "email": email.to, "timestamp": sandbox.now().as_second(), "event": event,
        "sg_event_id": sandbox.sids.next("EV"), "sg_message_id": format!("{}.recvd-1", email.id),
    });
    // Custom arguments are beside SendGrid's own fields. Which of two with the same name counts is not documented: its own here.
    let mut shown: Map<String, Value> =
        email.custom_args.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    for fields in [own, more] {
        shown.extend(fields.as_object().cloned().unwrap_or_default());
    }
    let body = json!([shown]).to_string();
    let timestamp = sandbox.now().as_second().to_string();
    let Some(signature) = sign(&timestamp, &body) else { return };
    let http = sandbox.http.with_connect_timeout(CONNECT_TIMEOUT);
    for _ in 0..ATTEMPTS {
        let request = http.post(&url).header(SIGNATURE, &signature).header(TIMESTAMP, &timestamp);
        let request = request.header("Content-Type", "application/json").body(body.clone());
        if request.send().await.is_ok_and(|answer| answer.status().is_success()) {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The route of the system under test, beside the one of people's messages.
fn events_url(sandbox: &Sandbox) -> Option<String> {
    // The URL of people's messages may have connection overrides in its fragment.
    let url = sandbox.config.inbound_url.split('#').next()?;
    let base = url.strip_suffix("/twilio/inbound")?;
    Some(format!("{base}/sendgrid/events"))
}

fn sign(timestamp: &str, body: &str) -> Option<String> {
    let key = STANDARD.decode(PRIVATE_KEY).ok()?;
    let key = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &key).ok()?;
    let signature = key.sign(&SystemRandom::new(), format!("{timestamp}{body}").as_bytes()).ok()?;
    Some(STANDARD.encode(signature.as_ref()))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

    use super::*;

    #[test]
    fn events_are_signed_with_the_published_key() {
        let signature = STANDARD.decode(sign("1588788367", "[]").unwrap()).unwrap();
        let key = STANDARD.decode(super::super::SENDGRID_PUBLIC_KEY).unwrap();
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &key[26..]);
        assert!(key.verify(b"1588788367[]", &signature).is_ok());
        assert!(key.verify(b"1588788368[]", &signature).is_err());
    }
}
