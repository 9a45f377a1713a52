//! What a template's content says about how it can be sent: its type, its variables and the length of its text.
//!
//! One content may have several types, and Twilio sends the richest one that the channel supports (Twilio, "Content types
//! overview").

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::notification::FallbackChannel;

/// What is kept of a content: not its text.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TemplateShape {
    /// The type that WhatsApp gets, as in `twilio/text`; none if the content has no type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whatsapp_type: Option<String>,
    /// Whether WhatsApp accepts that type without approval while the service window is open.
    #[serde(default)]
    pub unapproved: UnapprovedUse,
    /// The variables of that type, which all need a value.
    #[serde(default, skip_serializing_if = "VariableUses::is_empty")]
    pub whatsapp_variables: VariableUses,
    /// The variables of the type that SMS gets; none if SMS supports none of its types.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_variables: Option<VariableUses>,
    /// Names that Twilio accepts besides: variables of other types, and those that have a sample.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub other_variables: BTreeSet<String>,
}

/// Whether content can be sent without approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnapprovedUse {
    /// It always needs approval.
    #[default]
    Never,
    /// While the service window is open, and with approval at any time.
    InWindow,
    /// While the service window is open, and it cannot be approved.
    OnlyInWindow,
}

/// The variables of a type, and the length of its body without them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VariableUses {
    /// How often the body shows each variable; 0 for one that is elsewhere, as in the link of a button.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub names: BTreeMap<String, usize>,
    /// The characters of the body without its variables.
    #[serde(default)]
    pub body_chars: usize,
}

impl VariableUses {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The types that WhatsApp supports, the richest first, with their use without approval. Source: Twilio, "Content types
/// overview". Which of two types is richer is documented for text and media alone; the order here is the sandbox's.
const WHATSAPP_TYPES: [(&str, UnapprovedUse); 14] = [
    (AUTHENTICATION, UnapprovedUse::Never),
    ("whatsapp/flows", UnapprovedUse::Never),
    ("whatsapp/card", UnapprovedUse::InWindow),
    ("twilio/flows", UnapprovedUse::Never),
    ("twilio/schedule", UnapprovedUse::Never),
    ("twilio/carousel", UnapprovedUse::Never),
    ("twilio/catalog", UnapprovedUse::InWindow),
    ("twilio/card", UnapprovedUse::InWindow),
    ("twilio/list-picker", UnapprovedUse::OnlyInWindow),
    ("twilio/quick-reply", UnapprovedUse::InWindow),
    ("twilio/call-to-action", UnapprovedUse::InWindow),
    ("twilio/location", UnapprovedUse::OnlyInWindow),
    ("twilio/media", UnapprovedUse::InWindow),
    ("twilio/text", UnapprovedUse::InWindow),
];

const AUTHENTICATION: &str = "whatsapp/authentication";

/// The variable of a one-time password. WhatsApp writes the text, so that the content need not show it (Twilio,
/// "`whatsapp/authentication`").
const CODE_VARIABLE: &str = "1";

/// The types that SMS supports, the richest first. Source: Twilio, "Content types overview".
const SMS_TYPES: [&str; 2] = ["twilio/media", "twilio/text"];

/// Without approval a message has at most this many buttons. Source: Twilio, "`twilio/quick-reply`".
const MAX_UNAPPROVED_REPLIES: usize = 3;

impl TemplateShape {
    /// The shape of a content by its `types`, the type that WhatsApp approved, if one is known, and the names of its
    /// `variables`, which have a sample.
    pub fn of<'a>(
        types: &Map<String, Value>,
        approved_type: Option<&str>,
        samples: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let whatsapp = whatsapp_type(types, approved_type);
        let sms = SMS_TYPES.iter().find_map(|kind| types.get(*kind));
        let whatsapp_variables = match whatsapp {
            Some((AUTHENTICATION, _, content)) => {
                let mut uses = uses_in(content);
                uses.names.entry(CODE_VARIABLE.to_owned()).or_default();
                uses
            }
            Some((_, _, content)) => uses_in(content),
            None => VariableUses::default(),
        };
        let sms_variables = sms.map(uses_in);
        let all = types.values().flat_map(|content| uses_in(content).names.into_keys());
        let all = all.chain(samples.into_iter().map(str::to_owned));
        let other_variables = all.filter(|name| !whatsapp_variables.names.contains_key(name)).collect();
        Self {
            whatsapp_type: whatsapp.map(|(kind, ..)| kind.to_owned()),
            unapproved: whatsapp.map_or(UnapprovedUse::Never, |(_, unapproved, content)| limited(unapproved, content)),
            whatsapp_variables,
            sms_variables,
            other_variables,
        }
    }

    /// The variables of the type that a channel gets; none if the channel supports none of the types.
    pub fn variables(&self, channel: FallbackChannel) -> Option<&VariableUses> {
        match channel {
            FallbackChannel::WhatsApp => self.whatsapp_type.as_ref().map(|_| &self.whatsapp_variables),
            FallbackChannel::Sms => self.sms_variables.as_ref(),
            // An e-mail is a template of SendGrid.
            FallbackChannel::Email => None,
        }
    }

    /// Whether Twilio accepts a value for this variable.
    pub fn has_variable(&self, name: &str) -> bool {
        self.whatsapp_variables.names.contains_key(name) || self.other_variables.contains(name)
    }

    /// The most characters that the text may have with its values. Source: Twilio, "WhatsApp best practices and FAQs" for
    /// templates, "`twilio/text`" and "`twilio/media`" for the others.
    pub fn max_body_chars(&self, channel: FallbackChannel) -> usize {
        let is_plain = self.whatsapp_type.as_deref().is_none_or(|kind| SMS_TYPES.contains(&kind));
        if channel == FallbackChannel::Sms || is_plain { 1_600 } else { 1_024 }
    }
}

/// The type that WhatsApp gets: the approved one, else the richest. A type that is new here can be sent once it is approved.
fn whatsapp_type<'a>(
    types: &'a Map<String, Value>,
    approved_type: Option<&str>,
) -> Option<(&'a str, UnapprovedUse, &'a Value)> {
    let approved = approved_type.and_then(|kind| types.get_key_value(kind));
    let richest = || WHATSAPP_TYPES.iter().find_map(|(kind, _)| types.get_key_value(*kind));
    let (kind, content) = approved.or_else(richest).or_else(|| types.iter().next())?;
    let known = WHATSAPP_TYPES.iter().find(|(known, _)| known == kind);
    Some((kind, known.map_or(UnapprovedUse::Never, |(_, unapproved)| *unapproved), content))
}

/// With buttons that call, and with too many replies, content needs approval.
fn limited(unapproved: UnapprovedUse, content: &Value) -> UnapprovedUse {
    let actions = content.get("actions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is_call =
        |action: &Value| !matches!(action.get("type").and_then(Value::as_str), None | Some("URL" | "QUICK_REPLY"));
    let is_limited = actions.iter().any(is_call) || actions.len() > MAX_UNAPPROVED_REPLIES;
    if unapproved == UnapprovedUse::InWindow && is_limited { UnapprovedUse::Never } else { unapproved }
}

/// The variables of a type. Each text of the content may have some.
fn uses_in(content: &Value) -> VariableUses {
    let mut uses = VariableUses::default();
    let mut texts = vec![(content, false)];
    while let Some((value, is_body)) = texts.pop() {
        match value {
            Value::String(text) => {
                let (names, chars) = placeholders(text);
                for name in names {
                    *uses.names.entry(name).or_default() += usize::from(is_body);
                }
                uses.body_chars += if is_body { chars } else { 0 };
            }
            Value::Array(items) => texts.extend(items.iter().map(|item| (item, false))),
            Value::Object(fields) => {
                let is_whole = std::ptr::eq(value, content);
                texts.extend(fields.iter().map(|(name, field)| (field, is_whole && name == "body")));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    uses
}

/// The names in double braces, and the number of characters outside of them. Source: Twilio, "Using variables with Content
/// API": a name has no spaces.
fn placeholders(text: &str) -> (Vec<String>, usize) {
    let mut names = Vec::new();
    let mut chars = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        let name = after.split_once("}}").filter(|(name, _)| is_name(name));
        chars += before.chars().count();
        rest = if let Some((name, after)) = name {
            names.push(name.to_owned());
            after
        } else {
            chars += 2;
            after
        };
    }
    (names, chars + rest.chars().count())
}

/// Source: as above, at most 16 characters.
fn is_name(name: &str) -> bool {
    const MAX_CHARS: usize = 16;
    (1..=MAX_CHARS).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests;
