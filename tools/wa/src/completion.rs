//! The values that a shell offers for options and arguments.
//!
//! The script of `wa completions` calls this program for them, because the profiles and the stacks of the moment are among
//! them. Names of operations and formats come from the commands themselves.

use std::{env, future::Future, time::Duration};

use aws_sdk_cloudformation::Client;
use clap_complete::CompletionCandidate;
use domain::{notification::Category, suppression::Scope};
use stores::notifications::NotificationState;
use tokio::time::timeout;

use crate::{aws, globals::Globals, output::Format};

/// The variable by which the script in the shell asks for values.
pub const VARIABLE: &str = "WA_COMPLETE";

/// A person waits for the names of stacks no longer.
const STACKS_TIMEOUT: Duration = Duration::from_secs(3);
/// An output that only this system's template has.
const OUTPUT: &str = "UnpublishedQueueUrl";

/// Source: `partitions.json` of botocore 1.43, the list that the AWS CLI has, without the isolated partitions.
const REGIONS: [&str; 41] = [
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-west-1",
    "us-west-2",
];

fn candidates<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<CompletionCandidate> {
    values.into_iter().map(CompletionCandidate::new).collect()
}

pub fn regions() -> Vec<CompletionCandidate> {
    candidates(REGIONS)
}

pub fn categories() -> Vec<CompletionCandidate> {
    candidates(Category::ALL.map(Category::as_str))
}

pub fn states() -> Vec<CompletionCandidate> {
    candidates(NotificationState::ALL.map(NotificationState::as_str))
}

/// The scopes of a suppression that have a name. Senders and Messaging Services have none.
pub fn suppression_scopes() -> Vec<CompletionCandidate> {
    candidates([Scope::All.as_text(), Scope::Marketing.as_text()])
}

/// The scopes of a pause that have a name.
pub fn pause_scopes() -> Vec<CompletionCandidate> {
    candidates(["all"].into_iter().chain(Category::ALL.map(Category::as_str)))
}

/// The profiles in the AWS CLI's files.
pub fn profiles() -> Vec<CompletionCandidate> {
    let names = block_on(aws::profile_names()).and_then(Result::ok).unwrap_or_default();
    candidates(names.iter().map(String::as_str))
}

/// The deployed stacks of this system, in the account and the region that the command line names so far. An error gives no
/// names: there is no place to report it while a person types.
pub fn stacks() -> Vec<CompletionCandidate> {
    let words: Vec<String> = env::args().collect();
    let globals = Globals {
        stack: String::new(),
        profile: value_of("--profile", &words),
        region: value_of("--region", &words),
        account_sid: None,
        output: Format::Table,
        yes: false,
        debug: false,
    };
    let names = block_on(async { timeout(STACKS_TIMEOUT, stack_names(globals)).await });
    let names = names.and_then(Result::ok).flatten().unwrap_or_default();
    candidates(names.iter().map(String::as_str))
}

async fn stack_names(globals: Globals) -> Option<Vec<String>> {
    let client = Client::new(&aws::load(&globals).await.ok()?);
    let stacks: Result<Vec<_>, _> = client.describe_stacks().into_paginator().items().send().collect().await;
    let is_ours = |stack: &aws_sdk_cloudformation::types::Stack| {
        stack.outputs().iter().any(|output| output.output_key() == Some(OUTPUT))
    };
    Some(stacks.ok()?.into_iter().filter(is_ours).filter_map(|stack| stack.stack_name).collect())
}

/// The value of an option in words that may not be a valid command line yet.
fn value_of(option: &str, words: &[String]) -> Option<String> {
    let value = |(index, word): (usize, &String)| match word.strip_prefix(option)? {
        "" => words.get(index + 1).cloned(),
        rest => rest.strip_prefix('=').map(str::to_owned),
    };
    words.iter().enumerate().filter_map(value).find(|value| !value.is_empty())
}

/// Completion runs before the program has a runtime.
fn block_on<T>(work: impl Future<Output = T>) -> Option<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    Some(runtime.block_on(work))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_read_from_an_unfinished_command_line() {
        let value = |line: &str| value_of("--profile", &line.split(' ').map(str::to_owned).collect::<Vec<_>>());
        assert_eq!(value("wa --profile stg --stack "), Some("stg".to_owned()));
        assert_eq!(value("wa send --profile=stg --stack "), Some("stg".to_owned()));
        assert_eq!(value("wa --stack "), None);
        assert_eq!(value("wa --stack x --profile"), None);
    }
}
