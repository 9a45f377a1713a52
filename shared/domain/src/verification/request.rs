//! How the two requests are read.

use std::collections::BTreeMap;

use serde_json::Value;
use twilio_types::address::E164;

use super::{CheckRequest, CheckTarget, OneTimeCode, VerificationRequest};
use crate::{
    json,
    json_fields::{FieldError, JsonFields, as_string, deserialized, parsed, parsed_owned, string_map},
};

/// A request that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct InvalidVerificationRequest {
    pub field: String,
    /// What was expected. It never shows the value.
    pub problem: String,
}

impl From<FieldError> for InvalidVerificationRequest {
    fn from((field, problem): FieldError) -> Self {
        Self { field, problem }
    }
}

const ID: &str = "1 to 128 characters, without control characters";
const NUMBER: &str = "a phone number in E.164 form, as in +14155550123: Verify sends to no WhatsApp user id";
const ACCOUNT: &str = "AC and 32 hexadecimal digits";
const CODE: &str = "the 4 to 10 letters or digits that the person entered, as a text";

impl VerificationRequest {
    pub fn parse(text: &str) -> Result<Self, InvalidVerificationRequest> {
        let mut fields = JsonFields::of(String::new(), json::value(text).map_err(FieldError::from)?, "a JSON object")?;
        let request = Self {
            id: fields.required("id", ID, parsed_owned)?,
            to: fields.required("to", NUMBER, parsed::<E164>)?,
            channel: fields.optional("channel", "whatsapp or sms", deserialized)?,
            locale: fields.optional("locale", "a language as in en or pt-BR", locale)?,
            rate_limits: fields.optional("rate_limits", RATE_LIMITS, rate_limits)?.unwrap_or_default(),
            account_sid: fields.optional("account_sid", ACCOUNT, parsed)?,
        };
        fields.finish()?;
        Ok(request)
    }
}

impl CheckRequest {
    pub fn parse(text: &str) -> Result<Self, InvalidVerificationRequest> {
        let mut fields = JsonFields::of(String::new(), json::value(text).map_err(FieldError::from)?, "a JSON object")?;
        let targets = [
            fields.optional("id", ID, parsed_owned)?.map(CheckTarget::Id),
            fields.optional("sid", "VE and 32 hexadecimal digits", parsed)?.map(CheckTarget::Sid),
            fields.optional("to", NUMBER, parsed)?.map(CheckTarget::To),
        ];
        let mut targets = targets.into_iter().flatten();
        let (Some(target), None) = (targets.next(), targets.next()) else {
            return Err(("id".to_owned(), "expected exactly one of id, sid and to".to_owned()).into());
        };
        let code = fields.required("code", CODE, code)?;
        let account_sid = fields.optional("account_sid", ACCOUNT, parsed)?;
        fields.finish()?;
        Ok(Self { target, code, account_sid })
    }
}

/// A language tag as Verify has them (Twilio, "Supported languages" of Verify), with a hyphen.
fn locale(value: Value) -> Option<String> {
    let text = as_string(value)?.replace('_', "-");
    let (language, region) = text.split_once('-').map_or((text.as_str(), None), |(first, rest)| (first, Some(rest)));
    let is_letters = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
        lengths.contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    (is_letters(language, 2..=3) && region.is_none_or(|region| is_letters(region, 2..=4))).then_some(text)
}

const RATE_LIMITS: &str = "an object of at most 10 texts of 1 to 256 characters";

fn rate_limits(value: Value) -> Option<BTreeMap<String, String>> {
    let limits = string_map(value)?;
    let is_short = |text: &String| (1..=256).contains(&text.chars().count());
    (limits.len() <= 10 && limits.iter().all(|(name, value)| is_short(name) && is_short(value))).then_some(limits)
}

/// A person may have copied the code with blanks around it or in it. Codes are digits, and a code of one's own may have letters
/// (Twilio, "Customization options" of Verify). A number is refused, because it has lost the zeros at its beginning.
fn code(value: Value) -> Option<OneTimeCode> {
    let text: String = as_string(value)?.chars().filter(|char| !char.is_whitespace()).collect();
    let is_code = (4..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
    is_code.then_some(OneTimeCode(text))
}
