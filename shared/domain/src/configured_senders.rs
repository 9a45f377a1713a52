//! Who sends the notifications that name no sender: by the recipient's country, or by default.

use std::{collections::BTreeMap, fmt};

use serde::Deserialize;
use twilio_types::{address::WhatsAppSender, sid::MessagingServiceSid};

use crate::region::Region;

/// The configured senders of an account.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfiguredSenders {
    default: ConfiguredSender,
    by_country: BTreeMap<Region, ConfiguredSender>,
}

/// A sender on WhatsApp, a Messaging Service, or both. An SMS goes out by the service.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ConfiguredSender {
    pub from: Option<WhatsAppSender>,
    pub service: Option<MessagingServiceSid>,
}

/// The sender for some countries, as the settings have it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountryRoute {
    countries: Vec<Region>,
    from: Option<WhatsAppSender>,
    messaging_service_sid: Option<MessagingServiceSid>,
}

/// Routes that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRoutes {
    #[error("routes[{0}].countries: expected at least one country")]
    NoCountry(usize),
    #[error("routes[{0}]: expected from, messaging_service_sid or both")]
    NoSender(usize),
    #[error("routes[{0}].countries: {1} has a route already")]
    Repeated(usize, Region),
}

impl fmt::Debug for ConfiguredSenders {
    /// A sender's address is a phone number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let countries: Vec<_> = self.by_country.keys().map(Region::as_str).collect();
        f.debug_struct("ConfiguredSenders").field("countries", &countries).finish_non_exhaustive()
    }
}

impl From<Option<MessagingServiceSid>> for ConfiguredSenders {
    /// One Messaging Service for all countries, if there is one.
    fn from(service: Option<MessagingServiceSid>) -> Self {
        Self { default: ConfiguredSender { from: None, service }, by_country: BTreeMap::new() }
    }
}

impl ConfiguredSenders {
    /// The error names the route by its place in the list.
    pub fn new(default: ConfiguredSender, routes: Vec<CountryRoute>) -> Result<Self, InvalidRoutes> {
        let mut by_country = BTreeMap::new();
        for (index, route) in routes.into_iter().enumerate() {
            let sender = ConfiguredSender { from: route.from, service: route.messaging_service_sid };
            if sender == ConfiguredSender::default() {
                return Err(InvalidRoutes::NoSender(index));
            }
            if route.countries.is_empty() {
                return Err(InvalidRoutes::NoCountry(index));
            }
            for country in route.countries {
                if by_country.insert(country, sender.clone()).is_some() {
                    return Err(InvalidRoutes::Repeated(index, country));
                }
            }
        }
        Ok(Self { default, by_country })
    }

    /// The sender on WhatsApp for a recipient, whose country is only looked up if a country has a sender.
    pub(crate) fn on_whatsapp(&self, region: impl FnOnce() -> Option<Region>) -> &ConfiguredSender {
        self.of_country(region).unwrap_or(&self.default)
    }

    /// The service that sends an SMS. A country that has a sender on WhatsApp alone sends its SMS by the default service.
    pub(crate) fn by_sms(&self, region: impl FnOnce() -> Option<Region>) -> Option<&MessagingServiceSid> {
        let of_country = self.of_country(region).and_then(|sender| sender.service.as_ref());
        of_country.or(self.default.service.as_ref())
    }

    fn of_country(&self, region: impl FnOnce() -> Option<Region>) -> Option<&ConfiguredSender> {
        if self.by_country.is_empty() {
            return None;
        }
        self.by_country.get(&region()?)
    }

    /// All senders, each once: the default first.
    pub fn all(&self) -> Vec<&ConfiguredSender> {
        let mut all = vec![&self.default];
        for sender in self.by_country.values() {
            if !all.contains(&sender) {
                all.push(sender);
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn senders(routes: &Value) -> Result<ConfiguredSenders, InvalidRoutes> {
        let routes = serde_json::from_value(routes.clone()).unwrap();
        ConfiguredSenders::new(ConfiguredSender::default(), routes)
    }

    #[test]
    fn a_route_without_countries_or_sender_is_refused() {
        let service = "MG00000000000000000000000000000001";
        let brazil = json!({"countries": ["BR"], "messaging_service_sid": service});
        for (routes, problem) in [
            (
                json!([{"countries": [], "messaging_service_sid": service}]),
                "routes[0].countries: expected at least one",
            ),
            (json!([{"countries": ["BR"]}]), "routes[0]: expected from, messaging_service_sid or both"),
            (json!([brazil, {"countries": ["MX", "BR"], "from": "whatsapp:+525550001234"}]), "routes[1].countries: BR"),
        ] {
            let error = senders(&routes).unwrap_err().to_string();
            assert!(error.starts_with(problem), "{error}");
        }
        assert!(senders(&json!([])).is_ok());
        assert!(serde_json::from_value::<CountryRoute>(json!({"countries": ["ZZ"], "from": "whatsapp:+1"})).is_err());
    }

    #[test]
    fn each_sender_is_listed_once() {
        let service = "MG00000000000000000000000000000001";
        let routes = json!([{"countries": ["BR", "PT"], "messaging_service_sid": service}]);
        assert_eq!(senders(&routes).unwrap().all().len(), 2, "the default, and one for two countries");
    }
}
