//! A file as it arrives, in parts of the size that S3 accepts. No more than one part is in memory.

use domain::digest::RunningDigest;
use twilio_types::media::MAX_WHATSAPP_BYTES;

/// The size of each part but the last. Source: Amazon S3, "Amazon S3 multipart upload limits": 5 MiB to 5 GiB, and the last
/// part has no minimum.
pub(crate) const PART_BYTES: usize = 5 * 1024 * 1024;

/// The most bytes of a file that are read: Twilio accepts no larger one from WhatsApp.
pub(crate) const MAX_BYTES: u64 = MAX_WHATSAPP_BYTES;

/// A file cannot be read to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError<E: std::error::Error + 'static> {
    #[error("the file is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The connection broke: time helps.
    #[error("the file was not received to its end")]
    Broken(#[source] E),
}

/// The parts of a file. `chunks` gives the bytes as they arrive, until there are no more.
pub(crate) struct FileParts<C> {
    chunks: C,
    /// What arrived together with the end of the part before.
    rest: Vec<u8>,
    is_ended: bool,
    bytes: u64,
    digest: RunningDigest,
    /// What the sender said, by which no more memory than necessary is used.
    expected_bytes: Option<u64>,
}

impl<C> FileParts<C> {
    pub(crate) fn new(expected_bytes: Option<u64>, chunks: C) -> Self {
        Self { chunks, rest: Vec::new(), is_ended: false, bytes: 0, digest: RunningDigest::default(), expected_bytes }
    }

    /// The next part: of exactly [`PART_BYTES`] unless it is the last one. Empty after the last part, and for an empty file.
    pub(crate) async fn next<B: AsRef<[u8]>, E: std::error::Error + 'static>(&mut self) -> Result<Vec<u8>, FileError<E>>
    where
        C: AsyncFnMut() -> Result<Option<B>, E>,
    {
        if self.expected_bytes.is_some_and(|bytes| bytes > MAX_BYTES) {
            return Err(FileError::TooLarge);
        }
        let mut part = Vec::with_capacity(self.expected_part());
        part.extend(self.rest.drain(..self.rest.len().min(PART_BYTES)));
        while part.len() < PART_BYTES && !self.is_ended {
            match (self.chunks)().await.map_err(FileError::Broken)? {
                None => self.is_ended = true,
                Some(chunk) => self.add(chunk.as_ref(), &mut part)?,
            }
        }
        Ok(part)
    }

    fn expected_part(&self) -> usize {
        let Some(expected) = self.expected_bytes else { return PART_BYTES };
        let left = usize::try_from(expected.saturating_sub(self.bytes)).unwrap_or(PART_BYTES);
        left.saturating_add(self.rest.len()).min(PART_BYTES)
    }

    fn add<E: std::error::Error + 'static>(&mut self, chunk: &[u8], part: &mut Vec<u8>) -> Result<(), FileError<E>> {
        self.bytes = self.bytes.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        if self.bytes > MAX_BYTES {
            return Err(FileError::TooLarge);
        }
        self.digest.add(chunk);
        let (now, later) = chunk.split_at(chunk.len().min(PART_BYTES - part.len()));
        part.extend_from_slice(now);
        self.rest.extend_from_slice(later);
        Ok(())
    }

    /// The number of bytes, and their SHA-256 in hexadecimal digits.
    pub(crate) fn finish(self) -> (u64, String) {
        (self.bytes, self.digest.finish())
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use domain::digest::sha256_hex;
    use proptest::prelude::*;

    use super::*;

    /// The sizes of the parts of a file that arrives in these chunks, its length and its digest.
    fn read(chunks: Vec<Vec<u8>>, expected: Option<u64>) -> Result<(Vec<usize>, u64, String), FileError<Infallible>> {
        let mut chunks = chunks.into_iter();
        let mut parts = FileParts::new(expected, async || Ok::<_, Infallible>(chunks.next()));
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let mut sizes = Vec::new();
            loop {
                let part = parts.next().await?;
                assert!(part.capacity() <= PART_BYTES, "no more than a part is in memory");
                if part.is_empty() {
                    break;
                }
                sizes.push(part.len());
            }
            let (bytes, sha256) = parts.finish();
            Ok((sizes, bytes, sha256))
        })
    }

    #[test]
    fn largest_file_comes_in_four_parts() {
        let chunk = vec![7; 64 * 1024];
        let chunks = vec![chunk.clone(); usize::try_from(MAX_BYTES).unwrap() / chunk.len()];
        let whole = chunks.concat();
        let (sizes, bytes, sha256) = read(chunks, Some(MAX_BYTES)).unwrap();
        assert_eq!(sizes, [PART_BYTES, PART_BYTES, PART_BYTES, 1024 * 1024]);
        assert_eq!((bytes, sha256), (MAX_BYTES, sha256_hex(&whole)));
    }

    #[test]
    fn larger_file_is_refused_by_what_is_said_and_by_what_comes() {
        let chunks = |count: u64| vec![vec![0; 1024 * 1024]; usize::try_from(count).unwrap()];
        assert!(matches!(read(chunks(1), Some(MAX_BYTES + 1)), Err(FileError::TooLarge)), "before a byte is read");
        for expected in [None, Some(MAX_BYTES)] {
            assert!(matches!(read(chunks(17), expected), Err(FileError::TooLarge)), "{expected:?}");
        }
        assert_eq!(read(chunks(16), None).unwrap().1, MAX_BYTES);
    }

    #[test]
    fn empty_file_has_no_part() {
        assert_eq!(read(Vec::new(), Some(0)).unwrap(), (Vec::new(), 0, sha256_hex(b"")));
        assert_eq!(read(vec![Vec::new()], None).unwrap().0, [0_usize; 0]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20))]
        #[test]
        fn any_chunks_are_the_same_file(sizes in prop::collection::vec(0_usize..3_000_000, 0..5)) {
            let chunks: Vec<_> = sizes.iter().map(|size| vec![u8::try_from(size % 251).unwrap(); *size]).collect();
            let whole = chunks.concat();
            let (parts, bytes, sha256) = read(chunks, None).unwrap();
            prop_assert_eq!(parts.iter().sum::<usize>(), whole.len());
            prop_assert!(parts.iter().rev().skip(1).all(|part| *part == PART_BYTES));
            prop_assert_eq!((bytes, sha256), (u64::try_from(whole.len()).unwrap(), sha256_hex(&whole)));
        }
    }
}
