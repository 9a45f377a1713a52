//! What the Notifications table knows of messages: their category and metadata.
//!
//! Twilio's list has neither. No index leads from many messages to their notifications, so the table is read once. What is kept
//! of it is a number for each message, at most 100 bytes with its key, and each different combination of labels.

use std::collections::HashMap;

use domain::limits::{NOTIFICATION_RETENTION, SEND_AT_AHEAD};
use futures::StreamExt as _;
use jiff::Timestamp;
use stores::notifications::{NotificationFilter, StoredNotification};
use twilio_types::sid::{AccountSid, MessageSid};

use super::group_by::GroupBy;
use crate::{error::CommandError, redaction::redacted_debug, session::Session};

/// More different labels are not a way to group: a metadata field with a value for each message.
const MAX_LABELS: usize = 100_000;

/// Reads the labels of an account's notifications.
pub(super) struct LabelReader<'a> {
    pub(super) session: &'a Session,
    pub(super) account_sid: &'a AccountSid,
    pub(super) since: Timestamp,
    /// How many items are read at most.
    pub(super) max_read: u64,
}

/// The labels of messages.
#[derive(Default)]
pub(super) struct NotificationLabels {
    wanted: Vec<GroupBy>,
    /// Each different combination of labels, in the order of `wanted`.
    combinations: Vec<Vec<Option<String>>>,
    numbers: HashMap<Vec<Option<String>>, u32>,
    by_message: HashMap<u128, u32>,
}

redacted_debug!(NotificationLabels);

impl LabelReader<'_> {
    pub(super) async fn read(&self, wanted: Vec<GroupBy>) -> Result<NotificationLabels, CommandError> {
        // A notification may be stored a long time before its message is sent.
        let enqueued_since = self.since.saturating_sub(SEND_AT_AHEAD).unwrap_or(Timestamp::MIN);
        let filter = NotificationFilter { enqueued_since: Some(enqueued_since), ..NotificationFilter::default() };
        let notifications = self.session.notifications().await?;
        let progress = self.session.terminal.count("notifications");
        let mut labels = NotificationLabels { wanted, ..NotificationLabels::default() };
        let (mut read, mut unreadable) = (0, 0);
        let mut pages = notifications.list(self.account_sid, &filter);
        while let Some(page) = pages.next().await {
            let page = page?;
            read += page.read;
            unreadable += page.unreadable;
            page.listed.iter().try_for_each(|found| labels.add(found))?;
            progress.set_position(read);
            if read >= self.max_read {
                self.session.terminal.warn(&format!(
                    "{read} items of the Notifications table were read: messages of the others have no category and no \
                     campaign. --max-read reads on"
                ));
                break;
            }
        }
        progress.finish_and_clear();
        if unreadable > 0 {
            self.session.terminal.warn(&format!("{unreadable} items of the Notifications table cannot be read"));
        }
        let oldest = Timestamp::now().saturating_sub(NOTIFICATION_RETENTION).unwrap_or(Timestamp::MIN);
        if self.since < oldest {
            let days = NOTIFICATION_RETENTION.as_hours() / 24;
            self.session
                .terminal
                .note(&format!("notifications are stored for {days} days: older messages have no labels"));
        }
        Ok(labels)
    }
}

impl NotificationLabels {
    /// Remembers the labels of a notification for each of its messages.
    fn add(&mut self, found: &StoredNotification) -> Result<(), CommandError> {
        let subject = &found.subject;
        let label = |by: &GroupBy| match by {
            GroupBy::Category => subject.category.map(|category| category.as_str().to_owned()),
            GroupBy::Metadata { key, .. } => subject.metadata.get(key).cloned(),
            _ => None,
        };
        let combination = self.wanted.iter().map(label).collect();
        let sids = found.progress.attempts.iter().filter_map(|attempt| attempt.message_sid.as_ref());
        self.insert(combination, sids)
    }

    fn insert<'a>(
        &mut self,
        combination: Vec<Option<String>>,
        sids: impl Iterator<Item = &'a MessageSid>,
    ) -> Result<(), CommandError> {
        let number = if let Some(number) = self.numbers.get(&combination) {
            *number
        } else {
            let number = self.combinations.len();
            if number >= MAX_LABELS {
                return Err(CommandError::usage(format!(
                    "--by: more than {MAX_LABELS} different groups. Group by metadata that several messages share"
                )));
            }
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            self.combinations.push(combination.clone());
            self.numbers.insert(combination, number);
            number
        };
        self.by_message.extend(sids.filter_map(digits).map(|message| (message, number)));
        Ok(())
    }

    /// The label of a message; none where its notification has none, or where it has no notification.
    pub(super) fn of(&self, message_sid: &MessageSid, by: &GroupBy) -> Option<String> {
        let number = *self.by_message.get(&digits(message_sid)?)?;
        let column = self.wanted.iter().position(|wanted| wanted == by)?;
        self.combinations.get(usize::try_from(number).ok()?)?.get(column)?.clone()
    }
}

/// The 32 hexadecimal digits of a SID as a number, which takes a third of the space.
fn digits(message_sid: &MessageSid) -> Option<u128> {
    u128::from_str_radix(message_sid.as_str().get(2..)?, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sid(number: usize) -> MessageSid {
        format!("SM{number:032x}").parse().unwrap()
    }

    #[test]
    fn messages_of_one_campaign_share_their_labels() {
        let wanted = vec![GroupBy::Category, GroupBy::campaign()];
        let mut labels = NotificationLabels { wanted, ..NotificationLabels::default() };
        let spring = vec![Some("marketing".to_owned()), Some("spring".to_owned())];
        labels.insert(spring.clone(), [sid(1), sid(2)].iter()).unwrap();
        labels.insert(spring, [sid(3)].iter()).unwrap();
        labels.insert(vec![Some("utility".to_owned()), None], [sid(4)].iter()).unwrap();
        assert_eq!(labels.combinations.len(), 2);
        for (message, category, campaign) in
            [(3, Some("marketing"), Some("spring")), (4, Some("utility"), None), (5, None, None)]
        {
            assert_eq!(labels.of(&sid(message), &GroupBy::Category).as_deref(), category, "{message}");
            assert_eq!(labels.of(&sid(message), &GroupBy::campaign()).as_deref(), campaign, "{message}");
        }
    }

    #[test]
    fn metadata_with_a_value_for_each_message_is_refused() {
        let mut labels = NotificationLabels { wanted: vec![GroupBy::campaign()], ..NotificationLabels::default() };
        let mut insert = |number: usize| labels.insert(vec![Some(number.to_string())], [sid(number)].iter());
        (0..MAX_LABELS).for_each(|number| insert(number).unwrap());
        insert(0).unwrap();
        assert_eq!(insert(MAX_LABELS).unwrap_err().code(), 2);
    }
}
