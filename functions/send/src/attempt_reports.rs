//! What was reported of an attempt: by Twilio's status callbacks, or by SendGrid's events.

use domain::{notification::FallbackChannel, progress::MessageReport};
use stores::{
    dynamodb::StoreError,
    messages::{MessageSubject, Messages, StatusReport, StoredEmailEvent},
    notifications::StoredNotification,
};

/// The furthest that was reported of the attempt with this number, read consistently.
pub(crate) async fn furthest_report(
    messages: &Messages,
    stored: &StoredNotification,
    number: usize,
) -> Result<Option<MessageReport>, StoreError> {
    let attempt = u32::try_from(number).unwrap_or(u32::MAX);
    let subject = MessageSubject::Attempt(stored.subject.account_sid.clone(), stored.subject.id.clone(), attempt);
    let channel = stored.progress.attempts.get(number).map(|attempt| attempt.channel);
    let reports: Vec<_> = match channel {
        Some(FallbackChannel::Email) => {
            messages.email_events(&subject).await?.iter().map(StoredEmailEvent::report).collect()
        }
        _ => messages.reports(&subject).await?.into_iter().map(|report| of_callback(report, number)).collect(),
    };
    Ok(furthest(reports))
}

fn furthest(reports: Vec<MessageReport>) -> Option<MessageReport> {
    reports.into_iter().max_by(|one, other| one.status.cmp(&other.status))
}

fn of_callback(report: StatusReport, attempt: usize) -> MessageReport {
    let StatusReport { message_sid, status, error_code: code, .. } = report;
    MessageReport { attempt, message_sid: Some(message_sid), status, code, reason: None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twilio_types::message_status::MessageStatus;

    use super::*;

    const SID: &str = "SM00000000000000000000000000000001";

    #[test]
    fn furthest_status_of_an_attempt_counts() {
        let reports = |statuses: &[&str], number| -> Vec<MessageReport> {
            let report = |status: &&str| {
                let report = json!({"message_sid": SID, "event": format!("{SID}#{status}"),
                                    "received_at": "2026-11-20T09:00:00Z"});
                of_callback(serde_json::from_value(report).unwrap(), number)
            };
            statuses.iter().map(report).collect()
        };
        assert_eq!(furthest(Vec::new()), None);
        let found = furthest(reports(&["sent", "delivered", "queued"], 3)).unwrap();
        assert_eq!((found.status, found.attempt), (MessageStatus::Delivered.into(), 3));
        let found = furthest(reports(&["expired", "queued", "teleported"], 0)).unwrap();
        assert_eq!(found.status, MessageStatus::Queued.into());
        let found = furthest(reports(&["expired"], 0)).unwrap();
        assert_eq!(
            (found.status.as_str(), found.message_sid.unwrap().as_str()),
            ("expired", SID),
            "the message exists"
        );
    }
}
