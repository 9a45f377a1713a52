//! What goes wrong with the files of a person's message when the system under test fetches them.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// What goes wrong with the files of a person's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "problem", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum FileFault {
    /// A request for a file is answered with 404 for this many seconds of the sandbox's clock; without them, always.
    Missing {
        #[serde(default)]
        seconds: Option<u32>,
    },
    /// A request for a file is answered with a redirect to this URL.
    Redirected { url: String },
    /// A file has no bytes.
    Empty,
    /// A file has 17 MB.
    TooLarge,
    /// A file is a program for Windows, whatever its type says.
    WrongType,
    /// A request for a file is answered late.
    Slow { milliseconds: u64 },
}

/// A megabyte more than WhatsApp allows.
const TOO_LARGE_BYTES: usize = 17 * 1024 * 1024;

const EMPTY: &str = "empty";
const TOO_LARGE: &str = "too_large";
const WRONG_TYPE: &str = "wrong_type";

impl FileFault {
    /// Whether a file of a message from this time is not there yet.
    pub(crate) fn is_missing(&self, sent_at: Timestamp, now: Timestamp) -> bool {
        match self {
            Self::Missing { seconds: None } => true,
            Self::Missing { seconds: Some(seconds) } => {
                now.duration_since(sent_at) < SignedDuration::from_secs(i64::from(*seconds))
            }
            _ => false,
        }
    }

    /// The name of the bytes that are in place of those of the file.
    pub(crate) fn bytes_name(&self) -> Option<&'static str> {
        match self {
            Self::Empty => Some(EMPTY),
            Self::TooLarge => Some(TOO_LARGE),
            Self::WrongType => Some(WRONG_TYPE),
            _ => None,
        }
    }

    /// The bytes with this name.
    pub(crate) fn bytes(name: &str) -> Option<Vec<u8>> {
        match name {
            EMPTY => Some(Vec::new()),
            TOO_LARGE => Some(vec![0; TOO_LARGE_BYTES]),
            WRONG_TYPE => Some(b"MZ\x90\0\x03\0\0\0".to_vec()),
            _ => None,
        }
    }
}

impl fmt::Display for FileFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { seconds: Some(seconds) } => write!(f, "its files are answered with 404 for {seconds} s"),
            Self::Missing { seconds: None } => f.write_str("its files are answered with 404"),
            Self::Redirected { url } => write!(f, "its files are redirected to {url}"),
            Self::Empty => f.write_str("its files are empty"),
            Self::TooLarge => f.write_str("its files have 17 MB"),
            Self::WrongType => f.write_str("its files are programs, whatever their types say"),
            Self::Slow { milliseconds } => write!(f, "its files are answered {milliseconds} ms late"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_bytes_are_found_by_their_names() {
        let bytes = |fault: FileFault| FileFault::bytes(fault.bytes_name().unwrap()).unwrap().len();
        assert_eq!([FileFault::Empty, FileFault::TooLarge, FileFault::WrongType].map(bytes), [0, TOO_LARGE_BYTES, 8]);
        assert_eq!(FileFault::Slow { milliseconds: 1 }.bytes_name(), None);
    }

    #[test]
    fn file_is_missing_for_the_planned_time() {
        let at = Timestamp::from_second(1_790_000_000).unwrap();
        let missing: FileFault = serde_json::from_str(r#"{"problem": "missing", "seconds": 5}"#).unwrap();
        let later = |seconds| at + SignedDuration::from_secs(seconds);
        assert_eq!([0, 4, 5].map(|seconds| missing.is_missing(at, later(seconds))), [true, true, false]);
        let always: FileFault = serde_json::from_str(r#"{"problem": "missing"}"#).unwrap();
        assert!(always.is_missing(at, later(1_000_000)) && !FileFault::Empty.is_missing(at, at));
    }
}
