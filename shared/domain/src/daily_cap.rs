//! The daily cap: how many messages go out in one day at most, by account, by country of the recipient and by route. It
//! ends a runaway producer, and bounds what a toll fraud costs, without a person: what finds no room waits until the next
//! day.
//!
//! A day is one of UTC. What counts is an attempt that goes on to its slot, also if it is then not sent, because the person
//! has just opted out or Twilio refuses it. Functions reserve room in advance ([`room`]). So a cap is never exceeded, and may
//! be reached a little early.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive};

use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::Deserialize;
use serde_json::Value;
use twilio_types::sid::AccountSid;

use crate::{
    json_fields::{FieldError, JsonFields},
    region::{Region, UnknownRegion},
    route::{end_of, is_rate_key},
};

pub mod room;

/// The caps of the policy's field `daily_cap`; none by default.
#[derive(Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Value")]
pub struct DailyCap {
    /// For all messages of an account.
    account: Option<u32>,
    /// By the country of the recipient.
    countries: Caps<Region>,
    /// By the name of the rate of a route ([`Route::rate_key`](crate::route::Route::rate_key)).
    routes: Caps<String>,
}

/// The caps of several things of one kind.
#[derive(Clone, PartialEq, Eq)]
struct Caps<K> {
    named: BTreeMap<K, u32>,
    /// For each that is not named.
    default: Option<u32>,
}

impl<K> Default for Caps<K> {
    fn default() -> Self {
        Self { named: BTreeMap::new(), default: None }
    }
}

impl fmt::Debug for DailyCap {
    /// The names of routes are senders' addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DailyCap")
            .field("account", &self.account)
            .field("countries", &self.countries.named)
            .finish_non_exhaustive()
    }
}

/// A daily cap that is not valid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}{problem}")]
pub struct InvalidDailyCap {
    /// The field in the cap, and a colon; empty for the whole cap.
    field: String,
    problem: String,
}

impl From<FieldError> for InvalidDailyCap {
    fn from((field, problem): FieldError) -> Self {
        let field = field.strip_prefix("daily_cap.").map(|field| format!("{field}: ")).unwrap_or_default();
        Self { field, problem }
    }
}

/// The numbers that a cap may have. 400 messages a second, as many as WhatsApp allows a phone number, are 35 million a day.
const MESSAGES: RangeInclusive<u32> = 1..=1_000_000_000;

impl TryFrom<Value> for DailyCap {
    type Error = InvalidDailyCap;

    fn try_from(value: Value) -> Result<Self, InvalidDailyCap> {
        let mut fields = JsonFields::of("daily_cap".to_owned(), value, "an object with account, countries or routes")?;
        let paths = ["account", "countries", "routes"].map(|name| fields.path_of(name));
        let [account_path, countries_path, routes_path] = &paths;
        let cap = Self {
            account: fields.take("account").map(|value| messages(account_path, &value)).transpose()?,
            countries: caps(countries_path, fields.take("countries"), |name| {
                name.parse().map_err(|error: UnknownRegion| error.to_string())
            })?,
            routes: caps(routes_path, fields.take("routes"), |name| {
                let expected = "expected whatsapp:+14155238886, a Messaging Service's SID, sms: and that, or default";
                if is_rate_key(name) { Ok(name.to_owned()) } else { Err(expected.to_owned()) }
            })?,
        };
        fields.finish()?;
        Ok(cap)
    }
}

/// An object of caps by name.
fn caps<K: Ord>(
    path: &str,
    value: Option<Value>,
    key: impl Fn(&str) -> Result<K, String>,
) -> Result<Caps<K>, FieldError> {
    let mut caps = Caps::default();
    let Some(value) = value else { return Ok(caps) };
    let Value::Object(map) = value else { return Err((path.to_owned(), "expected an object".to_owned())) };
    for (name, value) in map {
        let path = format!("{path}.{name}");
        let messages = messages(&path, &value)?;
        if name == "default" {
            caps.default = Some(messages);
        } else {
            caps.named.insert(key(&name).map_err(|problem| (path, problem))?, messages);
        }
    }
    Ok(caps)
}

fn messages(path: &str, value: &Value) -> Result<u32, FieldError> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
    number.filter(|number| MESSAGES.contains(number)).ok_or_else(|| {
        let (first, last) = (MESSAGES.start(), MESSAGES.end());
        (path.to_owned(), format!("expected a whole number from {first} to {last}"))
    })
}

impl<K: Ord> Caps<K> {
    fn of(&self, name: Option<&K>) -> Option<u32> {
        name.and_then(|name| self.named.get(name)).copied().or(self.default)
    }
}

/// What one counter counts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CapScope {
    Account,
    /// All recipients whose country is not known count as one country.
    Country(Option<Region>),
    /// The name of the route's rate.
    Route(String),
}

/// The counter of an account for one day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DailyCounter {
    pub day: Date,
    pub account_sid: AccountSid,
    pub scope: CapScope,
}

/// A counter that may not pass its cap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CappedCounter {
    pub counter: DailyCounter,
    pub cap: u32,
}

impl fmt::Display for DailyCounter {
    /// The key of its item.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { day, account_sid, scope } = self;
        write!(f, "day#{day}#{account_sid}#")?;
        match scope {
            CapScope::Account => f.write_str("account"),
            CapScope::Country(region) => write!(f, "country#{}", region.as_ref().map_or("unknown", Region::as_str)),
            CapScope::Route(rate_key) => write!(f, "route#{rate_key}"),
        }
    }
}

impl fmt::Debug for DailyCounter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.for_log())
    }
}

impl DailyCounter {
    /// As `Display`, but only the last four characters of a route.
    pub fn for_log(&self) -> String {
        let Self { day, account_sid, scope: CapScope::Route(rate_key) } = self else { return self.to_string() };
        format!("day#{day}#{account_sid}#route#...{}", end_of(rate_key))
    }
}

/// The day of a time.
pub fn day_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// When the next day begins.
pub fn next_day(now: Timestamp) -> Timestamp {
    const DAY: i64 = 24 * 60 * 60;
    let begin = now.as_second().div_euclid(DAY).saturating_add(1).saturating_mul(DAY);
    Timestamp::from_second(begin).unwrap_or(Timestamp::MAX)
}

impl DailyCap {
    /// Whether nothing is capped.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// The counters of a message to this country by this route; none if nothing caps it.
    pub fn counters(
        &self,
        account_sid: &AccountSid,
        region: Option<Region>,
        rate_key: &str,
        now: Timestamp,
    ) -> Vec<CappedCounter> {
        let day = day_of(now);
        let rate_key = rate_key.to_owned();
        let caps = [
            (self.account, CapScope::Account),
            (self.countries.of(region.as_ref()), CapScope::Country(region)),
            (self.routes.of(Some(&rate_key)), CapScope::Route(rate_key)),
        ];
        let capped = caps.into_iter().filter_map(|(cap, scope)| Some((cap?, scope)));
        let counter = |scope| DailyCounter { day, account_sid: account_sid.clone(), scope };
        capped.map(|(cap, scope)| CappedCounter { counter: counter(scope), cap }).collect()
    }
}

#[cfg(test)]
mod tests;
