//! The lists of addresses to which SendGrid sends nothing.

use std::fmt;

/// A list that holds an address. SendGrid itself drops an e-mail to such an address and reports it as `dropped`.
///
/// Source: Twilio SendGrid, "Suppressions overview". Blocks are left out: they are temporary, and SendGrid sends to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuppressionList {
    /// The person unsubscribed from everything.
    GlobalUnsubscribes,
    /// The person unsubscribed from the group of the e-mail.
    UnsubscribeGroup(u32),
    /// An earlier e-mail bounced for good.
    Bounces,
    /// The person reported an e-mail as spam.
    SpamReports,
    /// The domain accepts no e-mail, or the address cannot exist.
    InvalidEmails,
}

impl fmt::Display for SuppressionList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GlobalUnsubscribes => f.write_str("the address is on SendGrid's list of global unsubscribes"),
            Self::UnsubscribeGroup(group) => write!(f, "the address has unsubscribed from SendGrid's group {group}"),
            Self::Bounces => f.write_str("the address is on SendGrid's list of bounces"),
            Self::SpamReports => f.write_str("the address is on SendGrid's list of spam reports"),
            Self::InvalidEmails => f.write_str("the address is on SendGrid's list of invalid addresses"),
        }
    }
}

impl SuppressionList {
    /// The lists that concern an e-mail.
    pub(crate) fn of(group: Option<u32>) -> impl Iterator<Item = Self> {
        let lists = [Self::GlobalUnsubscribes, Self::Bounces, Self::SpamReports, Self::InvalidEmails];
        lists.into_iter().chain(group.map(Self::UnsubscribeGroup))
    }

    /// The path that says whether an address, which is escaped, is on the list.
    pub(crate) fn path(self, address: &str) -> String {
        match self {
            Self::GlobalUnsubscribes => format!("/v3/asm/suppressions/global/{address}"),
            Self::UnsubscribeGroup(_) => format!("/v3/asm/suppressions/{address}"),
            Self::Bounces => format!("/v3/suppression/bounces/{address}"),
            Self::SpamReports => format!("/v3/suppression/spam_reports/{address}"),
            Self::InvalidEmails => format!("/v3/suppression/invalid_emails/{address}"),
        }
    }

    /// Whether the answer says that the address is on the list: the address itself for the global list, an entry for each
    /// group with `suppressed`, and a list of entries for the others.
    ///
    /// Source: SendGrid's `OpenAPI` description, `tsg_suppressions_v3.json`.
    pub(crate) fn holds_by(self, answer: &serde_json::Value) -> bool {
        match self {
            Self::GlobalUnsubscribes => answer["recipient_email"].is_string(),
            Self::UnsubscribeGroup(group) => {
                answer["suppressions"].as_array().into_iter().flatten().any(|entry| {
                    entry["id"].as_u64() == Some(group.into()) && entry["suppressed"].as_bool() == Some(true)
                })
            }
            Self::Bounces | Self::SpamReports | Self::InvalidEmails => {
                answer.as_array().is_some_and(|entries| !entries.is_empty())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_list_has_its_own_answer() {
        let global = SuppressionList::GlobalUnsubscribes;
        assert!(global.holds_by(&json!({"recipient_email": "ava@example.com"})) && !global.holds_by(&json!({})));
        let group = SuppressionList::UnsubscribeGroup(7);
        let entry = |id: u32, suppressed: bool| json!({"suppressions": [{"id": id, "suppressed": suppressed}]});
        assert!(group.holds_by(&entry(7, true)));
        assert!(!group.holds_by(&entry(7, false)) && !group.holds_by(&entry(8, true)));
        let bounces = SuppressionList::Bounces;
        assert!(bounces.holds_by(&json!([{"email": "ava@example.com"}])) && !bounces.holds_by(&json!([])));
    }

    #[test]
    fn group_is_asked_only_if_the_email_has_one() {
        assert_eq!(SuppressionList::of(None).count(), 4);
        assert_eq!(SuppressionList::of(Some(7)).last(), Some(SuppressionList::UnsubscribeGroup(7)));
    }
}
