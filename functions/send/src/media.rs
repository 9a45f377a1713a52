//! The check of media files before they are sent. A file that is missing or too large is refused here with its name, and not
//! later by WhatsApp.

use std::time::Duration;

use domain::media::MediaType;
use reqwest::{
    Client, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderMap, HeaderName, RANGE},
};
use shared::deadline::Deadline;

/// S3 answers in some 20 ms; a file that cannot be looked at in this time goes out unseen, and WhatsApp judges it.
const LOOK: Duration = Duration::from_secs(2);

/// Looks at files.
#[derive(Debug)]
pub(crate) struct Files(pub(crate) Client);

impl Files {
    /// What is wrong with the file behind a link, if anything is. One byte of it is fetched: a link that is signed for
    /// fetching is good for nothing else. After the deadline no file is looked at.
    pub(crate) async fn problem(&self, link: &str, deadline: Deadline) -> Option<String> {
        let request = self.0.get(link).header(RANGE, "bytes=0-0").timeout(LOOK.min(deadline.remaining()));
        let answer = deadline.run(request.send()).await.ok()?.ok()?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Some("expected the key of an object in the media bucket, there is none of this key".to_owned());
        }
        if !answer.status().is_success() {
            return None;
        }
        let media_type = text(answer.headers(), &CONTENT_TYPE)?.parse::<MediaType>();
        match media_type {
            Err(unsupported) => Some(format!("expected a type that WhatsApp takes: {unsupported}")),
            Ok(media_type) => media_type.check_size(size(answer.headers())?).err().map(|wrong| wrong.to_string()),
        }
    }
}

/// The whole file's: behind the slash in `bytes 0-0/1234`.
fn size(headers: &HeaderMap) -> Option<u64> {
    let ranged = text(headers, &CONTENT_RANGE).and_then(|range| range.rsplit('/').next());
    ranged.or_else(|| text(headers, &CONTENT_LENGTH))?.parse().ok()
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_size_is_the_whole_files() {
        let headers = |name: HeaderName, value: &'static str| HeaderMap::from_iter([(name, value.parse().unwrap())]);
        assert_eq!(size(&headers(CONTENT_RANGE, "bytes 0-0/1234")), Some(1234));
        assert_eq!(size(&headers(CONTENT_LENGTH, "99")), Some(99));
        assert_eq!(size(&headers(CONTENT_RANGE, "bytes 0-0/*")), None);
    }
}
