//! The files of WhatsApp messages: fetched from their URLs as Twilio does, and checked against the types and sizes in
//! [`twilio_types::media`].

use std::{sync::Arc, time::Duration};

use twilio_types::media::{FileProblem, MAX_WHATSAPP_BYTES, MediaChannel, MessageFiles};

use crate::{files::MAX_FILE_BYTES, messages::Message, state::Sandbox};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// For one file.
const TIMEOUT: Duration = Duration::from_secs(15);

/// The error code for the files of a message; none where all are valid. Records the type of each file that it fetches.
pub(super) async fn verdict(sandbox: &Arc<Sandbox>, message: &Message) -> Option<u32> {
    let http = sandbox.http.with_connect_timeout(CONNECT_TIMEOUT);
    let mut files = MessageFiles::new(MediaChannel::WhatsApp);
    for file in &message.media {
        let (content_type, size) = match fetch(&http, &file.url).await {
            Ok(fetched) => fetched,
            Err(code) => return Some(code),
        };
        if let Some(code) = error(&mut files, &content_type, size) {
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

/// The content type and the size in bytes of a file, or an error code. A file that is too large is not read to its end.
async fn fetch(http: &reqwest::Client, url: &str) -> Result<(String, usize), u32> {
    let unreachable = |_| 63019_u32;
    let mut answer = http.get(url).timeout(TIMEOUT).send().await.map_err(unreachable)?;
    if !answer.status().is_success() {
        return Err(63019);
    }
    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.ok_or(63019_u32)?.to_owned();
    let mut size = 0;
    while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
        size += chunk.len();
        if size > MAX_FILE_BYTES {
            break;
        }
    }
    Ok((content_type, size))
}

/// The error code for a file after the other files of its message.
fn error(files: &mut MessageFiles, content_type: &str, size: usize) -> Option<u32> {
    // Twilio documents no code for an empty file.
    let size = u64::try_from(size).unwrap_or(u64::MAX).max(1);
    match files.add(content_type, size).err()? {
        FileProblem::Type(_) | FileProblem::Sticker => Some(63021),
        FileProblem::Size(wrong) if wrong.max_bytes < MAX_WHATSAPP_BYTES => Some(63034),
        FileProblem::Size(_) | FileProblem::Together { .. } => Some(11751),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_type_and_size_are_checked() {
        let cases = [
            ("image/png", 5 * 1024 * 1024, None),
            ("image/png", 5 * 1024 * 1024 + 1, Some(63034)),
            ("image/jpg", 1, None),
            ("image/webp", 500 * 1024, None),
            ("image/webp", 500 * 1024 + 1, Some(63034)),
            ("application/pdf", MAX_FILE_BYTES, None),
            ("application/pdf", MAX_FILE_BYTES + 1, Some(11751)),
            ("audio/ogg; codecs=opus", 1, None),
            ("audio/ogg; codecs=vorbis", 1, Some(63021)),
            ("image/gif", 1, Some(63021)),
            ("text/html", 1, Some(63021)),
        ];
        let of_whatsapp = || MessageFiles::new(MediaChannel::WhatsApp);
        for (content_type, size, code) in cases {
            assert_eq!(error(&mut of_whatsapp(), content_type, size), code, "{content_type}, {size}");
        }
        let mut files = of_whatsapp();
        assert_eq!(error(&mut files, "application/pdf", MAX_FILE_BYTES), None);
        assert_eq!(error(&mut files, "image/png", 1), Some(11751), "with the files before it");
    }
}
