//! How a template's entry changes: by Twilio's list, and by an update of Event Streams.
//!
//! Both say what was true at a time, and come in any order: Event Streams repeats events and does not keep their order
//! (Twilio, "Event Streams"), and a list takes seconds to read. So an entry has the time at which its status was true, and
//! an older message about it changes nothing.

use jiff::{SignedDuration, Timestamp};
use twilio_types::sid::ContentSid;

use super::{Locale, RegisteredTemplate, TemplateShape, TemplateStatus};

/// Twilio's list may show a change this much later than Event Streams, and the clocks of Twilio and AWS differ by seconds. How
/// late it is is not documented.
pub(super) const LIST_LAG: SignedDuration = SignedDuration::from_secs(60);

/// A template as Twilio's list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTemplate {
    pub sid: ContentSid,
    pub name: Option<String>,
    pub locale: Option<Locale>,
    pub created_at: Option<Timestamp>,
    pub shape: TemplateShape,
    pub status: TemplateStatus,
    pub category: Option<String>,
    pub rejection_reason: Option<String>,
}

/// An update of Event Streams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateUpdate {
    pub sid: ContentSid,
    pub field: UpdatedField,
    /// The new value, in lower case.
    pub value: String,
    /// When it changed at WhatsApp.
    pub at: Timestamp,
}

/// What an update is about. Source: Twilio, Event Streams, "Template Approval", `data.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UpdatedField {
    Status,
    Category,
    Quality,
}

impl ListedTemplate {
    /// The entry of a template that was not known, by a list that was read at this time.
    pub fn registered(self, read_at: Timestamp) -> RegisteredTemplate {
        RegisteredTemplate {
            sid: self.sid,
            name: self.name,
            locale: self.locale,
            created_at: self.created_at,
            registered_at: read_at,
            shape: self.shape,
            status: self.status,
            status_at: true_since(read_at),
            category: self.category,
            category_at: None,
            quality: None,
            quality_at: None,
            rejection_reason: self.rejection_reason,
            last_used_on: None,
        }
    }
}

/// What a list says that was read at this time was true at least then.
fn true_since(read_at: Timestamp) -> Timestamp {
    read_at.saturating_sub(LIST_LAG).unwrap_or(read_at)
}

impl RegisteredTemplate {
    /// The entry after a list that was read at this time; none if it says nothing new.
    #[must_use]
    pub fn after_listing(&self, listed: &ListedTemplate, read_at: Timestamp) -> Option<Self> {
        let mut after = self.clone();
        let ListedTemplate { name, locale, created_at, shape, .. } = listed.clone();
        (after.name, after.locale, after.created_at, after.shape) = (name, locale, created_at, shape);
        let since = true_since(read_at);
        if since >= self.status_at {
            (after.status, after.rejection_reason) = (listed.status.clone(), listed.rejection_reason.clone());
        }
        if self.category_at.is_none_or(|at| since >= at) {
            after.category.clone_from(&listed.category);
        }
        if after.status != self.status {
            after.status_at = since;
        }
        (after != *self).then_some(after)
    }

    /// The entry after an update; none if the update is older than what is known. `synced_at` is when the last complete list
    /// began to be read: what it confirmed is not written again.
    #[must_use]
    pub fn after_update(&self, update: &TemplateUpdate, synced_at: Option<Timestamp>) -> Option<Self> {
        let confirmed_at = synced_at.map(true_since);
        let known_at = match update.field {
            UpdatedField::Status => Some(self.status_at).max(confirmed_at),
            UpdatedField::Category => self.category_at.max(confirmed_at),
            UpdatedField::Quality => self.quality_at,
        };
        if known_at.is_some_and(|known_at| update.at < known_at) {
            return None;
        }
        let mut after = self.clone();
        match update.field {
            UpdatedField::Status => {
                (after.status, after.status_at) = (TemplateStatus::of(&update.value), update.at);
                if after.status != TemplateStatus::Rejected {
                    after.rejection_reason = None;
                }
            }
            UpdatedField::Category => {
                (after.category, after.category_at) = (Some(update.value.clone()), Some(update.at));
            }
            UpdatedField::Quality => (after.quality, after.quality_at) = (Some(update.value.clone()), Some(update.at)),
        }
        (after != *self).then_some(after)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::templates::tests::{at, listed, template};

    fn status_update(status: &str, seconds: i64) -> TemplateUpdate {
        TemplateUpdate {
            sid: template(&json!({})).sid,
            field: UpdatedField::Status,
            value: status.to_owned(),
            at: at(seconds),
        }
    }

    #[test]
    fn update_is_newer_than_a_list_that_was_read_before_it() {
        let approved = listed(&json!({})).registered(at(0));
        let paused = approved.after_update(&status_update("paused", 10), Some(at(0))).unwrap();
        assert_eq!(paused.status, TemplateStatus::Paused);
        // The list was read before the pause, or so soon after it that it may not show it yet.
        for read_at in [5, 10, 69] {
            assert_eq!(paused.after_listing(&listed(&json!({})), at(read_at)), None, "{read_at}");
        }
        let after = paused.after_listing(&listed(&json!({})), at(70)).unwrap();
        assert_eq!(after.status, TemplateStatus::Approved, "the update of its end was lost");
    }

    #[test]
    fn update_that_comes_late_changes_nothing() {
        let approved = listed(&json!({})).registered(at(0));
        let paused = approved.after_update(&status_update("paused", 10), None).unwrap();
        let resumed = paused.after_update(&status_update("approved", 20), None).unwrap();
        assert_eq!(resumed.status, TemplateStatus::Approved);
        assert_eq!(resumed.after_update(&status_update("paused", 10), None), None, "it came twice");
        assert_eq!(
            approved.after_update(&status_update("paused", 10), Some(at(71))),
            None,
            "a later list knows better"
        );
        assert!(approved.after_update(&status_update("paused", 10), Some(at(70))).is_some());
    }

    #[test]
    fn fields_have_their_times_apart() {
        let update = |field, value: &str, seconds| TemplateUpdate { field, ..status_update(value, seconds) };
        let start = listed(&json!({})).registered(at(0));
        let marketing = start.after_update(&update(UpdatedField::Category, "marketing", 50), None).unwrap();
        let red = marketing.after_update(&update(UpdatedField::Quality, "red", 40), None).unwrap();
        let paused = red.after_update(&status_update("paused", 30), None).unwrap();
        assert_eq!(
            (paused.status.as_str(), paused.category.as_deref(), paused.quality.as_deref()),
            ("paused", Some("marketing"), Some("red"))
        );
        let after = paused.after_listing(&listed(&json!({"category": "utility"})), at(200)).unwrap();
        assert_eq!((after.category.as_deref(), after.quality.as_deref()), (Some("utility"), Some("red")));
    }

    #[test]
    fn list_that_says_nothing_new_changes_nothing() {
        let entry = listed(&json!({})).registered(at(0));
        assert_eq!(entry.after_listing(&listed(&json!({})), at(1_000)), None);
        let renamed = entry.after_listing(&listed(&json!({"friendly_name": "other"})), at(1)).unwrap();
        assert_eq!((renamed.name.as_deref(), renamed.registered_at), (Some("other"), entry.registered_at));
    }

    proptest! {
        /// Updates in any order, each of them any number of times, lead to the newest one.
        #[test]
        fn order_of_updates_does_not_matter(
            times in prop::collection::btree_set(1..1_000_i64, 1..8),
            order in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
        ) {
            let words = ["approved", "paused", "disabled", "pending"];
            let updates: Vec<_> = times
                .iter()
                .enumerate()
                .map(|(index, seconds)| status_update(words[index % words.len()], *seconds))
                .collect();
            let mut entry = listed(&json!({"status": "received"})).registered(at(0));
            let all = order.iter().map(|index| index.get(&updates)).chain(updates.iter().rev());
            for update in all {
                entry = entry.after_update(update, None).unwrap_or(entry);
            }
            let newest = updates.last().unwrap();
            prop_assert_eq!(entry.status.as_str(), newest.value.as_str());
            prop_assert_eq!(entry.status_at, newest.at);
        }
    }
}
