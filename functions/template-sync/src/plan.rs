//! From what is stored and what Twilio lists to the changes of the registry. Pure.

use std::collections::BTreeMap;

use domain::templates::{ListedTemplate, RegisteredTemplate};
use jiff::{SignedDuration, Timestamp};
use stores::templates::{StoredTemplates, TemplateChange};
use twilio_types::sid::ContentSid;

/// What was read of an account's list.
#[derive(Debug, Default)]
pub(crate) struct ReadList {
    /// The templates, each with the time just before its page was asked for.
    pub(crate) templates: Vec<(ListedTemplate, Timestamp)>,
    /// Whether the whole list was read and understood.
    pub(crate) is_complete: bool,
}

/// A template that became known this short a time before the list may be missing in it: Twilio's list may be late.
const LIST_MAY_BE_LATE: SignedDuration = SignedDuration::from_mins(5);

/// The changes after a list that began to be read at this time.
///
/// Only a complete list removes templates, and never all of them: a list without any template says more about the list than
/// about the templates.
pub(crate) fn changes(stored: &StoredTemplates, list: &ReadList, began: Timestamp) -> Vec<TemplateChange> {
    let known: BTreeMap<&ContentSid, (&RegisteredTemplate, i64)> =
        stored.templates.iter().map(|stored| (&stored.template.sid, (&stored.template, stored.revision))).collect();
    // An item that cannot be read is written again.
    let unreadable: BTreeMap<&str, Option<i64>> =
        stored.unreadable.iter().map(|item| (item.key.as_str(), item.revision)).collect();
    let put = |(listed, read_at): &(ListedTemplate, Timestamp)| {
        let (template, seen) = if let Some((template, revision)) = known.get(&listed.sid) {
            (template.after_listing(listed, *read_at)?, Some(*revision))
        } else {
            let seen = unreadable.get(listed.sid.as_str()).copied().flatten();
            (listed.clone().registered(*read_at), seen)
        };
        Some(TemplateChange::Put { template: Box::new(template), seen })
    };
    // A template that was created or deleted meanwhile moves another one to the next page, which then comes twice. A
    // transaction writes an item once.
    let listed: BTreeMap<_, _> = list.templates.iter().map(|template| (&template.0.sid, template)).collect();
    let mut changes: Vec<_> = listed.values().copied().filter_map(put).collect();
    if list.is_complete && !listed.is_empty() {
        let was_known =
            |template: &RegisteredTemplate| began.duration_since(template.registered_at) >= LIST_MAY_BE_LATE;
        let removed = known.values().filter(|(template, _)| !listed.contains_key(&template.sid) && was_known(template));
        changes
            .extend(removed.map(|(template, seen)| TemplateChange::Remove { sid: template.sid.clone(), seen: *seen }));
        // Else its alarm would ring for good.
        let unreadable = stored.unreadable.iter().filter_map(|item| Some((item.key.parse().ok()?, item.revision?)));
        let removed = unreadable.filter(|(sid, _)| !listed.contains_key(sid));
        changes.extend(removed.map(|(sid, seen)| TemplateChange::Remove { sid, seen }));
    }
    changes
}

#[cfg(test)]
mod tests {
    use domain::templates::{Locale, TemplateShape, TemplateStatus};
    use stores::templates::{StoredTemplate, UnreadableTemplate};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + seconds).unwrap()
    }

    fn listed(number: u8, status: &str) -> ListedTemplate {
        ListedTemplate {
            sid: format!("HX{number:032}").parse().unwrap(),
            name: Some("order".to_owned()),
            locale: Some(Locale::of("en")),
            created_at: None,
            shape: TemplateShape::default(),
            status: TemplateStatus::of(status),
            category: None,
            rejection_reason: None,
        }
    }

    fn stored(templates: &[(u8, &str)]) -> StoredTemplates {
        let stored = templates.iter().map(|(number, status)| StoredTemplate {
            template: listed(*number, status).registered(at(0)),
            revision: i64::from(*number),
        });
        StoredTemplates { templates: stored.collect(), unreadable: Vec::new() }
    }

    fn list(templates: &[(u8, &str)], is_complete: bool) -> ReadList {
        let templates = templates.iter().map(|(number, status)| (listed(*number, status), at(1_000))).collect();
        ReadList { templates, is_complete }
    }

    /// The changes in short: `1 paused` for what is written, `-1` for what is removed, with the revision that was seen.
    fn planned(stored: &StoredTemplates, list: &ReadList) -> Vec<(String, Option<i64>)> {
        let changes = changes(stored, list, at(1_000));
        let number = |sid: &ContentSid| sid.as_str()[33..].to_owned();
        let short = |change: &TemplateChange| match change {
            TemplateChange::Put { template, seen } => (format!("{} {}", number(&template.sid), template.status), *seen),
            TemplateChange::Remove { sid, seen } => (format!("-{}", number(sid)), Some(*seen)),
        };
        changes.iter().map(short).collect()
    }

    #[test]
    fn list_changes_only_what_it_says_otherwise() {
        let registry = stored(&[(1, "approved"), (2, "approved"), (3, "paused")]);
        let list = list(&[(1, "approved"), (2, "paused"), (3, "approved"), (4, "pending")], true);
        let expected = [("2 paused", Some(2)), ("3 approved", Some(3)), ("4 pending", None)];
        assert_eq!(planned(&registry, &list), expected.map(|(change, seen)| (change.to_owned(), seen)));
    }

    #[test]
    fn template_that_is_listed_twice_is_written_once() {
        let registry = stored(&[(1, "approved")]);
        let list = list(&[(1, "pending"), (2, "pending"), (2, "approved"), (1, "paused")], true);
        let expected = [("1 paused", Some(1)), ("2 approved", None)];
        assert_eq!(planned(&registry, &list), expected.map(|(change, seen)| (change.to_owned(), seen)));
    }

    #[test]
    fn only_a_complete_list_removes_templates() {
        let registry = stored(&[(1, "approved"), (2, "approved")]);
        assert_eq!(planned(&registry, &list(&[(1, "approved")], false)), []);
        assert_eq!(planned(&registry, &list(&[(1, "approved")], true)), [("-2".to_owned(), Some(2))]);
        assert_eq!(planned(&registry, &list(&[], true)), [], "an empty list is not believed");
    }

    #[test]
    fn template_that_became_known_just_before_the_list_stays() {
        let mut registry = stored(&[(1, "approved"), (2, "approved")]);
        registry.templates[1].template.registered_at = at(701);
        assert_eq!(planned(&registry, &list(&[(1, "approved")], true)), []);
        registry.templates[1].template.registered_at = at(700);
        assert_eq!(planned(&registry, &list(&[(1, "approved")], true)), [("-2".to_owned(), Some(2))]);
    }

    #[test]
    fn item_that_cannot_be_read_is_written_again() {
        let key = format!("HX{:032}", 1);
        let unreadable = |revision| StoredTemplates {
            unreadable: vec![UnreadableTemplate { key: key.clone(), revision }],
            ..StoredTemplates::default()
        };
        let list = list(&[(1, "approved")], true);
        assert_eq!(planned(&unreadable(Some(7)), &list), [("1 approved".to_owned(), Some(7))]);
        assert_eq!(planned(&unreadable(None), &list), [("1 approved".to_owned(), None)]);
        let other = self::list(&[(2, "approved")], true);
        assert_eq!(
            planned(&unreadable(Some(7)), &other),
            [("2 approved".to_owned(), None), ("-1".to_owned(), Some(7))]
        );
    }
}
