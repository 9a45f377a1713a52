//! What the notifications of a file will cost, by country, category, channel and content.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use domain::{
    notification::{Category, Content, Notification, Template},
    region::Region,
    templates::{Sendability, TemplateRegistry},
};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use serde::{Serialize, Serializer};

use crate::{
    error::CommandError,
    money::{Amount, Sums},
    output::PropertyTable,
    prices::{Fee, MessageFees, MessageKind, PlannedMessage, PriceTable, aws::AwsPrices},
};

#[derive(Debug, Clone, Default, clap::Args)]
pub(super) struct EstimateArguments {
    /// With --dry-run: show what it will cost by country and category, in the place of each decision
    #[arg(long, requires = "dry_run")]
    pub(super) estimate: bool,
    /// With --dry-run: a file of prices, as Meta's rate card by country (CSV)
    #[arg(long, value_name = "PATH", requires = "dry_run")]
    prices: Option<PathBuf>,
}

impl EstimateArguments {
    /// The prices of the file, and the built-in ones for what it does not have.
    pub(super) fn prices(&self) -> Result<PriceTable, CommandError> {
        let invalid = |error| CommandError::usage("--prices").because(error);
        let prices = PriceTable::built_in().map_err(invalid)?;
        match &self.prices {
            Some(path) => prices.with_file(&read(path)?).map_err(invalid),
            None => Ok(prices),
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CommandError> {
    std::fs::read(path)
        .map_err(|error| CommandError::usage(format!("--prices: {} cannot be read", path.display())).because(error))
}

/// The messages that one notification will send now or later, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PlannedMessages {
    message: PlannedMessage,
    /// More than one for further files.
    number: u64,
    /// The day (UTC) on which they are sent, whose prices count.
    on: Date,
}

/// The facts that a plan follows from.
pub(super) struct PlanFacts<'a> {
    pub(super) templates: &'a TemplateRegistry,
    pub(super) country: Option<Region>,
    pub(super) window_open_until: Option<Timestamp>,
    /// When it is sent, as far as it is known.
    pub(super) at: Timestamp,
}

impl PlannedMessages {
    /// The messages of an option; none of an option that does not exist.
    pub(super) fn of(notification: &Notification, option: usize, facts: &PlanFacts<'_>) -> Option<Self> {
        let (channel, content) = notification.channel_option(option)?;
        let (kind, category) = priced_as(content, notification.category, facts.templates);
        let window_is_open = facts.window_open_until.is_some_and(|until| facts.at < until);
        let further = if option == 0 { notification.further_ids().len() } else { 0 };
        Some(Self {
            message: PlannedMessage { channel, country: facts.country, category, kind, window_is_open },
            number: 1 + further as u64,
            on: facts.at.to_zoned(TimeZone::UTC).date(),
        })
    }

    /// The fees of each message.
    pub(super) fn fees(&self, prices: &PriceTable) -> ShownFees {
        let MessageFees { twilio, meta } = self.message.fees(prices, self.on);
        ShownFees { twilio: ShownFee(twilio), meta: ShownFee(meta) }
    }
}

/// The kind and the category by which Meta charges for a content. WhatsApp's own category of a template counts, and not the
/// notification's; a content that was never approved goes out as free-form, while the window is open.
fn priced_as(content: &Content, category: Category, templates: &TemplateRegistry) -> (MessageKind, Category) {
    let Content::Template { template, .. } = content else {
        let kind = if matches!(content, Content::Studio { .. }) { MessageKind::Flow } else { MessageKind::FreeForm };
        return (kind, category);
    };
    let found = match template {
        Template::Sid(sid) => templates.get(sid),
        Template::Named { name, .. } => templates.templates().find(|found| found.name.as_ref() == Some(name)),
    };
    let Some(found) = found else { return (MessageKind::Template, category) };
    let own = Category::ALL.into_iter().find(|category| found.category.as_deref() == Some(category.as_str()));
    let kind = if found.sendability() == Sendability::InWindow { MessageKind::FreeForm } else { MessageKind::Template };
    (kind, own.unwrap_or(category))
}

/// The fees of a message, for the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct ShownFees {
    twilio: ShownFee,
    meta: ShownFee,
}

/// `free`, `unknown`, or as in `0.005 USD`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ShownFee(Fee);

impl fmt::Display for ShownFee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Fee::Free => f.write_str("free"),
            Fee::Charged(money) => money.fmt(f),
            Fee::Unknown => f.write_str("unknown"),
        }
    }
}

impl Serialize for ShownFee {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The group of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct EstimateGroup {
    country: Option<Region>,
    category: Category,
    channel: &'static str,
    kind: MessageKind,
}

/// The fees of several messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct FeeSum {
    charged: Sums,
    unknown: u64,
}

impl FeeSum {
    fn add(&mut self, fee: Fee, number: u64) {
        match fee {
            Fee::Free => {}
            Fee::Charged(money) => self.charged.add(money.times(number)),
            Fee::Unknown => self.unknown += number,
        }
    }

    fn add_all(&mut self, other: &Self) {
        self.charged.add_all(&other.charged);
        self.unknown += other.unknown;
    }

    /// The sum where it is known.
    fn shown(&self) -> Option<String> {
        (!self.charged.is_empty() || self.unknown == 0).then(|| self.charged.to_string())
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct GroupEstimate {
    messages: u64,
    twilio: FeeSum,
    meta: FeeSum,
}

impl GroupEstimate {
    fn add(&mut self, planned: &PlannedMessages, prices: &PriceTable) {
        let MessageFees { twilio, meta } = planned.message.fees(prices, planned.on);
        self.messages += planned.number;
        self.twilio.add(twilio, planned.number);
        self.meta.add(meta, planned.number);
    }
}

/// What a file of notifications will cost.
pub(super) struct CampaignEstimate {
    groups: BTreeMap<EstimateGroup, GroupEstimate>,
    aws: AwsPrices,
}

/// A row of the estimate. The fields are those of the JSON output.
#[derive(Serialize)]
struct EstimateRow {
    country: Option<Region>,
    category: &'static str,
    channel: &'static str,
    content: &'static str,
    messages: u64,
    twilio: Option<String>,
    meta: Option<String>,
    /// For how many of the messages a fee is not known.
    unknown: u64,
    aws_usd_at_most: Amount,
}

const COLUMNS: [&str; 9] =
    ["country", "category", "channel", "content", "messages", "twilio", "meta", "unknown", "aws_usd_at_most"];

impl CampaignEstimate {
    pub(super) fn of(
        planned: impl Iterator<Item = PlannedMessages>,
        prices: &PriceTable,
    ) -> Result<Self, CommandError> {
        let mut groups = BTreeMap::<_, GroupEstimate>::new();
        for planned in planned {
            let PlannedMessage { country, category, channel, kind, .. } = planned.message;
            let group = EstimateGroup { country, category, channel: channel.as_str(), kind };
            groups.entry(group).or_default().add(&planned, prices);
        }
        Ok(Self { groups, aws: AwsPrices::built_in()? })
    }

    pub(super) fn table(&self) -> Result<PropertyTable, CommandError> {
        let row = |(group, costs): (&EstimateGroup, &GroupEstimate)| EstimateRow {
            country: group.country,
            category: group.category.as_str(),
            channel: group.channel,
            content: match group.kind {
                MessageKind::Template => "template",
                MessageKind::FreeForm => "free_form",
                MessageKind::Flow => "flow",
            },
            messages: costs.messages,
            twilio: costs.twilio.shown(),
            meta: costs.meta.shown(),
            unknown: costs.twilio.unknown.max(costs.meta.unknown),
            aws_usd_at_most: self.aws.of(costs.messages, 0),
        };
        PropertyTable::new(&COLUMNS, self.groups.iter().map(row))
    }

    /// The totals, and what they do not have.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut total = GroupEstimate::default();
        for costs in self.groups.values() {
            total.messages += costs.messages;
            total.twilio.add_all(&costs.twilio);
            total.meta.add_all(&costs.meta);
        }
        let mut notes = vec![format!(
            "{} messages will cost {} at Twilio, {} at Meta, and at most {} USD at AWS by its list prices of {}",
            total.messages,
            total.twilio.shown().unwrap_or_else(|| UNKNOWN.to_owned()),
            total.meta.shown().unwrap_or_else(|| UNKNOWN.to_owned()),
            self.aws.of(total.messages, 0),
            self.aws.as_of
        )];
        let missing = [("Twilio", total.twilio.unknown), ("Meta", total.meta.unknown)];
        notes.extend(missing.into_iter().filter(|(_, number)| *number > 0).map(|(company, number)| {
            format!("for {number} of them no price of {company} is known: --prices reads a rate card (docs/costs.md)")
        }));
        if total.messages > 0 {
            notes.push(NOT_INCLUDED.to_owned());
        }
        notes
    }
}

const UNKNOWN: &str = "an unknown amount";
const NOT_INCLUDED: &str = "not considered: volume tiers, Meta's monthly allowance of service messages, the free 72 hours after a \
                            click on an advertisement, fallbacks and answers";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PRICES: &str = "\
country,category,price,currency
BR,marketing,0.06,USD
BR,service,0.007,USD
DE,marketing,0.12,EUR
";

    fn notification(category: &str, content: &serde_json::Value) -> Notification {
        let json = json!({"id": "a", "to": "+5511912345678", "category": category, "content": content,
                          "fallback": [{"channel": "sms", "content": {"type": "text", "body": "Hi"}}]});
        Notification::parse(&json.to_string()).unwrap()
    }

    fn planned(country: &str, category: &str, content: &serde_json::Value, option: usize) -> PlannedMessages {
        let at: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let facts = PlanFacts {
            templates: &TemplateRegistry::default(),
            country: country.parse().ok(),
            window_open_until: Some("2026-11-20T10:00:00Z".parse().unwrap()),
            at,
        };
        PlannedMessages::of(&notification(category, content), option, &facts).unwrap()
    }

    fn estimate() -> CampaignEstimate {
        let template =
            json!({"type": "template", "content_sid": "HX00000000000000000000000000000001", "variables": {}});
        let text = json!({"type": "text", "body": "Hi"});
        let planned = [
            planned("BR", "marketing", &template, 0),
            planned("BR", "marketing", &template, 0),
            planned("BR", "service", &text, 0),
            planned("DE", "marketing", &template, 0),
            planned("DE", "utility", &template, 0),
            planned("US", "utility", &text, 1),
        ];
        let prices = PriceTable::built_in().unwrap().with_file(PRICES.as_bytes()).unwrap();
        CampaignEstimate::of(planned.into_iter(), &prices).unwrap()
    }

    #[test]
    fn campaign_costs_its_messages_by_country_and_category() {
        let groups = estimate().groups;
        let shown: Vec<_> = groups
            .iter()
            .map(|(group, costs)| {
                let country = group.country.map(|country| country.to_string()).unwrap_or_default();
                let sum = |sum: &FeeSum| sum.shown().unwrap_or_else(|| "?".to_owned());
                format!(
                    "{country} {} {}: {}, {}, {}",
                    group.category.as_str(),
                    group.channel,
                    costs.messages,
                    sum(&costs.twilio),
                    sum(&costs.meta)
                )
            })
            .collect();
        let expected = [
            "BR marketing whatsapp: 2, 0.01 USD, 0.12 USD",
            "BR service whatsapp: 1, 0.005 USD, 0.007 USD",
            "DE marketing whatsapp: 1, 0.005 USD, 0.12 EUR",
            "DE utility whatsapp: 1, 0.005 USD, ?",
            "US utility sms: 1, ?, nothing",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn totals_say_what_is_not_known() {
        let notes = estimate().notes();
        let sums = "6 messages will cost 0.025 USD at Twilio, 0.12 EUR and 0.127 USD at Meta, and at most 0.000";
        assert!(notes[0].starts_with(sums), "{notes:?}");
        assert!(
            notes[1].starts_with("for 1 of them no price of Twilio")
                && notes[2].starts_with("for 1 of them no price of Meta")
        );
        assert_eq!(notes[3], NOT_INCLUDED);
    }

    #[test]
    fn several_files_are_several_messages() {
        let media = json!({"type": "media", "one_message_per_file": true,
                           "media": [{"url": "https://example.com/a.png"}, {"url": "https://example.com/b.png"}]});
        let files = planned("BR", "service", &media, 0);
        assert_eq!((files.number, files.message.kind), (2, MessageKind::FreeForm));
        assert_eq!(planned("BR", "service", &media, 1).number, 1, "a fallback has no further files");
    }
}
