//! The keys of files in the media bucket. [`twilio_types::media`] has the types and sizes of the files.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use twilio_types::media::MediaType;

/// The key of an object in the media bucket: 1 to 1,024 bytes, a relative path without empty, `.` and `..` segments, so
/// that it names the same object for every program that treats it as a path.
///
/// Source: Amazon S3, "Naming Amazon S3 objects".
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaKey(String);

/// Not a key of the media bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected 1 to 1024 bytes without control characters, no slash at either end, and neither nothing nor . or .. \
     between slashes"
)]
pub struct InvalidMediaKey;

const MAX_KEY_BYTES: usize = 1_024;

impl MediaKey {
    /// The key of a new upload. Keys sort by their time, so a listing of the bucket does too.
    pub fn for_upload(media_type: &MediaType) -> Self {
        Self(format!("uploads/{}.{}", uuid::Uuid::now_v7(), media_type.extension()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for MediaKey {
    type Err = InvalidMediaKey;

    fn from_str(text: &str) -> Result<Self, InvalidMediaKey> {
        let well_formed = (1..=MAX_KEY_BYTES).contains(&text.len())
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
        let key = MediaKey::for_upload(&"image/jpeg".parse().unwrap());
        assert_eq!(key.as_str().parse::<MediaKey>().as_ref(), Ok(&key));
        assert!(key.as_str().strip_prefix("uploads/").is_some_and(|name| name.strip_suffix(".jpg").is_some()));
    }

    #[test]
    fn a_media_key_is_a_plain_relative_path() {
        for key in ["uploads/a.jpg", "a", "größe/ü b.pdf", "a..b"] {
            assert_eq!(key.parse::<MediaKey>().unwrap().as_str(), key);
        }
        for key in ["", "/a", "a/", "a//b", "../a", "a/./b", "a/..", "a\nb", &"x".repeat(1_025)] {
            assert_eq!(key.parse::<MediaKey>(), Err(InvalidMediaKey), "{key:?}");
        }
    }
}
