use super::*;
use crate::attribute::text;

const KIND: Format = Format::new("a letter", 3);

fn item(version: Option<u32>) -> Item {
    version.map(|version| (ATTRIBUTE.to_owned(), number(version))).into_iter().collect()
}

#[test]
fn this_version_and_the_one_before_are_read() {
    for (version, is_read) in [(Some(3), true), (Some(2), true), (Some(1), false), (None, false), (Some(4), false)] {
        assert_eq!(KIND.check("", &item(version)).is_ok(), is_read, "{version:?}");
    }
    assert!(MESSAGE.check("", &item(None)).is_ok(), "what was written before there was the attribute");
    assert!(MESSAGE.check("", &Item::from([(ATTRIBUTE.to_owned(), text("2"))])).is_err());
}

#[test]
fn marked_item_is_read() {
    let mut marked = Item::new();
    KIND.mark(&mut marked);
    assert!(KIND.check("", &marked).is_ok());
}

#[test]
fn refusal_names_the_versions() {
    let refused = KIND.check_version(4).unwrap_err().to_string();
    assert_eq!(refused, "a letter has the format 4, and this release reads 2 and 3: deploy the release that wrote it");
    let first = Format::new("a letter", 1).check_version(0).unwrap_err().to_string();
    assert!(first.contains("this release reads 1:"), "{first}");
}
