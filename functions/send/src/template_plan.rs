//! The template that a message is sent with, what was passed over for it, and the day of its use.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use domain::{
    notification::{Content, Notification, Template},
    policy::Case,
    progress::Step,
    templates::{PassedOver, day_of},
};
use jiff::{Timestamp, civil::Date};
use shared::{report::Chain, templates::TemplateRegistries};
use twilio_types::sid::{AccountSid, ContentSid};

use crate::{claim::Claimed, job::Job};

/// What a plan says about templates.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct TemplatePlan {
    /// The template; none if the message has none.
    pub(crate) content_sid: Option<ContentSid>,
    /// Whether the registry has it.
    pub(crate) is_known: bool,
    /// The day on which it is used for the first time, as far as the registry knows; none if it was used on this day before.
    pub(crate) first_use_on: Option<Date>,
    /// The options before it that cannot be sent.
    pub(crate) passed_over: Vec<PassedOver>,
}

impl TemplatePlan {
    /// The template of a step that the policy decided for.
    pub(crate) fn of(case: &Case<'_>, step: Step, now: Timestamp) -> Self {
        let passed_over = case.passed_over(step, now);
        let Some((_, Content::Template { template, .. })) = case.notification.channel_option(step.option) else {
            return Self { passed_over, ..Self::default() };
        };
        match case.template(step.option, now) {
            Ok(Some(known)) => Self {
                content_sid: Some(known.sid.clone()),
                is_known: true,
                first_use_on: known.is_first_use_of_day(now).then(|| day_of(now)),
                passed_over,
            },
            // Created a moment ago, perhaps. Twilio knows.
            _ => Self { content_sid: sid_of(template), passed_over, ..Self::default() },
        }
    }

    /// The template that was chosen for a name. A template by its SID is in the request, and is not stored again.
    pub(crate) fn chosen_for(&self, notification: &Notification, step: Step) -> Option<ContentSid> {
        let (_, content) = notification.channel_option(step.option)?;
        let is_named = matches!(content, Content::Template { template: Template::Named { .. }, .. });
        self.content_sid.clone().filter(|_| is_named)
    }

    /// Says in the log what the registry made of a message that is sent now.
    pub(crate) fn log(&self, job: &Job<'_>) {
        let notification_id = &job.notification.id;
        for PassedOver { option, reason } in &self.passed_over {
            tracing::warn!(%notification_id, option, reason, "an option is passed over, because its template cannot be sent");
        }
        if let Some(content_sid) = self.content_sid.as_ref().filter(|_| !self.is_known) {
            tracing::info!(%notification_id, %content_sid, "a template is sent that the registry does not know");
        }
    }
}

fn sid_of(template: &Template) -> Option<ContentSid> {
    if let Template::Sid(sid) = template { Some(sid.clone()) } else { None }
}

/// Writes down on which days templates are used, because WhatsApp archives those that are not.
#[derive(Debug)]
pub(crate) struct TemplateUses {
    pub(crate) registries: Arc<TemplateRegistries>,
    /// What this process has written on this day: the registry is not read again for it.
    pub(crate) noted: Mutex<NotedUses>,
}

#[derive(Debug, Default)]
pub(crate) struct NotedUses {
    day: Option<Date>,
    templates: BTreeSet<(AccountSid, ContentSid)>,
}

impl NotedUses {
    /// Whether this use is to be written.
    fn begin(&mut self, account_sid: &AccountSid, content_sid: &ContentSid, day: Date) -> bool {
        if self.day != Some(day) {
            *self = Self { day: Some(day), templates: BTreeSet::new() };
        }
        self.templates.insert((account_sid.clone(), content_sid.clone()))
    }
}

impl TemplateUses {
    /// Notes the first use of a day. Nothing depends on it, so that a write that fails is only logged, and the next use is
    /// written by another process, or tomorrow.
    pub(crate) async fn note(&self, claimed: &Claimed<'_>) {
        let TemplatePlan { content_sid: Some(content_sid), first_use_on: Some(day), .. } = &claimed.plan.template
        else {
            return;
        };
        let account_sid = &claimed.job.account_sid;
        if !self.noted.lock().unwrap_or_else(PoisonError::into_inner).begin(account_sid, content_sid, *day) {
            return;
        }
        let noted = self.registries.store().note_use(account_sid, content_sid, *day);
        if let Ok(Err(error)) = claimed.job.message.deadline.run(noted).await {
            tracing::warn!(%content_sid, error = %Chain(&error), "the use of a template was not written down");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn use_of_a_template_is_written_once_a_day() {
        let mut noted = NotedUses::default();
        let account = |number: u8| format!("AC{number:032}").parse::<AccountSid>().unwrap();
        let template = |number: u8| format!("HX{number:032}").parse::<ContentSid>().unwrap();
        let (today, tomorrow) = (jiff::civil::date(2026, 11, 26), jiff::civil::date(2026, 11, 27));
        let mut begin = |number, template, day| noted.begin(&account(number), &template, day);
        assert!(begin(1, template(1), today));
        assert!(!begin(1, template(1), today));
        assert!(begin(1, template(2), today) && begin(2, template(1), today));
        assert!(begin(1, template(1), tomorrow));
        assert!(!begin(1, template(1), tomorrow));
    }
}
