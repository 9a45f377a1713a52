//! JSON on a queue with the version of its format, so that a function of an earlier release does not misread what a later one
//! wrote, and the reverse: a queue holds a message for 14 days, also across a deployment.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use stores::format::{FIRST, Format, UnreadableFormat};

/// The body of a message cannot be read. No other delivery changes it.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableBody {
    /// It is not what the function puts on the queue.
    #[error("expected the JSON of {kind}: {source}")]
    Malformed { kind: &'static str, source: serde_json::Error },
    /// A later release wrote it, or one of long ago.
    #[error(transparent)]
    Format(#[from] UnreadableFormat),
}

#[derive(Serialize)]
struct Versioned<'a, T> {
    #[serde(flatten)]
    body: &'a T,
    format: u32,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default = "first")]
    format: u32,
}

const fn first() -> u32 {
    FIRST
}

/// The body as JSON, with the field `format` after those of the body.
pub(crate) fn write(format: Format, body: &impl Serialize) -> String {
    // The bodies are structs of texts and numbers, which are always JSON.
    serde_json::to_string(&Versioned { body, format: format.version() }).unwrap_or_default()
}

/// Reads a body. Its version is looked at first: a body of a later version need not have the fields of this one.
pub(crate) fn read<T: DeserializeOwned>(format: Format, json: &str) -> Result<T, UnreadableBody> {
    let malformed = |source| UnreadableBody::Malformed { kind: format.kind(), source };
    let Version { format: found } = serde_json::from_str(json).map_err(malformed)?;
    format.check_version(found)?;
    serde_json::from_str(json).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
    struct Letter {
        text: String,
    }

    const LETTER: Format = Format::new("a letter", 3);

    #[test]
    fn body_of_this_version_and_the_one_before_is_read() {
        let letter = Letter { text: "a".to_owned() };
        assert_eq!(write(LETTER, &letter), r#"{"text":"a","format":3}"#);
        for version in [2, 3] {
            let body = format!(r#"{{"text": "a", "format": {version}, "later": true}}"#);
            assert_eq!(read::<Letter>(LETTER, &body).unwrap(), letter);
        }
        let first = Format::new("a letter", 1);
        assert_eq!(read::<Letter>(first, r#"{"text": "a"}"#).unwrap(), letter, "written before there was a version");
    }

    #[test]
    fn body_of_a_later_version_is_refused_by_its_version() {
        let refused = read::<Letter>(LETTER, r#"{"format": 4, "pages": []}"#).unwrap_err().to_string();
        assert_eq!(
            refused,
            "a letter has the format 4, and this release reads 2 and 3: deploy the release that wrote it"
        );
        for body in ["", "7", r#"{"format": 3}"#, r#"{"text": "a", "format": "3"}"#] {
            let refused = read::<Letter>(LETTER, body).unwrap_err();
            assert!(refused.to_string().starts_with("expected the JSON of a letter: "), "{refused}");
        }
    }
}
