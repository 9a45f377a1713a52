use proptest::{option, prelude::*};
use serde_json::{Value, json};
use twilio_types::address::{Address, Channel};

use super::*;
use crate::{
    opt_out_request::RequestedScope,
    preference::Preference,
    suppression::{OptOutScope, SuppressionKey},
};

const SERVICE: &str = "MG00000000000000000000000000000001";
const OTHER: &str = "MG00000000000000000000000000000002";
const FROM: &str = "whatsapp:+14155238886";

fn notification(fields: &Value) -> Notification {
    let mut notification = json!({"id": "a", "to": "+14155550123", "category": "marketing",
                                  "content": {"type": "text", "body": "Hello"}});
    for (name, value) in fields.as_object().unwrap() {
        notification[name] = value.clone();
    }
    Notification::parse(&notification.to_string()).unwrap()
}

fn route(fields: &Value, channel: FallbackChannel, configured: Option<&str>) -> Result<Route, NoSender> {
    let configured = ConfiguredSenders::from(configured.map(|service| service.parse().unwrap()));
    Route::of(&notification(fields), channel, &configured)
}

#[test]
fn route_names_sender_window_scopes_and_rate() {
    use FallbackChannel::{Sms, WhatsApp};
    let sender = |name: &str| Scope::Sender(name.to_owned());
    for (fields, channel, rate_key, window, scopes) in [
        (json!({}), WhatsApp, SERVICE, Some(SERVICE), vec![sender(SERVICE)]),
        (json!({"from": FROM}), WhatsApp, FROM, Some(FROM), vec![sender(FROM)]),
        (
            json!({"from": FROM, "messaging_service_sid": OTHER}),
            WhatsApp,
            FROM,
            Some(FROM),
            vec![sender(FROM), sender(OTHER)],
        ),
        (json!({"messaging_service_sid": OTHER}), WhatsApp, OTHER, Some(OTHER), vec![sender(OTHER)]),
        (json!({"from": FROM}), Sms, &format!("sms:{SERVICE}"), None, vec![sender(SERVICE)]),
        (
            json!({"from": FROM, "messaging_service_sid": OTHER}),
            Sms,
            &format!("sms:{OTHER}"),
            None,
            vec![sender(OTHER)],
        ),
    ] {
        let route = route(&fields, channel, Some(SERVICE)).unwrap();
        assert_eq!(route.rate_key(), rate_key, "{fields}");
        assert_eq!(route.window().as_ref().map(WindowKey::sender), window, "{fields}");
        let expected = [Scope::All, Scope::Marketing].into_iter().chain(scopes);
        assert_eq!(route.scopes(Category::Marketing), expected.collect::<Vec<_>>(), "{fields}");
        assert!(!route.scopes(Category::Utility).contains(&Scope::Marketing));
    }
}

#[test]
fn route_names_the_pauses_that_cover_it() {
    use FallbackChannel::{Sms, WhatsApp};
    let both = json!({"from": FROM, "messaging_service_sid": OTHER});
    for (fields, channel, senders) in [
        (json!({}), WhatsApp, vec![SERVICE.to_owned()]),
        (json!({"from": FROM}), WhatsApp, vec![FROM.to_owned()]),
        (both.clone(), WhatsApp, vec![FROM.to_owned(), OTHER.to_owned()]),
        (both, Sms, vec![OTHER.to_owned(), format!("sms:{OTHER}")]),
        (json!({"from": FROM}), Sms, vec![SERVICE.to_owned(), format!("sms:{SERVICE}")]),
    ] {
        let scopes = route(&fields, channel, Some(SERVICE)).unwrap().pause_scopes(Category::Utility);
        let expected = ["category#utility".to_owned()].into_iter();
        let expected = expected.chain(senders.into_iter().map(|sender| format!("sender#{sender}")));
        assert_eq!(
            scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
            expected.collect::<Vec<_>>(),
            "{fields}"
        );
        for scope in scopes {
            assert_eq!(scope.to_string().parse(), Ok(scope), "a scope is read back from its text");
        }
    }
}

#[test]
fn channel_without_a_sender_is_refused() {
    use FallbackChannel::{Sms, WhatsApp};
    let refused = |fields: Value, configured, channel| route(&fields, channel, configured).err();
    assert_eq!(refused(json!({}), None, WhatsApp), Some(NoSender::WhatsApp));
    assert_eq!(refused(json!({"from": FROM}), None, WhatsApp), None);
    assert_eq!(refused(json!({"from": FROM}), None, Sms), Some(NoSender::Sms));
    assert_eq!(refused(json!({"from": FROM}), Some(SERVICE), Sms), None);
}

fn any_channel() -> impl Strategy<Value = Channel> {
    let other = prop_oneof!["rcs", "RCS", "messenger", "WhatsApp", "SMS", "[A-Za-z0-9]{1,12}"];
    prop_oneof![Just(Channel::WhatsApp), Just(Channel::Sms), other.prop_map(Channel::Other)]
}

proptest! {
    /// A STOP that was confirmed is kept: whatever it covers is asked for before a message goes out by the sender that it
    /// was written to, or by its service, on either channel.
    #[test]
    fn every_scope_of_a_stop_is_asked_for(
        channel in any_channel(),
        to in prop_oneof!["whatsapp:\\+1415523[0-9]{4}", "\\+1415523[0-9]{4}", "[A-Za-z0-9]{2,9}:[a-z_]{1,20}", "[0-9]{5}"],
        service in option::of("MG[0-9a-f]{32}"),
        category in prop_oneof![Just("marketing"), Just("utility"), Just("authentication"), Just("service")],
        configured in prop_oneof![Just(OptOutScope::All), Just(OptOutScope::Sender)],
    ) {
        let sender: Address = to.parse().unwrap();
        let service_sid = service.as_deref().map(|sid| sid.parse().unwrap());
        let stop = configured.scopes(Preference::OptedOut, RequestedScope::All, &sender, service_sid.as_ref());
        let mut fields = json!({"category": category});
        if to.starts_with("whatsapp:+") {
            fields["from"] = json!(to);
        }
        if let Some(service) = &service {
            fields["messaging_service_sid"] = json!(service);
        }
        let notification = notification(&fields);
        for by in [FallbackChannel::WhatsApp, FallbackChannel::Sms] {
            let Ok(route) = Route::of(&notification, by, &ConfiguredSenders::default()) else { continue };
            let asked = route.scopes(notification.category);
            // An SMS goes out by the service alone, and a sender on WhatsApp is not its sender.
            let covers = |scope: &Scope| asked.contains(scope);
            let names_sender = route.from().is_some_and(|from| from.to_string() == to);
            let names_service = route.service() == service_sid.as_ref();
            if names_sender || (names_service && service_sid.is_some()) {
                prop_assert!(stop.iter().any(covers), "{:?} is not among {:?}", stop, asked);
            }
            let key = SuppressionKey::of(&channel, Scope::All);
            prop_assert!(key.channel == "whatsapp" || key.channel == "sms", "every channel is one that is asked for");
        }
    }
}
