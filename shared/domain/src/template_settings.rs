//! The settings of an account's templates.

use serde::Deserialize;

use crate::templates::Locale;

/// Which locales of a template are tried in place of one that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TemplateSettings {
    /// The locale of a notification that names none, and the last one that is tried for the others.
    pub default_locale: Locale,
    /// The locales that are tried, in this order, after the locale of the notification and its language.
    pub fallback_locales: Vec<Locale>,
}

impl Default for TemplateSettings {
    fn default() -> Self {
        Self { default_locale: Locale::of("en"), fallback_locales: vec![Locale::of("en_US")] }
    }
}

impl TemplateSettings {
    /// The locales that are tried in this order, each once: with the default settings for `pt-BR` `pt_BR`, `pt`, `en_US`, `en`.
    pub fn locales(&self, wanted: Option<&Locale>) -> Vec<Locale> {
        let first = wanted.unwrap_or(&self.default_locale);
        let all = [first.clone(), first.language()].into_iter();
        let all = all.chain(self.fallback_locales.iter().cloned()).chain([self.default_locale.clone()]);
        let mut tried: Vec<Locale> = Vec::new();
        for locale in all {
            if !tried.contains(&locale) {
                tried.push(locale);
            }
        }
        tried
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locales(settings: &TemplateSettings, wanted: Option<&str>) -> Vec<String> {
        settings.locales(wanted.map(Locale::of).as_ref()).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn locale_falls_back_to_language_then_settings() {
        let settings = TemplateSettings::default();
        assert_eq!(locales(&settings, Some("pt-BR")), ["pt_BR", "pt", "en_US", "en"]);
        assert_eq!(locales(&settings, Some("pt")), ["pt", "en_US", "en"]);
        assert_eq!(locales(&settings, Some("en_us")), ["en_US", "en"], "each locale once");
        assert_eq!(locales(&settings, None), ["en", "en_US"]);
    }

    #[test]
    fn fallback_is_what_the_settings_say() {
        let settings: TemplateSettings =
            serde_json::from_str(r#"{"default_locale": "es-mx", "fallback_locales": ["es", "en"]}"#).unwrap();
        assert_eq!(locales(&settings, Some("pt-BR")), ["pt_BR", "pt", "es", "en", "es_MX"]);
        assert_eq!(locales(&settings, None), ["es_MX", "es", "en"]);
        let none: TemplateSettings = serde_json::from_str(r#"{"fallback_locales": []}"#).unwrap();
        assert_eq!(locales(&none, Some("de")), ["de", "en"]);
        assert!(serde_json::from_str::<TemplateSettings>(r#"{"locale": "en"}"#).is_err());
        assert!(serde_json::from_str::<TemplateSettings>(r#"{"default_locale": "e n"}"#).is_err());
    }
}
