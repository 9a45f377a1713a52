//! Pauses: what an operator, or a rule, has stopped for a while. A notification that a pause covers is not sent and not
//! ended: it waits until the pause ends.

use std::{collections::BTreeMap, fmt, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use twilio_types::sid::AccountSid;

use crate::{
    notification::Category,
    route::{end_of, is_rate_key},
};

/// What a pause covers.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PauseScope {
    /// Every notification of every account.
    All,
    Account(AccountSid),
    /// A sender on WhatsApp (`whatsapp:+14155238886`), a Messaging Service on both channels (`MG...`), or a Messaging
    /// Service for SMS alone (`sms:MG...`), or `email`.
    Sender(String),
    Category(Category),
}

/// A text that names no scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not what a pause can cover: expected all, account#AC..., sender#whatsapp:+14155238886, sender#MG..., \
     sender#sms:MG..., sender#email, or category# with marketing, utility, authentication or service"
)]
pub struct InvalidPauseScope;

impl FromStr for PauseScope {
    type Err = InvalidPauseScope;

    fn from_str(text: &str) -> Result<Self, InvalidPauseScope> {
        let scope = match text.split_once('#') {
            None if text == "all" => Some(Self::All),
            Some(("account", account_sid)) => account_sid.parse().ok().map(Self::Account),
            Some(("sender", sender)) => is_rate_key(sender).then(|| Self::Sender(sender.to_owned())),
            Some(("category", name)) => {
                Category::ALL.into_iter().find(|category| category.as_str() == name).map(Self::Category)
            }
            _ => None,
        };
        scope.ok_or(InvalidPauseScope)
    }
}

impl TryFrom<String> for PauseScope {
    type Error = InvalidPauseScope;

    fn try_from(text: String) -> Result<Self, InvalidPauseScope> {
        text.parse()
    }
}

impl From<PauseScope> for String {
    fn from(scope: PauseScope) -> Self {
        scope.to_string()
    }
}

impl fmt::Display for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Account(account_sid) => write!(f, "account#{account_sid}"),
            Self::Sender(sender) => write!(f, "sender#{sender}"),
            Self::Category(category) => write!(f, "category#{}", category.as_str()),
        }
    }
}

impl fmt::Debug for PauseScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.for_log())
    }
}

impl PauseScope {
    /// As `Display`, but only the last four characters of a sender: enough to recognise it, and no full phone number.
    pub fn for_log(&self) -> String {
        let Self::Sender(sender) = self else { return self.to_string() };
        format!("sender#...{}", end_of(sender))
    }
}

/// One pause.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    pub scope: PauseScope,
    pub since: Timestamp,
    /// Who paused: the ARN of the caller; none for an automatic pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// A rule paused it, and no person.
    pub is_automatic: bool,
}

impl fmt::Debug for Pause {
    /// The reason is free text, and an ARN may hold a person's name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pause")
            .field("scope", &self.scope)
            .field("since", &self.since)
            .field("is_automatic", &self.is_automatic)
            .finish_non_exhaustive()
    }
}

/// Everything that is paused.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pauses(BTreeMap<PauseScope, Pause>);

impl FromIterator<Pause> for Pauses {
    fn from_iter<I: IntoIterator<Item = Pause>>(pauses: I) -> Self {
        Self(pauses.into_iter().map(|pause| (pause.scope.clone(), pause)).collect())
    }
}

impl Pauses {
    /// The pause that covers a notification of this account with these scopes
    /// ([`Route::pause_scopes`](crate::route::Route::pause_scopes)); the widest, if several do.
    pub fn covering(&self, account_sid: &AccountSid, scopes: &[PauseScope]) -> Option<&Pause> {
        if self.0.is_empty() {
            return None;
        }
        let wide = [PauseScope::All, PauseScope::Account(account_sid.clone())];
        wide.iter().chain(scopes).find_map(|scope| self.0.get(scope))
    }

    pub fn get(&self, scope: &PauseScope) -> Option<&Pause> {
        self.0.get(scope)
    }

    /// In the order of their scopes.
    pub fn iter(&self) -> impl Iterator<Item = &Pause> {
        self.0.values()
    }

    /// The pauses that are older than this: an operator may have forgotten them.
    pub fn overdue(&self, now: Timestamp, after: SignedDuration) -> impl Iterator<Item = &Pause> {
        self.iter().filter(move |pause| now.duration_since(pause.since) >= after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCOUNT: &str = "AC00000000000000000000000000000001";
    const SENDER: &str = "whatsapp:+14155238886";
    const SERVICE: &str = "MG00000000000000000000000000000001";

    fn pause(scope: &str, since: &str) -> Pause {
        Pause {
            scope: scope.parse().unwrap(),
            since: since.parse().unwrap(),
            by: None,
            reason: None,
            is_automatic: false,
        }
    }

    fn paused(scopes: &[&str]) -> Pauses {
        scopes.iter().map(|scope| pause(scope, "2026-11-20T09:00:00Z")).collect()
    }

    #[test]
    fn scope_is_read_back_from_its_text() {
        for text in [
            "all".to_owned(),
            format!("account#{ACCOUNT}"),
            format!("sender#{SENDER}"),
            format!("sender#{SERVICE}"),
            format!("sender#sms:{SERVICE}"),
            "category#marketing".to_owned(),
            "category#authentication".to_owned(),
        ] {
            let scope: PauseScope = text.parse().unwrap();
            assert_eq!(scope.to_string(), text);
            let json = serde_json::to_string(&scope).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<PauseScope>(&json).unwrap(), scope);
        }
    }

    #[test]
    fn text_that_names_no_scope_is_refused() {
        for text in [
            "",
            "All",
            "all#",
            "everything",
            "account#",
            "account#AC1",
            "sender#",
            "sender#+14155238886",
            "sender#sms:+14155238886",
            "sender#sms:whatsapp:+14155238886",
            "category#",
            "category#Marketing",
            "category",
            "country#BR",
        ] {
            assert_eq!(text.parse::<PauseScope>(), Err(InvalidPauseScope), "{text}");
        }
    }

    #[test]
    fn pause_covers_its_own_scope_only() {
        let account_sid: AccountSid = ACCOUNT.parse().unwrap();
        let scopes: Vec<PauseScope> = ["category#utility", &format!("sender#{SENDER}"), &format!("sender#{SERVICE}")]
            .map(|scope| scope.parse().unwrap())
            .into();
        for scope in ["all", "category#utility", &format!("account#{ACCOUNT}"), &format!("sender#{SERVICE}")] {
            let pauses = paused(&[scope]);
            let covering = pauses.covering(&account_sid, &scopes).map(|pause| pause.scope.to_string());
            assert_eq!(covering.as_deref(), Some(scope));
        }
        for scope in
            ["category#marketing", "account#AC00000000000000000000000000000002", "sender#whatsapp:+15005550006"]
        {
            assert_eq!(paused(&[scope]).covering(&account_sid, &scopes), None, "{scope}");
        }
        assert_eq!(Pauses::default().covering(&account_sid, &scopes), None);
    }

    #[test]
    fn widest_of_several_pauses_is_named() {
        let account_sid: AccountSid = ACCOUNT.parse().unwrap();
        let scopes = ["category#utility".parse().unwrap()];
        let account = format!("account#{ACCOUNT}");
        for (pauses, expected) in [
            (vec!["category#utility", &account, "all"], "all"),
            (vec!["category#utility", &account], account.as_str()),
            (vec!["category#utility", "category#marketing"], "category#utility"),
        ] {
            let pauses = paused(&pauses);
            assert_eq!(pauses.covering(&account_sid, &scopes).unwrap().scope.to_string(), expected);
        }
    }

    #[test]
    fn pause_is_overdue_after_the_set_time() {
        let pauses: Pauses =
            [pause("all", "2026-11-20T09:00:00Z"), pause("category#marketing", "2026-11-20T09:30:00Z")]
                .into_iter()
                .collect();
        let overdue = |now: &str| -> Vec<String> {
            let after = SignedDuration::from_mins(60);
            pauses.overdue(now.parse().unwrap(), after).map(|pause| pause.scope.to_string()).collect()
        };
        assert_eq!(overdue("2026-11-20T09:59:59Z"), Vec::<String>::new());
        assert_eq!(overdue("2026-11-20T10:00:00Z"), ["all"]);
        assert_eq!(overdue("2026-11-20T10:30:00Z"), ["all", "category#marketing"]);
    }

    #[test]
    fn log_shows_the_end_of_a_sender_only() {
        let scope: PauseScope = format!("sender#{SENDER}").parse().unwrap();
        assert_eq!(scope.for_log(), "sender#...8886");
        let scope: PauseScope = "category#utility".parse().unwrap();
        assert_eq!(scope.for_log(), "category#utility");
    }
}
