//! `wa templates check` without AWS and Twilio.

use std::fs;

use crate::program::Program;

#[test]
fn files_are_checked_without_a_request() {
    let folder = std::env::temp_dir().join(format!("templates-{}", uuid::Uuid::new_v4().simple()));
    fs::create_dir(&folder).unwrap();
    let good = r#"{"category": "utility", "locales": {"en": {"types": {"twilio/text": {"body": "Hello there"}}}}}"#;
    let bad = r#"{"category": "utility", "locales": {"en": {"types": {"twilio/text": {"body": "Hi {{1}}"}}}}}"#;
    fs::write(folder.join("good.json"), good).unwrap();
    let check = || Program::new(&["templates", "check", folder.to_str().unwrap(), "--output", "json"]).run();
    let ran = check();
    assert_eq!((ran.code, ran.stdout.trim(), ran.calls.len()), (0, "[]", 0), "{ran:?}");
    fs::write(folder.join("bad.json"), bad).unwrap();
    let ran = check();
    assert!(ran.code == 1 && ran.calls.is_empty(), "{ran:?}");
    for expected in ["bad.json", "locales.en.types.twilio/text.body", "ends with a variable", "locales.en.variables.1"]
    {
        assert!(ran.stdout.contains(expected), "{expected}: {ran:?}");
    }
    fs::write(folder.join("bad.json"), "{").unwrap();
    let ran = check();
    assert!(
        ran.code == 2 && ran.stderr.contains("bad.json: EOF while parsing") && ran.stderr.contains("line 1"),
        "{ran:?}"
    );
    fs::remove_dir_all(folder).unwrap();
}
