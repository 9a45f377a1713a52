//! The steps that replace an API key, from what the secret and Twilio hold. Pure.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

/// The name of a key that replaces another: this and the SID of the other.
const REPLACES: &str = "wa rotate: replaces ";
/// The name of a key that replaces none.
const FIRST: &str = "wa rotate: first key";
/// A run that creates a key has stored it by then, or has ended.
const LONGEST_RUN: SignedDuration = SignedDuration::from_mins(15);

/// A key of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListedKey {
    pub(super) sid: String,
    pub(super) name: String,
    pub(super) created_at: Timestamp,
}

/// What a plan follows from.
#[derive(Debug, Clone)]
pub(super) struct KeyState {
    /// The key that the secret holds.
    pub(super) current: Option<String>,
    /// The keys that Twilio has.
    pub(super) keys: Vec<ListedKey>,
    /// Whether the old key stays at Twilio.
    pub(super) keeps_old: bool,
    pub(super) now: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum KeyStep {
    /// Create a key with this name and store it in the place of the secret's key.
    Create {
        name: String,
        replaces: Option<String>,
    },
    /// Wait until no function uses the old key.
    Settle,
    Delete(String),
}

impl fmt::Display for KeyStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create { replaces: Some(sid), .. } => {
                write!(f, "create an API key with the permissions of {sid}, try it, and store it in the place of {sid}")
            }
            Self::Create { replaces: None, .. } => f.write_str(
                "create a standard API key, try it, and store it: the functions call Twilio with it from then on",
            ),
            Self::Settle => f.write_str("wait until no function uses the old key"),
            Self::Delete(sid) => write!(f, "delete {sid} at Twilio"),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPlan {
    pub(super) steps: Vec<KeyStep>,
}

impl KeyPlan {
    pub(super) fn creates(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, KeyStep::Create { .. }))
    }

    pub(super) fn deleted(&self) -> Vec<String> {
        let deleted = |step: &KeyStep| if let KeyStep::Delete(sid) = step { Some(sid.clone()) } else { None };
        self.steps.iter().filter_map(deleted).collect()
    }
}

/// Why no step is possible.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeyRotationBlocked {
    #[error(
        "Twilio has no key {0}, which the secret holds: every call of the functions fails. Remove api_key_sid and \
         api_key_secret from the secret, and run this again: it creates a new key"
    )]
    Unknown(String),
    #[error(
        "{0} was created a few minutes ago by another rotation, which may still store it: run this again in a quarter of an \
         hour"
    )]
    Underway(String),
}

/// The steps up to the end.
pub(super) fn plan(state: &KeyState) -> Result<KeyPlan, KeyRotationBlocked> {
    let KeyState { current, keys, keeps_old, now } = state;
    let exists = |sid: &str| keys.iter().any(|key| key.sid == sid);
    if let Some(current) = current.as_ref().filter(|current| !exists(current)) {
        return Err(KeyRotationBlocked::Unknown(current.clone()));
    }
    // What an interrupted rotation created and did not store: its secret is lost.
    let name = current.as_ref().map_or_else(|| FIRST.to_owned(), |sid| format!("{REPLACES}{sid}"));
    let orphans: Vec<_> = keys.iter().filter(|key| key.name == name && Some(&key.sid) != current.as_ref()).collect();
    if let Some(young) = orphans.iter().find(|key| now.duration_since(key.created_at) < LONGEST_RUN) {
        return Err(KeyRotationBlocked::Underway(young.sid.clone()));
    }
    // What an interrupted rotation stored: the key that it replaces is still there.
    let of_current = keys.iter().find(|key| Some(&key.sid) == current.as_ref());
    let replaced = of_current.and_then(|key| key.name.strip_prefix(REPLACES)).filter(|sid| exists(sid) && !keeps_old);
    let mut steps: Vec<_> = orphans.iter().map(|key| KeyStep::Delete(key.sid.clone())).collect();
    match (replaced, current) {
        (Some(replaced), _) => steps.extend([KeyStep::Settle, KeyStep::Delete(replaced.to_owned())]),
        (None, current) => {
            steps.push(KeyStep::Create { name, replaces: current.clone() });
            let old = current.iter().filter(|_| !keeps_old);
            steps.extend(old.flat_map(|sid| [KeyStep::Settle, KeyStep::Delete(sid.clone())]));
        }
    }
    Ok(KeyPlan { steps })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(sid: &str, name: &str, minutes_old: i64) -> ListedKey {
        let created_at = now() - SignedDuration::from_mins(minutes_old);
        ListedKey { sid: sid.to_owned(), name: name.to_owned(), created_at }
    }

    fn now() -> Timestamp {
        "2026-11-20T09:00:00Z".parse().unwrap()
    }

    fn planned(current: Option<&str>, keys: &[ListedKey], keeps_old: bool) -> Result<KeyPlan, KeyRotationBlocked> {
        plan(&KeyState { current: current.map(str::to_owned), keys: keys.to_vec(), keeps_old, now: now() })
    }

    fn create(replaces: Option<&str>) -> KeyStep {
        let name = replaces.map_or_else(|| FIRST.to_owned(), |sid| format!("{REPLACES}{sid}"));
        KeyStep::Create { name, replaces: replaces.map(str::to_owned) }
    }

    fn delete(sid: &str) -> KeyStep {
        KeyStep::Delete(sid.to_owned())
    }

    #[test]
    fn plan_follows_from_the_secret_and_the_keys() {
        let old = key("SK1", "production", 900);
        let new = key("SK2", "wa rotate: replaces SK1", 900);
        let lost = key("SK3", "wa rotate: replaces SK2", 16);
        for (current, keys, keeps_old, steps, case) in [
            (None, vec![], false, vec![create(None)], "the first key"),
            (Some("SK1"), vec![old.clone()], false, vec![create(Some("SK1")), KeyStep::Settle, delete("SK1")], "usual"),
            (Some("SK1"), vec![old.clone()], true, vec![create(Some("SK1"))], "the old one stays"),
            (
                Some("SK2"),
                vec![old.clone(), new.clone()],
                false,
                vec![KeyStep::Settle, delete("SK1")],
                "interrupted after it was stored",
            ),
            (
                Some("SK2"),
                vec![new.clone(), lost],
                false,
                vec![delete("SK3"), create(Some("SK2")), KeyStep::Settle, delete("SK2")],
                "interrupted before it was stored",
            ),
            (Some("SK2"), vec![old, new], true, vec![create(Some("SK2"))], "the one before was kept on purpose"),
        ] {
            assert_eq!(planned(current, &keys, keeps_old).unwrap().steps, steps, "{case}");
        }
    }

    #[test]
    fn key_of_another_run_is_left_alone() {
        let keys = [key("SK1", "production", 900), key("SK2", "wa rotate: replaces SK1", 14)];
        assert_eq!(planned(Some("SK1"), &keys, false), Err(KeyRotationBlocked::Underway("SK2".to_owned())));
    }

    #[test]
    fn key_that_twilio_does_not_have_is_reported() {
        assert_eq!(planned(Some("SK1"), &[], false), Err(KeyRotationBlocked::Unknown("SK1".to_owned())));
    }

    #[test]
    fn name_fits_into_the_limit_of_twilio() {
        let name = format!("{REPLACES}SK{}", "0".repeat(32));
        assert!(name.len() <= 64, "{name}");
    }
}
