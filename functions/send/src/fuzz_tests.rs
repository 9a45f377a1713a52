//! Fuzz tests from a notification to the request to Twilio.

use domain::{
    callback_url::{CallbackOrigin, status_callback_url},
    notification::Notification,
};
use fuzz::{Understood, fuzz, seeds::notifications};
use jiff::Timestamp;
use stores::notifications::{Notifications, StoredNotification};
use twilio_client::NewContent;

use crate::{
    compose::{request, sender},
    job::tests::{candidate, with_service},
    judge::{Judgement, judge},
    queue_message::tests::message,
};

pub(crate) fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

pub(crate) fn table() -> Notifications {
    let config = aws_sdk_dynamodb::Config::builder();
    let config = config.behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest()).build();
    Notifications::new(aws_sdk_dynamodb::Client::from_conf(config), "Notifications".to_owned())
}

/// A notification as the table keeps it.
pub(crate) fn kept(table: &Notifications, stored: &StoredNotification) -> StoredNotification {
    let action = table.put_action(None, stored, now()).unwrap();
    let read = StoredNotification::read(action.put.unwrap().item).unwrap();
    assert!(read.subject == stored.subject, "another notification is read: {:?}", stored.subject.request);
    assert_eq!(read.progress, stored.progress);
    read
}

#[test]
fn notifications_become_requests_for_the_recipient() {
    let (table, base_url) = (table(), "https://wa.example.com".parse().unwrap());
    fuzz(|mutator| {
        let body = mutator.json_text(notifications());
        let Ok(notification) = Notification::parse(&body) else { return Understood::No };
        let message = message(&body, now());
        let mut candidate = candidate(&message, r#"{"default": {"consent": {}}}"#);
        assert_eq!(kept(&table, &candidate.stored).notification().as_ref(), Some(&notification));
        let url = status_callback_url(&base_url, &notification.id, 2);
        let query = url.split_once('?').and_then(|(_, rest)| rest.split('#').next()).unwrap();
        let origin = CallbackOrigin { notification_id: notification.id.clone(), attempt: 2 };
        assert_eq!(CallbackOrigin::in_query(query), Some(origin));
        candidate.job.tenants = with_service(Some("MG00000000000000000000000000000001"));
        if let Judgement::Send(plan) = judge(&candidate, now()) {
            let Some(sender) = sender(&plan.route) else { return Understood::Yes };
            let request = request(&notification, &plan, sender, NewContent::Text("Hello".to_owned()));
            assert!(request.to.ends_with(&notification.to.to_string()), "{}", request.to);
        }
        Understood::Yes
    });
}
