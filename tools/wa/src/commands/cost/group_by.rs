//! What costs are grouped by.

use std::str::FromStr;

/// A property of a message that groups it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GroupBy {
    Account,
    /// The notification's.
    Category,
    Channel,
    /// The person's.
    Country,
    Day,
    Direction,
    /// A value of the notification's metadata.
    Metadata {
        key: String,
        column: String,
    },
    /// The sender: its address tells an SMS from WhatsApp.
    Route,
    Status,
}

/// The metadata that names a campaign.
const CAMPAIGN: &str = "campaign";
const METADATA: &str = "metadata.";

impl GroupBy {
    pub(super) fn campaign() -> Self {
        Self::Metadata { key: CAMPAIGN.to_owned(), column: CAMPAIGN.to_owned() }
    }

    /// The name of its column.
    pub(super) fn column(&self) -> &str {
        match self {
            Self::Account => "account",
            Self::Category => "category",
            Self::Channel => "channel",
            Self::Country => "country",
            Self::Day => "day",
            Self::Direction => "direction",
            Self::Metadata { column, .. } => column,
            Self::Route => "route",
            Self::Status => "status",
        }
    }

    /// Whether only the Notifications table has it.
    pub(super) const fn is_of_notification(&self) -> bool {
        matches!(self, Self::Category | Self::Metadata { .. })
    }
}

impl FromStr for GroupBy {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "account" => Self::Account,
            "campaign" => Self::campaign(),
            "category" => Self::Category,
            "channel" => Self::Channel,
            "country" => Self::Country,
            "day" => Self::Day,
            "direction" => Self::Direction,
            "route" => Self::Route,
            "status" => Self::Status,
            _ => match text.strip_prefix(METADATA) {
                Some(key) if !key.is_empty() => Self::Metadata { key: key.to_owned(), column: text.to_owned() },
                _ => {
                    return Err(
                        "expected account, campaign, category, channel, country, day, direction, route, status or \
                         metadata.NAME",
                    );
                }
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_a_group_is_its_column() {
        for name in ["account", "campaign", "category", "channel", "country", "day", "direction", "route", "status"] {
            assert_eq!(name.parse::<GroupBy>().unwrap().column(), name);
        }
        assert_eq!("metadata.shop".parse::<GroupBy>().unwrap().column(), "metadata.shop");
        for name in ["", "metadata.", "tenant", "Country"] {
            assert!(name.parse::<GroupBy>().is_err(), "{name}");
        }
    }
}
