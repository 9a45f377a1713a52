//! The checks before Twilio accepts a message, in Twilio's order.

use twilio_types::{
    address::{Address, Channel, Identity},
    message_status::MessageStatus,
};
use twilio_webhook::form::Form;

use self::{content::MessageContent, options::Options, sender::SenderChoice};
use crate::{
    api_error::ApiError,
    choices::OptedOutMessage,
    messages::{Media, Message, WebhookTally},
    opt_out::OPTED_OUT,
    portfolio::Recipient,
    state::Sandbox,
    user_id,
};

mod content;
mod options;
mod sender;

/// The message that a request's form describes.
pub(crate) fn message(sandbox: &Sandbox, form: &Form) -> Result<Message, ApiError> {
    let now = sandbox.now();
    let (channel, to) = recipient(sandbox, form)?;
    let SenderChoice { from, messaging_service_sid } = SenderChoice::parse(sandbox, &channel, form)?;
    let choices = sandbox.memory().choices;
    if choices.opted_out == OptedOutMessage::Refused && sandbox.refuses_messages_to(&to) {
        return Err(ApiError::bad_request(OPTED_OUT, "Attempt to send to unsubscribed recipient"));
    }
    let status_callback_of_sender =
        sandbox.products.default_status_callback(from.as_deref(), messaging_service_sid.as_deref());
    let MessageContent { sid: content_sid, variables: content_variables, rendered, media_beside_content } =
        MessageContent::parse(sandbox, &channel, form)?;
    let Options { send_at, status_callback, location, feedback, valid_until } =
        Options::parse(form, &channel, choices, now)?;
    let status = match (send_at, &messaging_service_sid) {
        (Some(_), _) => MessageStatus::Scheduled,
        (None, Some(_)) => MessageStatus::Accepted,
        (None, None) => MessageStatus::Queued,
    };
    Ok(Message {
        sid: sandbox.sids.next_message(!rendered.media.is_empty()),
        channel,
        direction: "outbound-api",
        from,
        to,
        body: rendered.body,
        media: rendered.media.into_iter().map(|url| Media::new(&sandbox.sids, url, None)).collect(),
        content_sid,
        content_variables,
        media_beside_content,
        buttons: rendered.buttons,
        location: rendered.location.or(location),
        rich: rendered.rich,
        feedback,
        replied_to: None,
        answers: None,
        webhooks: WebhookTally::default(),
        messaging_service_sid,
        status,
        error_code: None,
        status_callback: status_callback.or(status_callback_of_sender),
        send_at,
        valid_until: Some(valid_until),
        hold: None,
        created_at: now,
        updated_at: now,
        sent_at: None,
        read_at: None,
    })
}

fn recipient(sandbox: &Sandbox, form: &Form) -> Result<(Channel, String), ApiError> {
    let to = form.get_filled("To").ok_or_else(|| ApiError::bad_request(21604, "A 'To' phone number is required."))?;
    if let Some(user_id) = user_id::of_address(to) {
        let to = user_id::address(&user_id);
        // An id of another portfolio is refused by WhatsApp only, after the message was accepted.
        return if sandbox.memory().people.portfolio.recipient(&to) == Recipient::NotSeen {
            Err(invalid_recipient(&to))
        } else {
            Ok((Channel::WhatsApp, to))
        };
    }
    match to.parse::<Address>() {
        Ok(Address { channel: channel @ (Channel::WhatsApp | Channel::Sms), identity: Identity::Phone(_) }) => {
            Ok((channel, to.to_owned()))
        }
        _ => Err(invalid_recipient(to)),
    }
}

fn invalid_recipient(to: &str) -> ApiError {
    ApiError::bad_request(21211, format!("The 'To' number {to} is not a valid phone number."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::Config, content::ORDER_UPDATE_SID};

    const AVA: (&str, &str) = ("To", "whatsapp:+14155550123");
    /// A person without a number, who has not written.
    const CHLOE: &str = "whatsapp:US.13491208655302741918";
    const SENDER: (&str, &str) = ("From", "whatsapp:+14155238886");
    const SERVICE: (&str, &str) = ("MessagingServiceSid", "MG00000000000000000000000000000001");
    const BODY: (&str, &str) = ("Body", "hi");
    const TEMPLATE: (&str, &str) = ("ContentSid", ORDER_UPDATE_SID);

    #[test]
    fn whatsapp_message_has_its_first_file_alone() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let urls: Vec<_> = (0..10).map(|file| format!("https://example.com/{file}.png")).collect();
        let media = |to: &str, from: &str| -> Vec<String> {
            let people = [("To", to), ("From", from), ("Body", "Look")];
            let form = people.into_iter().chain(urls.iter().map(|url| ("MediaUrl", url.as_str())));
            let form = form.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            message(&sandbox, &form).unwrap().media.into_iter().map(|media| media.url).collect()
        };
        assert_eq!(media(AVA.1, SENDER.1), urls[..1]);
        assert_eq!(media("+14155550123", "+14155550100"), urls);
    }

    #[test]
    fn invalid_message_is_refused_with_twilios_code() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let code = |parameters: &[(&str, &str)]| {
            let form = parameters.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            message(&sandbox, &form).err().map(|refusal| refusal.code)
        };
        let long = "a".repeat(1_601);
        let emoji = "😀".repeat(800);
        let one_more = format!("{emoji}a");
        let file = ("MediaUrl", "https://example.com/a.png");
        let variables = |json: &'static str| ("ContentVariables", json);
        let cases = [
            (vec![AVA, SENDER, BODY], None),
            (vec![AVA, SENDER, SERVICE, BODY], None),
            (vec![AVA, SENDER, TEMPLATE, variables(r#"{"1": "Ben"}"#)], None),
            (vec![SENDER, BODY], Some(21604)),
            (vec![("To", "whatsapp:1"), SENDER, BODY], Some(21211)),
            (vec![AVA, BODY], Some(21603)),
            (vec![AVA, ("From", "whatsapp:+14155550199"), BODY], Some(63007)),
            (vec![AVA, ("MessagingServiceSid", "MG2"), BODY], Some(21705)),
            (vec![AVA, SERVICE, ("From", "whatsapp:+14155550199"), BODY], Some(21711)),
            (vec![AVA, SENDER], Some(21619)),
            (vec![AVA, SENDER, ("Body", &long)], Some(21617)),
            (vec![AVA, SENDER, ("MediaUrl", "a.png")], Some(21620)),
            ([vec![AVA, SENDER], vec![file; 11]].concat(), Some(21623)),
            (vec![AVA, SENDER, BODY, variables("{}")], Some(21654)),
            (vec![AVA, SENDER, ("ContentSid", "HX2")], Some(21655)),
            (vec![AVA, SENDER, TEMPLATE, variables(r#"{"1": null}"#)], Some(21656)),
            (vec![AVA, SENDER, TEMPLATE, variables(r#"{"1": ""}"#)], Some(21656)),
            (vec![AVA, SENDER, TEMPLATE, variables(r#"{"9": "a"}"#)], None),
            (vec![AVA, ("From", "+14155550100"), BODY], Some(21910)),
            (vec![AVA, ("From", "messenger:1"), BODY], Some(21910)),
            (vec![AVA, SENDER, ("Body", &emoji)], None),
            (vec![AVA, SENDER, ("Body", &one_more)], Some(21617)),
            (vec![("To", "+14155550123"), SENDER, BODY], Some(21910)),
            (vec![("To", "whatsapp:US.123"), SENDER, BODY], None),
            (vec![("To", "whatsapp:US.ENT.a1B"), SENDER, BODY], None),
            (vec![("To", "whatsapp:US.1-2"), SENDER, BODY], Some(21211)),
            (vec![("To", "US.123"), ("From", "+14155550100"), BODY], Some(21211)),
            (vec![("To", CHLOE), SENDER, BODY], Some(21211)),
        ];
        for (parameters, expected) in cases {
            assert_eq!(code(&parameters), expected, "{parameters:?}");
        }
        sandbox.memory().people.portfolio.record_seen(CHLOE);
        assert_eq!(code(&[("To", CHLOE), SENDER, BODY]), None, "after a webhook had the user id");
    }
}
