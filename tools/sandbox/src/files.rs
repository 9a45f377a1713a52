//! The files that people send, in memory as long as there is room.

use std::collections::VecDeque;

use axum::body::Bytes;

use crate::capacity;

/// The largest file on WhatsApp.
pub(crate) const MAX_FILE_BYTES: usize = 16 * 1024 * 1024;

const _: () = assert!(MAX_FILE_BYTES as u64 == twilio_types::media::MAX_WHATSAPP_BYTES);

#[derive(Debug, Clone)]
pub(crate) struct StoredFile {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Bytes,
}

#[derive(Debug, Default)]
pub(crate) struct FileStore {
    /// The oldest first.
    files: VecDeque<StoredFile>,
    bytes: usize,
}

impl FileStore {
    /// Adds a file, and removes the oldest files until all fit.
    pub(crate) fn add(&mut self, file: StoredFile) {
        self.bytes += file.bytes.len();
        self.files.push_back(file);
        while (self.bytes > capacity::FILE_BYTES || self.files.len() > capacity::FILES)
            && let Some(oldest) = self.files.pop_front()
        {
            self.bytes -= oldest.bytes.len();
        }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&StoredFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_files_are_removed_when_full() {
        let mut files = FileStore::default();
        let bytes = Bytes::from(vec![0; MAX_FILE_BYTES]);
        for number in 0..=capacity::FILE_BYTES / MAX_FILE_BYTES {
            let content_type = "image/png".to_owned();
            files.add(StoredFile { name: number.to_string(), content_type, bytes: bytes.clone() });
        }
        assert!(files.get("0").is_none() && files.get("1").is_some() && files.get("16").is_some());
        assert_eq!(files.bytes, capacity::FILE_BYTES);
    }
}
