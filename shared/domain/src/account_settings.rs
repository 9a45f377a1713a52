//! The settings that may differ between the Twilio accounts of a deployment.
//!
//! The parameters of the template are the settings of every account that the tenants document ([`crate::tenants`]) does not
//! name. For an account that it names, each section of the document replaces what the parameters say, and a section that it
//! leaves out is as the parameters say.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, LazyLock},
};

use serde::Deserialize;
use serde_json::Value;
use twilio_types::{address::WhatsAppSender, limits::MAX_BODY_CHARS, sid::MessagingServiceSid};

use crate::{
    caller::Caller,
    configured_senders::{ConfiguredSender, ConfiguredSenders, CountryRoute, InvalidRoutes},
    email_settings::EmailSettings,
    limits::{InvalidRetention, Retention},
    media_settings::MediaSettings,
    opt_out_keywords::{InvalidKeywords, KeywordChanges, Keywords, Language, Languages},
    opt_out_request::RequestedScope,
    policy::Policy,
    suppression::OptOutScope,
    template_settings::TemplateSettings,
    verify_settings::VerifySettings,
};

/// Everything that may differ between accounts.
#[derive(Debug, Clone, Default)]
pub struct AccountSettings {
    /// A name for people.
    pub name: Option<String>,
    /// Who may name the account in a request over HTTP. Empty: every caller that no other account lists.
    pub callers: Vec<Caller>,
    pub policy: Policy,
    /// Who sends the notifications that name no sender.
    pub senders: ConfiguredSenders,
    pub opt_out: OptOutSettings,
    /// How long messages are stored.
    pub retention: Retention,
    /// Which locales of a template are tried.
    pub templates: TemplateSettings,
    /// What happens with the files that people send.
    pub media: MediaSettings,
    /// Who sends e-mails.
    pub email: EmailSettings,
    /// Who sends one-time passwords.
    pub verify: VerifySettings,
}

/// How opt-outs are recognised and answered, and what they cover.
#[derive(Clone, Default)]
pub struct OptOutSettings {
    pub keywords: Arc<Keywords>,
    pub scope: OptOutScope,
    /// The texts that replace those of the languages.
    confirmations: BTreeMap<Language, Confirmations>,
}

impl fmt::Debug for OptOutSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptOutSettings").field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// The answers to a first opt-out in one language.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Confirmations {
    #[serde(default)]
    stop: Option<ConfirmationText>,
    #[serde(default)]
    stop_marketing: Option<ConfirmationText>,
}

/// A text that Twilio can send.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
struct ConfirmationText(String);

/// Not a text that Twilio can send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected a text of 1 to {MAX_BODY_CHARS} characters")]
struct InvalidConfirmation;

impl TryFrom<String> for ConfirmationText {
    type Error = InvalidConfirmation;

    fn try_from(text: String) -> Result<Self, InvalidConfirmation> {
        let fits = (1..=MAX_BODY_CHARS).contains(&text.chars().count()) && !text.trim().is_empty();
        if fits { Ok(Self(text)) } else { Err(InvalidConfirmation) }
    }
}

impl OptOutSettings {
    pub fn new(keywords: Keywords, scope: OptOutScope) -> Self {
        Self { keywords: Arc::new(keywords), scope, confirmations: BTreeMap::new() }
    }

    /// The answer to a first opt-out in this language.
    pub fn confirmation(&self, language: Language, scope: RequestedScope) -> &str {
        let own = self.confirmations.get(&language);
        let (own, of_language) = match scope {
            RequestedScope::All => (own.and_then(|own| own.stop.as_ref()), language.opt_out_confirmation()),
            RequestedScope::Marketing => {
                (own.and_then(|own| own.stop_marketing.as_ref()), language.marketing_opt_out_confirmation())
            }
        };
        own.map_or(of_language, |text| &text.0)
    }
}

/// The settings of an account as the document has them. A section that is missing is as the parameters say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(try_from = "WrittenAccount")]
pub(crate) struct WrittenSettings {
    name: Option<String>,
    callers: Option<Vec<Caller>>,
    policy: Option<Policy>,
    senders: Option<ConfiguredSenders>,
    opt_out: Option<OptOutSettings>,
    retention: Option<Retention>,
    templates: Option<TemplateSettings>,
    media: Option<MediaSettings>,
    email: Option<EmailSettings>,
    verify: Option<VerifySettings>,
}

impl WrittenSettings {
    /// The settings of the account, where `parameters` are those of an account that the document does not name.
    pub(crate) fn over(self, parameters: &AccountSettings) -> AccountSettings {
        AccountSettings {
            name: self.name,
            callers: self.callers.unwrap_or_default(),
            policy: self.policy.unwrap_or_else(|| parameters.policy.clone()),
            senders: self.senders.unwrap_or_else(|| parameters.senders.clone()),
            opt_out: self.opt_out.unwrap_or_else(|| parameters.opt_out.clone()),
            retention: self.retention.unwrap_or(parameters.retention),
            templates: self.templates.unwrap_or_else(|| parameters.templates.clone()),
            media: self.media.unwrap_or(parameters.media),
            email: self.email.unwrap_or_else(|| parameters.email.clone()),
            verify: self.verify.unwrap_or_else(|| parameters.verify.clone()),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenAccount {
    name: Option<String>,
    callers: Option<Vec<Caller>>,
    policy: Option<Policy>,
    from: Option<WhatsAppSender>,
    messaging_service_sid: Option<MessagingServiceSid>,
    routes: Option<Vec<CountryRoute>>,
    opt_out: Option<WrittenOptOut>,
    retention_days: Option<Value>,
    templates: Option<TemplateSettings>,
    media: Option<MediaSettings>,
    email: Option<EmailSettings>,
    verify: Option<VerifySettings>,
}

/// Settings of an account that are not valid. The message begins with the path of the field.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InvalidSettings {
    #[error("name: expected 1 to {MAX_NAME_CHARS} characters without control characters")]
    Name,
    #[error("callers: expected at least one caller; without this field every caller may name the account")]
    NoCaller,
    #[error(transparent)]
    Routes(#[from] InvalidRoutes),
    #[error("retention_days: {0}")]
    Retention(#[from] InvalidRetention),
}

const MAX_NAME_CHARS: usize = 60;

impl TryFrom<WrittenAccount> for WrittenSettings {
    type Error = InvalidSettings;

    fn try_from(written: WrittenAccount) -> Result<Self, InvalidSettings> {
        let is_name =
            |name: &String| (1..=MAX_NAME_CHARS).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        if written.name.as_ref().is_some_and(|name| !is_name(name)) {
            return Err(InvalidSettings::Name);
        }
        if written.callers.as_ref().is_some_and(Vec::is_empty) {
            return Err(InvalidSettings::NoCaller);
        }
        let names_senders =
            written.from.is_some() || written.messaging_service_sid.is_some() || written.routes.is_some();
        let default = ConfiguredSender { from: written.from, service: written.messaging_service_sid };
        let senders = ConfiguredSenders::new(default, written.routes.unwrap_or_default())?;
        let retention = written.retention_days.map(|days| days.as_i64().ok_or(InvalidRetention)).transpose()?;
        Ok(Self {
            name: written.name,
            callers: written.callers,
            policy: written.policy,
            senders: names_senders.then_some(senders),
            opt_out: written.opt_out.map(|opt_out| opt_out.0),
            retention: retention.map(Retention::of_days).transpose()?,
            templates: written.templates,
            media: written.media,
            email: written.email,
            verify: written.verify,
        })
    }
}

/// The section `opt_out`. What it leaves out is as in a new deployment, not as the parameters say: the words of one language
/// and the changes of another would not fit.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "OptOutJson")]
struct WrittenOptOut(OptOutSettings);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OptOutJson {
    scope: Option<String>,
    languages: Option<Vec<Language>>,
    keywords: Option<Value>,
    #[serde(default)]
    confirmations: BTreeMap<Language, Confirmations>,
}

/// The known words of all languages, which most accounts have: one copy for a document of many.
static KNOWN_KEYWORDS: LazyLock<Arc<Keywords>> = LazyLock::new(Arc::default);

#[derive(Debug, thiserror::Error)]
enum InvalidOptOut {
    #[error("scope: expected all or sender")]
    Scope,
    #[error("languages: expected at least one language")]
    NoLanguage,
    #[error("{0}")]
    Keywords(InvalidKeywords),
}

impl TryFrom<OptOutJson> for WrittenOptOut {
    type Error = InvalidOptOut;

    fn try_from(written: OptOutJson) -> Result<Self, InvalidOptOut> {
        let scope = written.scope.as_deref().map(str::parse).transpose().map_err(|_| InvalidOptOut::Scope)?;
        let is_as_known = written.languages.is_none() && written.keywords.is_none();
        let languages = match written.languages {
            Some(languages) if languages.is_empty() => return Err(InvalidOptOut::NoLanguage),
            Some(languages) => languages.into_iter().collect(),
            None => Languages::default(),
        };
        let keywords = if is_as_known {
            Arc::clone(&KNOWN_KEYWORDS)
        } else {
            let changes = written.keywords.map(KeywordChanges::of_value).transpose();
            let of_section = |error: InvalidKeywords| InvalidOptOut::Keywords(error.within("keywords"));
            let changes = changes.map_err(of_section)?.unwrap_or_default();
            Arc::new(Keywords::configured(&languages, &changes).map_err(of_section)?)
        };
        Ok(Self(OptOutSettings { keywords, scope: scope.unwrap_or_default(), confirmations: written.confirmations }))
    }
}
