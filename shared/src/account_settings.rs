//! The settings of the accounts that the tenants document does not name: those of the template's parameters.
//!
//! Environment, all optional: `SEND_POLICY` (marketing needs a consent, 80 messages a second), `MESSAGING_SERVICE_SID` (none),
//! `OPT_OUT_LANGUAGES` (all that are known), `OPT_OUT_KEYWORDS` (no change), `OPT_OUT_SCOPE` (`all`, or `sender`),
//! `MESSAGE_RETENTION_DAYS` (30), `TEMPLATE_DEFAULT_LOCALE` (`en`), `TEMPLATE_FALLBACK_LOCALES` (`en_US`),
//! `STORE_INBOUND_MEDIA` (`true`), `DELETE_MEDIA_AT_TWILIO` (`false`), `EMAIL_SETTINGS` (no e-mail is sent), `VERIFY_SERVICE_SID`
//! (no one-time password is sent), `VERIFY_CHANNELS` (`whatsapp,sms`) and `VERIFY_CODE_MINUTES` (10). The template sets for each
//! function those that it uses.

use domain::{
    account_settings::{AccountSettings, OptOutSettings},
    media_settings::MediaSettings,
    opt_out_keywords::{KeywordChanges, Keywords, Languages},
    template_settings::TemplateSettings,
    templates::Locales,
    verify_settings::VerifySettings,
};
use twilio_types::sid::MessagingServiceSid;

use crate::env::{self, EnvError};

const KEYWORDS: &str = "OPT_OUT_KEYWORDS";

/// Reads the settings at the cold start.
pub fn from_env() -> Result<AccountSettings, EnvError> {
    let service: Option<MessagingServiceSid> = env::optional_parsed("MESSAGING_SERVICE_SID")?;
    Ok(AccountSettings {
        name: None,
        callers: Vec::new(),
        policy: env::optional_parsed("SEND_POLICY")?.unwrap_or_default(),
        senders: service.into(),
        opt_out: opt_out_from_env()?,
        retention: env::optional_parsed("MESSAGE_RETENTION_DAYS")?.unwrap_or_default(),
        templates: templates_from_env()?,
        media: media_from_env()?,
        email: env::optional_parsed("EMAIL_SETTINGS")?.unwrap_or_default(),
        verify: verify_from_env()?,
    })
}

/// An error names the language and the word that cannot be used.
fn opt_out_from_env() -> Result<OptOutSettings, EnvError> {
    let languages = env::optional_parsed::<Languages>("OPT_OUT_LANGUAGES")?.unwrap_or_default();
    let scope = env::optional_parsed("OPT_OUT_SCOPE")?.unwrap_or_default();
    let changes = env::optional_parsed::<KeywordChanges>(KEYWORDS)?.unwrap_or_default();
    let keywords = Keywords::configured(&languages, &changes);
    let keywords = keywords.map_err(|error| EnvError::Invalid { name: KEYWORDS, reason: error.to_string() })?;
    Ok(OptOutSettings::new(keywords, scope))
}

fn templates_from_env() -> Result<TemplateSettings, EnvError> {
    let mut settings = TemplateSettings::default();
    if let Some(locale) = env::optional_parsed("TEMPLATE_DEFAULT_LOCALE")? {
        settings.default_locale = locale;
    }
    if let Some(locales) = env::optional_parsed::<Locales>("TEMPLATE_FALLBACK_LOCALES")? {
        settings.fallback_locales = locales.0;
    }
    Ok(settings)
}

fn media_from_env() -> Result<MediaSettings, EnvError> {
    let settings = MediaSettings::default();
    Ok(MediaSettings {
        store_inbound: env::optional_parsed("STORE_INBOUND_MEDIA")?.unwrap_or(settings.store_inbound),
        delete_at_twilio: env::optional_parsed("DELETE_MEDIA_AT_TWILIO")?.unwrap_or(settings.delete_at_twilio),
    })
}

fn verify_from_env() -> Result<VerifySettings, EnvError> {
    Ok(VerifySettings {
        service_sid: env::optional_parsed("VERIFY_SERVICE_SID")?,
        channels: env::optional_parsed("VERIFY_CHANNELS")?.unwrap_or_default(),
        code_minutes: env::optional_parsed("VERIFY_CODE_MINUTES")?.unwrap_or_default(),
    })
}
