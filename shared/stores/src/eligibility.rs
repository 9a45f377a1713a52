//! The facts that decide about one notification: which of them to read, and how to derive them from the items. `send`
//! uses it, and so does the preview of `wa send --dry-run`.

use domain::{
    contact_key::ContactKey,
    notification::{Category, Content, FallbackChannel, Notification},
    policy::{Facts, NotificationProgress, RecipientRules},
    region::time_zones_of,
    suppression::{CHANNELS, Scope},
};
use jiff::Timestamp;
use twilio_types::{address::Channel, sid::MessagingServiceSid};

use crate::{
    contacts::{ContactFacts, FacetKey},
    dynamodb::StoreError,
};

/// A notification with what is needed to decide about it.
#[derive(Debug, Clone, Copy)]
pub struct Eligibility<'a> {
    pub notification: &'a Notification,
    /// The recipient.
    pub contact: &'a ContactKey,
    pub rules: &'a RecipientRules,
    /// The Messaging Service for notifications that name no sender.
    pub configured_service: Option<&'a MessagingServiceSid>,
}

/// No sender is named or configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoSender {
    #[error("from: missing, and required with messaging_service_sid where no MESSAGING_SERVICE_SID is configured")]
    WhatsApp,
    #[error(
        "messaging_service_sid: missing, and required for an sms in fallback where no MESSAGING_SERVICE_SID is \
         configured"
    )]
    Sms,
}

impl<'a> Eligibility<'a> {
    /// The suppressions that cover the notification, the widest first. Those of every channel: a person who said
    /// STOP on WhatsApp does not want an SMS instead.
    pub fn suppressions(&self) -> Vec<(Channel, Scope)> {
        let scopes = self.scopes().into_iter();
        scopes.flat_map(|scope| CHANNELS.map(|channel| (channel, scope.clone()))).collect()
    }

    /// The scopes that cover the notification.
    fn scopes(&self) -> Vec<Scope> {
        let marketing = (self.notification.category == Category::Marketing).then_some(Scope::Marketing);
        let from = self.notification.from.as_ref().map(|from| Scope::Sender(from.to_string()));
        let service = self.service().map(|service| Scope::Sender(service.to_string()));
        [Some(Scope::All), marketing, from, service].into_iter().flatten().collect()
    }

    /// The Messaging Service that sends the notification, if one does.
    pub fn service(&self) -> Option<&'a MessagingServiceSid> {
        let named = self.notification.messaging_service_sid.as_ref();
        // A named sender needs no service.
        named.or(self.configured_service.filter(|_| self.notification.from.is_none()))
    }

    /// The sender whose rate limit and service window count: an address, or a service for all its senders. Empty if
    /// there is none.
    pub fn sender(&self) -> String {
        let from = self.notification.from.as_ref().map(ToString::to_string);
        from.or_else(|| self.service().map(ToString::to_string)).unwrap_or_default()
    }

    /// Refuses a channel without a sender.
    pub fn require_sender(&self, channel: FallbackChannel) -> Result<(), NoSender> {
        let service = self.notification.messaging_service_sid.as_ref().or(self.configured_service);
        match channel {
            FallbackChannel::WhatsApp if self.sender().is_empty() => Err(NoSender::WhatsApp),
            FallbackChannel::Sms if service.is_none() => Err(NoSender::Sms),
            _ => Ok(()),
        }
    }

    /// Whether the notification counts against a marketing cap.
    pub fn is_capped(&self) -> bool {
        self.notification.category == Category::Marketing && self.rules.marketing_cap.is_some()
    }

    fn window_sender(&self) -> Option<String> {
        self.notification.from.as_ref().map(ToString::to_string)
    }

    fn needs_window(&self) -> bool {
        let options =
            (0..=self.notification.fallback.len()).filter_map(|route| self.notification.channel_option(route));
        options.into_iter().any(|(channel, content)| {
            channel == FallbackChannel::WhatsApp && !matches!(content, Content::Template { .. })
        })
    }

    /// The facets of the recipient that the decision needs: at most ten.
    pub fn facet_keys(&self) -> Vec<FacetKey> {
        let category = self.notification.category;
        let suppressions = self.suppressions().into_iter();
        suppressions
            .map(|(channel, scope)| FacetKey::Suppression(channel, scope))
            .chain(self.needs_window().then(|| FacetKey::Window(self.window_sender())))
            .chain(self.rules.consent(category).map(|_| FacetKey::Consent(category)))
            .chain(self.is_capped().then_some(FacetKey::Marketing))
            .collect()
    }

    /// The facts of the decision, from the items of [`Eligibility::facet_keys`].
    pub fn facts(
        &self,
        found: &ContactFacts,
        progress: NotificationProgress,
        now: Timestamp,
    ) -> Result<Facts, StoreError> {
        let Self { notification, contact, rules, .. } = self;
        let mut suppressed = None;
        for (channel, scope) in self.suppressions() {
            if suppressed.is_none() && found.is_suppressed(contact, &channel, &scope)? {
                suppressed = Some(scope);
            }
        }
        // An earlier claim of this notification does not count.
        let others = found.marketing_sent(contact)?.unwrap_or_default();
        let others = others.into_iter().filter(|(id, _)| id != notification.id.as_str());
        let quiet_hours = rules.quiet_hours_of(notification.category);
        Ok(Facts {
            suppressed,
            last_inbound_at: found.last_inbound_at(contact, self.window_sender().as_deref())?,
            consent_given_at: found.consent_given_at(contact, notification.category)?,
            marketing_sent_at: others.map(|(_, at)| at).collect(),
            quiet_until: quiet_hours.map(|hours| hours.allowed_from(now, &time_zones_of(&notification.to))),
            progress,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::{option, prelude::*};
    use serde_json::{Value, json};

    use super::*;
    use domain::{policy::Policy, preference::Preference, suppression::OptOutScope};
    use twilio_types::{address::Address, sid::AccountSid};

    const SERVICE: &str = "MG00000000000000000000000000000001";
    const OTHER: &str = "MG00000000000000000000000000000002";
    const FROM: &str = "whatsapp:+14155238886";

    fn with_eligibility<T>(fields: &Value, configured: Option<&str>, look: impl FnOnce(Eligibility<'_>) -> T) -> T {
        let mut notification = json!({"id": "a", "to": "+14155550123", "category": "marketing",
                                      "content": {"type": "text", "body": "Hello"}});
        for (name, value) in fields.as_object().unwrap() {
            notification[name] = value.clone();
        }
        let notification = Notification::parse(&notification.to_string()).unwrap();
        let account: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
        let contact = ContactKey::of_phone(&account, &notification.to);
        let rules = Policy::default().rules(None);
        let configured = configured.map(|service| service.parse().unwrap());
        let eligibility = Eligibility {
            notification: &notification,
            contact: &contact,
            rules: &rules,
            configured_service: configured.as_ref(),
        };
        look(eligibility)
    }

    #[test]
    fn suppressions_are_checked_in_every_scope_and_channel() {
        let sender = |name: &str| Scope::Sender(name.to_owned());
        for (fields, expected) in [
            (json!({"category": "utility"}), vec![Scope::All, sender(SERVICE)]),
            (json!({}), vec![Scope::All, Scope::Marketing, sender(SERVICE)]),
            (json!({"from": FROM}), vec![Scope::All, Scope::Marketing, sender(FROM)]),
            (
                json!({"from": FROM, "messaging_service_sid": OTHER}),
                vec![Scope::All, Scope::Marketing, sender(FROM), sender(OTHER)],
            ),
        ] {
            let checked = with_eligibility(&fields, Some(SERVICE), |eligibility| eligibility.suppressions());
            let both = |scope: Scope| [(Channel::WhatsApp, scope.clone()), (Channel::Sms, scope)];
            assert_eq!(checked, expected.into_iter().flat_map(both).collect::<Vec<_>>(), "{fields}");
        }
    }

    fn any_channel() -> impl Strategy<Value = Channel> {
        let other = prop_oneof!["rcs", "RCS", "messenger", "WhatsApp", "SMS", "[A-Za-z0-9]{1,12}"];
        prop_oneof![Just(Channel::WhatsApp), Just(Channel::Sms), other.prop_map(Channel::Other)]
    }

    proptest! {
        /// A STOP that was confirmed is kept: whatever it writes is asked for before a notification goes out by the
        /// sender that it was written to, or by its service.
        #[test]
        fn every_facet_that_a_stop_writes_is_asked_for(
            channel in any_channel(),
            to in prop_oneof!["whatsapp:\\+1415523[0-9]{4}", "\\+1415523[0-9]{4}", "[A-Za-z0-9]{2,9}:[a-z_]{1,20}", "[0-9]{5}"],
            service in option::of("MG[0-9a-f]{32}"),
            category in prop_oneof![Just("marketing"), Just("utility"), Just("authentication"), Just("service")],
            configured in prop_oneof![Just(OptOutScope::All), Just(OptOutScope::Sender)],
        ) {
            let sender: Address = to.parse().unwrap();
            let service_sid = service.as_deref().map(|sid| sid.parse().unwrap());
            let scopes = configured.scopes(Preference::OptedOut, &sender, service_sid.as_ref());
            let mut fields = json!({"category": category});
            if to.starts_with("whatsapp:+") {
                fields["from"] = json!(to);
            }
            if let Some(service) = &service {
                fields["messaging_service_sid"] = json!(service);
            }
            let asked = with_eligibility(&fields, None, |eligibility| eligibility.suppressions());
            let asked: Vec<String> = asked.iter().map(|(channel, scope)| scope.facet(channel)).collect();
            for scope in scopes {
                let written = scope.facet(&channel);
                prop_assert!(asked.contains(&written), "{} is not among {:?}", written, asked);
            }
        }
    }

    #[test]
    fn only_facets_that_the_decision_needs_are_read() {
        let template = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
        let wanted = |fields: Value| with_eligibility(&fields, None, |eligibility| eligibility.facet_keys());
        assert!(wanted(json!({})).contains(&FacetKey::Window(None)));
        assert!(wanted(json!({"from": FROM})).contains(&FacetKey::Window(Some(FROM.to_owned()))));
        assert!(wanted(json!({})).contains(&FacetKey::Consent(Category::Marketing)));
        let of_template = wanted(json!({"category": "utility", "content": template}));
        assert!(of_template.iter().all(|wanted| matches!(wanted, FacetKey::Suppression(..))), "{of_template:?}");
    }

    #[test]
    fn a_channel_without_a_sender_is_refused() {
        let refused = |fields: Value, configured, channel| {
            with_eligibility(&fields, configured, |eligibility| eligibility.require_sender(channel)).err()
        };
        assert_eq!(refused(json!({}), None, FallbackChannel::WhatsApp), Some(NoSender::WhatsApp));
        assert_eq!(refused(json!({"from": FROM}), None, FallbackChannel::WhatsApp), None);
        assert_eq!(refused(json!({"from": FROM}), None, FallbackChannel::Sms), Some(NoSender::Sms));
        assert_eq!(refused(json!({"from": FROM}), Some(SERVICE), FallbackChannel::Sms), None);
    }
}
