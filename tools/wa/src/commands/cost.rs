//! `wa cost`: what messages have cost, by Twilio's own price of each and AWS's list prices.

use domain::notification::Category;
use jiff::{SignedDuration, Timestamp};
use twilio_types::sid::AccountSid;

use crate::{error::CommandError, output::PropertyTable, prices::aws::AwsPrices, session::Session, since::Since};

mod charged;
mod group_by;
mod labels;
mod report;
mod twilio_list;

use group_by::GroupBy;
use labels::{LabelReader, NotificationLabels};
use report::CostReport;
use twilio_list::MessagePages;

/// How far back it looks if nothing else is asked for. Twilio keeps the list of messages for 400 days.
const DEFAULT_PERIOD: SignedDuration = SignedDuration::from_hours(30 * 24);

#[derive(clap::Args)]
#[command(after_help = "\
The price of each message is Twilio's, read from its list of messages in pages of 1,000. It comes some time after the last status:
what has none yet is counted as not priced. AWS's part is an estimate, by its list prices: a message in a campaign costs about half
of it. Amounts of different currencies are never added.

  --by NAME   groups by      account, channel, country (of the person), day (UTC), direction, route (the sender), status;
              and, from the Notifications table, category, campaign (the metadata of that name), metadata.NAME

Example:
  wa cost --since 30d --by country,category
  wa cost --since 2026-11-01T00:00:00Z --until 2026-12-01T00:00:00Z --by campaign --output csv
  wa cost --all-accounts --by account,day")]
pub struct CostArguments {
    /// Only messages sent or received since then: how long ago, as in 12h or 7d, or a time [default: 30d]
    #[arg(long, value_name = "AGO")]
    since: Option<Since>,
    /// Only messages sent or received before then
    #[arg(long, value_name = "AGO")]
    until: Option<Since>,
    /// A row for each of these, separated by commas, as in country,day [default: one row for everything]
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    by: Vec<GroupBy>,
    /// Only messages of notifications of this category
    #[arg(long, value_name = "CATEGORY", value_parser = category)]
    category: Option<Category>,
    /// Only messages of notifications whose metadata has this campaign
    #[arg(long, value_name = "NAME")]
    campaign: Option<String>,
    /// Every account in the stack's secret
    #[arg(long, conflicts_with = "account_sid")]
    all_accounts: bool,
    /// For category, campaign and metadata: how many items of the Notifications table are read at most, for each account
    #[arg(long, default_value_t = 1_000_000, value_name = "NUMBER")]
    max_read: u64,
}

fn category(text: &str) -> Result<Category, &'static str> {
    let found = Category::ALL.into_iter().find(|category| category.as_str() == text);
    found.ok_or("expected marketing, utility, authentication or service")
}

/// From when to when, the end not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CostPeriod {
    since: Timestamp,
    until: Timestamp,
}

impl CostPeriod {
    fn contains(self, at: Timestamp) -> bool {
        (self.since..self.until).contains(&at)
    }
}

impl CostArguments {
    fn period(&self, now: Timestamp) -> Result<CostPeriod, CommandError> {
        let since = self.since.unwrap_or(Since::Ago(DEFAULT_PERIOD)).at(now);
        let until = self.until.map_or(now, |until| until.at(now));
        if since < until {
            Ok(CostPeriod { since, until })
        } else {
            Err(CommandError::usage("--until: expected a time after that of --since"))
        }
    }

    /// Which labels of notifications decide about a message or its group.
    fn labels(&self) -> Vec<GroupBy> {
        let of_filters =
            [self.category.map(|_| GroupBy::Category), self.campaign.as_ref().map(|_| GroupBy::campaign())];
        let of_groups = self.by.iter().filter(|by| by.is_of_notification()).cloned();
        let mut labels: Vec<_> = of_filters.into_iter().flatten().chain(of_groups).collect();
        labels.sort();
        labels.dedup();
        labels
    }

    /// Whether the filters let a message with these labels pass.
    fn passes(&self, label: impl Fn(&GroupBy) -> Option<String>) -> bool {
        self.category.is_none_or(|category| label(&GroupBy::Category).as_deref() == Some(category.as_str()))
            && self.campaign.as_ref().is_none_or(|campaign| label(&GroupBy::campaign()).as_ref() == Some(campaign))
    }
}

pub async fn run(arguments: &CostArguments, session: &Session) -> Result<(), CommandError> {
    let period = arguments.period(Timestamp::now())?;
    let aws = AwsPrices::built_in()?;
    let accounts: Vec<AccountSid> = if arguments.all_accounts {
        session.accounts().await?.sids().cloned().collect()
    } else {
        vec![session.account_sid().await?]
    };
    let mut report = CostReport::new(arguments.by.clone());
    for account_sid in accounts {
        add_account(arguments, session, &account_sid, period, &mut report).await?;
    }
    session.output.table(&PropertyTable::new(&report.columns(), report.rows(&aws))?)?;
    for note in report.notes(&aws) {
        session.terminal.note(&note);
    }
    Ok(())
}

/// Adds the messages of an account to the report.
async fn add_account(
    arguments: &CostArguments,
    session: &Session,
    account_sid: &AccountSid,
    period: CostPeriod,
    report: &mut CostReport,
) -> Result<(), CommandError> {
    let wanted = arguments.labels();
    let labels = if wanted.is_empty() {
        NotificationLabels::default()
    } else {
        let reader = LabelReader { session, account_sid, since: period.since, max_read: arguments.max_read };
        reader.read(wanted).await?
    };
    let account = session.twilio_of(account_sid).await?;
    let progress = session.terminal.count("messages");
    let mut pages = MessagePages::new(&account, period);
    while let Some(page) = pages.next().await? {
        for message in &page.messages {
            if arguments.passes(|label| labels.of(&message.sid, label)) {
                report.add(message, account_sid, &labels)?;
            }
        }
        report.unreadable += page.unreadable;
        progress.set_position(report.messages());
    }
    progress.finish_and_clear();
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct CostCommandLine {
        #[arg(long, global = true)]
        account_sid: Option<String>,
        #[command(flatten)]
        arguments: CostArguments,
    }

    fn arguments(options: &str) -> CostArguments {
        let words = std::iter::once("cost").chain(options.split_whitespace());
        CostCommandLine::try_parse_from(words).map_err(|error| error.to_string()).unwrap().arguments
    }

    #[test]
    fn period_ends_now_and_begins_before_its_end() {
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let period = arguments("").period(now).unwrap();
        assert_eq!((period.since.to_string().as_str(), period.until), ("2026-10-21T09:00:00Z", now));
        let period = arguments("--since 2d --until 2026-11-19T00:00:00Z").period(now).unwrap();
        assert!(period.contains(period.since) && !period.contains(period.until));
        assert!(arguments("--since 1d --until 2d").period(now).is_err());
    }

    #[test]
    fn labels_are_read_for_groups_and_filters_once() {
        assert_eq!(arguments("--by country,day").labels(), []);
        let labels = arguments("--by campaign,country,category --category marketing").labels();
        assert_eq!(labels, [GroupBy::Category, GroupBy::campaign()]);
    }

    #[test]
    fn filters_compare_labels() {
        let arguments = arguments("--category marketing --campaign spring");
        let passes = |category: Option<&str>, campaign: Option<&str>| {
            arguments.passes(|label| {
                let value = if *label == GroupBy::Category { category } else { campaign };
                value.map(str::to_owned)
            })
        };
        assert!(passes(Some("marketing"), Some("spring")));
        assert!(!passes(Some("utility"), Some("spring")) && !passes(Some("marketing"), None));
    }
}
