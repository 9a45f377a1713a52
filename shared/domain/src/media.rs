//! The keys of files in the media bucket. [`twilio_types::media`] has the types and sizes of the files.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use twilio_types::{
    media::MediaType,
    sid::{AccountSid, MessageSid},
};

/// The key of an object in the media bucket: 1 to 1,024 bytes, a relative path without empty, `.` and `..` segments, so
/// that it names the same object for every program that treats it as a path. It is not blank: the AWS SDK takes such a key for a
/// missing one.
///
/// Source: Amazon S3, "Naming Amazon S3 objects".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaKey(String);

/// Not a key of the media bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected 1 to 1024 bytes without control characters, not all blank, no slash at either end, and neither nothing nor . or .. \
     between slashes"
)]
pub struct InvalidMediaKey;

const MAX_KEY_BYTES: usize = 1_024;

/// How the keys of the files begin that people sent.
const INBOUND: &str = "inbound/";

impl MediaKey {
    /// The key of a new upload, with the account that it is for if its request named one. Keys of an account sort by their
    /// time, so a listing of the bucket does too.
    pub fn for_upload(media_type: &MediaType, account_sid: Option<&AccountSid>) -> Self {
        let folder = account_sid.map(|account_sid| format!("{account_sid}/")).unwrap_or_default();
        Self(format!("uploads/{folder}{}.{}", uuid::Uuid::now_v7(), media_type.extension()))
    }

    /// The account that the file belongs to, if the key names one: `uploads/AC.../<name>`, or `inbound/AC.../<name>`.
    pub fn account_sid(&self) -> Option<AccountSid> {
        let mut segments = self.0.split('/');
        let is_of_accounts = matches!(segments.next(), Some("uploads" | "inbound"));
        let account_sid = segments.next().filter(|_| is_of_accounts)?.parse().ok()?;
        segments.next().map(|_| account_sid)
    }

    /// The key of a file that a person sent: its place among the files of its message is `index`.
    pub fn of_inbound(account_sid: &AccountSid, message_sid: &MessageSid, index: u32) -> Self {
        Self(format!("{INBOUND}{account_sid}/{message_sid}/{index}"))
    }

    /// Whether it is the key of a file that a person sent.
    pub fn is_inbound(&self) -> bool {
        self.0.starts_with(INBOUND)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaKey {
    type Err = InvalidMediaKey;

    fn from_str(text: &str) -> Result<Self, InvalidMediaKey> {
        let well_formed = (1..=MAX_KEY_BYTES).contains(&text.len())
            && !text.trim().is_empty()
            && !text.chars().any(char::is_control)
            && !text.split('/').any(|segment| matches!(segment, "" | "." | ".."));
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidMediaKey) }
    }
}

impl TryFrom<String> for MediaKey {
    type Error = InvalidMediaKey;

    fn try_from(text: String) -> Result<Self, InvalidMediaKey> {
        text.parse()
    }
}

impl From<MediaKey> for String {
    fn from(key: MediaKey) -> String {
        key.0
    }
}

impl fmt::Display for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_key_is_valid_and_ends_with_its_extension() {
        let key = MediaKey::for_upload(&"image/jpeg".parse().unwrap(), None);
        assert_eq!(key.as_str().parse::<MediaKey>().as_ref(), Ok(&key));
        assert!(key.as_str().strip_prefix("uploads/").is_some_and(|name| name.strip_suffix(".jpg").is_some()));
    }

    #[test]
    fn a_key_names_the_account_of_its_folder() {
        let account: AccountSid = "AC00000000000000000000000000000002".parse().unwrap();
        let key = MediaKey::for_upload(&"image/jpeg".parse().unwrap(), Some(&account));
        assert_eq!(key.account_sid(), Some(account.clone()));
        for (key, expected) in [
            (format!("inbound/{account}/SM00000000000000000000000000000001/0"), Some(account.clone())),
            (format!("inbound/{account}/a"), Some(account.clone())),
            ("uploads/0198.jpg".to_owned(), None),
            (format!("{account}/a.jpg"), None),
            (format!("uploads/x/{account}/a.jpg"), None),
            (format!("uploads/{account}"), None),
            ("brochure.pdf".to_owned(), None),
        ] {
            assert_eq!(key.parse::<MediaKey>().unwrap().account_sid(), expected, "{key}");
        }
    }

    #[test]
    fn an_inbound_key_names_account_message_and_place() {
        let (account, message) = ("AC00000000000000000000000000000001", "MM00000000000000000000000000000001");
        let key = MediaKey::of_inbound(&account.parse().unwrap(), &message.parse().unwrap(), 2);
        assert_eq!(key.as_str(), format!("inbound/{account}/{message}/2"));
        assert_eq!(key.as_str().parse::<MediaKey>().as_ref(), Ok(&key));
        assert!(key.is_inbound() && !"uploads/inbound/1".parse::<MediaKey>().unwrap().is_inbound());
    }

    #[test]
    fn a_media_key_is_a_plain_relative_path() {
        for key in ["uploads/a.jpg", "a", "größe/ü b.pdf", "a..b"] {
            assert_eq!(key.parse::<MediaKey>().unwrap().as_str(), key);
        }
        for key in ["", " ", "\u{a0}\u{2003}", "/a", "a/", "a//b", "../a", "a/./b", "a/..", "a\nb", &"x".repeat(1_025)]
        {
            assert_eq!(key.parse::<MediaKey>(), Err(InvalidMediaKey), "{key:?}");
        }
    }
}
