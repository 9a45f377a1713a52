//! Which AWS account and region the command works on. Each expectation is what `aws` does with the same files and variables.

use crate::program::{Program, ProgramRun};

const COMMAND: [&str; 2] = ["messages", "list"];

/// The command with the credentials of another account in the environment, as in a shell that is set up for production.
fn program(options: &[&str]) -> Program {
    let program = Program::new(&[&COMMAND[..], options].concat());
    program.env("AWS_ACCESS_KEY_ID", "AKIDOFENV").env("AWS_SECRET_ACCESS_KEY", "secret-of-env")
}

/// The access key and the region of the only request.
fn called(ran: &ProgramRun) -> (String, String) {
    assert_eq!(ran.code, 3, "{ran:?}");
    let [call] = ran.calls.as_slice() else { panic!("{ran:?}") };
    let scope: Vec<_> = call.split_once("Credential=").unwrap().1.split('/').collect();
    (scope[0].to_owned(), scope[2].to_owned())
}

#[test]
fn a_named_profile_is_preferred_to_keys_of_the_environment() {
    let ran = program(&["--profile", "stg"]).run();
    assert_eq!(called(&ran), ("AKIDOFSTG".to_owned(), "eu-central-1".to_owned()));
    assert!(ran.stderr.contains("there is no stack whatsapp in eu-central-1"), "{ran:?}");
}

#[test]
fn keys_of_the_environment_are_preferred_to_a_profile_variable() {
    for variable in ["AWS_PROFILE", "AWS_DEFAULT_PROFILE"] {
        let ran = program(&[]).env(variable, "stg").run();
        assert_eq!(called(&ran), ("AKIDOFENV".to_owned(), "eu-central-1".to_owned()), "{variable}");
    }
    let mut profile_alone = program(&[]).env("AWS_PROFILE", "stg");
    profile_alone.command.env_remove("AWS_ACCESS_KEY_ID");
    assert_eq!(called(&profile_alone.run()).0, "AKIDOFSTG");
}

#[test]
fn the_region_is_that_of_option_then_variable_then_profile() {
    let region = |options: &[&str], variables: &[(&str, &str)]| {
        let program = program(&[&["--profile", "stg"], options].concat());
        let program = variables.iter().fold(program, |program, (name, value)| program.env(name, value));
        called(&program.run())
    };
    let of_stg = |region: &str| ("AKIDOFSTG".to_owned(), region.to_owned());
    let variables = [("AWS_REGION", "us-west-2"), ("AWS_DEFAULT_REGION", "sa-east-1")];
    assert_eq!(region(&["--region", "ap-south-1"], &variables), of_stg("ap-south-1"));
    assert_eq!(region(&[], &variables), of_stg("us-west-2"));
    assert_eq!(region(&[], &variables[1..]), of_stg("sa-east-1"));
}

#[test]
fn a_profile_that_does_not_exist_is_an_error_before_any_call() {
    for (options, variable, origin) in [(&["--profile", "nope"][..], "stg", "--profile"), (&[], "nope", "AWS_PROFILE")]
    {
        let ran = program(options).env("AWS_PROFILE", variable).run();
        assert_eq!((ran.code, ran.calls.len()), (2, 0), "{ran:?}");
        let expected = format!("{origin}: there is no AWS profile nope: expected one of default, stg");
        assert!(ran.stderr.contains(&expected), "{ran:?}");
    }
}

#[test]
fn each_request_is_printed_without_secrets_and_values() {
    let ran = program(&["--profile", "stg", "--debug"]).run();
    assert!(ran.stderr.contains("debug: POST http://127.0.0.1:"), "{ran:?}");
    assert!(ran.stderr.contains("/ DescribeStacks: 400 in "), "{ran:?}");
    assert!(ran.stderr.contains("request id r-1"), "{ran:?}");
    assert!(!ran.stderr.contains("AKIDOFSTG") && !ran.stderr.contains("secret-of-stg"), "{ran:?}");
}
