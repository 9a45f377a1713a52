//! What a file is by its first bytes, compared with the content type that it is claimed to have.
//!
//! The table has the types that people send over WhatsApp and MMS. Several names share one form of file: whether an MP4
//! container is audio or video, and whether a ZIP archive is a DOCX or an XLSX, is not in the first bytes. So a claim is
//! compared with the form, and is kept where the two agree.
//!
//! Sources: the specifications of the formats; for documents that programs save under another of Microsoft's types, what
//! browsers and phones claim (a CSV file as `application/vnd.ms-excel`, a DOCX as `application/msword`).

use twilio_types::media::MediaType;

/// How many of the first bytes decide. A PDF may begin anywhere in its first 1,024 bytes. Source: Adobe, "PDF Reference",
/// appendix H, note 13.
pub const DECIDING_BYTES: usize = 1_024;

/// The type of a file of which nothing is known. Browsers download it and do not show it.
pub const UNKNOWN_TYPE: &str = "application/octet-stream";

/// The first bytes are not those of a file of the claimed type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeMismatch {
    /// What they are, if that is known.
    pub found: Option<&'static str>,
}

/// A type by its names, the usual one first, and the forms that a file of this type has.
struct KnownType {
    names: &'static [&'static str],
    forms: &'static [FileForm],
}

/// How a file begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum FileForm {
    Jpeg,
    Png,
    Gif,
    WebP,
    Wave,
    Ogg,
    Amr,
    /// MPEG audio, with or without a tag in front.
    Mpeg,
    /// AAC as a stream (ADTS).
    Adts,
    /// The container of MP4, 3GP, M4A, MOV and HEIC.
    IsoMedia,
    Pdf,
    /// Microsoft's Compound File: DOC, XLS, PPT, and encrypted documents of the newer types.
    CompoundFile,
    Rtf,
    Zip,
    VCard,
    Text,
    /// A program for Windows.
    Program,
}

const fn known(names: &'static [&'static str], forms: &'static [FileForm]) -> KnownType {
    KnownType { names, forms }
}

/// A document of the newer Office types; an encrypted one is a compound file.
const OFFICE: &[FileForm] = &[FileForm::Zip, FileForm::CompoundFile];
/// A document that a program may have saved as RTF or as a newer type under the name of the older one.
const OLD_OFFICE: &[FileForm] = &[FileForm::CompoundFile, FileForm::Rtf, FileForm::Zip, FileForm::Text];

static KNOWN_TYPES: [KnownType; 28] = [
    known(&["image/jpeg", "image/jpg"], &[FileForm::Jpeg]),
    known(&["image/png"], &[FileForm::Png]),
    known(&["image/gif"], &[FileForm::Gif]),
    known(&["image/webp"], &[FileForm::WebP]),
    known(&["image/heic", "image/heif"], &[FileForm::IsoMedia]),
    known(&["audio/ogg", "audio/opus", "application/ogg", "video/ogg"], &[FileForm::Ogg]),
    known(&["audio/amr", "audio/amr-nb", "audio/amr-wb"], &[FileForm::Amr]),
    known(&["audio/3gpp", "audio/3gpp2"], &[FileForm::IsoMedia, FileForm::Amr]),
    known(&["audio/aac", "audio/aacp", "audio/x-aac"], &[FileForm::Adts, FileForm::IsoMedia]),
    known(&["audio/mp4", "audio/m4a", "audio/x-m4a"], &[FileForm::IsoMedia, FileForm::Adts]),
    known(&["audio/mpeg", "audio/mp3"], &[FileForm::Mpeg]),
    known(&["audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"], &[FileForm::Wave]),
    known(&["video/mp4"], &[FileForm::IsoMedia]),
    known(&["video/3gpp", "video/3gpp2"], &[FileForm::IsoMedia]),
    known(&["video/quicktime"], &[FileForm::IsoMedia]),
    known(&["application/pdf"], &[FileForm::Pdf]),
    known(&["application/msword"], OLD_OFFICE),
    known(&["application/vnd.ms-excel"], OLD_OFFICE),
    known(&["application/vnd.ms-powerpoint"], OLD_OFFICE),
    known(&["application/vnd.openxmlformats-officedocument.wordprocessingml.document"], OFFICE),
    known(&["application/vnd.openxmlformats-officedocument.presentationml.presentation"], OFFICE),
    known(&["application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"], OFFICE),
    known(&["application/zip", "application/x-zip-compressed"], &[FileForm::Zip]),
    known(&["application/rtf", "text/rtf"], &[FileForm::Rtf]),
    known(&["text/vcard", "text/x-vcard", "text/directory", "application/vcard"], &[FileForm::VCard]),
    known(&["text/plain"], &[FileForm::Text]),
    known(&["text/csv"], &[FileForm::Text]),
    known(&["application/json"], &[FileForm::Text]),
];

/// What a file of an unknown or no claim is called by its form. Text is left out, because every unknown text would be one.
const NAMES_BY_FORM: [(FileForm, &str); 15] = [
    (FileForm::Jpeg, "image/jpeg"),
    (FileForm::Png, "image/png"),
    (FileForm::Gif, "image/gif"),
    (FileForm::WebP, "image/webp"),
    (FileForm::Wave, "audio/wav"),
    (FileForm::Ogg, "audio/ogg"),
    (FileForm::Amr, "audio/amr"),
    (FileForm::IsoMedia, "video/mp4"),
    (FileForm::Pdf, "application/pdf"),
    (FileForm::CompoundFile, "application/msword"),
    (FileForm::Rtf, "application/rtf"),
    (FileForm::Zip, "application/zip"),
    (FileForm::VCard, "text/vcard"),
    (FileForm::Program, "application/vnd.microsoft.portable-executable"),
    (FileForm::Mpeg, "audio/mpeg"),
];

/// The content type of a file by its first [`DECIDING_BYTES`] and by what is claimed: the claim in its usual spelling where
/// both agree, and the found type where the claim is missing or not in the table.
pub fn content_type(claimed: Option<&str>, first_bytes: &[u8]) -> Result<String, TypeMismatch> {
    let first_bytes = first_bytes.get(..DECIDING_BYTES).unwrap_or(first_bytes);
    let Some((claimed, known)) = claimed.and_then(|claimed| Some((claimed, known_type(claimed)?))) else {
        return Ok(found(first_bytes).unwrap_or(UNKNOWN_TYPE).to_owned());
    };
    if !known.forms.iter().any(|form| form.is_of(first_bytes)) {
        return Err(TypeMismatch { found: found(first_bytes) });
    }
    // With its codecs, where it has some.
    let with_parameters = claimed.parse::<MediaType>().ok().map(|media_type| media_type.as_str().to_owned());
    Ok(with_parameters.unwrap_or_else(|| known.names.first().copied().unwrap_or(UNKNOWN_TYPE).to_owned()))
}

fn known_type(claimed: &str) -> Option<&'static KnownType> {
    let name = claimed.split(';').next().unwrap_or_default().trim();
    KNOWN_TYPES.iter().find(|known| known.names.iter().any(|known| known.eq_ignore_ascii_case(name)))
}

fn found(first_bytes: &[u8]) -> Option<&'static str> {
    NAMES_BY_FORM.iter().find(|(form, _)| form.is_of(first_bytes)).map(|(_, name)| *name)
}

impl FileForm {
    fn is_of(self, bytes: &[u8]) -> bool {
        let at = |offset: usize, expected: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(expected));
        match self {
            Self::Jpeg => at(0, b"\xff\xd8\xff"),
            Self::Png => at(0, b"\x89PNG\r\n\x1a\n"),
            Self::Gif => at(0, b"GIF87a") || at(0, b"GIF89a"),
            Self::WebP => at(0, b"RIFF") && at(8, b"WEBP"),
            Self::Wave => at(0, b"RIFF") && at(8, b"WAVE"),
            Self::Ogg => at(0, b"OggS"),
            Self::Amr => at(0, b"#!AMR"),
            Self::Mpeg => at(0, b"ID3") || is_audio_frame(bytes, |layer| layer != 0),
            Self::Adts => at(0, b"ADIF") || at(0, b"ID3") || is_audio_frame(bytes, |layer| layer == 0),
            // `moov`, `mdat`, `wide` and `free` begin older QuickTime files.
            Self::IsoMedia => [b"ftyp", b"moov", b"mdat", b"wide", b"free"].iter().any(|name| at(4, *name)),
            Self::Pdf => bytes.windows(5).any(|window| window == b"%PDF-"),
            Self::CompoundFile => at(0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
            Self::Rtf => at(0, b"{\\rtf"),
            Self::Zip => at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06"),
            Self::VCard => is_vcard(bytes),
            Self::Text => is_text(bytes),
            // A text may begin with these letters too; the header of a program has zero bytes.
            Self::Program => at(0, b"MZ") && bytes.contains(&0),
        }
    }
}

/// Whether the bytes begin with the header of an MPEG audio frame: eleven set bits, and a layer. AAC has layer 0.
fn is_audio_frame(bytes: &[u8], is_layer: impl Fn(u8) -> bool) -> bool {
    matches!(bytes, [0xff, second, ..] if second & 0xe0 == 0xe0 && is_layer((second >> 1) & 3))
}

fn is_vcard(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"BEGIN:VCARD";
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    text.get(..BEGIN.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(BEGIN))
}

/// No text has a zero byte, except in UTF-16, which says so by its byte order mark.
fn is_text(bytes: &[u8]) -> bool {
    let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
    is_utf16 || !bytes.contains(&0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MP4: &[u8] = b"\0\0\0\x18ftypmp42\0\0\0\0";
    const OLE: &[u8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1";

    #[test]
    fn file_that_begins_as_claimed_has_the_claimed_type() {
        let cases: [(&str, &[u8], &str); 22] = [
            ("image/jpeg", b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            ("Image/JPG", b"\xff\xd8\xff\xe1", "image/jpeg"),
            ("image/png", b"\x89PNG\r\n\x1a\n\0", "image/png"),
            ("image/gif", b"GIF89a", "image/gif"),
            ("image/webp", b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp"),
            ("audio/ogg; codecs=opus", b"OggS\0\x02", "audio/ogg; codecs=opus"),
            ("audio/amr", b"#!AMR\n", "audio/amr"),
            ("audio/mp3", b"ID3\x04", "audio/mpeg"),
            ("audio/mpeg", b"\xff\xfb\x90\0", "audio/mpeg"),
            ("audio/aac", b"\xff\xf1\x50\x80", "audio/aac"),
            ("audio/aac", b"ADIF\x40", "audio/aac"),
            ("audio/aac", b"ID3\x04", "audio/aac"),
            ("audio/x-m4a", b"\0\0\0\x20ftypM4A ", "audio/mp4"),
            ("video/mp4", MP4, "video/mp4"),
            ("video/3gpp", b"\0\0\0\x18ftyp3gp4", "video/3gpp"),
            ("application/pdf", b"\xef\xbb\xbf\n%PDF-1.7", "application/pdf"),
            ("application/msword", OLE, "application/msword"),
            ("application/vnd.ms-excel", b"name;number\n", "application/vnd.ms-excel"),
            ("text/x-vcard", b"\xef\xbb\xbfbegin:vcard\r\n", "text/vcard"),
            ("text/plain; charset=utf-8", "Größe".as_bytes(), "text/plain"),
            ("text/csv", b"a,b\n", "text/csv"),
            ("text/plain", b"MZ 7 is the number of the house", "text/plain"),
        ];
        for (claimed, bytes, expected) in cases {
            assert_eq!(content_type(Some(claimed), bytes).as_deref(), Ok(expected), "{claimed}");
        }
    }

    #[test]
    fn file_that_lies_is_refused_with_what_it_is() {
        let cases: [(&str, &[u8], Option<&str>); 8] = [
            ("image/jpeg", b"\x89PNG\r\n\x1a\n", Some("image/png")),
            ("image/png", b"MZ\x90\0", Some("application/vnd.microsoft.portable-executable")),
            ("application/pdf", b"PK\x03\x04", Some("application/zip")),
            ("audio/ogg", b"ID3\x04", Some("audio/mpeg")),
            ("audio/mpeg", b"\xff\xf1\x50\x80", None),
            ("video/mp4", b"<html>", None),
            ("text/plain", b"MZ\x90\0", Some("application/vnd.microsoft.portable-executable")),
            ("text/vcard", b"not a card", None),
        ];
        for (claimed, bytes, found) in cases {
            assert_eq!(content_type(Some(claimed), bytes), Err(TypeMismatch { found }), "{claimed}");
        }
    }

    /// A page of HTML or a picture in SVG that a browser would run is not served as such.
    #[test]
    fn claim_that_is_not_in_the_table_gives_the_found_type() {
        assert_eq!(content_type(Some("text/html"), b"<html>").as_deref(), Ok(UNKNOWN_TYPE));
        assert_eq!(content_type(Some("image/svg+xml"), b"<svg>").as_deref(), Ok(UNKNOWN_TYPE));
        assert_eq!(content_type(Some("application/octet-stream"), b"%PDF-1.4").as_deref(), Ok("application/pdf"));
        assert_eq!(content_type(None, MP4).as_deref(), Ok("video/mp4"));
        assert_eq!(content_type(Some(""), b"").as_deref(), Ok(UNKNOWN_TYPE));
    }

    #[test]
    fn each_type_that_whatsapp_accepts_is_known() {
        for format in twilio_types::media::FORMATS {
            for name in std::iter::once(&format.name).chain(format.aliases) {
                assert!(known_type(name).is_some_and(|known| known.names.contains(&format.name)), "{name}");
            }
        }
    }

    proptest! {
        #[test]
        fn any_file_of_any_claim_gets_a_type_that_a_header_can_hold(
            claimed in ".{0,40}", bytes in prop::collection::vec(any::<u8>(), 0..64),
        ) {
            if let Ok(content_type) = content_type(Some(&claimed), &bytes) {
                prop_assert!(content_type.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }
    }
}
