//! The JSON of what the page shows: of everything at once, and of each part.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use twilio_types::sid::AccountSid;

use crate::{
    api::resource::message_resource,
    config::Config,
    memory::Memory,
    messages::{Media, Message},
    people::SimulatedPerson,
    products::Products,
    scenario::running::RunningScenario,
    sendgrid::shown,
    timeline::TimelinePage,
};

/// How many messages and timeline entries a snapshot holds: more than a person reads, and quick to draw.
const NEWEST: usize = 500;

/// What is shown of the sandbox, at one moment.
pub(crate) struct View<'a> {
    pub(crate) config: &'a Config,
    pub(crate) products: &'a Products,
    pub(crate) memory: &'a Memory,
    pub(crate) now: Timestamp,
    /// How far the sandbox's clock is ahead of the machine's.
    pub(crate) clock_ahead: SignedDuration,
    /// Whether the system under test has the same time.
    pub(crate) is_clock_shared: bool,
}

impl View<'_> {
    pub(crate) fn snapshot(&self) -> Value {
        let messages = self.memory.messages.iter().rev().take(NEWEST);
        let mut messages: Vec<_> =
            messages.map(|message| message_json(&self.config.account_sid, message, self.now)).collect();
        messages.reverse();
        messages.extend(self.memory.mailbox.iter().filter_map(shown::message_json));
        // The phones show messages and e-mails in the order in which they came.
        messages.sort_by_key(|message| message.pointer("/sandbox/at")?.as_str()?.parse::<Timestamp>().ok());
        let TimelinePage { entries, has_older } = self.memory.timeline.page(None, NEWEST);
        json!({
            "config": self.config(), "clock": self.clock(), "people": self.people(), "messages": messages,
            "timeline": entries, "timeline_older": has_older, "timeline_forgotten": self.memory.timeline.forgotten(),
            "faults": self.faults(), "rules": self.products.rules.rules(), "choices": self.memory.choices,
            "templates": self.templates(), "scenario": self.scenario(),
        })
    }

    pub(crate) fn config(&self) -> Value {
        let config = self.config;
        json!({
            "account_sid": config.account_sid, "sender": config.sender, "sms_sender": config.sms_sender,
            "messaging_service_sid": config.messaging_service_sid,
            "inbound_url": self.products.inbound_urls(&config.sender).0, "seed": config.seed.to_string(),
            "role": config.role, "business": config.business_way(), "neighbours": config.neighbours,
            "template_events": self.memory.event_delivery,
        })
    }

    pub(crate) fn clock(&self) -> Value {
        json!({"now": self.now, "ahead_seconds": self.clock_ahead.as_secs(), "shared": self.is_clock_shared})
    }

    pub(crate) fn people(&self) -> Value {
        self.memory.people.iter().map(|person| self.person(person)).collect()
    }

    pub(crate) fn person(&self, person: &SimulatedPerson) -> Value {
        let people = &self.memory.people;
        let mut shown = self.ids(&person.address);
        if let Some(fields) = shown.as_object_mut() {
            fields.insert("name".to_owned(), person.name.clone().into());
            fields.insert("opted_out".to_owned(), self.opted_out(&person.address));
            let window_until = people.window_until(&self.config.sender, &person.address, self.now);
            fields.insert("window_until".to_owned(), json!(window_until));
            let home = people.portfolio.home(&person.address);
            fields.insert("typing_until".to_owned(), json!(self.memory.typing.until(&home, self.now)));
        }
        shown
    }

    /// Who keeps that the person opted out, and of what. Twilio's own list comes first: it refuses every message.
    fn opted_out(&self, address: &str) -> Value {
        let people = &self.memory.people;
        if people.has_opted_out(address) {
            json!({"by": "twilio", "text": "opted out"})
        } else {
            self.memory.opt_outs.shown(&people.portfolio.home(address))
        }
    }

    /// The ids of a person, who need not be on the page.
    pub(crate) fn ids(&self, address: &str) -> Value {
        let portfolio = &self.memory.people.portfolio;
        let ids = portfolio.ids(address);
        json!({
            "address": address, "user_id": ids.as_ref().map(|ids| &ids.user_id),
            "parent_user_id": ids.and_then(|ids| ids.parent_user_id), "hides_number": portfolio.hides_number(address),
        })
    }

    pub(crate) fn faults(&self) -> Value {
        json!(self.memory.faults.iter().collect::<Vec<_>>())
    }

    /// The scenario that is being played; null for none.
    pub(crate) fn scenario(&self) -> Value {
        self.memory.scenario.as_ref().map(RunningScenario::shown).unwrap_or_default()
    }

    pub(crate) fn templates(&self) -> Value {
        self.products.contents.all().iter().map(|content| content.overview(self.now)).collect()
    }
}

/// A message as the API shows it, and under `sandbox` what the API does not show of it.
pub(crate) fn message_json(account_sid: &AccountSid, message: &Message, now: Timestamp) -> Value {
    let outbound = message.direction != "inbound";
    let media: Vec<_> = message.media.iter().map(media_json).collect();
    let mut shown = message_resource(account_sid, message, now);
    if let Some(fields) = shown.as_object_mut() {
        let added = json!({
            "person": message.person(), "outbound": outbound, "answer": message.webhooks.shown(),
            "answers": message.answers,
            "at": message.created_at, "content_sid": message.content_sid, "buttons": message.buttons, "media": media,
            "location": message.location, "rich": message.rich, "replied_to": message.replied_to, "held": message.hold.is_some(),
            "send_at": message.send_at, "read_at": message.read_at,
        });
        fields.insert("sandbox".to_owned(), added);
    }
    shown
}

fn media_json(file: &Media) -> Value {
    json!({"url": file.url, "content_type": file.content_type, "name": file.name, "published": file.published})
}
