//! The files of a message.
//!
//! Source: Twilio, "Media subresource".

use std::fmt;

use serde::Deserialize;
use twilio_types::sid::MediaSid;

/// A file of a message. `Debug` does not show its URL, which anybody who has it may be able to open.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MediaFile {
    /// Where Twilio serves it, as in a webhook's `MediaUrl0`.
    pub url: String,
    /// Its media type, as in `image/png`.
    pub content_type: Option<String>,
}

impl MediaFile {
    /// Its SID, which its URL ends with.
    pub fn sid(&self) -> Option<MediaSid> {
        self.url.rsplit('/').next()?.parse().ok()
    }

    /// A file, for tests of what is made of it.
    pub fn new(url: impl Into<String>, content_type: Option<String>) -> Self {
        Self { url: url.into(), content_type }
    }
}

impl fmt::Debug for MediaFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MediaFile").field("content_type", &self.content_type).finish_non_exhaustive()
    }
}

/// The list of a message's files. A message has ten at most, which is less than a page holds.
#[derive(Deserialize)]
pub(crate) struct MediaPage {
    pub(crate) media_list: Vec<MediaResource>,
}

#[derive(Deserialize)]
pub(crate) struct MediaResource {
    uri: String,
    content_type: Option<String>,
}

impl MediaResource {
    /// The file itself is at the resource's path without `.json`.
    pub(crate) fn into_file(self, url: impl Fn(&str) -> String) -> MediaFile {
        MediaFile { url: url(self.uri.strip_suffix(".json").unwrap_or(&self.uri)), content_type: self.content_type }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_at_its_resources_path_without_the_ending() {
        let page = json!({"media_list": [{"uri": "/a/Media/ME1.json", "content_type": "image/png"}]});
        let page: MediaPage = serde_json::from_value(page).unwrap();
        let file =
            page.media_list.into_iter().next().unwrap().into_file(|path| format!("https://api.twilio.com{path}"));
        assert_eq!(file, MediaFile::new("https://api.twilio.com/a/Media/ME1", Some("image/png".to_owned())));
        assert!(!format!("{file:?}").contains("ME1"));
        assert_eq!(file.sid(), None, "no SID");
        let sid = format!("ME{:032}", 1);
        assert_eq!(MediaFile::new(format!("https://a/Media/{sid}"), None).sid(), sid.parse().ok());
    }
}
