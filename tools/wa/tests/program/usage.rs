//! What is refused before anything is called, and how usage is shown.

use std::io::Write as _;

use crate::program::Program;

#[test]
fn the_version_is_that_of_the_package() {
    let ran = Program::new(&["--version"]).run();
    assert_eq!(ran.stdout, format!("wa {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!ran.stdout.contains("0.0.0"), "{ran:?}");
}

#[test]
fn usage_names_no_option_that_a_variable_sets() {
    let program = Program::new(&["send"]).env("WA_STACK", "whatsapp-production").env("AWS_REGION", "us-east-1");
    let ran = program.env("AWS_PROFILE", "stg").run();
    assert_eq!(ran.code, 2);
    let usage = ran.stderr.split_once("Usage:").unwrap().1;
    assert!(usage.contains("wa send --file <PATH>") && usage.contains("--to <ADDRESS>"), "{ran:?}");
    for option in ["--stack", "--region", "--profile"] {
        assert!(!usage.contains(option), "{ran:?}");
    }
    let help = Program::new(&["doctor", "--help"]).env("WA_STACK", "whatsapp-production").run();
    assert!(help.stdout.contains("[env: WA_STACK]"), "{}", help.stdout);
    assert!(help.stdout.contains("[default: whatsapp-production]"), "{}", help.stdout);
}

#[test]
fn a_typing_error_ends_with_what_is_expected() {
    for (words, expected) in [
        (&["events", "tail", "--type", "nonsense"][..], "[possible values: twilio_inbound,"),
        (&["events", "tail", "--contact", "hello"], "expected a number or a WhatsApp user id"),
        (&["messages", "list", "--to", "Ava"], "expected an address as in whatsapp:+14155550123"),
        (
            &["send", "--to", "+14155550123", "--category", "utilty", "--text", "Hi"],
            "category: expected marketing, utility",
        ),
        (&["messages", "list", "--region", "us-east-1.evil.example"], "expected the code of a region"),
    ] {
        let ran = Program::new(words).run();
        assert_eq!((ran.code, ran.calls.len()), (2, 0), "{ran:?}");
        assert!(ran.stderr.contains(expected), "{ran:?}");
    }
}

#[test]
fn a_file_of_contacts_is_checked_without_aws() {
    let check = |file: &str| {
        let mut program = Program::new(&["contacts", "import", "-", "--dry-run"]);
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(file.as_bytes()).unwrap();
        drop(writer);
        program.command.stdin(reader);
        let ran = program.run();
        assert!(ran.calls.is_empty(), "{ran:?}");
        ran
    };
    let ran = check("address;action;at\r\n+14155550123;suppress;2026-11-19T09:00:00Z\r\n");
    assert_eq!(ran.stdout, "1 suppression, 0 ends of suppressions and 0 consents. Nothing was written.\n", "{ran:?}");
    let ran = check("address;action;at\r\n+14155550123;stop;2026-11-19T09:00:00Z\r\n");
    assert!(ran.code == 2 && ran.stderr.contains("line 2, action: expected suppress"), "{ran:?}");
}

#[test]
fn an_export_has_no_format_that_import_cannot_read() {
    let ran = Program::new(&["contacts", "export", "--output", "tsv"]).run();
    assert!(ran.code == 2 && ran.calls.is_empty() && ran.stderr.contains("an export is csv or json"), "{ran:?}");
}
