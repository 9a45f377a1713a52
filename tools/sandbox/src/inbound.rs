//! A person writes.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, de::Error};
use twilio_types::{
    address::{Address, Channel},
    message_status::MessageStatus,
    sid::MessageSid,
};
use twilio_webhook::form::Form;

use crate::{
    callbacks::{Plan, rule, unfold, words},
    chance::generator,
    faults::{Mischief, Struck},
    messages::{Feedback, Location, Media, Message},
    opt_out::{OPTED_OUT, Wish},
    people::Person,
    sids::Sids,
    state::{Sandbox, State},
    twiml::{self, Reply, Report},
    webhook::{Delivery, Webhook},
};

/// How long a message that is to be overtaken waits for the one that overtakes it.
const PATIENCE: Duration = Duration::from_secs(10);
/// So many replies to one person are sent in 30 seconds. Source: Twilio, error 14107.
const MAX_REPLIES: usize = 30;
const REPLY_PERIOD: SignedDuration = SignedDuration::from_secs(30);
const REPLY_LIMIT: u32 = 14107;

/// What a person sends.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Writing {
    /// The person: `whatsapp:+14155550123`, `whatsapp:US.123` who withholds the number, or `+14155550123` by SMS.
    #[serde(deserialize_with = "address")]
    pub(crate) from: Address,
    /// The person's WhatsApp user id, as in `whatsapp:US.123`.
    #[serde(default)]
    external_user_id: Option<String>,
    #[serde(default)]
    body: String,
    #[serde(default)]
    media: Vec<File>,
    /// None for the name of the person, and `Ava` for whoever is not known.
    #[serde(default)]
    profile_name: Option<String>,
    #[serde(default)]
    location: Option<Location>,
    /// A button of a message that is pressed.
    #[serde(default)]
    button: Option<Button>,
    /// The message that is replied to.
    #[serde(default)]
    replied_to: Option<MessageSid>,
    #[serde(default)]
    forwarded: bool,
    /// Parameters besides, or instead of, the usual ones: `{"ButtonPayload": "yes"}`.
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    url: String,
    content_type: String,
}

/// A button that is pressed. Source: Twilio, "twilio/quick-reply".
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Button {
    /// What it says.
    title: String,
    /// What it was made with.
    #[serde(default)]
    id: Option<String>,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Address, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
}

/// What a person sent, on its way.
#[derive(Debug)]
pub(crate) struct Written {
    message: Message,
    form: Form,
    mischief: Mischief,
}

impl Written {
    /// Whether it waits for something before it is delivered.
    pub(crate) fn is_held_back(&self) -> bool {
        self.mischief.reorders() || self.mischief.delay().is_some()
    }
}

/// How the system under test took it.
#[derive(Debug, Serialize)]
pub(crate) struct Taken {
    message_sid: String,
    /// None where no answer came.
    status: Option<u16>,
    content_type: Option<String>,
    twiml: Option<String>,
    /// What the TwiML says to the person.
    reply: Option<String>,
}

impl Sandbox {
    /// Keeps what a person sends.
    pub(crate) fn write(self: &Arc<Self>, writing: &Writing) -> Written {
        let message = self.inbound_message(writing);
        let mut form = self.inbound_form(writing, &message);
        let mischief = self.keep_inbound(&message);
        if let Some(wish) = Wish::read(&message.body).filter(|_| self.rules().advanced_opt_out) {
            let told = ("OptOutType".to_owned(), wish.opt_out_type().to_owned());
            form = form.pairs().iter().cloned().chain([told]).collect();
            self.grant(&message, wish);
        }
        Written { message, form, mischief }
    }

    /// Does as a person wishes, and tells them: before the system under test hears of it.
    fn grant(self: &Arc<Self>, message: &Message, wish: Wish) {
        let person = message.from.as_deref().unwrap_or_default();
        if self.state().people.wish(person, wish) {
            self.send_reply(message, Reply { body: wish.answer().to_owned(), media: Vec::new() }, "wish");
        }
    }

    /// Delivers what a person sent, and what the answers send back.
    pub(crate) async fn pass_on(self: &Arc<Self>, written: Written) -> Taken {
        let Written { message, form, mischief } = written;
        let person = message.from.clone().unwrap_or_default();
        let answers = self.deliver_inbound(&message, &form, &mischief).await;
        // Nobody waits for it where there is no such message.
        let _ = self.received.send(person.clone());
        let mut first_reply = None;
        for (copy, delivery) in answers.iter().enumerate() {
            let (replies, reports) = twiml::read(delivery);
            for Report { code, words } in reports {
                self.tell(rule(code, words).of(&person, Some(message.sid.as_str())));
            }
            for (index, reply) in replies.into_iter().enumerate() {
                if self.refuses_messages_to(&person) {
                    self.tell(rule(OPTED_OUT, words(OPTED_OUT)).of(&person, Some(message.sid.as_str())));
                    continue;
                }
                first_reply.get_or_insert_with(|| reply.body.clone());
                self.send_reply(&message, reply, &format!("reply {copy} {index}"));
            }
        }
        let answer = answers.iter().find_map(Delivery::answer);
        Taken {
            message_sid: message.sid.to_string(),
            status: answer.map(|answer| answer.status),
            content_type: answer.map(|answer| answer.content_type.clone()),
            twiml: answer.map(|answer| answer.body.clone()),
            reply: first_reply,
        }
    }

    /// Remembers a message, and gives what is planned for its webhooks.
    fn keep_inbound(&self, message: &Message) -> Mischief {
        let (person, sid) = (message.from.as_deref().unwrap_or_default(), message.sid.as_str());
        let mut state = self.state();
        state.person_wrote(person, message.created_at);
        state.messages.add(message.clone());
        let mischief = state.faults.of_webhooks(Struck { seed: self.config.seed, person, sid });
        for fault in mischief.iter() {
            state.timeline.add(message.created_at, fault.happening(person, sid));
        }
        mischief
    }

    /// Tells the system under test what a person sent. Gives what became of each copy.
    async fn deliver_inbound(&self, message: &Message, form: &Form, mischief: &Mischief) -> Vec<Delivery> {
        let (url, fallback) = self.inbound_urls(&message.to);
        let Some(url) = url else { return Vec::new() };
        let person = message.from.as_deref().unwrap_or_default();
        if mischief.reorders() {
            self.let_the_next_pass(person).await;
        }
        self.clock.sleep(mischief.delay().unwrap_or_default()).await;
        let webhook = Webhook { url: &url, form, message_sid: message.sid.as_str(), person, status: None, mischief };
        let mut deliveries = Vec::new();
        for copy in 0..=mischief.copies() {
            let mut delivery = self.deliver(&webhook, copy).await;
            if let (Some(fallback), Some(code)) = (&fallback, fallback_code(&delivery)) {
                let told = [("ErrorCode".to_owned(), code), ("ErrorUrl".to_owned(), url.clone())];
                let form = form.pairs().iter().cloned().chain(told).collect();
                delivery = self.deliver(&Webhook { url: fallback, form: &form, ..webhook }, copy).await;
            }
            deliveries.push(delivery);
        }
        deliveries
    }

    /// Waits until the person's next message has been delivered, for a while.
    async fn let_the_next_pass(&self, person: &str) {
        let mut received = self.received.subscribe();
        let overtaken = async { while received.recv().await.is_ok_and(|other| other != person) {} };
        tokio::select! {
            () = overtaken => {}
            () = self.clock.sleep(PATIENCE) => {}
        }
    }

    fn inbound_message(&self, writing: &Writing) -> Message {
        let now = self.now();
        let media =
            writing.media.iter().map(|file| Media::new(&self.sids, file.url.clone(), Some(file.content_type.clone())));
        Message {
            sid: self.sids.next_message(!writing.media.is_empty()),
            channel: writing.from.channel.clone(),
            direction: "inbound",
            from: Some(writing.from.to_string()),
            to: self.config.sender_on(&writing.from.channel).to_owned(),
            body: writing.said().to_owned(),
            media: media.collect(),
            content_sid: None,
            content_variables: BTreeMap::new(),
            buttons: Vec::new(),
            location: writing.location.clone(),
            feedback: Feedback::NotAsked,
            replied_to: writing.replied_to.clone(),
            messaging_service_sid: Some(self.config.messaging_service_sid.to_string()),
            status: MessageStatus::Received,
            error_code: None,
            status_callback: None,
            send_at: None,
            created_at: now,
            updated_at: now,
            sent_at: Some(now),
        }
    }

    /// The parameters of a real request.
    fn inbound_form(&self, writing: &Writing, message: &Message) -> Form {
        let sid = message.sid.as_str();
        let mut parameters: BTreeMap<String, String> = [
            ("SmsMessageSid", sid),
            ("NumMedia", &writing.media.len().to_string()),
            ("SmsSid", sid),
            ("SmsStatus", "received"),
            ("Body", &message.body),
            ("To", self.config.sender_on(&writing.from.channel)),
            ("NumSegments", "1"),
            ("MessageSid", sid),
            ("MessagingServiceSid", self.config.messaging_service_sid.as_str()),
            ("AccountSid", self.config.account_sid.as_str()),
            ("From", &writing.from.to_string()),
            ("ApiVersion", "2010-04-01"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if writing.from.channel == Channel::WhatsApp {
            parameters.extend(of_whatsapp(writing, self.state().people.at(&writing.from.to_string())));
            parameters.extend(self.original_of(writing));
        }
        for (index, (file, kept)) in writing.media.iter().zip(&message.media).enumerate() {
            parameters.insert(format!("MediaUrl{index}"), self.media_url(message, kept));
            parameters.insert(format!("MediaContentType{index}"), file.content_type.clone());
        }
        parameters.extend(writing.parameters.clone());
        parameters.into_iter().collect()
    }

    /// Where the system under test finds a file: a file that was uploaded here is Twilio's own from then on.
    fn media_url(&self, message: &Message, file: &Media) -> String {
        if !file.url.starts_with(&self.own_url("/sandbox/files/")) {
            return file.url.clone();
        }
        let account = &self.config.account_sid;
        self.own_url(&format!("/2010-04-01/Accounts/{account}/Messages/{}/Media/{}", message.sid, file.sid))
    }

    /// The message that is replied to, if it is still known whose it was.
    fn original_of(&self, writing: &Writing) -> Vec<(String, String)> {
        let Some(sid) = &writing.replied_to else { return Vec::new() };
        let sender = self.state().messages.get(sid).and_then(|original| original.from.clone());
        let sender = sender.map(|sender| ("OriginalRepliedMessageSender".to_owned(), sender));
        sender.into_iter().chain([("OriginalRepliedMessageSid".to_owned(), sid.to_string())]).collect()
    }

    /// Sends what the answer says, as Twilio does: without a callback, and no more than it allows.
    fn send_reply(self: &Arc<Self>, inbound: &Message, reply: Reply, name: &str) {
        let now = self.now();
        // Its SIDs follow from the message that it answers: when the answer comes is not up to the seed.
        let sids = Sids::from_seed(generator(self.config.seed, &[inbound.sid.as_str(), name]).u64(..));
        let reply = Message {
            sid: sids.next_message(!reply.media.is_empty()),
            direction: "outbound-reply",
            from: Some(inbound.to.clone()),
            to: inbound.from.clone().unwrap_or_default(),
            body: reply.body,
            media: reply.media.into_iter().map(|url| Media::new(&sids, url, None)).collect(),
            location: None,
            replied_to: None,
            status: MessageStatus::Queued,
            created_at: now,
            updated_at: now,
            sent_at: None,
            ..inbound.clone()
        };
        let sid = reply.sid.clone();
        let mut state = self.state();
        if state.replies_since(&reply.to, now - REPLY_PERIOD) >= MAX_REPLIES {
            let words = "more than 30 replies within 30 seconds";
            state.timeline.add(now, rule(REPLY_LIMIT, words).of(&reply.to, Some(inbound.sid.as_str())));
            return;
        }
        state.messages.add(reply);
        drop(state);
        tokio::spawn(unfold(Arc::clone(self), sid, Plan::default()));
    }
}

impl State {
    fn replies_since(&self, person: &str, since: Timestamp) -> usize {
        let latest = self.messages.iter().rev().take_while(|message| message.created_at >= since);
        latest.filter(|message| message.direction == "outbound-reply" && message.to == person).count()
    }
}

/// The code that the fallback URL is told, where it is asked. Source: Twilio, "Messaging Services", `FallbackUrl`.
fn fallback_code(delivery: &Delivery) -> Option<String> {
    let (_, reports) = twiml::read(delivery);
    reports.iter().find(|report| report.is_error()).map(|report| report.code.to_string())
}

impl Writing {
    /// The text: of a button that is pressed, what it says.
    fn said(&self) -> &str {
        self.button.as_ref().map_or(&self.body, |button| &button.title)
    }

    fn message_type(&self) -> &'static str {
        let media = self.media.first().map(|file| file.content_type.split('/').next().unwrap_or_default());
        match media {
            Some("image") => "image",
            Some("video") => "video",
            Some("audio") => "audio",
            Some(_) => "document",
            None if self.location.is_some() => "location",
            None if self.button.is_some() => "interactive",
            None => "text",
        }
    }
}

/// The parameters that SMS does not have.
fn of_whatsapp(writing: &Writing, person: Option<&Person>) -> Vec<(String, String)> {
    let name = writing.profile_name.as_deref().or(person.map(|person| person.name.as_str()));
    let user_id = writing.external_user_id.as_deref().or(person.and_then(|person| person.user_id.as_deref()));
    let mut parameters = vec![
        ("ProfileName", name.unwrap_or("Ava").to_owned()),
        ("MessageType", writing.message_type().to_owned()),
        ("WaId", writing.from.identity.as_str().trim_start_matches('+').to_owned()),
        ("ReferralNumMedia", "0".to_owned()),
    ];
    parameters.extend(user_id.map(|id| ("ExternalUserId", id.to_owned())));
    if writing.forwarded {
        parameters.push(("Forwarded", "true".to_owned()));
    }
    if let Some(Button { title, id }) = &writing.button {
        parameters.push(("ButtonText", title.clone()));
        parameters.extend(id.clone().map(|id| ("ButtonPayload", id)));
    }
    if let Some(Location { latitude, longitude, label, address }) = &writing.location {
        parameters.extend([("Latitude", latitude.to_string()), ("Longitude", longitude.to_string())]);
        parameters.extend(label.clone().map(|label| ("Label", label)));
        parameters.extend(address.clone().map(|address| ("Address", address)));
    }
    parameters.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

#[cfg(test)]
mod tests {
    use crate::Config;

    use super::*;

    fn form(sandbox: &Sandbox, writing: &str) -> Form {
        let writing = serde_json::from_str(writing).unwrap();
        sandbox.inbound_form(&writing, &sandbox.inbound_message(&writing))
    }

    #[test]
    fn a_webhook_says_what_was_pressed_shared_and_answered() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let form = |rest: &str| form(&sandbox, &format!(r#"{{"from": "whatsapp:+14155550124", {rest}}}"#));
        let pressed = form(r#""button": {"title": "Confirm", "id": "confirm"}, "forwarded": true"#);
        let values = ["Body", "ButtonText", "ButtonPayload", "MessageType", "Forwarded", "ProfileName"];
        let said = ["Confirm", "Confirm", "confirm", "interactive", "true", "Ben"];
        assert_eq!(values.map(|name| pressed.get(name)), said.map(Some));
        let shared = form(r#""location": {"latitude": 52.5, "longitude": -13.4, "label": "Office"}"#);
        let values = ["Latitude", "Longitude", "Label", "Address", "MessageType", "Body"];
        let said = [Some("52.5"), Some("-13.4"), Some("Office"), None, Some("location"), Some("")];
        assert_eq!(values.map(|name| shared.get(name)), said);
        let original = r#"{"from": "whatsapp:+14155550124", "body": "hi"}"#;
        let original = sandbox.inbound_message(&serde_json::from_str(original).unwrap());
        sandbox.state().messages.add(original.clone());
        let answered = form(&format!(r#""body": "yes", "replied_to": "{}""#, original.sid));
        assert_eq!(answered.get("OriginalRepliedMessageSid"), Some(original.sid.as_str()));
        assert_eq!(answered.get("OriginalRepliedMessageSender"), Some("whatsapp:+14155550124"));
    }

    #[test]
    fn a_webhook_says_who_wrote_on_which_channel() {
        let sandbox = Sandbox::new(Config::documented(String::new()));
        let cases = [
            (r#"{"from": "whatsapp:+14155550123"}"#, Some("14155550123"), None, "whatsapp:+14155238886"),
            (
                r#"{"from": "whatsapp:+14155550123", "external_user_id": "whatsapp:US.123"}"#,
                Some("14155550123"),
                Some("whatsapp:US.123"),
                "whatsapp:+14155238886",
            ),
            (
                r#"{"from": "whatsapp:US.13491208655302741918"}"#,
                Some("US.13491208655302741918"),
                Some("whatsapp:US.13491208655302741918"),
                "whatsapp:+14155238886",
            ),
            (r#"{"from": "whatsapp:US.123"}"#, Some("US.123"), None, "whatsapp:+14155238886"),
            (r#"{"from": "+14155550123"}"#, None, None, "+14155550100"),
        ];
        for (writing, wa_id, user_id, to) in cases {
            let form = form(&sandbox, writing);
            assert_eq!((form.get("WaId"), form.get("ExternalUserId"), form.get("To")), (wa_id, user_id, Some(to)));
            assert_eq!(form.get("MessagingServiceSid"), Some("MG00000000000000000000000000000001"));
        }
        assert!(serde_json::from_str::<Writing>(r#"{"from": "whatsapp:"}"#).is_err());
    }
}
