//! Costs by group, and their totals.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use twilio_types::sid::AccountSid;

use super::{
    charged::{Charge, ChargedMessage, Direction},
    group_by::GroupBy,
    labels::NotificationLabels,
};
use crate::{
    error::CommandError,
    money::{Money, Sums},
    prices::aws::AwsPrices,
};

/// More groups are not a report, and each is kept in memory.
const MAX_GROUPS: usize = 100_000;

/// What the messages of a group cost.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct GroupCosts {
    sent: u64,
    inbound: u64,
    not_priced: u64,
    unreadable: u64,
    spent: Sums,
}

impl GroupCosts {
    fn add(&mut self, message: &ChargedMessage) {
        match message.direction {
            Direction::Outbound => self.sent += 1,
            Direction::Inbound => self.inbound += 1,
        }
        match message.charge {
            Charge::Spent(money) => self.spent.add(money),
            Charge::NotPriced => self.not_priced += 1,
            Charge::Unreadable => self.unreadable += 1,
        }
    }

    fn add_all(&mut self, other: &Self) {
        self.sent += other.sent;
        self.inbound += other.inbound;
        self.not_priced += other.not_priced;
        self.unreadable += other.unreadable;
        self.spent.add_all(&other.spent);
    }

    const fn messages(&self) -> u64 {
        self.sent + self.inbound
    }
}

/// The costs of all groups.
pub(super) struct CostReport {
    by: Vec<GroupBy>,
    groups: BTreeMap<Vec<Option<String>>, GroupCosts>,
    messages: u64,
    /// How many messages of Twilio's list are not understood at all.
    pub(super) unreadable: u64,
}

impl CostReport {
    pub(super) fn new(by: Vec<GroupBy>) -> Self {
        Self { by, groups: BTreeMap::new(), messages: 0, unreadable: 0 }
    }

    pub(super) const fn messages(&self) -> u64 {
        self.messages
    }

    pub(super) fn add(
        &mut self,
        message: &ChargedMessage,
        account_sid: &AccountSid,
        labels: &NotificationLabels,
    ) -> Result<(), CommandError> {
        let value = |by: &GroupBy| match by {
            GroupBy::Account => Some(account_sid.to_string()),
            GroupBy::Category | GroupBy::Metadata { .. } => labels.of(&message.sid, by),
            GroupBy::Channel => Some(message.channel.clone()),
            GroupBy::Country => message.country.map(|country| country.to_string()),
            GroupBy::Day => Some(message.day().to_string()),
            GroupBy::Direction => Some(message.direction.as_str().to_owned()),
            GroupBy::Route => message.route.clone(),
            GroupBy::Status => Some(message.status.clone()),
        };
        let group: Vec<_> = self.by.iter().map(value).collect();
        if self.groups.len() >= MAX_GROUPS && !self.groups.contains_key(&group) {
            return Err(CommandError::usage(format!("--by: more than {MAX_GROUPS} groups. Group by fewer properties")));
        }
        self.groups.entry(group).or_default().add(message);
        self.messages += 1;
        Ok(())
    }

    /// The columns for people, the most important first.
    pub(super) fn columns(&self) -> Vec<&str> {
        let groups = self.by.iter().map(GroupBy::column);
        groups.chain(["messages", "twilio", "currency", "not_priced", "aws_usd_at_most"]).collect()
    }

    /// A row for each group and currency. Messages are counted in the first row of a group.
    pub(super) fn rows(&self, aws: &AwsPrices) -> Vec<Value> {
        if self.groups.is_empty() && self.by.is_empty() {
            return self.group_rows(&[], &GroupCosts::default(), aws);
        }
        self.groups.iter().flat_map(|(group, costs)| self.group_rows(group, costs, aws)).collect()
    }

    fn group_rows(&self, group: &[Option<String>], costs: &GroupCosts, aws: &AwsPrices) -> Vec<Value> {
        let mut sums: Vec<Option<Money>> = costs.spent.iter().map(Some).collect();
        if sums.is_empty() {
            sums.push(None);
        }
        let names = self.by.iter().map(GroupBy::column);
        let place: Map<_, _> = names.map(str::to_owned).zip(group.iter().map(|value| json!(value))).collect();
        let row = |(index, sum): (usize, Option<Money>)| {
            let counted = if index == 0 { costs.clone() } else { GroupCosts::default() };
            let mut row = place.clone();
            let costs = json!({
                "messages": counted.messages(), "sent": counted.sent, "inbound": counted.inbound,
                "twilio": sum.map(|sum| sum.amount), "currency": sum.map(|sum| sum.currency),
                "not_priced": counted.not_priced, "unreadable_price": counted.unreadable,
                "aws_usd_at_most": aws.of(counted.sent, counted.inbound),
            });
            row.extend(costs.as_object().cloned().unwrap_or_default());
            Value::Object(row)
        };
        sums.into_iter().enumerate().map(row).collect()
    }

    /// The totals, and what they do not have.
    pub(super) fn notes(&self, aws: &AwsPrices) -> Vec<String> {
        let mut total = GroupCosts::default();
        self.groups.values().for_each(|costs| total.add_all(costs));
        let mut notes = vec![format!(
            "{} messages cost {} at Twilio, and at most {} USD at AWS by its list prices of {}",
            total.messages(),
            total.spent,
            aws.of(total.sent, total.inbound),
            aws.as_of
        )];
        if total.not_priced > 0 {
            notes.push(format!(
                "{} have no price yet, or cost nothing: Twilio prices a message after its last status",
                total.not_priced
            ));
        }
        if total.unreadable > 0 {
            notes.push(format!("{} have a price that cannot be read, and are not in the sum", total.unreadable));
        }
        if self.unreadable > 0 {
            notes.push(format!("{} messages of Twilio's list cannot be read, and are not counted", self.unreadable));
        }
        notes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";

    fn charge(text: &str) -> Charge {
        match text.split_once(' ') {
            Some((amount, currency)) => {
                Charge::Spent(Money { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() })
            }
            None if text.is_empty() => Charge::NotPriced,
            None => Charge::Unreadable,
        }
    }

    fn report(by: &[&str], messages: &[(&str, &str)]) -> CostReport {
        let mut report = CostReport::new(by.iter().map(|by| by.parse().unwrap()).collect());
        for (country, price) in messages {
            let message = ChargedMessage {
                sid: "SM00000000000000000000000000000001".parse().unwrap(),
                at: "2026-11-20T09:00:00Z".parse().unwrap(),
                direction: Direction::Outbound,
                status: "read".to_owned(),
                channel: "whatsapp".to_owned(),
                country: country.parse().ok(),
                route: None,
                charge: charge(price),
            };
            report.add(&message, &ACCOUNT.parse().unwrap(), &NotificationLabels::default()).unwrap();
        }
        report
    }

    const MESSAGES: [(&str, &str); 6] =
        [("BR", "0.005 USD"), ("BR", "0.0075 USD"), ("BR", ""), ("GB", "0.004 GBP"), ("GB", "0.005 USD"), ("", "?")];

    #[test]
    fn groups_have_a_row_for_each_currency() {
        let aws = AwsPrices::built_in().unwrap();
        let rows = report(&["country", "day"], &MESSAGES).rows(&aws);
        let shown: Vec<_> = rows
            .iter()
            .map(|row| {
                format!(
                    "{} {} {} {} {}",
                    row["country"], row["messages"], row["twilio"], row["currency"], row["not_priced"]
                )
            })
            .collect();
        let expected = [
            "null 1 null null 0",
            r#""BR" 3 "0.0125" "USD" 1"#,
            r#""GB" 2 "0.004" "GBP" 0"#,
            r#""GB" 0 "0.005" "USD" 0"#,
        ];
        assert_eq!(shown, expected);
        assert_eq!(rows[0]["unreadable_price"], 1);
        assert_eq!(rows[1]["aws_usd_at_most"], json!(aws.of(3, 0)));
        assert_eq!(rows[1]["day"], "2026-11-20");
    }

    #[test]
    fn totals_never_add_currencies() {
        let aws = AwsPrices::built_in().unwrap();
        let mut report = report(&["country"], &MESSAGES);
        report.unreadable = 2;
        let notes = report.notes(&aws);
        assert!(
            notes[0].starts_with("6 messages cost 0.004 GBP and 0.0175 USD at Twilio, and at most 0.000"),
            "{notes:?}"
        );
        assert!(notes[0].ends_with("by its list prices of 2025-11"), "{notes:?}");
        assert!(
            notes[1].starts_with("1 have no price yet") && notes[2].starts_with("1 have a price that"),
            "{notes:?}"
        );
        assert!(notes[3].starts_with("2 messages of Twilio's list"), "{notes:?}");
    }

    #[test]
    fn report_of_no_message_is_one_row_of_nothing() {
        let aws = AwsPrices::built_in().unwrap();
        let rows = report(&[], &[]).rows(&aws);
        assert_eq!((rows.len(), &rows[0]["messages"], &rows[0]["twilio"]), (1, &json!(0), &Value::Null));
        assert!(report(&["country"], &[]).rows(&aws).is_empty());
        assert!(report(&[], &[]).notes(&aws)[0].starts_with("0 messages cost nothing at Twilio"));
    }
}
