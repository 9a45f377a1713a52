//! What is printed once a stack is up: where its page is, and what to try.

use serde_json::Value;

use crate::Stack;

/// Where the page is, before anything else.
pub fn page(stack: &Stack) -> String {
    format!("\n    The system is up. Open {}\n", stack.sandbox_url)
}

/// What to try where the sandbox plays Twilio. `to` is a person's number.
pub fn to_play(stack: &Stack, to: &str) -> String {
    let Stack { api_url, sandbox_url, aws_endpoint, outputs } = stack;
    let notification = hello(to, "");
    format!(
        r#"
It stays up. On the page, {sandbox_url}:

  write as Ava, Ben or Chloe, press a button, send STOP, let a delivery fail, let a day pass

From another terminal:

  # a notification for Ava goes out (the key is the emulator's own)
{notification}

  # the events so far
  curl -s {aws_endpoint}/ --user test:test --aws-sigv4 aws:amz:us-east-1:sqs \
    -H 'X-Amz-Target: AmazonSQS.ReceiveMessage' -H 'Content-Type: application/x-amz-json-1.0' \
    -d '{{"QueueUrl": "{events}", "MaxNumberOfMessages": 10}}'

  # nobody but Twilio is let in: 403
  curl -si {api_url}/twilio/inbound -d 'Body=hello'

Ctrl-C ends it and leaves nothing running."#,
        notification = put_on_queue(stack, &notification),
        events = outputs.events_queue_url,
    )
}

/// A notification in the order in which a person reads it. `from` is empty, or a field with the comma after it.
fn hello(to: &str, from: &str) -> String {
    format!(
        r#"{{"id": "hello-1", "to": "{to}", {from}"category": "service", "content": {{"type": "text", "body": "Hello"}}}}"#
    )
}

/// The command that puts a notification on the outbound queue.
fn put_on_queue(stack: &Stack, notification: &str) -> String {
    format!(
        r#"  curl -s {aws}/ --user test:test --aws-sigv4 aws:amz:us-east-1:sqs \
    -H 'X-Amz-Target: AmazonSQS.SendMessage' -H 'Content-Type: application/x-amz-json-1.0' \
    -d '{{"QueueUrl": "{queue}", "MessageBody": {body}}}'"#,
        aws = stack.aws_endpoint,
        queue = stack.outputs.outbound_queue_url,
        body = Value::from(notification),
    )
}

#[cfg(test)]
mod tests {
    use shared::notification::Notification;

    use super::*;
    use crate::stack::tests::stack;

    #[test]
    fn the_page_comes_first() {
        assert_eq!(page(&stack()).trim(), "The system is up. Open http://sandbox");
        assert!(
            to_play(&stack(), "+14155550123").trim_start().starts_with("It stays up. On the page, http://sandbox:")
        );
    }

    #[test]
    fn the_command_for_a_notification_is_json_in_json() {
        let line = put_on_queue(&stack(), &hello("+14155550123", r#""from": "whatsapp:+14155238886", "#));
        let data = line.rsplit_once("-d '").unwrap().1.trim_end_matches('\'');
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["QueueUrl"], "q1");
        let notification = Notification::parse(data["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!((notification.id.as_str(), notification.to.as_str()), ("hello-1", "+14155550123"));
    }
}
