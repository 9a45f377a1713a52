//! A check of the account's concurrency: how many functions Lambda runs at the same time, in the whole account. A new AWS
//! account has 10, and the queues of this stack alone can use more.

use domain::{policy::Policy, token_bucket::RateLimit};
use reqwest::Method;
use serde::Deserialize;

use crate::{copyable::CopyableCommands, error::CommandError, finding::Finding, lambda, session::Session};

pub(super) const CHECK: &str = "concurrency";

/// The code of the quota "Concurrent executions". Source: AWS General Reference, "AWS Lambda endpoints and quotas".
const CONCURRENCY_QUOTA: &str = "L-B99A9384";

/// The default of the template.
const DEFAULT_SEND_CONCURRENCY: u32 = 2;
/// The lanes whose mappings invoke `send`, each up to the parameter `SendConcurrency` times.
const LANES: u32 = 3;
/// What is left for the others: `publish` with four batches of each shard of three streams, `release`, `reconcile`, and some
/// tens of webhooks at the same time.
const OTHERS: u32 = 40;

/// How many messages a second a lane sends for each batch that it may have in process: a sender at 80 a second keeps nine of them
/// busy. Source: docs/benchmarks.md, "Sending at scale".
const MESSAGES_PER_BATCH: u32 = 80 / 9;

/// Compares the account's limit with what this stack can use, and that with the rates of the senders.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let configured = stack.parameter("SendConcurrency");
    let send_concurrency = configured.and_then(|text| text.parse().ok()).unwrap_or(DEFAULT_SEND_CONCURRENCY);
    let rates = session.tenants().await?.policies().flat_map(Policy::rates);
    let fastest = rates.map(RateLimit::per_second).max().unwrap_or_default();
    Ok(match account_limit(session).await {
        Ok(limit) => {
            let commands = session.copyable();
            let slow = slow_finding(limit, send_concurrency, fastest, &commands);
            [finding(limit, send_concurrency, &commands)].into_iter().chain(slow).collect()
        }
        Err(error) => vec![Finding::not_checked(CHECK, error.describe())],
    })
}

/// Source: AWS Lambda API Reference, "`GetAccountSettings`".
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccountSettings {
    account_limit: AccountLimit,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AccountLimit {
    unreserved_concurrent_executions: u32,
}

/// How many functions without a reservation can run at the same time.
async fn account_limit(session: &Session) -> Result<u32, CommandError> {
    let request = (Method::GET, "/2016-08-19/account-settings");
    let words = ("reading the account's concurrency", "lambda:GetAccountSettings");
    let settings: AccountSettings = lambda::call(session, request, "", words).await?;
    Ok(settings.account_limit.unreserved_concurrent_executions)
}

fn finding(limit: u32, send_concurrency: u32, commands: &CopyableCommands) -> Finding {
    let send = send_concurrency.saturating_mul(LANES);
    let needed = send.saturating_add(OTHERS);
    let what = format!(
        "Lambda runs {limit} functions of this account at the same time, and the queues of this stack can use {send} of them"
    );
    if limit >= needed {
        return Finding::ok(CHECK, what);
    }
    let fix = format!(
        "a backlog can leave no concurrency for webhooks, which Twilio does not send again: ask AWS (Service Quotas, \
         \"Concurrent executions\") for at least {needed}, or lower SendConcurrency"
    );
    let quota = format!(
        "service-quotas request-service-quota-increase --service-code lambda --quota-code {CONCURRENCY_QUOTA} \
         --desired-value {needed}"
    );
    Finding::warning(CHECK, what, fix, commands.aws(&quota))
}

/// A sender that cannot use its rate, although the account has enough concurrency for it.
fn slow_finding(limit: u32, send_concurrency: u32, fastest: u32, commands: &CopyableCommands) -> Option<Finding> {
    let needed = fastest.div_ceil(MESSAGES_PER_BATCH);
    let is_possible = limit >= needed.saturating_mul(LANES).saturating_add(OTHERS);
    (send_concurrency < needed && is_possible).then(|| {
        let what = format!(
            "SendConcurrency is {send_concurrency}: a lane sends about {} messages a second, and SendPolicy allows a \
             sender {fastest}",
            send_concurrency.saturating_mul(MESSAGES_PER_BATCH)
        );
        let fix = format!("set SendConcurrency to {needed}: the account has enough concurrency");
        Finding::warning(CHECK, what, fix, commands.deploy(&format!("SendConcurrency={needed}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn too_little_concurrency_for_webhooks_is_a_warning() {
        for (limit, send_concurrency, level) in [
            (10, 10, Level::Warning),
            (69, 10, Level::Warning),
            (70, 10, Level::Ok),
            (1_000, 10, Level::Ok),
            (1_000, 1_000, Level::Warning),
            (10, u32::MAX, Level::Warning),
        ] {
            assert_eq!(
                finding(limit, send_concurrency, &CopyableCommands::of_test()).finding,
                level,
                "{limit} for {send_concurrency}"
            );
        }
        let new_account = finding(10, 10, &CopyableCommands::of_test());
        assert!(new_account.what.ends_with("can use 30 of them"), "{}", new_account.what);
        assert!(new_account.fix.unwrap().contains("for at least 70, or lower SendConcurrency"));
    }

    #[test]
    fn sender_that_is_slower_than_its_rate_is_a_warning() {
        for (limit, send_concurrency, is_slow) in
            [(1_000, 2, true), (1_000, 9, true), (1_000, 10, false), (70, 2, true), (69, 2, false), (10, 2, false)]
        {
            let found = slow_finding(limit, send_concurrency, 80, &CopyableCommands::of_test());
            assert_eq!(found.is_some(), is_slow, "{limit} for {send_concurrency}");
        }
        let found = slow_finding(1_000, 2, 80, &CopyableCommands::of_test()).unwrap();
        assert_eq!(found.finding, Level::Warning);
        assert!(found.what.contains("about 16 messages a second"), "{}", found.what);
        assert!(found.fix.unwrap().starts_with("set SendConcurrency to 10"));
    }
}
