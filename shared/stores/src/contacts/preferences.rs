//! Preferences that no message of the person expressed: an error code of Twilio, or the request of an operator or of another
//! system. All of them are recorded here, by one transaction each, as a STOP is: the person's item on the condition that
//! it has not changed, and an entry of the history. So a claim of a notification comes either before or after it.

use domain::{
    contact_key::ContactKey,
    notification::Category,
    person::Person,
    preference::{Preference, PreferenceEffect, RecordedPreference},
    suppression::{Scope, SuppressionKey},
    suppression_request::SuppressionRequest,
};
use jiff::Timestamp;
use serde::Serialize;
use twilio_types::{address::Channel, error_code::ErrorCode};

use super::{Contacts, MAX_ROUNDS, PersonWrite, PreferenceChange, Suppression};
use crate::dynamodb::{StoreError, TransactionOutcome, transact};

const OPERATION: &str = "recording a preference in the Contacts table";

/// Where a preference comes from that no message expressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreferenceSource {
    /// The id of the event. The same report gives the same id, so that its repetition is the same event.
    pub event_id: String,
    /// The code by which Twilio or WhatsApp reported it.
    pub code: Option<ErrorCode>,
    /// The ARN of the IAM identity that requested it.
    pub recorded_by: Option<String>,
}

impl PreferenceSource {
    /// A request. Two requests for one person at one time may differ in the channel or the scope, and so have two ids.
    pub fn of_request(
        contact: &ContactKey,
        channel: Option<&Channel>,
        scope: &Scope,
        preference: &RecordedPreference,
        recorded_by: Option<String>,
    ) -> Self {
        let (contact, at) = (contact.as_str(), preference.changed_at);
        let covered = SuppressionKey::of(channel.unwrap_or(&Channel::WhatsApp), scope.clone());
        let event_type = PreferenceChange::event_type(preference.preference);
        Self { event_id: format!("{contact}#{covered}#{at}.{event_type}"), code: None, recorded_by }
    }
}

/// What recording a preference did. The JSON is the answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreferenceOutcome {
    #[serde(skip)]
    pub effect: PreferenceEffect,
    /// Whether the person is suppressed now and was not before, or the reverse, in one of the requested scopes.
    pub changed: bool,
    /// The preferences that were stored before in the requested scopes.
    pub before: Vec<Suppression>,
    /// Everything that suppresses messages to the person now.
    pub suppressions: Vec<Suppression>,
    /// Whether this lifted an opt-out that a message of the person expressed.
    pub lifted_own_stop: bool,
    /// The categories whose consent it ended.
    pub ended_consents: Vec<Category>,
}

impl PreferenceOutcome {
    fn of(effect: PreferenceEffect, before: &Person, after: &Person, scopes: &[Scope]) -> Self {
        let requested = |found: &Suppression| scopes.contains(&found.scope);
        let before_in_scopes: Vec<_> = suppressions(before).filter(requested).collect();
        let lifted = suppressions(after).filter(requested).filter(|found| !found.is_in_force());
        let lifted: Vec<_> = lifted.collect();
        let is_lifted_stop = |stop: &Suppression| {
            let is_lifted = lifted.iter().any(|now| now.channel == stop.channel && now.scope == stop.scope);
            stop.is_own_stop() && is_lifted
        };
        let is_ended = |category: &Category| {
            before.consent_given_at(*category).is_some() && after.consent_given_at(*category).is_none()
        };
        let in_force = |person: &Person| {
            suppressions(person)
                .filter(|found| requested(found) && found.is_in_force())
                .map(|found| found.key())
                .collect::<Vec<_>>()
        };
        Self {
            effect,
            changed: in_force(before) != in_force(after),
            lifted_own_stop: before_in_scopes.iter().any(is_lifted_stop),
            before: before_in_scopes,
            suppressions: suppressions(after).filter(Suppression::is_in_force).collect(),
            ended_consents: Category::ALL.into_iter().filter(is_ended).collect(),
        }
    }

    /// The word in the answer to a request: whether it counts now, or a newer preference does.
    pub const fn recorded(&self) -> &'static str {
        match self.effect {
            PreferenceEffect::Changed | PreferenceEffect::Repeated => "current",
            PreferenceEffect::Stale => "historic",
        }
    }
}

/// All preferences of a person.
pub(super) fn suppressions(person: &Person) -> impl Iterator<Item = Suppression> + '_ {
    person.preferences.iter().map(|(key, preference)| Suppression {
        channel: key.channel.clone(),
        scope: key.scope.clone(),
        preference: preference.clone(),
    })
}

impl Suppression {
    /// Whether it suppresses messages now.
    pub fn is_in_force(&self) -> bool {
        self.preference.preference == Preference::OptedOut
    }

    /// Whether a message of the person expressed it. A reported opt-out names a message too: the one that failed. It has a
    /// reason.
    pub fn is_own_stop(&self) -> bool {
        let RecordedPreference { message_sid, reason, .. } = &self.preference;
        self.is_in_force() && message_sid.is_some() && reason.is_none()
    }

    fn key(&self) -> (String, Scope) {
        (self.channel.clone(), self.scope.clone())
    }
}

impl Contacts {
    /// Records that a person is suppressed, or that a suppression is lifted, by request. A repeated request
    /// changes nothing, and is another entry of the history.
    pub async fn record_suppression(
        &self,
        contact: &ContactKey,
        request: &SuppressionRequest,
        preference: Preference,
        recorded_by: Option<String>,
        now: Timestamp,
    ) -> Result<PreferenceOutcome, StoreError> {
        let SuppressionRequest { scope, channel, reason, .. } = request;
        let preference =
            RecordedPreference { preference, changed_at: now, message_sid: None, reason: Some(reason.clone()) };
        let source = PreferenceSource::of_request(contact, channel.as_ref(), scope, &preference, recorded_by);
        let scopes = std::slice::from_ref(scope);
        self.record_preference(contact, channel.as_ref(), scopes, &preference, &source, now).await
    }

    /// Records a preference in some scopes; without a channel, for the whole person. The newest one counts, as with messages.
    /// Only a change is an event.
    pub async fn record_preference(
        &self,
        contact: &ContactKey,
        channel: Option<&Channel>,
        scopes: &[Scope],
        preference: &RecordedPreference,
        source: &PreferenceSource,
        now: Timestamp,
    ) -> Result<PreferenceOutcome, StoreError> {
        for _ in 0..MAX_ROUNDS {
            let stored = self.person(contact).await?;
            let mut person = stored.person.clone();
            let (effect, channels) = person.record_request(channel, scopes, preference);
            let outcome = PreferenceOutcome::of(effect, &stored.person, &person, scopes);
            if person == stored.person {
                return Ok(outcome);
            }
            if stored.is_erased() {
                // They are suppressed already. A report about an old message must not store who they are.
                if preference.preference == Preference::OptedOut {
                    return Ok(outcome);
                }
                self.revive(contact, now).await?;
                continue;
            }
            let channel = channels.first().unwrap_or(&Channel::WhatsApp);
            let change = change_of(contact, channel, scopes, preference, source);
            let write = match effect {
                PreferenceEffect::Changed => PersonWrite::Preference(Box::new(change.clone())),
                PreferenceEffect::Repeated | PreferenceEffect::Stale => PersonWrite::Evidence,
            };
            let mut actions = self.write_person_actions(&stored, &person, &write, now)?;
            if effect != PreferenceEffect::Stale {
                actions.push(self.history_action(contact, &PreferenceChange { message_sid: None, ..change })?);
            }
            if let TransactionOutcome::Written = transact(&self.client, OPERATION, actions).await? {
                return Ok(outcome);
            }
        }
        Err(StoreError::contended(OPERATION))
    }
}

fn change_of(
    contact: &ContactKey,
    channel: &Channel,
    scopes: &[Scope],
    preference: &RecordedPreference,
    source: &PreferenceSource,
) -> PreferenceChange {
    PreferenceChange {
        event_id: source.event_id.clone(),
        preference: preference.preference,
        channel: channel.name().to_owned(),
        identity: contact.address().to_owned(),
        scope: scopes.first().map(|scope| scope.name().to_owned()),
        scopes: scopes.to_vec(),
        message_sid: preference.message_sid.clone(),
        code: source.code,
        reason: preference.reason.clone(),
        recorded_by: source.recorded_by.clone(),
        at: preference.changed_at,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Scope; 1] = [Scope::All];

    fn preference(preference: Preference, second: i64, of_message: bool) -> RecordedPreference {
        RecordedPreference {
            preference,
            changed_at: Timestamp::from_second(1_790_000_000 + second).unwrap(),
            message_sid: "SM00000000000000000000000000000001".parse().ok().filter(|_| of_message),
            reason: (!of_message).then(|| "asked by letter".to_owned()),
        }
    }

    /// Applies preferences one after the other. Returns the outcome of the last.
    fn outcome(requests: &[(Option<Channel>, RecordedPreference)]) -> PreferenceOutcome {
        let mut person = Person::default();
        let mut last = None;
        for (channel, request) in requests {
            let before = person.clone();
            let (effect, _) = person.record_request(channel.as_ref(), &ALL, request);
            last = Some(PreferenceOutcome::of(effect, &before, &person, &ALL));
        }
        last.unwrap()
    }

    #[test]
    fn lifting_says_whether_the_stop_was_the_persons() {
        use Preference::{OptedIn, OptedOut};
        for (stop, is_own) in [(preference(OptedOut, 0, true), true), (preference(OptedOut, 0, false), false)] {
            let lifted = outcome(&[(Some(Channel::Sms), stop), (None, preference(OptedIn, 9, false))]);
            assert_eq!((lifted.changed, lifted.lifted_own_stop, lifted.recorded()), (true, is_own, "current"));
            assert!(lifted.suppressions.is_empty(), "on whatever channel: {lifted:?}");
            assert_eq!(lifted.before.len(), 1);
        }
        let other_channel = [
            (Some(Channel::Sms), preference(OptedOut, 0, true)),
            (Some(Channel::WhatsApp), preference(OptedIn, 9, false)),
        ];
        let kept = outcome(&other_channel);
        assert_eq!((kept.changed, kept.lifted_own_stop, kept.suppressions.len()), (false, false, 1), "{kept:?}");
    }

    #[test]
    fn repeated_and_late_requests_change_nothing() {
        use Preference::{OptedIn, OptedOut};
        let first = (None, preference(OptedOut, 9, false));
        let repeated = outcome(&[first.clone(), (None, preference(OptedOut, 10, false))]);
        assert_eq!((repeated.changed, repeated.recorded(), repeated.suppressions.len()), (false, "current", 1));
        let late = outcome(&[first, (None, preference(OptedIn, 0, false))]);
        assert_eq!((late.changed, late.recorded(), late.suppressions.len()), (false, "historic", 1));
        assert!(!late.lifted_own_stop);
    }

    #[test]
    fn requests_of_one_time_have_different_event_ids() {
        let contact = ContactKey::stored("AC00000000000000000000000000000001#+14155550123");
        let id = |direction, scope: &Scope, channel: &Channel| {
            let recorded = preference(direction, 0, false);
            PreferenceSource::of_request(&contact, Some(channel), scope, &recorded, None).event_id
        };
        let stop = id(Preference::OptedOut, &Scope::All, &Channel::WhatsApp);
        assert_eq!(
            stop,
            "AC00000000000000000000000000000001#+14155550123#whatsapp#2026-09-21T14:13:20Z.contact_opted_out"
        );
        assert_ne!(stop, id(Preference::OptedOut, &Scope::Marketing, &Channel::WhatsApp));
        assert_ne!(stop, id(Preference::OptedOut, &Scope::All, &Channel::Sms));
        assert_ne!(stop, id(Preference::OptedIn, &Scope::All, &Channel::WhatsApp));
    }
}
