//! Sending as the business: what the page and scenarios send goes through the system under test, by a command of the system
//! ([`command`]). Without a command the sandbox creates the message itself ([`direct`]), as a call of the API would.
//!
//! What is sent is the JSON of a notification. One without an `id` gets a new one, so that each sending is another one.

use std::sync::Arc;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::state::Sandbox;

mod command;
mod direct;

pub use command::BusinessCommand;

/// A notification that was sent.
#[derive(Debug)]
pub(crate) struct SentNotification {
    pub(crate) id: String,
    pub(crate) answer: Value,
}

/// Why there is no answer about a notification.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BusinessError {
    /// What is wrong with the notification, in the words of the system.
    Refused(String),
    /// The command cannot be run.
    NotRun(String),
    /// The command ran for too long, and was ended.
    NoAnswer,
}

impl std::fmt::Display for BusinessError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(error) => f.write_str(error),
            Self::NotRun(error) => write!(f, "the command that sends as the business cannot be run: {error}"),
            Self::NoAnswer => {
                let seconds = command::TIMEOUT.as_secs();
                write!(f, "the command that sends as the business did not end within {seconds} seconds")
            }
        }
    }
}

/// What would be decided about a notification now, as `decision` with its `reason`.
pub(crate) async fn preview(sandbox: &Arc<Sandbox>, notification: Value) -> Result<Value, BusinessError> {
    let (_, notification) = with_id(notification)?;
    match &sandbox.config.business {
        Some(command) => command.preview(&notification).await,
        None => direct::preview(sandbox, notification).await.map_err(BusinessError::Refused),
    }
}

pub(crate) async fn send(sandbox: &Arc<Sandbox>, notification: Value) -> Result<SentNotification, BusinessError> {
    let (id, notification) = with_id(notification)?;
    let answer = match &sandbox.config.business {
        Some(command) => command.send(&notification).await?,
        None => direct::send(sandbox, notification).map_err(BusinessError::Refused)?,
    };
    Ok(SentNotification { id, answer })
}

fn with_id(mut notification: Value) -> Result<(String, Value), BusinessError> {
    let expected = || BusinessError::Refused("expected the JSON of a notification".to_owned());
    let fields = notification.as_object_mut().ok_or_else(expected)?;
    let id = fields.entry("id").or_insert_with(|| json!(format!("sandbox-{}", Uuid::now_v7())));
    let id = id.as_str().ok_or_else(|| BusinessError::Refused("id: expected a text".to_owned()))?;
    Ok((id.to_owned(), notification))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notification_without_an_id_gets_a_new_one() {
        let (first, with_first) = with_id(json!({"to": "+1"})).unwrap();
        let (second, _) = with_id(json!({"to": "+1"})).unwrap();
        assert!(first != second && with_first["id"] == first.as_str());
        assert_eq!(with_id(json!({"id": "order-1"})).unwrap().0, "order-1");
        assert!(with_id(json!([])).is_err() && with_id(json!({"id": 1})).is_err());
    }
}
