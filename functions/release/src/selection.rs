//! What of a page of the index is released now, and on which lane.

use std::collections::BTreeMap;

use domain::{lane::Lane, pause::Pauses};
use jiff::Timestamp;
use stores::notifications::DueNotification;

/// The due notifications of a page.
#[derive(Debug, Default)]
pub(crate) struct Selection {
    /// The notifications to release, the longest due first; the most urgent lane first.
    pub(crate) lanes: BTreeMap<Lane, Vec<DueNotification>>,
    /// How many a pause covers.
    pub(crate) paused: usize,
    /// How long ago the oldest of those to release was due.
    pub(crate) late_seconds: u64,
}

impl Selection {
    /// A pause of a sender covers a notification whose item names that sender. Where the item does not, because it depends on
    /// what is true when the message is sent, `send` finds the pause, and writes the sender down.
    pub(crate) fn of(due: Vec<DueNotification>, pauses: &Pauses, now: Timestamp) -> Self {
        let mut selection = Self::default();
        for due in due {
            if pauses.covering(&due.account_sid, &due.scopes).is_some() {
                selection.paused += 1;
                continue;
            }
            let seconds = u64::try_from(now.duration_since(due.due_at).as_secs()).unwrap_or_default();
            selection.late_seconds = selection.late_seconds.max(seconds);
            // A lookup of an unknown outcome has no scopes, because it sends nothing and no pause covers it. It is not urgent.
            let lane = due.category().map_or(Lane::Standard, Lane::of);
            selection.lanes.entry(lane).or_default().push(due);
        }
        selection
    }
}

#[cfg(test)]
mod tests {
    use domain::pause::Pause;
    use jiff::SignedDuration;

    use super::*;

    const SENDER: &str = "sender#whatsapp:+14155238886";

    fn now() -> Timestamp {
        Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn due(id: &str, seconds: i64, scopes: &[&str]) -> DueNotification {
        DueNotification {
            account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
            id: id.to_owned().try_into().unwrap(),
            due_at: now() + SignedDuration::from_secs(seconds),
            scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
        }
    }

    fn paused(scope: &str) -> Pauses {
        let scope = scope.parse().unwrap();
        [Pause { scope, since: now(), by: None, reason: None, is_automatic: false }].into_iter().collect()
    }

    fn selected(due: Vec<DueNotification>, pauses: &Pauses) -> (Vec<(Lane, Vec<String>)>, usize, u64) {
        let Selection { lanes, paused, late_seconds } = Selection::of(due, pauses, now());
        let ids = |due: Vec<DueNotification>| due.iter().map(|due| due.id.to_string()).collect();
        (lanes.into_iter().map(|(lane, due)| (lane, ids(due))).collect(), paused, late_seconds)
    }

    #[test]
    fn due_notifications_are_on_the_lane_of_their_category() {
        let page = vec![
            due("offer-1", -2, &["category#marketing"]),
            due("order-1", -1, &["category#utility", SENDER]),
            due("by-hand", -1, &[]),
            due("code-1", 0, &["category#authentication"]),
            due("offer-2", 60, &["category#marketing"]),
            due("answer-1", 60, &["category#service"]),
        ];
        let lanes = [
            (Lane::Urgent, vec!["code-1".to_owned(), "answer-1".to_owned()]),
            (Lane::Standard, vec!["order-1".to_owned(), "by-hand".to_owned()]),
            (Lane::Marketing, vec!["offer-1".to_owned(), "offer-2".to_owned()]),
        ];
        assert_eq!(selected(page, &Pauses::default()), (lanes.into(), 0, 2));
    }

    #[test]
    fn paused_notification_is_neither_released_nor_late() {
        let page = || {
            vec![
                due("old", -3_600, &["category#utility", SENDER]),
                due("new", -1, &["category#utility", "sender#whatsapp:+15005550006"]),
            ]
        };
        let new = vec![(Lane::Standard, vec!["new".to_owned()])];
        assert_eq!(selected(page(), &paused(SENDER)), (new, 1, 1));
        for scope in ["all", "category#utility", "account#AC00000000000000000000000000000001"] {
            assert_eq!(selected(page(), &paused(scope)), (Vec::new(), 2, 0), "{scope}");
        }
    }

    #[test]
    fn notification_whose_sender_is_not_known_yet_is_released() {
        let unknown = vec![due("unknown", 0, &["category#utility"])];
        let released = vec![(Lane::Standard, vec!["unknown".to_owned()])];
        assert_eq!(selected(unknown, &paused(SENDER)), (released, 0, 0));
    }
}
