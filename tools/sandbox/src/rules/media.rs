//! The files of WhatsApp messages: fetched from their URLs as Twilio does, and checked against WhatsApp's types and sizes.
//!
//! Source of types and sizes: Twilio, "WhatsApp media messages: guidance".

use std::{sync::Arc, time::Duration};

use crate::{files::MAX_FILE_BYTES, messages::Message, state::Sandbox};

const MAX_IMAGE_BYTES: usize = 5 * 1024 * 1024;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one file.
const TIMEOUT: Duration = Duration::from_secs(15);

const TYPES: [&str; 19] = [
    "image/jpeg",
    "image/jpg",
    "image/png",
    "image/webp",
    "audio/ogg",
    "audio/amr",
    "audio/3gpp",
    "audio/aac",
    "audio/mpeg",
    "application/pdf",
    "application/msword",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "video/mp4",
    "text/vcard",
    "text/x-vcard",
    "text/directory",
    "application/vcard",
];

/// The error code for the files of a message; none where all are valid. Records the type of each file that it fetches.
pub(super) async fn verdict(sandbox: &Arc<Sandbox>, message: &Message) -> Option<u32> {
    let http = sandbox.http.with_connect_timeout(CONNECT_TIMEOUT);
    let mut total = 0;
    for file in &message.media {
        let (content_type, size) = match fetch(&http, &file.url).await {
            Ok(fetched) => fetched,
            Err(code) => return Some(code),
        };
        total += size;
        if let Some(code) = error(&content_type, size, total) {
            return Some(code);
        }
        let mut memory = sandbox.memory();
        let stored = memory.messages.get_mut(&message.sid).into_iter().flat_map(|message| &mut message.media);
        for stored in stored.filter(|stored| stored.sid == file.sid) {
            stored.content_type = Some(content_type.clone());
        }
    }
    None
}

/// The media type and the size in bytes of a file, or an error code. A file that is too large is not read to its end.
async fn fetch(http: &reqwest::Client, url: &str) -> Result<(String, usize), u32> {
    let unreachable = |_| 63019_u32;
    let mut answer = http.get(url).timeout(TIMEOUT).send().await.map_err(unreachable)?;
    if !answer.status().is_success() {
        return Err(63019);
    }
    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
    let media_type =
        content_type.and_then(|value| value.split(';').next()).ok_or(63019_u32)?.trim().to_ascii_lowercase();
    let mut size = 0;
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        size += chunk.len();
        if size > MAX_FILE_BYTES {
            break;
        }
    }
    Ok((media_type, size))
}

/// The error code for a file; `total` is its size with that of the files before it.
fn error(media_type: &str, size: usize, total: usize) -> Option<u32> {
    if !TYPES.contains(&media_type) {
        Some(63021)
    } else if total > MAX_FILE_BYTES {
        Some(11751)
    } else {
        (media_type.starts_with("image/") && size > MAX_IMAGE_BYTES).then_some(63034)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_type_and_size_are_checked() {
        let cases = [
            ("image/png", MAX_IMAGE_BYTES, None),
            ("image/png", MAX_IMAGE_BYTES + 1, Some(63034)),
            ("application/pdf", MAX_FILE_BYTES, None),
            ("application/pdf", MAX_FILE_BYTES + 1, Some(11751)),
            ("image/gif", 1, Some(63021)),
            ("text/html", 1, Some(63021)),
        ];
        for (media_type, size, code) in cases {
            assert_eq!(error(media_type, size, size), code, "{media_type}, {size}");
        }
        assert_eq!(error("image/png", 1, MAX_FILE_BYTES + 1), Some(11751), "with the files before it");
    }
}
