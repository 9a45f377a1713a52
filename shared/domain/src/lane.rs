//! The lanes of sending: three queues, so that a one-time password never waits behind a campaign.
//!
//! The lanes of a route share its rate, and the further ahead a lane may reserve, the sooner it gets its slots: while a
//! lane has messages to send, the bucket is filled further ahead than a lower lane may reserve.

use crate::notification::Category;
use crate::token_bucket::SECOND;

/// A lane, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// One-time passwords, and answers within a conversation: a person waits for them.
    Urgent,
    /// Messages about an order, an appointment or the like.
    Standard,
    Marketing,
}

impl Lane {
    pub const ALL: [Self; 3] = [Self::Urgent, Self::Standard, Self::Marketing];

    pub const fn of(category: Category) -> Self {
        match category {
            Category::Authentication | Category::Service => Self::Urgent,
            Category::Utility => Self::Standard,
            Category::Marketing => Self::Marketing,
        }
    }

    /// The word in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Urgent => "urgent",
            Self::Standard => "standard",
            Self::Marketing => "marketing",
        }
    }

    /// How far ahead the slot of a message may be that comes at its planned time, in microseconds. The send function waits for
    /// the slot, and its whole batch with it: a second is long enough to even out the times at which planned messages
    /// arrive, which are up to a second early because SQS delays by whole seconds, and short enough that a slow route does not
    /// keep the functions from a fast one. Few messages are urgent, and none of them waits behind others.
    pub const fn planned_slot_horizon(self) -> i64 {
        match self {
            Self::Urgent => 5 * SECOND,
            Self::Standard => SECOND,
            Self::Marketing => 9 * SECOND / 10,
        }
    }

    /// The same for a message that comes for the first time. It is shorter, so that the functions soon plan the times of a backlog
    /// instead of waiting for its slots: other routes' messages are behind it in the same queue.
    pub const fn slot_horizon(self) -> i64 {
        match self {
            Self::Urgent => 5 * SECOND,
            Self::Standard => SECOND / 2,
            Self::Marketing => SECOND / 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_more_urgent_lane_reserves_further_ahead() {
        assert!(Lane::ALL.is_sorted_by_key(|lane| -lane.slot_horizon()));
        assert!(Lane::ALL.is_sorted_by_key(|lane| -lane.planned_slot_horizon()));
        assert!(Lane::ALL.iter().all(|lane| lane.slot_horizon() <= lane.planned_slot_horizon()));
        assert!(Lane::ALL.is_sorted());
    }

    #[test]
    fn a_category_has_one_lane() {
        let lanes = Category::ALL.map(|category| (category.as_str(), Lane::of(category).as_str()));
        let expected =
            [("marketing", "marketing"), ("utility", "standard"), ("authentication", "urgent"), ("service", "urgent")];
        assert_eq!(lanes, expected);
    }
}
