//! Applies WhatsApp's rules, as Twilio documents them, to a message that is about to be sent.
//!
//! A message that breaks a rule was accepted, and now fails with the rule's code:
//!
//! | code | reason |
//! |---|---|
//! | 63003, 63024 | the recipient is `+15005550001`, who is not on WhatsApp, or `+15005550002`, whose WhatsApp is too old |
//! | 63024 | the recipient is a user id of another portfolio, or was left for a new number; or a user id gets a one-time password |
//! | 63031 | sender and recipient are the same |
//! | 63016 | the service window is closed, and the message is no approved template; or its content needs approval and has none |
//! | 63006 | the content has no type that SMS has |
//! | 63027, 63040 | the template was deleted; WhatsApp rejected it |
//! | 63028 | a variable of an approved template has no value, or the template has no variable for a value |
//! | 63013 | a value for an approved template has a line break, a tab or more than 4 spaces in a row |
//! | 63030 | the request has files beside a content, unless these are ignored |
//! | 63021 | the template says more than 1,024 characters; or a file has a type that WhatsApp does not accept |
//! | 63019, 63034, 11751 | a file cannot be fetched; is an image over 5 MB, or a sticker over 500 KB; or is over 16 MB |
//! | 63018 | one person gets more than one message in 6 seconds, after a burst of 45 |
//!
//! Where Twilio documents several codes for a reason, or none (the pair limit, user ids), the sandbox uses the one above.

use std::sync::Arc;

use jiff::Timestamp;
use twilio_types::address::Channel;

use super::media;
use crate::{
    choices::MediaBesideContent,
    content::{ContentTemplate, approval::ApprovalStatus, types::UnapprovedUse},
    messages::Message,
    portfolio::Recipient,
    state::Sandbox,
    user_id,
};

/// The code with which a message fails; none where no rule forbids it. Fetches the files and records their types.
pub(crate) async fn verdict(sandbox: &Arc<Sandbox>, message: &Message) -> Option<u32> {
    let content = message.content_sid.as_deref().map(|sid| sandbox.products.contents.get(sid));
    if message.channel != Channel::WhatsApp {
        return content.flatten().is_some_and(|content| !content.supports(&message.channel)).then_some(63006);
    }
    let rules = sandbox.rules();
    let now = sandbox.now();
    let sender = message.from.as_deref().unwrap_or(&sandbox.config.sender);
    let window_is_open = !rules.service_window || {
        let memory = sandbox.memory();
        memory.people.window_until(sender, &message.to, now).is_some()
    };
    let content_error = match content {
        Some(ref content) => template_error(content.as_deref(), message, window_is_open, now)
            .or_else(|| media_beside_content_error(sandbox, message)),
        None => (!window_is_open).then_some(63016),
    };
    let is_authentication = content.flatten().is_some_and(|content| content.is_authentication());
    let mut code =
        people_error(message, sender).or_else(|| user_id_error(sandbox, message, is_authentication)).or(content_error);
    if code.is_none() && rules.fetch_media {
        code = media::verdict(sandbox, message).await;
    }
    let over_pair_limit = || rules.pair_limit && sandbox.products.rules.is_over_pair_limit(message, sender, now);
    code.or_else(|| over_pair_limit().then_some(63018))
}

/// An error of sender and recipient. The numbers are from Twilio's range for tests.
fn people_error(message: &Message, sender: &str) -> Option<u32> {
    match message.to.as_str() {
        to if to == sender => Some(63031),
        "whatsapp:+15005550001" => Some(63003),
        "whatsapp:+15005550002" => Some(63024),
        _ => None,
    }
}

/// An error of a recipient who has a user id. Source: Twilio, "Key Concepts and Terms for the WhatsApp Business Platform",
/// "WhatsApp usernames".
fn user_id_error(sandbox: &Sandbox, message: &Message, is_authentication: bool) -> Option<u32> {
    let is_unknown = sandbox.memory().people.portfolio.recipient(&message.to) == Recipient::Unknown;
    let needs_number = is_authentication && user_id::of_address(&message.to).is_some();
    (is_unknown || needs_number).then_some(63024)
}

/// An error of the template, which may have been deleted since the message was created.
fn template_error(
    content: Option<&ContentTemplate>,
    message: &Message,
    window_is_open: bool,
    now: Timestamp,
) -> Option<u32> {
    let Some(content) = content else { return Some(63027) };
    let in_session = window_is_open && content.unapproved() == UnapprovedUse::InSession;
    match content.status(now) {
        ApprovalStatus::Approved => variables_error(content, message),
        // Also while the service window is open. Source: Twilio, "Content types overview", "WhatsApp approval statuses".
        ApprovalStatus::Paused => Some(63041),
        ApprovalStatus::Disabled => Some(63042),
        _ if in_session => None,
        ApprovalStatus::Rejected => Some(63040),
        ApprovalStatus::Unsubmitted | ApprovalStatus::Received | ApprovalStatus::Pending => Some(63016),
    }
}

/// An error of files beside the content. Source: Twilio, error 63030.
fn media_beside_content_error(sandbox: &Sandbox, message: &Message) -> Option<u32> {
    let fails = || sandbox.memory().choices.media_beside_content == MediaBesideContent::Fails;
    (message.media_beside_content && fails()).then_some(63030)
}

/// With the values of its variables. Source: Twilio, error 63021.
const MAX_TEMPLATE_CHARS: usize = 1_024;

fn variables_error(content: &ContentTemplate, message: &Message) -> Option<u32> {
    let refused = |value: &String| value.contains(['\n', '\r', '\t']) || value.contains("     ");
    if !content.matches_values(&message.content_variables) {
        Some(63028)
    } else if message.content_variables.values().any(refused) {
        Some(63013)
    } else {
        (message.body.chars().count() > MAX_TEMPLATE_CHARS).then_some(63021)
    }
}

#[cfg(test)]
mod tests {
    use twilio_webhook::form::Form;

    use super::*;
    use crate::{api::create, config::Config, content::ORDER_UPDATE_SID, rules::WhatsAppRules};

    /// A message from the sandbox's sender with these parameters.
    fn message(sandbox: &Sandbox, parameters: &[(&str, &str)]) -> Message {
        let sender = [("From", "whatsapp:+14155238886")];
        let all = sender.iter().chain(parameters).map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        create::message(sandbox, &all.collect::<Form>()).unwrap()
    }

    #[tokio::test]
    async fn message_fails_with_the_code_of_the_broken_rule() {
        const AVA: (&str, &str) = ("To", "whatsapp:+14155550123");
        const BODY: (&str, &str) = ("Body", "hi");
        const TEMPLATE: (&str, &str) = ("ContentSid", ORDER_UPDATE_SID);
        let long = format!(r#"{{"1": "{}"}}"#, "a".repeat(1_024));
        let variables = |json: &'static str| ("ContentVariables", json);
        let cases = [
            (vec![AVA, BODY], Some(63016)),
            (vec![AVA, TEMPLATE], None),
            (vec![("To", "whatsapp:+14155238886"), TEMPLATE], Some(63031)),
            (vec![("To", "whatsapp:+15005550001"), TEMPLATE], Some(63003)),
            (vec![("To", "whatsapp:+15005550002"), TEMPLATE], Some(63024)),
            (vec![AVA, TEMPLATE, variables(r#"{"1": "a    b"}"#)], None),
            (vec![AVA, TEMPLATE, variables(r#"{"1": "a     b"}"#)], Some(63013)),
            (vec![AVA, TEMPLATE, variables(r#"{"1": "a\nb"}"#)], Some(63013)),
            (vec![AVA, TEMPLATE, ("ContentVariables", &long)], Some(63021)),
            (vec![AVA, TEMPLATE, variables(r#"{"9": "a"}"#)], Some(63028)),
            (vec![AVA, TEMPLATE, ("MediaUrl", "https://example.com/a.png")], Some(63030)),
            (vec![AVA, TEMPLATE, BODY], None),
            (vec![("To", "whatsapp:US.123"), TEMPLATE], Some(63024)),
        ];
        let sandbox = Sandbox::new(Config::documented(String::new()));
        for (parameters, code) in cases {
            assert_eq!(verdict(&sandbox, &message(&sandbox, &parameters)).await, code, "{parameters:?}");
        }
        let with_file = message(&sandbox, &[AVA, TEMPLATE, ("MediaUrl", "https://example.com/a.png")]);
        assert!(with_file.media.is_empty(), "the message has the content alone");
        sandbox.memory().choices.media_beside_content = MediaBesideContent::Ignored;
        assert_eq!(verdict(&sandbox, &with_file).await, None);
        let deleted = Message { content_sid: Some("HX1".to_owned()), ..message(&sandbox, &[AVA, TEMPLATE]) };
        assert_eq!(verdict(&sandbox, &deleted).await, Some(63027));
        let now = sandbox.now();
        sandbox.memory().people.record_inbound("whatsapp:+14155238886", AVA.1, now);
        assert_eq!(verdict(&sandbox, &message(&sandbox, &[AVA, BODY])).await, None);
    }

    #[tokio::test]
    async fn pair_limit_allows_a_burst_and_then_one_in_6_seconds() {
        let sandbox = Sandbox::new(Config { rules: WhatsAppRules::as_whatsapp(), ..Config::documented(String::new()) });
        let template = [("To", "whatsapp:+14155550123"), ("ContentSid", ORDER_UPDATE_SID)];
        let mut codes = Vec::new();
        for _ in 0..46 {
            codes.push(verdict(&sandbox, &message(&sandbox, &template)).await);
        }
        assert_eq!(codes.iter().flatten().collect::<Vec<_>>(), [&63018]);
        sandbox.clock.advance(6).await.unwrap();
        assert_eq!(verdict(&sandbox, &message(&sandbox, &template)).await, None);
        sandbox.clock.advance(24 * 60 * 60).await.unwrap();
        assert_eq!(verdict(&sandbox, &message(&sandbox, &template)).await, None);
        sandbox.clock.set_back().await.unwrap();
        assert_eq!(verdict(&sandbox, &message(&sandbox, &template)).await, None, "the clock is back");
    }
}
