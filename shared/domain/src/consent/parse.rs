//! Reads a request to record consent, field by field.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::{ConsentEvidence, ConsentRequest, ConsentState};
use crate::{
    json,
    json_fields::{FieldError, JsonFields, deserialized, filled, parsed},
    notification::Category,
};

const MAX_SOURCE_CHARS: usize = 200;
/// About one printed page. A longer text is a policy, which the text should name by its version.
const MAX_TEXT_CHARS: usize = 4_000;
/// The person's item holds one for each category, and should stay below 1 KB.
const MAX_TEXT_VERSION_CHARS: usize = 64;
/// Source: RFC 5646, "Tags for Identifying Languages", 4.4.1: a buffer of 35 characters holds the longest tag without
/// extensions.
const MAX_LOCALE_CHARS: usize = 35;
const MAX_USER_AGENT_CHARS: usize = 512;

/// How far the clock of another system may be ahead of ours.
const CLOCK_SKEW: SignedDuration = SignedDuration::from_mins(5);

/// A request to record consent that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidConsent {
    pub field: String,
    /// What was expected. It never shows the value.
    pub problem: String,
}

pub(super) fn request(
    body: &str,
    now: Timestamp,
    recorded_by: Option<String>,
) -> Result<ConsentRequest, InvalidConsent> {
    let read = || {
        let mut fields = JsonFields::of(String::new(), json::value(body)?, "a JSON object")?;
        let account_sid = fields.optional("account_sid", "AC and 32 hexadecimal digits", parsed)?;
        let evidence = evidence(&mut fields, now, recorded_by)?;
        fields.finish()?;
        Ok(ConsentRequest { account_sid, evidence })
    };
    read().map_err(|(field, problem)| InvalidConsent { field, problem })
}

fn evidence(
    fields: &mut JsonFields,
    now: Timestamp,
    recorded_by: Option<String>,
) -> Result<ConsentEvidence, FieldError> {
    let category = "marketing, utility, authentication or service";
    let evidence = ConsentEvidence {
        category: fields.required("category", category, deserialized::<Category>)?,
        state: fields.optional("state", "given or withdrawn", deserialized)?.unwrap_or(ConsentState::Given),
        at: at(fields, now)?,
        source: fields.required("source", "a text of 1 to 200 characters, as in checkout-form", |value| {
            at_most(MAX_SOURCE_CHARS, value)
        })?,
        text: fields
            .optional("text", "what was agreed to, 1 to 4000 characters", |value| at_most(MAX_TEXT_CHARS, value))?,
        text_sha256: None,
        text_version: fields.optional("text_version", "a text of 1 to 64 characters, as in 2026-11", |value| {
            at_most(MAX_TEXT_VERSION_CHARS, value)
        })?,
        locale: fields.optional("locale", "a language tag, as in pt-BR", locale)?,
        ip: fields.optional("ip", "an IPv4 or IPv6 address", parsed)?,
        user_agent: fields
            .optional("user_agent", "a text of 1 to 512 characters", |value| at_most(MAX_USER_AGENT_CHARS, value))?,
        recorded_at: now,
        recorded_by,
    };
    if evidence.state == ConsentState::Given && evidence.text.is_none() {
        return Err((fields.path_of("text"), "missing, and required for consent that is given".to_owned()));
    }
    Ok(evidence)
}

/// A time in the future, within the skew of two clocks, counts as now: consent with a time in the future would be newer
/// than a STOP that follows it.
fn at(fields: &mut JsonFields, now: Timestamp) -> Result<Timestamp, FieldError> {
    let expected = "a time as in 2026-11-20T09:00:00Z, since 1970 and not in the future";
    let latest = now.saturating_add(CLOCK_SKEW).unwrap_or(now);
    let at = fields.optional("at", expected, parsed::<Timestamp>)?.unwrap_or(now);
    let in_range = (Timestamp::UNIX_EPOCH..=latest).contains(&at);
    let to_the_millisecond = Timestamp::from_millisecond(at.min(now).as_millisecond()).ok();
    to_the_millisecond.filter(|_| in_range).ok_or_else(|| (fields.path_of("at"), format!("expected {expected}")))
}

fn at_most(max_chars: usize, value: Value) -> Option<String> {
    filled(value).filter(|text| text.chars().count() <= max_chars)
}

/// Checks the form of a language tag, and not whether the language exists. `pt_BR`, as Twilio writes it, is valid too.
fn locale(value: Value) -> Option<String> {
    filled(value).filter(|text| {
        let mut subtags = text.split(['-', '_']);
        let language = subtags.next().unwrap_or_default();
        text.len() <= MAX_LOCALE_CHARS
            && (2..=8).contains(&language.len())
            && language.bytes().all(|b| b.is_ascii_alphabetic())
            && subtags
                .all(|subtag| (1..=8).contains(&subtag.len()) && subtag.bytes().all(|b| b.is_ascii_alphanumeric()))
    })
}
