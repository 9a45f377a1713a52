//! A check of the API's limits: whether the status callbacks of everything that the senders may send are accepted. What is
//! refused with 429 is lost unless Twilio tries it again.

use domain::{limits::STATUS_CALLBACKS, policy::Policy, token_bucket::RateLimit};

use crate::{copyable::CopyableCommands, error::CommandError, finding::Finding, session::Session};

pub(super) const CHECK: &str = "API limits";

/// What all APIs of an account in a region accept together, until AWS raises it. Source: Amazon API Gateway, "Quotas".
const ACCOUNT_LIMIT: u32 = 10_000;

/// Compares the rates of the send policy with the parameter `WebhookRateLimit`.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let stack = session.stack().await?;
    let limit = stack.parameter("WebhookRateLimit").and_then(|text| text.parse().ok());
    let unknown = || Finding::not_checked(CHECK, format!("the stack {} has no parameter WebhookRateLimit", stack.name));
    let policies = session.tenants().await?.policies();
    Ok(vec![limit.map_or_else(unknown, |limit| finding(policies, limit, &session.copyable()))])
}

fn finding<'a>(policies: impl Iterator<Item = &'a Policy>, limit: u32, commands: &CopyableCommands) -> Finding {
    let messages: u32 = policies.flat_map(Policy::rates).map(RateLimit::per_second).sum();
    let callbacks = messages.saturating_mul(STATUS_CALLBACKS);
    let what = format!(
        "the senders of SendPolicy and of the tenants document send up to {messages} messages a second together, which \
         have {callbacks} status callbacks; the API accepts {limit} a second"
    );
    if callbacks <= limit {
        return Finding::ok(CHECK, what);
    }
    let quota = if callbacks > ACCOUNT_LIMIT {
        "; before that, ask AWS for a higher quota (Service Quotas, Amazon API Gateway, \"Throttle rate\")"
    } else {
        ""
    };
    let fix = format!("callbacks are refused at this rate: raise WebhookRateLimit to at least {callbacks}{quota}");
    Finding::warning(CHECK, what, fix, commands.deploy(&format!("WebhookRateLimit={callbacks}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    fn found(policy: &str, limit: u32) -> Finding {
        finding([&policy.parse().unwrap()].into_iter(), limit, &CopyableCommands::of_test())
    }

    #[test]
    fn limit_below_four_callbacks_a_message_is_a_warning() {
        // A sender without a rate in the policy counts too.
        let rates = r#"{"rates": {"whatsapp:+14155238886": {"per_second": 400}}}"#;
        for (policy, limit, level) in [
            ("{}", 320, Level::Ok),
            ("{}", 319, Level::Warning),
            (rates, 1_920, Level::Ok),
            (rates, 1_919, Level::Warning),
        ] {
            assert_eq!(found(policy, limit).finding, level, "{policy} with {limit}");
        }
        let fix = found(rates, 1_000).fix.unwrap();
        assert!(fix.ends_with("raise WebhookRateLimit to at least 1920"), "{fix}");
    }

    #[test]
    fn limit_above_the_accounts_needs_a_higher_quota() {
        let fix = found(r#"{"rates": {"default": {"per_second": 3000}}}"#, 4_000).fix.unwrap();
        assert!(fix.contains("at least 12000") && fix.contains("Service Quotas"), "{fix}");
    }
}
