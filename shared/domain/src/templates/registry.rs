//! The templates of an account, and which of them a notification gets.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
};

use jiff::Timestamp;
use twilio_types::sid::ContentSid;

use super::{Locale, RegisteredTemplate, TemplateProblem, UnapprovedUse, change::LIST_LAG};
use crate::{
    notification::{FallbackChannel, Template},
    template_settings::TemplateSettings,
};

/// The templates of an account, as they were last read.
#[derive(Clone, Default)]
pub struct TemplateRegistry {
    index: Arc<TemplateIndex>,
    /// When the last complete list of Twilio's began to be read; none if none was read yet.
    synced_at: Option<Timestamp>,
}

#[derive(Default)]
struct TemplateIndex {
    by_sid: HashMap<ContentSid, RegisteredTemplate>,
    /// By name and locale. Twilio does not keep them unique.
    by_name: HashMap<String, BTreeMap<Locale, Vec<ContentSid>>>,
}

impl fmt::Debug for TemplateRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TemplateRegistry")
            .field("templates", &self.index.by_sid.len())
            .field("synced_at", &self.synced_at)
            .finish()
    }
}

/// How a template would be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TemplateUse {
    pub channel: FallbackChannel,
    /// Whether WhatsApp's service window is open.
    pub window_is_open: bool,
}

/// Whether a template can be sent over WhatsApp, as far as WhatsApp's approval is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sendability {
    Never,
    /// While the service window is open.
    InWindow,
    Always,
}

impl TemplateRegistry {
    pub fn new(templates: impl IntoIterator<Item = RegisteredTemplate>, synced_at: Option<Timestamp>) -> Self {
        let mut index = TemplateIndex::default();
        for template in templates {
            if let (Some(name), Some(locale)) = (&template.name, &template.locale) {
                let locales = index.by_name.entry(name.clone()).or_default();
                locales.entry(locale.clone()).or_default().push(template.sid.clone());
            }
            index.by_sid.insert(template.sid.clone(), template);
        }
        Self { index: Arc::new(index), synced_at }
    }

    /// The same templates, of which a later list said the same.
    #[must_use]
    pub fn confirmed(&self, synced_at: Option<Timestamp>) -> Self {
        Self { index: Arc::clone(&self.index), synced_at }
    }

    pub fn get(&self, sid: &ContentSid) -> Option<&RegisteredTemplate> {
        self.index.by_sid.get(sid)
    }

    pub fn templates(&self) -> impl Iterator<Item = &RegisteredTemplate> {
        self.index.by_sid.values()
    }

    /// When the last complete list of Twilio's began to be read. What was created later may be missing here.
    pub fn synced_at(&self) -> Option<Timestamp> {
        self.synced_at
    }

    /// Whether the registry has every template of the account that was created before this time: a list was read since then.
    pub fn has_all_created_before(&self, at: Timestamp) -> bool {
        self.synced_at.is_some_and(|synced_at| synced_at.duration_since(at) >= LIST_LAG)
    }

    /// The template that a notification names, as it can be sent. None for a SID that is not known here: it may have been
    /// created a moment ago, and Twilio knows.
    pub fn find(
        &self,
        template: &Template,
        settings: &TemplateSettings,
        usage: TemplateUse,
    ) -> Result<Option<&RegisteredTemplate>, TemplateProblem> {
        match template {
            Template::Sid(sid) => self.get(sid).map(|found| found.checked(usage)).transpose(),
            Template::Named { name, locale } => {
                self.choose(name, locale.as_deref().map(Locale::of).as_ref(), settings, usage).map(Some)
            }
        }
    }

    /// The template of a name in the first locale of the fallback in which it can be sent.
    ///
    /// A locale counts once WhatsApp has approved it, or if it can be sent without approval. A locale whose approval was
    /// withdrawn is not replaced by another language: the notification's `fallback` says what is sent instead.
    pub fn choose(
        &self,
        name: &str,
        locale: Option<&Locale>,
        settings: &TemplateSettings,
        usage: TemplateUse,
    ) -> Result<&RegisteredTemplate, TemplateProblem> {
        let tried = settings.locales(locale);
        let locales = self.index.by_name.get(name).ok_or_else(|| TemplateProblem::UnknownName(name.to_owned()))?;
        let mut problem = None;
        for locale in &tried {
            let Some(found) = locales.get(locale).and_then(|sids| self.best_of(sids)) else { continue };
            match found.checked(usage) {
                Ok(found) => return Ok(found),
                Err(withdrawn) if found.status.is_withdrawn() => return Err(problem.unwrap_or(withdrawn)),
                Err(other) => problem = problem.or(Some(other)),
            }
        }
        Err(problem.unwrap_or_else(|| TemplateProblem::NoLocale { name: name.to_owned(), tried }))
    }

    /// Of several templates with the same name and locale the one that can be sent, and of those the newest.
    fn best_of(&self, sids: &[ContentSid]) -> Option<&RegisteredTemplate> {
        let templates = sids.iter().filter_map(|sid| self.index.by_sid.get(sid));
        templates.max_by_key(|template| (template.sendability(), template.created_at, template.sid.clone()))
    }
}

impl RegisteredTemplate {
    /// Whether WhatsApp accepts it. Sources: Twilio, "Content types overview", for content without approval; Twilio, error
    /// 63041 and 63042, for templates that are paused and disabled.
    pub fn sendability(&self) -> Sendability {
        use super::TemplateStatus::Approved;
        match (&self.status, self.shape.unapproved) {
            (Approved, _) => Sendability::Always,
            (status, _) if !status.is_before_approval() => Sendability::Never,
            (_, UnapprovedUse::InWindow | UnapprovedUse::OnlyInWindow) => Sendability::InWindow,
            (_, UnapprovedUse::Never) => Sendability::Never,
        }
    }

    fn checked(&self, usage: TemplateUse) -> Result<&Self, TemplateProblem> {
        if self.shape.variables(usage.channel).is_none() {
            return Err(TemplateProblem::NoTypeFor(usage.channel));
        }
        match (usage.channel, self.sendability()) {
            // No template of Twilio's has a type for e-mail, so that it does not come so far.
            (FallbackChannel::Sms | FallbackChannel::Email, _) | (FallbackChannel::WhatsApp, Sendability::Always) => {
                Ok(self)
            }
            (FallbackChannel::WhatsApp, Sendability::InWindow) if usage.window_is_open => Ok(self),
            (FallbackChannel::WhatsApp, Sendability::InWindow)
                if self.shape.unapproved == UnapprovedUse::OnlyInWindow =>
            {
                Err(TemplateProblem::OnlyInWindow(self.shape.whatsapp_type.clone().unwrap_or_default()))
            }
            (FallbackChannel::WhatsApp, Sendability::InWindow | Sendability::Never) => {
                Err(TemplateProblem::Status(self.status.clone()))
            }
        }
    }
}
