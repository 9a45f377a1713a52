use domain::{
    contact_key::ContactKey,
    limits::SESSION_MEDIA_VALIDITY,
    notification::Category,
    progress::{AttemptResult, Phase, Purpose, Step},
    suppression::Scope,
};
use jiff::Timestamp;
use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};
use stores::contacts::StoredPerson;
use twilio_types::address::E164;

use super::*;
use crate::{
    job::tests::{body, candidate, job, with_service},
    judge::{Judgement, judge},
    queue_message::tests::message,
    template_plan::TemplatePlan,
};

const NUMBERS: [&str; 4] = ["+14155550123", "+5511987654321", "+551187654321", "+5215512345678"];
const USER_IDS: [&str; 2] = ["US.13491208655302741918", "US.ENT.13491208655302741918"];
const SERVICES: [&str; 2] = ["MG00000000000000000000000000000001", "MG00000000000000000000000000000002"];
const SENDERS: [&str; 2] = ["whatsapp:+14155238886", "whatsapp:+14155238887"];

fn message_of(notification: &Notification, plan: &Plan, content: NewContent) -> NewMessage {
    request(notification, plan, sender(&plan.route).unwrap(), content)
}

fn now() -> Timestamp {
    Timestamp::from_second(1_790_000_000).unwrap()
}

fn template() -> Value {
    json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"})
}

/// Fields of a notification that can be sent by templates on WhatsApp and, if it names a number, by SMS.
fn fields() -> impl Strategy<Value = Value> {
    let recipient = select([&NUMBERS[..], &USER_IDS[..]].concat());
    let category = select(Category::ALL.to_vec()).prop_map(Category::as_str);
    (recipient, category, option::of(select(&SENDERS[..])), option::of(select(&SERVICES[..]))).prop_map(
        |(to, category, from, service)| {
            let sms = json!([{"channel": "sms", "content": {"type": "text", "body": "Hello"}}]);
            let fallback = if to.starts_with('+') { sms } else { json!([]) };
            // WhatsApp delivers authentication templates to numbers only.
            let category = if to.starts_with('+') { category } else { "utility" };
            json!({"to": to, "category": category, "from": from, "messaging_service_sid": service,
                   "content": template(), "fallback": fallback})
        },
    )
}

/// A person who has the recipient among the identities, as the lookup gives it.
fn person_with(contact: &ContactKey, others: &[&str], is_home: bool) -> StoredPerson {
    let mut identities: Vec<String> = others
        .iter()
        .map(|other| {
            other.parse::<E164>().map_or_else(|_| (*other).to_owned(), |number| number.canonical().to_string())
        })
        .filter(|other| other != contact.address())
        .collect();
    let home = match identities.first() {
        Some(other) if !is_home => contact.beside(&other.clone()),
        _ => contact.clone(),
    };
    identities.push(contact.address().to_owned());
    let mut person = StoredPerson::new(home);
    person.person.aliases.extend(identities.into_iter().filter(|identity| identity != person.home.address()));
    person
}

proptest! {
    /// Whatever the request names is covered by the condition of the claim: the sender and the service by the scopes of
    /// opt-outs that were checked, and the recipient by the version of the person's item.
    #[test]
    fn every_identity_in_a_request_is_covered_by_the_claim(
        fields in fields(),
        configured in option::of(select(&SERVICES[..])),
        others in prop::collection::vec(select([&NUMBERS[..], &USER_IDS[..]].concat()), 0..4),
        is_home in any::<bool>(),
        is_by_sms in any::<bool>(),
        was_invalid in any::<bool>(),
    ) {
        let body = body(&fields);
        let message = message(&body, now());
        let mut candidate = candidate(&message, r#"{"default": {"consent": {}}}"#);
        candidate.person = person_with(&candidate.job.contact, &others, is_home);
        let option = usize::from(is_by_sms && !candidate.job.notification.fallback.is_empty());
        let step = Step { option, purpose: Purpose::Deliver };
        if was_invalid {
            candidate.stored.progress.claim(step, FallbackChannel::WhatsApp, now());
            let attempt = candidate.stored.progress.attempts.last_mut().unwrap();
            (attempt.result, attempt.code) = (AttemptResult::Waiting, "21211".parse().ok());
        }
        candidate.stored.progress.phase = Phase::Ready { step, not_before: None };
        candidate.job.tenants = with_service(configured);
        let judgement = judge(&candidate, now());
        let Judgement::Send(plan) = judgement else {
            prop_assert!(fields["messaging_service_sid"].is_null() && configured.is_none(), "{:?}", judgement);
            return Ok(());
        };
        let job = &candidate.job;
        let request = message_of(&job.notification, &plan, NewContent::Text(String::new()));

        let scopes = plan.route.scopes(job.notification.category);
        let (from, service) = match &request.sender {
            MessageSender::From(from) => (Some(from.clone()), None),
            MessageSender::Service(service) => (None, Some(service.to_string())),
            MessageSender::Both(from, service) => (Some(from.clone()), Some(service.to_string())),
        };
        for sender in [from, service].into_iter().flatten() {
            prop_assert!(scopes.contains(&Scope::Sender(sender.clone())), "{sender}");
        }
        let address: Address = request.to.parse().unwrap();
        prop_assert!(candidate.person.has(&ContactKey::new(&job.account_sid, &address.identity)), "{}", request.to);
        prop_assert_eq!(request.to.starts_with("whatsapp:"), plan.route.channel == FallbackChannel::WhatsApp);
    }
}

/// A notification with these fields, and the request for its first message.
fn first_request(fields: &Value) -> (Notification, NewMessage) {
    let body = body(fields);
    let message = message(&body, now());
    let job = job(&message, "{}");
    let route = job.route(FallbackChannel::WhatsApp).unwrap();
    let notification = job.notification;
    let step = Step { option: 0, purpose: Purpose::Deliver };
    let plan = Plan { step, route, recipient: notification.to.clone(), template: TemplatePlan::default() };
    let request = message_of(&notification, &plan, NewContent::Text(String::new()));
    (notification, request)
}

#[test]
fn every_request_names_its_validity_period() {
    for (fields, expected) in [
        (json!({"category": "authentication"}), 120),
        (json!({"category": "utility"}), 900),
        (json!({"category": "service"}), 900),
        (json!({"category": "marketing"}), 14_400),
        (json!({"category": "marketing", "validity_period": 60}), 60),
    ] {
        let (_, request) = first_request(&fields);
        assert_eq!(request.validity_period, Some(expected), "{fields}");
    }
}

/// The longest validity period of a message with this content, whose files of the bucket have links that a role's session signed.
fn longest_validity(content: &Content) -> Option<SignedDuration> {
    let Content::Media { media, .. } = content else { return None };
    let links = media.iter().map(|file| match file {
        MediaSource::Url(url) => FileLink { url: url.clone(), longest_validity: None },
        MediaSource::Key(key) => {
            FileLink::from(MediaLink { url: key.to_string(), longest_validity: SESSION_MEDIA_VALIDITY })
        }
    });
    ComposedContent::of_files(links.collect(), None).longest_validity
}

#[test]
fn message_with_a_link_is_valid_no_longer_than_its_link() {
    let media = |file: Value| json!({"type": "media", "media": [file]});
    let by_key = media(json!({"key": "uploads/a.jpg"}));
    for (fields, expected) in [
        (json!({"category": "marketing", "content": by_key}), 3_000),
        (json!({"category": "service", "content": by_key, "validity_period": 36_000}), 3_000),
        (json!({"category": "service", "content": by_key}), 900),
        (json!({"category": "marketing", "content": media(json!({"url": "https://example.com/b.jpg"}))}), 14_400),
        (json!({"category": "marketing"}), 14_400),
    ] {
        let (notification, mut request) = first_request(&fields);
        if let Some(longest) = longest_validity(&notification.content) {
            request = valid_for_at_most(request, longest);
        }
        assert_eq!(request.validity_period, Some(expected), "{fields}");
    }
}

#[test]
fn file_that_cannot_be_looked_at_is_an_alarm_and_no_refusal() {
    let invalid = of_file(MediaError::Invalid("expected another".to_owned()), 2, 1);
    assert_eq!(invalid.to_string(), "fallback[1].content.media[1].key: expected another");
    assert_eq!(invalid.alarm(), None);
    let unclear = of_file(MediaError::NoAnswer(None), 0, 0);
    assert!(matches!(unclear, ComposeError::Media(_)) && unclear.alarm() == Some("media"), "{unclear:?}");
}

/// Twilio does not deliver a message later than the option that follows it.
#[test]
fn message_is_valid_no_longer_than_until_the_next_option() {
    let sms = |after: &str| json!([{"channel": "sms", "content": {"type": "text", "body": "Hello"}, "after": after}]);
    for (after, validity_period, expected) in [("10m", None, 585), ("2h", None, 900), ("60s", Some(50), 45)] {
        let body = body(&json!({"category": "utility", "messaging_service_sid": SERVICES[0], "fallback": sms(after),
                                "validity_period": validity_period}));
        let message = message(&body, now());
        let candidate = candidate(&message, "{}");
        let Judgement::Send(plan) = judge(&candidate, now()) else { panic!() };
        let content = NewContent::Text("Hello".to_owned());
        let created = message_of(&candidate.job.notification, &plan, content.clone());
        assert_eq!(created.validity_period, Some(expected), "{after}");
        let step = Step { option: 1, purpose: Purpose::Deliver };
        let last = message_of(&candidate.job.notification, &Plan { step, ..plan }, content);
        assert_eq!(last.validity_period, Some(validity_period.unwrap_or(900)), "nothing follows the SMS");
    }
}
