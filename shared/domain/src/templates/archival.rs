//! Templates that WhatsApp will archive, because they are not used.

use jiff::{SignedDuration, Timestamp, tz::TimeZone};

use super::{RegisteredTemplate, TemplateStatus};

/// WhatsApp archives a template that was not used for twelve months, and deletes it 28 days later (Meta, "Template archival").
/// It is warned of a month before.
pub const ARCHIVAL_WARNING: SignedDuration = SignedDuration::from_hours(334 * 24);

/// The approved templates that this system has not sent for eleven months, nor known for less, the longest unused first. Whether
/// another system sent them is not known.
pub fn closest_to_archival<'a>(
    templates: impl Iterator<Item = &'a RegisteredTemplate>,
    now: Timestamp,
) -> Vec<&'a RegisteredTemplate> {
    let is_unused = |template: &&RegisteredTemplate| {
        template.status == TemplateStatus::Approved && now.duration_since(template.in_use_at()) >= ARCHIVAL_WARNING
    };
    let mut found: Vec<_> = templates.filter(is_unused).collect();
    found.sort_by_key(|template| template.in_use_at());
    found
}

impl RegisteredTemplate {
    /// The last time of which it is known that it may have been in use.
    pub fn in_use_at(&self) -> Timestamp {
        let day = self.last_used_on.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
        let used_at = day.map(|start| start.timestamp());
        [used_at, self.created_at].into_iter().flatten().fold(self.registered_at, Timestamp::max)
    }

    /// Whether a use of this day is to be written down: once a day, not with every message.
    pub fn is_first_use_of_day(&self, now: Timestamp) -> bool {
        self.last_used_on.is_none_or(|day| day < day_of(now))
    }
}

/// The day in UTC.
pub fn day_of(at: Timestamp) -> jiff::civil::Date {
    at.to_zoned(TimeZone::UTC).date()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::templates::tests::{at, listed};

    const DAY: i64 = 86_400;

    #[test]
    fn template_unused_for_eleven_months_is_warned_of() {
        let mut template = listed(&json!({})).registered(at(0));
        let is_close = |template: &RegisteredTemplate, days: i64| {
            !closest_to_archival([template].into_iter(), at(days * DAY)).is_empty()
        };
        assert!(!is_close(&template, 333));
        assert!(is_close(&template, 334), "it was known for so long and never sent");
        template.last_used_on = Some(day_of(at(300 * DAY)));
        assert!(!is_close(&template, 334) && is_close(&template, 635));
        template.status = TemplateStatus::Disabled;
        assert!(!is_close(&template, 635), "WhatsApp sends it no more anyway");
    }

    #[test]
    fn use_is_written_down_once_a_day() {
        let mut template = listed(&json!({})).registered(at(0));
        assert!(template.is_first_use_of_day(at(0)));
        template.last_used_on = Some(day_of(at(0)));
        assert!(!template.is_first_use_of_day(at(0)));
        assert!(template.is_first_use_of_day(at(DAY)));
    }
}
