//! Which notifications `wa notifications list` and `cancel` are about.

use clap_complete::engine::ArgValueCandidates;
use domain::notification::Category;
use jiff::Timestamp;
use stores::{
    contacts::StoredPerson,
    notifications::{NotificationFilter, NotificationState},
};
use twilio_types::error_code::ErrorCode;

use crate::{completion, error::CommandError, people::PersonAddress, session::Session, since::Since};

/// The filters that both commands have.
#[derive(clap::Args)]
pub struct FilterArguments {
    /// Only to this person, by any number or user id that is known of the person
    #[arg(long, value_name = "ADDRESS")]
    to: Option<PersonAddress>,
    /// Only those that were put on the queue since then: how long ago, as in 30m, 1h or 2d, or a time
    #[arg(long, value_name = "AGO")]
    since: Option<Since>,
    /// Only with this error code of Twilio, as in 63016
    #[arg(long)]
    code: Option<ErrorCode>,
    /// Only of these categories: marketing, utility, authentication, service
    #[arg(long, value_name = "CATEGORIES", value_delimiter = ',', value_parser = category, add = ArgValueCandidates::new(completion::categories))]
    category: Vec<Category>,
}

fn category(text: &str) -> Result<Category, String> {
    let found = Category::ALL.into_iter().find(|category| category.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", Category::ALL.map(Category::as_str).join(", ")))
}

/// Parses a state.
pub fn state(text: &str) -> Result<NotificationState, String> {
    let found = NotificationState::ALL.into_iter().find(|state| state.as_str() == text);
    found.ok_or_else(|| format!("expected one of {}", NotificationState::ALL.map(NotificationState::as_str).join(", ")))
}

/// Parses a state in which a notification can be cancelled.
pub fn cancellable_state(text: &str) -> Result<NotificationState, String> {
    match state(text) {
        Ok(state) if CANCELLABLE.contains(&state) => Ok(state),
        _ => Err(format!(
            "expected {}: others cannot be cancelled",
            CANCELLABLE.map(NotificationState::as_str).join(" or ")
        )),
    }
}

/// The states in which no message is on its way, and one may follow.
pub const CANCELLABLE: [NotificationState; 2] = [NotificationState::Waiting, NotificationState::AwaitingReply];

impl FilterArguments {
    /// Whether it excludes nothing.
    pub const fn is_empty(&self) -> bool {
        self.to.is_none() && self.since.is_none() && self.code.is_none() && self.category.is_empty()
    }

    /// Looks the person up, who may be known by other identities too.
    pub async fn resolve(
        &self,
        states: Vec<NotificationState>,
        session: &Session,
    ) -> Result<NotificationFilter, CommandError> {
        let person = match &self.to {
            Some(person) => Some(self.person(person, session).await?),
            None => None,
        };
        let now = Timestamp::now();
        Ok(NotificationFilter {
            states,
            categories: self.category.clone(),
            code: self.code,
            enqueued_since: self.since.map(|since| since.at(now)),
            person,
        })
    }

    async fn person(&self, person: &PersonAddress, session: &Session) -> Result<StoredPerson, CommandError> {
        Ok(session.contacts().await?.person(&person.key(&session.account_sid().await?)).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_named_as_everywhere() {
        assert_eq!(state("awaiting_reply"), Ok(NotificationState::AwaitingReply));
        assert!(state("delivered").unwrap_err().contains("accepted"));
        assert_eq!(cancellable_state("waiting"), Ok(NotificationState::Waiting));
        for text in ["accepted", "claimed", "unknown", ""] {
            assert!(cancellable_state(text).is_err(), "{text}");
        }
    }

    #[test]
    fn categories_are_named_as_in_a_notification() {
        assert_eq!(category("marketing"), Ok(Category::Marketing));
        assert!(category("offers").unwrap_err().contains("utility"));
    }
}
