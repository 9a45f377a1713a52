//! What a shell offers.

use std::{path::Path, process::Command};

use crate::program::Program;

const STACKS: &str = "\
<DescribeStacksResponse><DescribeStacksResult><Stacks>\
<member><StackName>whatsapp-staging</StackName><CreationTime>2026-11-20T09:00:00Z</CreationTime>\
<StackStatus>CREATE_COMPLETE</StackStatus><Outputs><member><OutputKey>UnpublishedQueueUrl</OutputKey>\
<OutputValue>https://sqs</OutputValue></member></Outputs></member>\
<member><StackName>of-another-system</StackName><CreationTime>2026-11-20T09:00:00Z</CreationTime>\
<StackStatus>CREATE_COMPLETE</StackStatus></member>\
</Stacks></DescribeStacksResult></DescribeStacksResponse>";

/// The values that are offered for the last word.
fn offered(words: &[&str]) -> Vec<String> {
    let program = Program::with_answer(&[&["--", "wa"], words].concat(), (200, STACKS));
    let program = program.env("WA_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", &words.len().to_string());
    let ran = program.env("_CLAP_IFS", "\n").env("AWS_REGION", "us-east-1").run();
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    ran.stdout.lines().map(str::to_owned).collect()
}

#[test]
fn options_with_a_fixed_set_of_values_offer_them() {
    let categories = ["marketing", "utility", "authentication", "service"];
    assert_eq!(offered(&["send", "--category", ""]), categories);
    assert_eq!(offered(&["send", "--category", "ut"]), ["utility"]);
    assert_eq!(offered(&["notifications", "list", "--category", ""]), categories);
    assert_eq!(offered(&["consent", "add", "+14155550123", "--category", "m"]), ["marketing"]);
    assert_eq!(offered(&["notifications", "list", "--state", "wai"]), ["waiting"]);
    let types = offered(&["events", "tail", "--type", "twilio_"]);
    assert_eq!(types, ["twilio_inbound", "twilio_status", "twilio_unknown"]);
    assert_eq!(
        offered(&["events", "tail", "--type", "twilio_status,contact_opted_o"]),
        ["twilio_status,contact_opted_out"]
    );
    assert_eq!(offered(&["contacts", "suppress", "--scope", ""]), ["all", "marketing"]);
    assert_eq!(offered(&["pause", "mar"]), ["marketing"]);
    assert_eq!(offered(&["--output", ""]), ["table", "json", "csv", "tsv"]);
}

#[test]
fn profiles_regions_and_stacks_are_those_that_exist() {
    assert_eq!(offered(&["--profile", ""]), ["default", "stg"]);
    assert_eq!(offered(&["send", "--region", "eu-central"]), ["eu-central-1", "eu-central-2"]);
    assert_eq!(offered(&["--profile", "stg", "doctor", "--stack", ""]), ["whatsapp-staging"]);
    assert_eq!(offered(&["--profile", "nope", "--stack", ""]), [""; 0], "an error is not printed into the prompt");
}

#[test]
fn a_text_offers_no_file_names() {
    assert_eq!(offered(&["send", "--to", ""]), [""; 0]);
    assert_eq!(offered(&["send", "--text", ""]), [""; 0]);
}

#[test]
fn the_script_for_bash_calls_this_program() {
    let folder = Path::new(env!("CARGO_BIN_EXE_wa")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let script = "source <(wa completions bash); COMP_WORDS=(wa send --category ''); COMP_CWORD=3; \
                  _clap_complete_wa wa '' --category; printf '%s\\n' \"${COMPREPLY[@]}\"";
    let ran = Command::new("bash").args(["--norc", "--noprofile", "-c", script]).env("PATH", path).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&ran.stdout), "marketing\nutility\nauthentication\nservice\n", "{ran:?}");
}

#[test]
fn each_shell_has_a_script() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = Program::new(&["completions", shell]).run();
        assert!(ran.code == 0 && ran.stdout.contains("WA_COMPLETE"), "{shell}: {ran:?}");
    }
}
