//! The settings of a deployment that say who may receive what, and how fast.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    json_fields::{InvalidWholeNumber, whole_number},
    notification::Category,
    quiet_hours::{InvalidQuietHours, QuietHours},
    region::Region,
    token_bucket::RateLimit,
};

/// The settings, as JSON in `SEND_POLICY`.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Where no country says otherwise.
    #[serde(rename = "default")]
    everywhere: RegionSettings,
    /// What differs, by the ISO 3166 code of the recipient's number.
    countries: BTreeMap<Region, RegionSettings>,
    /// What is done where it cannot be found out whether a message was sent.
    on_unknown: BTreeMap<Category, OnUnknown>,
    /// How fast senders may send, by address (`whatsapp:+14155238886`), Messaging Service SID or `default`.
    rates: BTreeMap<String, RateLimit>,
}

impl fmt::Debug for Policy {
    /// The keys of `rates` are senders' addresses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("default", &self.everywhere)
            .field("countries", &self.countries)
            .field("on_unknown", &self.on_unknown)
            .finish_non_exhaustive()
    }
}

/// The settings cannot be used, for the reason that the JSON parser gives. The message holds that reason, so that the
/// parser's error is not the source as well.
#[derive(Debug, thiserror::Error)]
#[error("expected a policy as in docs/configuration.md, \"Send policy\": {0}")]
pub struct InvalidPolicy(serde_json::Error);

impl FromStr for Policy {
    type Err = InvalidPolicy;

    fn from_str(text: &str) -> Result<Self, InvalidPolicy> {
        serde_json::from_str(text).map_err(InvalidPolicy)
    }
}

/// Settings of one country, or of all: what is missing is as everywhere.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RegionSettings {
    consent: Option<BTreeMap<Category, ConsentRule>>,
    quiet_hours: Option<QuietRule>,
    marketing_cap: Option<MarketingCap>,
}

/// The days that a rule may name: a rule of 0 days would hold never or always.
const DAYS: RangeInclusive<u32> = 1..=36_500;

/// A category that needs a consent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "WrittenConsentRule")]
pub struct ConsentRule {
    /// How long one lives; for ever, if none.
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
        Ok(Self { days: written.days.map(|days| whole_number("days", days, DAYS)).transpose()? })
    }
}

impl ConsentRule {
    pub(super) fn is_living(self, given_at: Timestamp, now: Timestamp) -> bool {
        self.days.is_none_or(|days| now.duration_since(given_at) < SignedDuration::from_hours(24 * i64::from(days)))
    }
}

/// When people are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "QuietRuleJson")]
pub struct QuietRule {
    /// The hours, where the recipient is.
    pub hours: QuietHours,
    /// With what: marketing, if nothing else is named.
    pub categories: Vec<Category>,
}

/// A quiet rule as it is written: the hours' fields beside the categories.
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

/// How much marketing a person gets.
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
            messages: whole_number("messages", written.messages, Self::MESSAGES)?,
            days: whole_number("days", written.days, DAYS)?,
        })
    }
}

impl MarketingCap {
    /// The messages that a cap may allow. Each of them is kept in one item with its notification's id and time, some 550
    /// bytes at most, and an item has at most 400 KB (Amazon DynamoDB, "Service, account, and table quotas").
    const MESSAGES: RangeInclusive<u32> = 0..=500;

    /// Whether a message that went out then still counts.
    pub fn covers(self, sent_at: Timestamp, now: Timestamp) -> bool {
        now.duration_since(sent_at) < SignedDuration::from_hours(24 * i64::from(self.days))
    }
}

/// What is done where neither a status callback nor Twilio's list tells whether a message was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnUnknown {
    /// Not sent again; a person looks at it.
    Hold,
    /// Sent again: twice does less harm than not at all.
    Resend,
}

/// What holds for one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RecipientRules {
    consent: BTreeMap<Category, ConsentRule>,
    /// The person's quiet hours.
    pub quiet_hours: Option<QuietRule>,
    /// The frequency cap.
    pub marketing_cap: Option<MarketingCap>,
}

impl RecipientRules {
    /// What a category asks of a consent; none where it needs none.
    pub fn consent(&self, category: Category) -> Option<ConsentRule> {
        self.consent.get(&category).copied()
    }

    pub(super) fn is_quiet_for(&self, category: Category) -> bool {
        self.quiet_hours_of(category).is_some()
    }

    /// The hours in which this category is not sent.
    pub fn quiet_hours_of(&self, category: Category) -> Option<QuietHours> {
        self.quiet_hours.as_ref().filter(|rule| rule.categories.contains(&category)).map(|rule| rule.hours)
    }
}

impl Policy {
    /// The rules for a recipient in this country. Without settings, marketing needs a consent and nothing else does
    /// (WhatsApp Business Messaging Policy: an opt-in before a business writes first).
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

    /// A one-time password is asked for again within a minute and worthless after ten, so it is sent again; of anything
    /// else a second copy does more harm than a person who looks at it.
    pub fn on_unknown(&self, category: Category) -> OnUnknown {
        let otherwise = if category == Category::Authentication { OnUnknown::Resend } else { OnUnknown::Hold };
        self.on_unknown.get(&category).copied().unwrap_or(otherwise)
    }

    /// How fast a sender, or a Messaging Service, may send.
    pub fn rate_limit(&self, sender: &str) -> RateLimit {
        self.rates.get(sender).or_else(|| self.rates.get("default")).copied().unwrap_or_default()
    }
}
