//! The settings of a deployment: who may receive what, when, and how fast.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    daily_cap::DailyCap,
    json::{self, InvalidJson},
    json_fields::{InvalidWholeNumber, whole_number},
    notification::Category,
    quiet_hours::{InvalidQuietHours, QuietHours},
    region::Region,
    route_health::FailureBound,
    token_bucket::RateLimit,
};

/// The settings of the variable `SEND_POLICY`, which holds JSON.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// For every country that does not override it.
    #[serde(rename = "default")]
    everywhere: RegionSettings,
    /// Overrides by the country of the recipient's number.
    countries: BTreeMap<Region, RegionSettings>,
    /// What to do if it stays unknown whether a message was sent.
    on_unknown: BTreeMap<Category, OnUnknown>,
    /// Rate limits by sender: an address (`whatsapp:+14155238886`), a Messaging Service SID, or `default`.
    rates: BTreeMap<String, RateLimit>,
    daily_cap: DailyCap,
    pause_on_failures: Option<FailureBound>,
}

impl fmt::Debug for Policy {
    /// The keys of `rates` are senders' addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("default", &self.everywhere)
            .field("countries", &self.countries)
            .field("on_unknown", &self.on_unknown)
            .field("daily_cap", &self.daily_cap)
            .field("pause_on_failures", &self.pause_on_failures)
            .finish_non_exhaustive()
    }
}

/// Settings that are not valid. The message holds the reason, so the reason is not the source as well.
#[derive(Debug, thiserror::Error)]
#[error("expected a policy as in docs/configuration.md, \"Send policy\": {0}")]
pub struct InvalidPolicy(InvalidJson);

impl FromStr for Policy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        json::read(text).map_err(InvalidPolicy)
    }
}

/// The settings of one country, or of all: a missing one is as for all countries.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RegionSettings {
    consent: Option<BTreeMap<Category, ConsentRule>>,
    quiet_hours: Option<QuietRule>,
    marketing_cap: Option<MarketingCap>,
}

/// The days that a rule may name: a rule of 0 days would hold never or always.
const DAYS: RangeInclusive<u32> = 1..=36_500;

/// A category for which a recipient must have given consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "WrittenConsentRule")]
pub struct ConsentRule {
    /// For how many days consent is valid; none means without end.
    pub days: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenConsentRule {
    days: Option<Value>,
}

impl TryFrom<WrittenConsentRule> for ConsentRule {
    type Error = InvalidWholeNumber;

    fn try_from(written: WrittenConsentRule) -> Result<Self, InvalidWholeNumber> {
        Ok(Self { days: written.days.map(|days| whole_number("days", &days, DAYS)).transpose()? })
    }
}

impl ConsentRule {
    pub(super) fn is_valid(self, given_at: Timestamp, now: Timestamp) -> bool {
        self.days.is_none_or(|days| now.duration_since(given_at) < SignedDuration::from_hours(24 * i64::from(days)))
    }
}

/// Quiet hours, and what they delay.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "QuietRuleJson")]
pub struct QuietRule {
    /// By the recipient's local time.
    pub hours: QuietHours,
    /// The categories that are delayed; marketing by default.
    pub categories: Vec<Category>,
}

/// The JSON of a [`QuietRule`], where the fields of the hours are beside the categories.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuietRuleJson {
    from: String,
    to: String,
    #[serde(default = "marketing")]
    categories: Vec<Category>,
}

impl TryFrom<QuietRuleJson> for QuietRule {
    type Error = InvalidQuietHours;

    fn try_from(written: QuietRuleJson) -> Result<Self, InvalidQuietHours> {
        Ok(Self { hours: QuietHours::parse(&written.from, &written.to)?, categories: written.categories })
    }
}

fn marketing() -> Vec<Category> {
    vec![Category::Marketing]
}

/// The most marketing messages that a person gets in a number of days.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenMarketingCap")]
pub struct MarketingCap {
    /// The most messages; 0 allows none.
    pub messages: u32,
    /// The days in which they are counted.
    pub days: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenMarketingCap {
    messages: Value,
    days: Value,
}

impl TryFrom<WrittenMarketingCap> for MarketingCap {
    type Error = InvalidWholeNumber;

    fn try_from(written: WrittenMarketingCap) -> Result<Self, InvalidWholeNumber> {
        Ok(Self {
            messages: whole_number("messages", &written.messages, Self::MESSAGES)?,
            days: whole_number("days", &written.days, DAYS)?,
        })
    }
}

impl MarketingCap {
    /// The messages that a cap may allow. Each of them is kept in one item with its notification's id and time, some 550
    /// bytes at most, and an item has at most 400 KB (Amazon DynamoDB, "Service, account, and table quotas").
    const MESSAGES: RangeInclusive<u32> = 0..=500;

    /// Whether a message sent at this time still counts.
    pub fn covers(self, sent_at: Timestamp, now: Timestamp) -> bool {
        now.duration_since(sent_at) < SignedDuration::from_hours(24 * i64::from(self.days))
    }
}

/// What to do if neither a status callback nor Twilio's list of messages shows whether a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Do not send it again: an operator looks at it.
    Hold,
    /// Send it again: a second copy does less harm than none.
    Resend,
}

/// The rules for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecipientRules {
    consent: BTreeMap<Category, ConsentRule>,
    pub quiet_hours: Option<QuietRule>,
    pub marketing_cap: Option<MarketingCap>,
}

impl RecipientRules {
    /// The consent that a category needs; none if it needs no consent.
    pub fn consent(&self, category: Category) -> Option<ConsentRule> {
        self.consent.get(&category).copied()
    }

    /// The quiet hours that delay this category.
    pub fn quiet_hours_of(&self, category: Category) -> Option<QuietHours> {
        self.quiet_hours.as_ref().filter(|rule| rule.categories.contains(&category)).map(|rule| rule.hours)
    }
}

impl Policy {
    /// The rules for a recipient in this country. By default marketing needs consent, and no other category does
    /// (WhatsApp Business Messaging Policy: a person must opt in before a business writes first).
    pub fn rules(&self, region: Option<&Region>) -> RecipientRules {
        let country = region.and_then(|region| self.countries.get(region));
        let blocks = [country, Some(&self.everywhere)].into_iter().flatten();
        let consent = blocks.clone().find_map(|block| block.consent.clone());
        RecipientRules {
            consent: consent.unwrap_or_else(|| [(Category::Marketing, ConsentRule::default())].into()),
            quiet_hours: blocks.clone().find_map(|block| block.quiet_hours.clone()),
            marketing_cap: blocks.clone().find_map(|block| block.marketing_cap),
        }
    }

    /// By default a one-time password is sent again, because it is useless after ten minutes. For any other message a
    /// second copy does more harm than an operator's work.
    pub fn on_unknown(&self, category: Category) -> OnUnknown {
        let otherwise = if category == Category::Authentication { OnUnknown::Resend } else { OnUnknown::Hold };
        self.on_unknown.get(&category).copied().unwrap_or(otherwise)
    }

    /// The rate limit of a sender or a Messaging Service.
    pub fn rate_limit(&self, sender: &str) -> RateLimit {
        self.rates.get(sender).or_else(|| self.rates.get("default")).copied().unwrap_or_default()
    }

    /// The rates of all senders that have one here, and the rate of a sender that has none.
    pub fn rates(&self) -> impl Iterator<Item = RateLimit> {
        let named = self.rates.iter().filter(|(sender, _)| *sender != "default").map(|(_, rate)| *rate);
        named.chain([self.rate_limit("default")])
    }

    /// How many messages go out in a day at most.
    pub fn daily_cap(&self) -> &DailyCap {
        &self.daily_cap
    }

    /// From which share of failures on a route is paused; none if failures pause nothing.
    pub fn pause_on_failures(&self) -> Option<FailureBound> {
        self.pause_on_failures
    }
}
