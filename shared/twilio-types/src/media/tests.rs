use proptest::prelude::*;

use super::*;

fn read(text: &str) -> Result<String, UnsupportedType> {
    text.parse::<MediaType>().map(|media_type| media_type.to_string())
}

#[test]
fn a_type_is_accepted_with_parameters_and_in_any_case() {
    for (text, extension) in [
        ("image/jpeg", "jpg"),
        ("IMAGE/PNG", "png"),
        ("audio/ogg; codecs=opus", "ogg"),
        ("application/pdf", "pdf"),
        ("text/vcard", "vcf"),
    ] {
        assert_eq!(text.parse::<MediaType>().unwrap().extension(), extension);
    }
    for (text, expected) in [
        ("image/jpeg", "image/jpeg"),
        (" IMAGE/Png ", "image/png"),
        ("audio/ogg", "audio/ogg"),
        ("audio/ogg; codecs=opus", "audio/ogg; codecs=opus"),
        ("Audio/Ogg;CODECS=opus", "audio/ogg; codecs=opus"),
        ("audio/ogg ;\tcodecs = \"opus\" ;", "audio/ogg; codecs=\"opus\""),
        ("audio/ogg; codecs=OPUS", "audio/ogg; codecs=OPUS"),
        ("video/mp4; codecs=\"avc1.42E01E, mp4a.40.2\"", "video/mp4; codecs=\"avc1.42E01E, mp4a.40.2\""),
        ("application/pdf; name=A.pdf", "application/pdf; name=A.pdf"),
    ] {
        assert_eq!(read(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn alias_is_read_as_the_type_that_it_means() {
    for (alias, name) in [
        ("image/jpg", "image/jpeg"),
        ("audio/mp3", "audio/mpeg"),
        ("text/x-vcard", "text/vcard"),
        ("text/directory", "text/vcard"),
        ("application/vcard", "text/vcard"),
        ("Image/JPG; q=1", "image/jpeg; q=1"),
    ] {
        assert_eq!(read(alias).as_deref(), Ok(name));
    }
}

#[test]
fn type_or_codec_that_whatsapp_refuses_is_refused() {
    let types = ["", "image/gif", "image", "text/html", "application/octet-stream", "image/jpegs", "; image/jpeg"];
    let unsafe_in_a_header = ["image/jpeg;\r\nX: y", "image/jpeg; name=größe", "image/jpeg\0"];
    for text in types.into_iter().chain(unsafe_in_a_header) {
        assert_eq!(read(text), Err(UnsupportedType::Type), "{text:?}");
    }
    for text in [
        "audio/ogg;codecs=vorbis",
        "audio/ogg; codecs=\"opus, vorbis\"",
        "AUDIO/OGG; Codecs=Vorbis",
        "audio/ogg; codecs=",
        "audio/ogg; codecs",
        "audio/ogg; codecs=opus; codecs=vorbis",
        "video/mp4; codecs=\"hvc1.1.6.L93.B0, mp4a.40.2\"",
        "video/mp4; codecs=av01",
    ] {
        assert!(matches!(read(text), Err(UnsupportedType::Codec(_))), "{text:?}");
    }
    let error = read("audio/ogg;codecs=vorbis").unwrap_err().to_string();
    assert_eq!(error, "WhatsApp accepts audio/ogg with no other codecs than opus");
}

#[test]
fn images_may_have_5_mb_and_other_files_16_mb() {
    let megabyte = 1024 * 1024;
    for (text, most) in [
        ("image/png", 5 * megabyte),
        ("image/jpg", 5 * megabyte),
        ("image/webp", 500 * 1024),
        ("video/mp4", 16 * megabyte),
        ("application/pdf", 16 * megabyte),
    ] {
        let media_type: MediaType = text.parse().unwrap();
        assert_eq!(media_type.check_size(most), Ok(()));
        assert_eq!(media_type.check_size(most + 1).unwrap_err().max_bytes, most, "{text}");
        assert!(media_type.check_size(0).is_err());
    }
}

#[test]
fn files_of_an_mms_are_limited_together() {
    let mut files = MessageFiles::new(MediaChannel::Mms);
    for _ in 0..10 {
        assert_eq!(files.add("image/png", MAX_MMS_BYTES / 10), Ok(()));
    }
    assert_eq!(files.add("image/png", 1), Err(FileProblem::Together { max_bytes: MAX_MMS_BYTES }));
    let mut files = MessageFiles::new(MediaChannel::Mms);
    assert_eq!(
        files.add("application/pdf", MAX_MMS_BYTES + 1).unwrap_err().to_string().get(..21),
        Some("expected files of at ")
    );
    assert_eq!(MessageFiles::new(MediaChannel::WhatsApp).add("application/pdf", MAX_MMS_BYTES + 1), Ok(()));
}

#[test]
fn file_is_refused_by_its_type_and_size() {
    let refusal = |channel, content_type, bytes| {
        MessageFiles::new(channel).add(content_type, bytes).err().map(|problem| problem.to_string())
    };
    assert_eq!(refusal(MediaChannel::WhatsApp, "image/webp", 512_000), None);
    assert_eq!(
        refusal(MediaChannel::WhatsApp, "image/webp", 512_001).as_deref(),
        Some("expected 1 to 512000 bytes for image/webp")
    );
    let sticker = refusal(MediaChannel::Mms, "image/webp", 1).unwrap();
    assert_eq!(sticker, "expected another type than image/webp, which is only for stickers on WhatsApp");
    let html = refusal(MediaChannel::WhatsApp, "text/html", 1).unwrap();
    assert!(html.starts_with("expected a type that WhatsApp accepts: WhatsApp accepts images"), "{html}");
}

#[test]
fn every_name_and_alias_is_unique() {
    let mut names: Vec<_> = FORMATS.iter().flat_map(|format| [&[format.name], format.aliases].concat()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for name in names {
        assert_eq!(name, name.to_ascii_lowercase());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_once_and_for_all_or_refused(text in "(?i)(image/jpe?g|audio/ogg|text/directory|.{0,12})( ?;.{0,20}){0,3}") {
        if let Ok(media_type) = text.parse::<MediaType>() {
            prop_assert!(media_type.as_str().bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')));
            prop_assert_eq!(media_type.as_str().parse(), Ok(media_type));
        }
    }
}
