//! The media that WhatsApp accepts.
//!
//! Source: Twilio, "Guide to WhatsApp media messages".

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

const MEGABYTE: u64 = 1024 * 1024;
/// All media of a message together.
const MAX_BYTES: u64 = 16 * MEGABYTE;
const MAX_IMAGE_BYTES: u64 = 5 * MEGABYTE;

/// The accepted types, each with the file extension that an upload gets.
const TYPES: [(&str, &str); 16] = [
    ("image/jpeg", "jpg"),
    ("image/png", "png"),
    ("image/webp", "webp"),
    ("audio/ogg", "ogg"),
    ("audio/amr", "amr"),
    ("audio/3gpp", "3gp"),
    ("audio/aac", "aac"),
    ("audio/mpeg", "mp3"),
    ("video/mp4", "mp4"),
    ("application/pdf", "pdf"),
    ("application/msword", "doc"),
    ("application/vnd.openxmlformats-officedocument.wordprocessingml.document", "docx"),
    ("application/vnd.openxmlformats-officedocument.presentationml.presentation", "pptx"),
    ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "xlsx"),
    ("text/vcard", "vcf"),
    ("text/x-vcard", "vcf"),
];

/// A content type that WhatsApp accepts, with its parameters: `audio/ogg; codecs=opus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    text: String,
    extension: &'static str,
    max_bytes: u64,
}

/// A content type that WhatsApp does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "WhatsApp accepts images (jpeg, png; webp as stickers), audio (ogg, amr, 3gpp, aac, mpeg), video (mp4), \
     documents (pdf, doc, docx, pptx, xlsx) and contacts (vcard)"
)]
pub struct UnsupportedType;

/// An empty file, or one that is larger than WhatsApp accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {max_bytes} bytes for this type")]
pub struct WrongSize {
    pub max_bytes: u64,
}

impl MediaType {
    /// The value of a `Content-Type` header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The extension of a file of this type, without a dot.
    pub fn extension(&self) -> &'static str {
        self.extension
    }

    /// Whether a file of this type may have this many bytes.
    pub fn check_size(&self, bytes: u64) -> Result<(), WrongSize> {
        if (1..=self.max_bytes).contains(&bytes) { Ok(()) } else { Err(WrongSize { max_bytes: self.max_bytes }) }
    }
}

impl FromStr for MediaType {
    type Err = UnsupportedType;

    fn from_str(text: &str) -> Result<Self, UnsupportedType> {
        let (essence, parameters) = text.split_at(text.find(';').unwrap_or(text.len()));
        let (name, extension) =
            TYPES.iter().find(|(name, _)| name.eq_ignore_ascii_case(essence.trim())).ok_or(UnsupportedType)?;
        // The parameters are copied into a header, where a character that a header cannot hold would fail later.
        if !parameters.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Err(UnsupportedType);
        }
        let max_bytes = if name.starts_with("image/") { MAX_IMAGE_BYTES } else { MAX_BYTES };
        Ok(Self { text: format!("{name}{}", parameters.trim_end()), extension, max_bytes })
    }
}

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
    fn a_type_is_accepted_with_parameters_and_in_any_case() {
        for (text, extension) in [
            ("image/jpeg", "jpg"),
            ("IMAGE/PNG", "png"),
            ("audio/ogg; codecs=opus", "ogg"),
            ("application/pdf", "pdf"),
            ("text/vcard", "vcf"),
        ] {
            assert_eq!(text.parse::<MediaType>().unwrap().extension(), extension);
        }
        assert_eq!(" IMAGE/Png ".parse::<MediaType>().unwrap().as_str(), "image/png");
        assert_eq!("Audio/Ogg; codecs=opus".parse::<MediaType>().unwrap().as_str(), "audio/ogg; codecs=opus");
        let wrong = ["", "image/gif", "image", "text/html", "application/octet-stream", "image/jpegs"];
        for text in wrong.into_iter().chain(["image/jpeg;\r\nX: y", "image/jpeg; name=größe", "; image/jpeg"]) {
            assert_eq!(text.parse::<MediaType>(), Err(UnsupportedType), "{text:?}");
        }
    }

    #[test]
    fn images_may_have_5_mb_and_other_files_16_mb() {
        for (text, most) in [("image/png", 5 * 1024 * 1024), ("video/mp4", 16 * 1024 * 1024)] {
            let media_type: MediaType = text.parse().unwrap();
            assert_eq!(media_type.check_size(most), Ok(()));
            assert_eq!(media_type.check_size(most + 1), Err(WrongSize { max_bytes: most }));
            assert!(media_type.check_size(0).is_err());
        }
    }

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
