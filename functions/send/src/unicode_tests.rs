//! Every Unicode scalar value, from a notification on the queue to what is stored.

use domain::notification::{Content, Notification};
use serde_json::json;
use shared::queues::MessageBody;

use crate::{
    fuzz_tests::{kept, now, table},
    job::tests::candidate,
    queue_message::tests::message,
};

#[test]
fn every_character_of_a_notification_is_read_back() {
    let (table, all) = (table(), ('\0'..=char::MAX).collect::<Vec<_>>());
    assert_eq!(all.len(), 1_112_064);
    for text in all.chunks(700).map(|chunk| format!("x{}", String::from_iter(chunk))) {
        let id: String = text.chars().filter(|c| !c.is_control()).take(128).collect();
        let body = json!({
            "id": id, "to": "+14155550123", "category": "service", "content": {"type": "text", "body": text},
            "fallback": [{"channel": "sms", "content": {
                "type": "template", "content_sid": "HX00000000000000000000000000000001", "variables": {"1": text, text.as_str(): "2"},
            }}],
            "metadata": {text.as_str(): text},
        });
        let on_the_queue = MessageBody::json(body.to_string());
        let notification = Notification::parse(on_the_queue.as_str()).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(notification.id.as_str(), id);
        assert_eq!(notification.metadata[&text], text);
        assert_eq!(notification.content, Content::Text { body: text.clone() });
        let Content::Template { variables, .. } = &notification.fallback[0].content else { panic!("no template") };
        assert_eq!((variables["1"].as_str(), variables[&text].as_str()), (text.as_str(), "2"));
        let message = message(on_the_queue.as_str(), now());
        let stored = kept(&table, &candidate(&message, "{}").stored);
        assert_eq!(stored.notification(), Some(notification));
        assert_eq!(stored.subject.metadata[&text], text);
    }
}
