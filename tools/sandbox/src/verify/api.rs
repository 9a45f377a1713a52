//! Requests to Verify.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use twilio_webhook::form::Form;

use super::{CodeCheck, MAX_CHECKS, MAX_SENDS, Verification, VerificationStatus, VerifyChannel, VerifyService};
use crate::{
    api,
    api_error::ApiError,
    auth::Authenticated,
    choices::VerificationByNumber,
    config::Config,
    content::VERIFICATION_CODE_SID,
    products::{
        Products,
        collection::Collection,
        resource::{Resource, delete, fetch, list, update},
    },
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

pub(crate) fn routes() -> Router<Arc<Sandbox>> {
    let service = get(fetch::<VerifyService>).post(update::<VerifyService>).delete(delete::<VerifyService>);
    Router::new()
        .route("/v2/Services", get(list::<VerifyService>).post(create_service))
        .route("/v2/Services/{service}", service)
        .route("/v2/Services/{service}/Verifications", post(start))
        .route("/v2/Services/{service}/Verifications/{verification}", get(fetch_verification).post(update_verification))
        .route("/v2/Services/{service}/VerificationCheck", post(check))
}

impl Resource for VerifyService {
    const LIST_KEY: &'static str = "services";

    fn collection(products: &Products) -> &Collection<Self> {
        &products.verify.services
    }

    fn json(&self, config: &Config) -> Value {
        self.resource(config)
    }

    fn change(&mut self, body: &[u8], now: Timestamp) -> Result<(), ApiError> {
        self.updated_at = now;
        self.set(&Form::parse(body))
    }
}

async fn create_service(
    _: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let form = Form::parse(&body);
    let name = form.get_filled("FriendlyName").ok_or_else(|| invalid("FriendlyName"))?;
    let mut service = VerifyService::new(sandbox.sids.next("VA"), name.to_owned(), sandbox.now());
    service.set(&form)?;
    let service = sandbox.products.verify.services.add(service.sid.clone(), service);
    Ok((StatusCode::CREATED, Json(service.json(&sandbox.config))))
}

impl VerifyService {
    fn set(&mut self, form: &Form) -> Result<(), ApiError> {
        if let Some(name) = form.get_filled("FriendlyName") {
            name.clone_into(&mut self.friendly_name);
        }
        if let Some(length) = form.get_filled("CodeLength") {
            let parsed = length.parse().ok().filter(|length| (4..=10).contains(length));
            self.code_length = parsed.ok_or_else(|| invalid("CodeLength"))?;
        }
        Ok(())
    }
}

/// Sends a new code, or again the code of the pending verification.
async fn start(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(service_sid): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let request = VerificationRequest::parse(&Form::parse(&body))?;
    let now = sandbox.now();
    let verify = &sandbox.products.verify;
    let service = verify.services.get(&service_sid).ok_or_else(|| caller.not_found())?;
    if request.locale.as_deref().is_some_and(|locale| !LOCALES.contains(&locale)) {
        return Err(caller.not_found());
    }
    let pending = verify.verifications().pending(&service_sid, request.to.as_str(), now).cloned();
    let mut verification = pending.unwrap_or_else(|| Verification {
        sid: sandbox.sids.next("VE"),
        service_sid,
        to: request.to.clone(),
        channel: request.channel,
        status: VerificationStatus::Pending,
        code: request.custom_code.clone().unwrap_or_else(|| service.code(&sandbox.sids)),
        sends: Vec::new(),
        checks: 0,
        created_at: now,
        updated_at: now,
    });
    if verification.sends.len() == MAX_SENDS {
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, 60203, "Max send attempts reached"));
    }
    verification.channel = request.channel;
    verification.updated_at = now;
    verification.sends.push((now, request.channel, sandbox.sids.next("VL")));
    let Some(sent) = api::send(&sandbox, &message(&sandbox, &service, &verification))? else {
        return std::future::pending().await;
    };
    let shown = verification.resource(&sandbox.config, now);
    let (channel, sends) = (request.channel.name(), verification.sends.len());
    verify.verifications().put(verification.clone());
    let what = format!("the code was sent by {channel}, {sends} of {MAX_SENDS}");
    record(&sandbox, &verification, TimelineOutcome::Good, &what);
    api::answer_as_planned(&sent.faults).await?;
    Ok((StatusCode::CREATED, Json(shown)))
}

/// Adds what happened to a verification to the timeline, without its code.
fn record(sandbox: &Sandbox, verification: &Verification, outcome: TimelineOutcome, what: &str) {
    let status = verification.status_at(sandbox.now()).name();
    let event = TimelineEvent::new("verification", outcome, format!("Verification is {status}: {what}"));
    let details = json!({
        "sid": verification.sid, "status": status, "channel": verification.channel.name(),
        "sends": verification.sends.len(), "checks": verification.checks,
    });
    sandbox.record(event.of(&format!("whatsapp:{}", verification.to), None).with(details));
}

/// The parameters of a new verification.
struct VerificationRequest {
    to: twilio_types::address::E164,
    channel: VerifyChannel,
    locale: Option<String>,
    custom_code: Option<String>,
}

/// The languages of the default template. Another one is answered with 404. Source: Twilio, "Verify supported languages".
const LOCALES: [&str; 43] = [
    "af", "ar", "ca", "cs", "da", "de", "el", "en", "en-GB", "es", "et", "fi", "fr", "he", "hi", "hr", "hu", "id",
    "it", "ja", "kn", "ko", "lt", "mr", "ms", "nb", "nl", "pl", "pt", "pt-BR", "ro", "ru", "sk", "sv", "te", "th",
    "tl", "tr", "uk", "vi", "zh", "zh-CN", "zh-HK",
];

impl VerificationRequest {
    fn parse(form: &Form) -> Result<Self, ApiError> {
        let to = form.get_filled("To").and_then(|to| to.parse().ok()).ok_or_else(|| invalid("To"))?;
        let channel = match form.get_filled("Channel") {
            Some("sms" | "auto") => VerifyChannel::Sms,
            Some("whatsapp") => VerifyChannel::WhatsApp,
            Some(other @ ("call" | "email" | "sna")) => {
                let message = format!("Delivery channel disabled: {}", other.to_uppercase());
                return Err(ApiError::bad_request(60223, message));
            }
            _ => return Err(invalid("Channel")),
        };
        let custom_code = form.get_filled("CustomCode").map(str::to_owned);
        let digits = |code: &String| (4..=10).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit());
        if custom_code.as_ref().is_some_and(|code| !digits(code)) {
            return Err(invalid("CustomCode"));
        }
        let locale = form.get_filled("Locale").map(str::to_owned);
        Ok(Self { to, channel, locale, custom_code })
    }
}

/// The form of the message with the code.
fn message(sandbox: &Sandbox, service: &VerifyService, verification: &Verification) -> Form {
    let Verification { to, code, .. } = verification;
    let parameters = match verification.channel {
        VerifyChannel::Sms => vec![
            ("From", sandbox.config.sms_sender.clone()),
            ("To", to.to_string()),
            ("Body", format!("Your {} verification code is: {code}", service.friendly_name)),
        ],
        VerifyChannel::WhatsApp => vec![
            ("From", sandbox.config.sender.clone()),
            ("To", format!("whatsapp:{to}")),
            ("ContentSid", VERIFICATION_CODE_SID.to_owned()),
            ("ContentVariables", json!({"1": code}).to_string()),
        ],
    };
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

async fn fetch_verification(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((service, verification)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let now = sandbox.now();
    let by_number = sandbox.memory().choices.verification_by_number;
    if verification.starts_with('+') && by_number == VerificationByNumber::NotFound {
        return Err(caller.not_found());
    }
    let mut verifications = sandbox.products.verify.verifications();
    let found = verifications.existing(&service, &verification, now).ok_or_else(|| caller.not_found())?;
    Ok(Json(found.resource(&sandbox.config, now)))
}

/// Approves or cancels a verification without a code.
async fn update_verification(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path((service, verification)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let status = match Form::parse(&body).get("Status") {
        Some("approved") => VerificationStatus::Approved,
        Some("canceled") => VerificationStatus::Canceled,
        _ => return Err(invalid("Status")),
    };
    let now = sandbox.now();
    let mut verifications = sandbox.products.verify.verifications();
    let found = verifications.pending(&service, &verification, now).ok_or_else(|| caller.not_found())?;
    (found.status, found.updated_at) = (status, now);
    let changed = found.clone();
    drop(verifications);
    record(&sandbox, &changed, TimelineOutcome::Neutral, "it was changed without a code");
    Ok(Json(changed.resource(&sandbox.config, now)))
}

/// Checks a code. An incorrect code is no error: the verification stays pending.
async fn check(
    caller: Authenticated,
    State(sandbox): State<Arc<Sandbox>>,
    Path(service): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, ApiError> {
    let form = Form::parse(&body);
    let is_code = |code: &&str| (4..=10).contains(&code.len());
    let code = form.get_filled("Code").filter(is_code).ok_or_else(|| invalid("Code"))?;
    let sid_or_to = form.get_filled("VerificationSid").or_else(|| form.get_filled("To"));
    let sid_or_to = sid_or_to.ok_or_else(|| ApiError::bad_request(60221, "No target verification specified"))?;
    let now = sandbox.now();
    let mut verifications = sandbox.products.verify.verifications();
    let found = verifications.pending(&service, sid_or_to, now).ok_or_else(|| caller.not_found())?;
    let result = found.check(code, now);
    let checked = found.clone();
    drop(verifications);
    let (outcome, what) = match result {
        CodeCheck::Correct => (TimelineOutcome::Good, "the code is right".to_owned()),
        CodeCheck::Incorrect => {
            (TimelineOutcome::Refused, format!("the code is wrong, check {} of {MAX_CHECKS}", checked.checks))
        }
        CodeCheck::TooMany => (TimelineOutcome::Refused, "the code was checked too often".to_owned()),
    };
    record(&sandbox, &checked, outcome, &what);
    if result == CodeCheck::TooMany {
        return Err(ApiError::new(StatusCode::TOO_MANY_REQUESTS, 60202, "Max check attempts reached"));
    }
    let mut shown = checked.resource(&sandbox.config, now);
    if let Some(fields) = shown.as_object_mut() {
        fields.retain(|name, _| !matches!(name.as_str(), "lookup" | "sna" | "send_code_attempts" | "url"));
        fields.insert("sna_attempts_error_codes".to_owned(), json!([]));
    }
    Ok(Json(shown))
}

fn invalid(parameter: &str) -> ApiError {
    ApiError::bad_request(60200, format!("Invalid parameter `{parameter}`"))
}
