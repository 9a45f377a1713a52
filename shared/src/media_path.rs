//! The path of a file of the media bucket in a URL.

use domain::media::MediaKey;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

/// What a path keeps as it is. Source: AWS, "Create a signed AWS API request", `UriEncode`.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// The path, without a slash at its beginning.
pub fn url_path(file: &MediaKey) -> PercentEncode<'_> {
    utf8_percent_encode(file.as_str(), PATH)
}
