//! The routes of the stack's own API that other systems call, with AWS's signature.

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::{
    error::CommandError,
    session::Session,
    signed_request::{UnsignedCall, signature},
};

/// Posts JSON to a route, and gives its answer. An answer of another status than 2xx is an error with its exit code.
pub(crate) async fn post(session: &Session, path: &str, body: &Value) -> Result<Value, CommandError> {
    let failed = |why: String| CommandError::no_answer(format!("calling {path}: {why}"));
    let url = format!("{}{path}", session.stack().await?.api_url.as_str());
    let body = body.to_string();
    let call = UnsignedCall { service: "execute-api", method: "POST", url: &url, body: &body };
    let headers = signature(session.aws().await?, call).await.map_err(|error| failed(error.to_string()))?;
    let request = session.twilio_client().await?.http().post(&url).header(CONTENT_TYPE, "application/json");
    let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
    let answer = request.body(body).send().await.map_err(|error| failed(error.without_url().to_string()))?;
    let status = answer.status().as_u16();
    let answer: Value = answer.json().await.unwrap_or_default();
    if (200..300).contains(&status) { Ok(answer) } else { Err(refusal(status, &answer)) }
}

fn refusal(status: u16, answer: &Value) -> CommandError {
    let text = |path: &str| answer.pointer(path).and_then(Value::as_str).map(str::to_owned);
    // API Gateway itself answers with `message`.
    let message = text("/error/message").or_else(|| text("/message"));
    let mut message = message.unwrap_or_else(|| format!("the API answered with the status {status}"));
    if let Some(code) = answer.pointer("/error/twilio_code").and_then(Value::as_u64) {
        message = format!("{message} (Twilio's code {code})");
    }
    if let Some(retry_at) = text("/error/retry_at") {
        message = format!("{message}: try again at {retry_at}");
    }
    match status {
        400 | 405 | 409 | 422 => CommandError::usage(message),
        404 => CommandError::not_found(message),
        500.. => CommandError::no_answer(message),
        _ => CommandError::refused(message),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::ExitReason;

    #[test]
    fn refusal_has_its_exit_code_and_its_end() {
        let error =
            json!({"error": {"message": "sent 5 times", "twilio_code": 60203, "retry_at": "2026-11-20T09:10:00Z"}});
        let limited = refusal(429, &error);
        assert_eq!(limited.reason(), ExitReason::Refused);
        assert_eq!(limited.to_string(), "sent 5 times (Twilio's code 60203): try again at 2026-11-20T09:10:00Z");
        assert_eq!(refusal(403, &json!({"message": "Forbidden"})).to_string(), "Forbidden");
        for (status, reason) in [(400, ExitReason::Usage), (404, ExitReason::NotFound), (503, ExitReason::NoAnswer)] {
            assert_eq!(refusal(status, &Value::Null).reason(), reason);
        }
    }
}
