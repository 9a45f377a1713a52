//! Posts a webhook, and judges the answer.

use std::time::{Duration, Instant};

use reqwest::header::CONTENT_TYPE;
use serde::Serialize;
use twilio_types::sid::MessageSid;
use twilio_webhook::signature::sign;
use uuid::Uuid;

use super::{
    PreparedWebhook,
    arguments::{SignatureKind, WebhookArguments},
    forms,
};
use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

/// Twilio waits this long for the answer to a webhook. Source: Twilio, "Webhooks: Connection overrides".
const TIMEOUT: Duration = Duration::from_secs(15);

/// A webhook that was posted. The fields are those of the JSON output.
#[derive(Serialize)]
struct PostedWebhook {
    url: String,
    message_sid: MessageSid,
    /// The HTTP status of the answer.
    http: u16,
    milliseconds: u64,
    /// The answer: TwiML, or why the webhook was refused.
    answer: String,
}

/// Posts a webhook as often as it is wanted, and shows the answers.
pub(super) async fn post(
    prepared: PreparedWebhook,
    arguments: &WebhookArguments,
    session: &Session,
) -> Result<(), CommandError> {
    let PreparedWebhook { what, url, form, message_sid } = prepared;
    session.announce_change().await?;
    if session.stack().await?.sends_by_twilio() {
        let consequence = "The stack stores it and acts on it as if Twilio had sent it.";
        session.terminal.confirm(&format!("Post {what} to {url}? {consequence}"))?;
    }
    let token = arguments.token(session).await?;
    // The same for every copy, as at Twilio (Twilio, "Webhooks: connection overrides").
    let idempotency_token = Uuid::new_v4().simple().to_string();
    let mut posted = Vec::new();
    for _ in 0..arguments.times {
        let begin = Instant::now();
        let request = session.twilio_client().await?.http().post(&url).timeout(TIMEOUT);
        let request = request
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded; charset=UTF-8")
            .header("I-Twilio-Idempotency-Token", &idempotency_token)
            .body(forms::encoded(&form));
        let request = match &token {
            Some(token) => request.header("X-Twilio-Signature", sign(token, &url, &form)),
            None => request,
        };
        let unanswered =
            |error: reqwest::Error| CommandError::no_answer(format!("{url}: no answer")).because(error.without_url());
        let response = request.send().await.map_err(unanswered)?;
        let http = response.status().as_u16();
        let answer = response.text().await.map_err(unanswered)?;
        let milliseconds = u64::try_from(begin.elapsed().as_millis()).unwrap_or(u64::MAX);
        posted.push(PostedWebhook { url: url.clone(), message_sid: message_sid.clone(), http, milliseconds, answer });
    }
    show(session, &posted)?;
    judge(arguments.signature, &posted)
}

fn show(session: &Session, posted: &[PostedWebhook]) -> Result<(), CommandError> {
    let columns = ["http", "milliseconds", "message_sid", "url", "answer"];
    match (session.output.format(), posted) {
        (Format::Table, [one]) => session.output.fields(&columns, one),
        (_, [one]) => session.output.one(&PropertyTable::new(&columns, [one])?),
        _ => session.output.table(&PropertyTable::new(&columns, posted)?),
    }
}

/// Whether the stack answered as it should.
fn judge(signature: SignatureKind, posted: &[PostedWebhook]) -> Result<(), CommandError> {
    let is_right = |webhook: &&PostedWebhook| match signature {
        SignatureKind::Right => (200..300).contains(&webhook.http),
        SignatureKind::Wrong | SignatureKind::None => webhook.http == 403,
    };
    let wrong = posted.len() - posted.iter().filter(is_right).count();
    match (wrong, signature) {
        (0, _) => Ok(()),
        (_, SignatureKind::Right) => Err(CommandError::answer_is_no(format!(
            "{wrong} of {} webhooks were not accepted: `wa doctor` says why",
            posted.len()
        ))),
        (_, SignatureKind::Wrong | SignatureKind::None) => Err(CommandError::answer_is_no(format!(
            "{wrong} of {} webhooks were not refused, although their signature is not valid",
            posted.len()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invalid_signature_has_to_be_refused() {
        let posted = |http| PostedWebhook {
            url: String::new(),
            message_sid: "SM00000000000000000000000000000001".parse().unwrap(),
            http,
            milliseconds: 1,
            answer: String::new(),
        };
        for (signature, http, is_right) in [
            (SignatureKind::Right, 200, true),
            (SignatureKind::Right, 204, true),
            (SignatureKind::Right, 403, false),
            (SignatureKind::Wrong, 403, true),
            (SignatureKind::Wrong, 200, false),
            (SignatureKind::None, 500, false),
        ] {
            let judged = judge(signature, &[posted(http)]);
            assert_eq!(judged.is_ok(), is_right, "{signature:?} {http}");
            assert!(judged.is_ok() || judged.unwrap_err().code() == 1);
        }
    }
}
