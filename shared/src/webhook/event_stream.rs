//! The route of Twilio's Event Streams: from an event of API Gateway to events that Twilio signed.
//!
//! The body is JSON. Twilio puts its hash into the query as `bodySHA256` and signs the URL (Twilio, "Webhooks Security").
//! The events of an account count if that account's keys signed the request: the keys of one account never sign an event of
//! another one.
//!
//! What a repetition does not cure is answered with 4xx, because Event Streams does not send it again: a request that nothing
//! of ours signed, and a body that holds no events. A failure of AWS is answered with 500, and the events come again for up to
//! four hours (Twilio, "Event delivery retries and event duplication"). Events of an account that is not in the secret are
//! refused for good: once it is added, Twilio's list has all that they said, and a repetition would ring the alarm of failed
//! webhooks for hours.

use std::{collections::BTreeSet, sync::Arc};

use aws_lambda_events::{
    apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse},
    http::StatusCode,
};
use domain::templates::{StreamedEvents, UnreadableEvents};
use jiff::Timestamp;
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::signature::SignatureError;

use super::{Refusal, WebhookError, WebhookRequest, WebhookVerifier};
use crate::{
    http_reply,
    secrets::{Accounts, Secrets},
};

/// How many events Twilio puts into a request is not documented. An event has about 1 KB, and none of them is stored.
const MAX_BYTES: usize = 1024 * 1024;

/// Tells requests of Event Streams from all others.
#[derive(Debug)]
pub struct EventStreamVerifier(WebhookVerifier);

impl EventStreamVerifier {
    pub fn new(secrets: impl Into<Arc<Secrets>>, public_base_url: Option<BaseUrl>) -> Self {
        Self(WebhookVerifier { secrets: secrets.into(), public_base_url })
    }

    /// The events of a request that Twilio signed; else the answer, whose reason is in the log.
    pub async fn verify(
        &self,
        event: ApiGatewayV2httpRequest,
        now: Timestamp,
    ) -> Result<StreamedEvents, ApiGatewayV2httpResponse> {
        let request_id = event.request_context.request_id.clone();
        self.verified(event, now)
            .await
            .map_err(|error| http_reply::for_api_gateway(error.into_response(request_id.as_deref())))
    }

    pub(super) async fn verified(
        &self,
        event: ApiGatewayV2httpRequest,
        now: Timestamp,
    ) -> Result<StreamedEvents, WebhookError> {
        let request = WebhookRequest::read(event, self.0.public_base_url.as_ref(), MAX_BYTES)?;
        let mut events = StreamedEvents::parse(request.unverified_body()?, now).map_err(Refusal::from)?;
        let (verified, accounts) = self.0.verify_with(|accounts| signers(&request, &events, accounts)).await?;
        match verified {
            Ok(signers) => {
                events.by_account.retain(|account_sid, events| {
                    let is_signer = signers.contains(account_sid);
                    if !is_signer {
                        log_unsigned(account_sid, events.len());
                    }
                    is_signer
                });
                Ok(events)
            }
            Err(refusal) => {
                let is_ours = |sid: &AccountSid| request.has_signature() && accounts.signing_keys(sid).is_some();
                Err(WebhookError::Refused { refusal, account_sid: events.by_account.into_keys().find(is_ours) })
            }
        }
    }
}

/// Which of the accounts that the events name signed the request. Events that name none, such as Twilio's test event, change
/// nothing, so any account of the secret may have signed them.
fn signers(
    request: &WebhookRequest,
    events: &StreamedEvents,
    accounts: &Accounts,
) -> Result<BTreeSet<AccountSid>, Refusal> {
    let signed = |sid: &AccountSid| {
        let keys = accounts.signing_keys(sid).ok_or(SignatureError::Mismatch)?;
        request.verify_body(keys)
    };
    if events.by_account.is_empty() {
        let mut tried = accounts.sids().map(signed);
        return tried.find(Result::is_ok).unwrap_or(Err(SignatureError::Mismatch.into())).map(|()| BTreeSet::new());
    }
    let mut refusal = None;
    let mut signers = BTreeSet::new();
    for sid in events.by_account.keys() {
        match signed(sid) {
            Ok(()) => drop(signers.insert(sid.clone())),
            Err(error) => refusal = Some(error),
        }
    }
    refusal.filter(|_| signers.is_empty()).map_or(Ok(signers), Err)
}

fn log_unsigned(account_sid: &AccountSid, events: usize) {
    tracing::error!(%account_sid, events, alarm = "event", "events of an account are not stored: its keys did not sign them");
}

impl From<UnreadableEvents> for Refusal {
    fn from(_: UnreadableEvents) -> Self {
        Self::Unreadable("body: expected a JSON array of events")
    }
}

/// An empty answer, after which Event Streams does not repeat the events. Source: Twilio, Event Streams, "Event delivery
/// retries and event duplication".
pub fn accepted() -> ApiGatewayV2httpResponse {
    http_reply::for_api_gateway(http_reply::empty(StatusCode::NO_CONTENT))
}

#[cfg(test)]
mod tests {
    use aws_lambda_events::http::HeaderValue;
    use serde_json::{Value, json};
    use twilio_webhook::{
        form::Form,
        signature::{SIGNATURE, sign},
    };

    use super::*;
    use crate::{
        secrets::tests::{ONE, TWO, secrets},
        test_log::logged,
    };

    const SECRET: &str = r#"{"accounts": {"AC00000000000000000000000000000001": {"auth_tokens": ["one"]},
                                          "AC00000000000000000000000000000002": {"auth_tokens": ["two"]}}}"#;

    async fn verifier() -> EventStreamVerifier {
        EventStreamVerifier::new(secrets(&[SECRET, SECRET]).await, None)
    }

    fn events(account_sid: &str) -> Value {
        json!([{"type": "com.twilio.messaging.template.approval.updated", "data": {"accountSid": account_sid}}])
    }

    /// A request whose URL has the hash of `hashed`, signed with this token.
    fn request(body: &str, hashed: &str, token: &str) -> ApiGatewayV2httpRequest {
        let query = format!("bodySHA256={}", domain::digest::sha256_hex(hashed.as_bytes()));
        let url = format!("https://api.example.com/twilio/events?{query}");
        let mut event = ApiGatewayV2httpRequest::default();
        event.raw_path = Some("/twilio/events".to_owned());
        event.raw_query_string = Some(query);
        event.request_context.domain_name = Some("api.example.com".to_owned());
        event.headers.insert("content-type", HeaderValue::from_static("application/json"));
        let signature = sign(&token.into(), &url, &Form::default());
        event.headers.insert(SIGNATURE, signature.try_into().unwrap());
        event.body = Some(body.to_owned());
        event
    }

    async fn status(request: ApiGatewayV2httpRequest) -> i64 {
        match verifier().await.verify(request, Timestamp::now()).await {
            Ok(_) => 200,
            Err(answer) => answer.status_code,
        }
    }

    #[tokio::test]
    async fn events_are_verified_with_the_keys_of_their_account() {
        let (one, two) = (events(ONE).to_string(), events(TWO).to_string());
        assert_eq!(status(request(&one, &one, "one")).await, 200);
        assert_eq!(status(request(&two, &two, "two")).await, 200);
        assert_eq!(status(request(&two, &two, "one")).await, 403, "the token of another account");
        assert_eq!(status(request(&one, &one, "forged")).await, 403);
        assert_eq!(status(request(&two, &one, "two")).await, 403, "the hash is of another body");
        let stranger = events("AC00000000000000000000000000000009").to_string();
        assert_eq!(status(request(&stranger, &stranger, "one")).await, 403);
    }

    #[tokio::test]
    async fn events_of_an_account_that_did_not_sign_are_left_out() {
        let body = json!([events(TWO)[0], events(ONE)[0], events("AC00000000000000000000000000000009")[0]]).to_string();
        let streams = verifier().await;
        let (read, lines) = logged(streams.verified(request(&body, &body, "one"), Timestamp::now())).await;
        let accounts: Vec<_> = read.unwrap().by_account.into_keys().collect();
        assert_eq!(accounts.iter().map(AccountSid::as_str).collect::<Vec<_>>(), [ONE]);
        let alarms = lines.iter().filter(|line| line.contains(r#""alarm":"event""#));
        assert_eq!(alarms.count(), 2, "{lines:?}");
        assert_eq!(status(request(&body, &body, "forged")).await, 403);
    }

    #[tokio::test]
    async fn request_with_many_events_is_read() {
        let events = vec![events(ONE)[0].clone(); 5_000];
        let body = json!(events).to_string();
        assert!(body.len() > domain::limits::MAX_FORM_BYTES && body.len() < MAX_BYTES, "{}", body.len());
        assert_eq!(status(request(&body, &body, "one")).await, 200);
        let long = format!("{body}{}", " ".repeat(MAX_BYTES));
        assert_eq!(status(request(&long, &long, "one")).await, 413);
    }

    #[tokio::test]
    async fn events_without_an_account_need_a_signature_too() {
        let test = json!([{"type": "com.twilio.eventstreams.test-event", "data": {"test_id": "1"}}]).to_string();
        assert_eq!(status(request(&test, &test, "two")).await, 200);
        assert_eq!(status(request(&test, &test, "forged")).await, 403);
    }

    #[tokio::test]
    async fn body_that_nothing_signs_is_refused() {
        let body = events(ONE).to_string();
        let mut unsigned = request(&body, &body, "one");
        unsigned.headers.remove(SIGNATURE);
        assert_eq!(status(unsigned).await, 403);
        let mut without_hash = request(&body, &body, "one");
        without_hash.raw_query_string = None;
        assert_eq!(status(without_hash).await, 403);
        let mut form = request(&body, &body, "one");
        form.headers.insert("content-type", HeaderValue::from_static("application/x-www-form-urlencoded"));
        assert_eq!(status(form).await, 400, "a form is signed in another way");
        assert_eq!(status(request("[", "[", "one")).await, 400);
    }

    #[tokio::test]
    async fn refused_events_of_an_account_of_the_secret_ring_an_alarm() {
        let body = events(ONE).to_string();
        let account_of =
            async |token: &str| match verifier().await.verified(request(&body, &body, token), Timestamp::now()).await {
                Err(WebhookError::Refused { account_sid, .. }) => account_sid.map(|sid| sid.to_string()),
                other => panic!("{other:?}"),
            };
        assert_eq!(account_of("forged").await.as_deref(), Some(ONE));
    }
}
