//! The files that Twilio sends: their types, with aliases and codecs, and their sizes.
//!
//! Sources: Twilio, "Guidance on WhatsApp Media Messages" (types, codecs, 16 MB, images 5 MB), "Accepted content types for media"
//! (aliases, MMS 5 MB) and error 11751 (the sum counts); Meta, "Supported media types" of the WhatsApp Business Platform (stickers).
//! Where they say MB and KB, the limits here are MiB and KiB.

use std::{fmt, str::FromStr};

const KILOBYTE: u64 = 1024;
const MEGABYTE: u64 = 1024 * KILOBYTE;

/// The files of a WhatsApp message together.
pub const MAX_WHATSAPP_BYTES: u64 = 16 * MEGABYTE;

/// The files of an MMS together.
pub const MAX_MMS_BYTES: u64 = 5 * MEGABYTE;

const MAX_IMAGE_BYTES: u64 = 5 * MEGABYTE;

/// An animated sticker; a static one may have 100 KB, and its type does not say which of the two it is.
const MAX_STICKER_BYTES: u64 = 500 * KILOBYTE;

/// A type that WhatsApp accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaFormat {
    /// As Twilio's documentation writes it, without parameters.
    pub name: &'static str,
    /// Other names of the type.
    pub aliases: &'static [&'static str],
    /// What the parameter `codecs` may name, each without what follows its first dot (RFC 6381). Empty where WhatsApp restricts
    /// nothing.
    pub codecs: &'static [&'static str],
    /// The extension of a file of this type, without a dot.
    pub extension: &'static str,
    /// The largest file.
    pub max_bytes: u64,
}

const fn format(name: &'static str, extension: &'static str, max_bytes: u64) -> MediaFormat {
    MediaFormat { name, aliases: &[], codecs: &[], extension, max_bytes }
}

const DOCX: &str = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
const PPTX: &str = "application/vnd.openxmlformats-officedocument.presentationml.presentation";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// All types that WhatsApp accepts.
pub const FORMATS: [MediaFormat; 15] = [
    MediaFormat { aliases: &["image/jpg"], ..format("image/jpeg", "jpg", MAX_IMAGE_BYTES) },
    format("image/png", "png", MAX_IMAGE_BYTES),
    format(STICKER, "webp", MAX_STICKER_BYTES),
    MediaFormat { codecs: &["opus"], ..format("audio/ogg", "ogg", MAX_WHATSAPP_BYTES) },
    format("audio/amr", "amr", MAX_WHATSAPP_BYTES),
    format("audio/3gpp", "3gp", MAX_WHATSAPP_BYTES),
    format("audio/aac", "aac", MAX_WHATSAPP_BYTES),
    MediaFormat { aliases: &["audio/mp3"], ..format("audio/mpeg", "mp3", MAX_WHATSAPP_BYTES) },
    // H.264 video and AAC audio.
    MediaFormat { codecs: &["avc1", "avc3", "mp4a"], ..format("video/mp4", "mp4", MAX_WHATSAPP_BYTES) },
    format("application/pdf", "pdf", MAX_WHATSAPP_BYTES),
    format("application/msword", "doc", MAX_WHATSAPP_BYTES),
    format(DOCX, "docx", MAX_WHATSAPP_BYTES),
    format(PPTX, "pptx", MAX_WHATSAPP_BYTES),
    format(XLSX, "xlsx", MAX_WHATSAPP_BYTES),
    MediaFormat {
        aliases: &["text/x-vcard", "text/directory", "application/vcard"],
        ..format("text/vcard", "vcf", MAX_WHATSAPP_BYTES)
    },
];

/// WhatsApp sends it as a sticker, and MMS does not have it.
const STICKER: &str = "image/webp";

/// A content type that WhatsApp accepts, in one spelling: the name in [`FORMATS`], and its parameters each after `; `, as in
/// `audio/ogg; codecs=opus`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    text: String,
    format: &'static MediaFormat,
}

/// A content type that WhatsApp does not accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnsupportedType {
    /// The type itself.
    #[error(
        "WhatsApp accepts images (jpeg, png; webp as stickers), audio (ogg, amr, 3gpp, aac, mpeg), video (mp4), \
         documents (pdf, doc, docx, pptx, xlsx) and contacts (vcard)"
    )]
    Type,
    /// A codec in its parameters.
    #[error("WhatsApp accepts {} with no other codecs than {}", .0.name, .0.codecs.join(", "))]
    Codec(&'static MediaFormat),
}

/// An empty file, or one that is larger than WhatsApp accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected 1 to {max_bytes} bytes for {name}")]
pub struct WrongSize {
    /// The type's name.
    pub name: &'static str,
    /// The largest file of this type.
    pub max_bytes: u64,
}

impl MediaType {
    /// The value of a `Content-Type` header.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The extension of a file of this type, without a dot.
    pub fn extension(&self) -> &'static str {
        self.format.extension
    }

    /// Whether a file of this type may have this many bytes.
    pub fn check_size(&self, bytes: u64) -> Result<(), WrongSize> {
        let MediaFormat { name, max_bytes, .. } = *self.format;
        if (1..=max_bytes).contains(&bytes) { Ok(()) } else { Err(WrongSize { name, max_bytes }) }
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for MediaType {
    type Err = UnsupportedType;

    fn from_str(text: &str) -> Result<Self, UnsupportedType> {
        // It is copied into a header, where a character that a header cannot hold would fail later.
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(UnsupportedType::Type);
        }
        let mut parts = text.split(';').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let has_name = |known: &&str| known.eq_ignore_ascii_case(name);
        let format = FORMATS.iter().find(|format| has_name(&format.name) || format.aliases.iter().any(has_name));
        let format = format.ok_or(UnsupportedType::Type)?;
        let mut text = format.name.to_owned();
        for parameter in parts.filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let (name, value) = (name.trim_end().to_ascii_lowercase(), value.trim_start());
            if name == "codecs" && !has_codecs(format, value) {
                return Err(UnsupportedType::Codec(format));
            }
            text.extend(["; ", &name, "=", value]);
        }
        if text.contains('\t') {
            return Err(UnsupportedType::Type);
        }
        Ok(Self { text, format })
    }
}

/// Whether WhatsApp accepts the type with these codecs: one, or a list in quotation marks.
fn has_codecs(format: &MediaFormat, value: &str) -> bool {
    let accepts = |codec: &str| {
        let family = codec.trim().split('.').next().unwrap_or_default();
        format.codecs.iter().any(|known| known.eq_ignore_ascii_case(family))
    };
    format.codecs.is_empty() || value.trim_matches('"').split(',').all(accepts)
}

/// Where files are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaChannel {
    /// A message has one file.
    WhatsApp,
    /// A message has up to [`MAX_MEDIA`](crate::limits::MAX_MEDIA) files.
    Mms,
}

/// The files of one message, which are checked one after the other.
#[derive(Debug)]
pub struct MessageFiles {
    channel: MediaChannel,
    bytes: u64,
}

/// A file with which a message is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FileProblem {
    /// The type is refused on every channel.
    #[error("expected a type that WhatsApp accepts: {0}")]
    Type(#[from] UnsupportedType),
    /// The size is.
    #[error(transparent)]
    Size(#[from] WrongSize),
    /// The type is refused on the channel.
    #[error("expected another type than {STICKER}, which is only for stickers on WhatsApp")]
    Sticker,
    /// With the files before it, the message is too large.
    #[error("expected files of at most {max_bytes} bytes in one message")]
    Together {
        /// The most that the channel has.
        max_bytes: u64,
    },
}

impl MessageFiles {
    /// A message without files.
    pub const fn new(channel: MediaChannel) -> Self {
        Self { channel, bytes: 0 }
    }

    /// Checks the next file by its `Content-Type` and its length.
    pub fn add(&mut self, content_type: &str, bytes: u64) -> Result<(), FileProblem> {
        let media_type: MediaType = content_type.parse()?;
        let max_bytes = match self.channel {
            MediaChannel::WhatsApp => MAX_WHATSAPP_BYTES,
            MediaChannel::Mms if media_type.format.name == STICKER => return Err(FileProblem::Sticker),
            MediaChannel::Mms => MAX_MMS_BYTES,
        };
        media_type.check_size(bytes)?;
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > max_bytes { Err(FileProblem::Together { max_bytes }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests;
