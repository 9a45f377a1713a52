//! Checks of AWS: the credentials, the stack, and its alarms.

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use aws_types::SdkConfig;

use crate::{
    copyable::{CopyableCommands, quoted},
    error::CommandError,
    finding::Finding,
    session::Session,
    stack::DeployedStack,
};

pub(super) const CREDENTIALS: &str = "AWS";
pub(super) const STACK: &str = "stack";
pub(super) const ALARMS: &str = "alarms";

/// The most names that one call accepts. Source: Amazon `CloudWatch` API, `DescribeAlarms`.
const ALARMS_PER_CALL: usize = 100;

/// Which principal AWS knows this command as.
pub(super) async fn credentials(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let config = session.aws().await?;
    let region = config.region().map_or("no region", |region| region.as_ref());
    let answer = aws_sdk_sts::Client::new(config).get_caller_identity().send().await;
    let caller = answer.map_err(|error| CommandError::of_sdk("asking AWS for the caller's identity", error))?;
    let (account, arn) = (caller.account.unwrap_or_default(), caller.arn.unwrap_or_default());
    Ok(vec![Finding::ok(CREDENTIALS, format!("account {account}, {region}, as {arn}"))])
}

/// Whether the last deployment was completed.
pub(super) async fn stack(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let DeployedStack { name, status, .. } = session.stack().await?;
    Ok(vec![stack_finding(name, status, &session.copyable())])
}

fn stack_finding(name: &str, status: &str, commands: &CopyableCommands) -> Finding {
    let what = format!("{name} is {status}");
    let events = commands.aws(&format!("cloudformation describe-stack-events --stack-name {name}"));
    match status {
        "CREATE_COMPLETE" | "UPDATE_COMPLETE" | "IMPORT_COMPLETE" => Finding::ok(STACK, what),
        "UPDATE_ROLLBACK_COMPLETE" => {
            Finding::warning(STACK, what, "the last deployment was rolled back: its events say why", events)
        }
        status if status.ends_with("_IN_PROGRESS") => {
            let wait = commands.aws(&format!("cloudformation wait stack-update-complete --stack-name {name}"));
            Finding::warning(STACK, what, "a deployment is under way: check again when it is done", wait)
        }
        _ => Finding::wrong(STACK, what, "its events say why; then deploy again", events),
    }
}

/// Whether any alarm of the stack is in the state ALARM.
pub(super) async fn alarms(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let config = session.aws().await?;
    let stack = &session.stack().await?.name;
    let names = match alarm_names(config, stack).await {
        Ok(names) if names.is_empty() => {
            return Ok(vec![Finding::not_checked(ALARMS, format!("the stack {stack} has no alarm"))]);
        }
        Ok(names) => names,
        Err(error) => return Ok(vec![Finding::not_checked(ALARMS, error.describe())]),
    };
    let client = aws_sdk_cloudwatch::Client::new(config);
    let mut alarms = Vec::new();
    for names in names.chunks(ALARMS_PER_CALL) {
        let call = client.describe_alarms().set_alarm_names(Some(names.to_vec())).max_records(100);
        match call.send().await {
            Ok(answer) => alarms.extend(answer.metric_alarms.unwrap_or_default()),
            Err(error) => {
                let error = CommandError::of_sdk("reading the alarms", error);
                return Ok(vec![Finding::not_checked(ALARMS, error.describe())]);
            }
        }
    }
    if alarms.is_empty() {
        return Ok(vec![Finding::not_checked(ALARMS, format!("CloudWatch has none of the stack's {}", names.len()))]);
    }
    let ringing: Vec<_> = alarms.iter().filter(|alarm| alarm.state_value() == Some(&StateValue::Alarm)).collect();
    if ringing.is_empty() {
        return Ok(vec![Finding::ok(ALARMS, format!("none of {} rings", alarms.len()))]);
    }
    Ok(ringing.into_iter().map(|alarm| alarm_finding(alarm, &session.copyable())).collect())
}

/// The names of the alarms among the stack's resources. A prefix would not do: another stack's name may begin with this one's.
async fn alarm_names(config: &SdkConfig, stack: &str) -> Result<Vec<String>, CommandError> {
    let client = aws_sdk_cloudformation::Client::new(config);
    // ListStackResources has pages, while DescribeStackResources ends at 100 resources.
    let resources = client.list_stack_resources().stack_name(stack).into_paginator().items().send();
    let resources: Result<Vec<_>, _> = resources.collect().await;
    let resources = resources.map_err(|error| CommandError::of_sdk("reading the stack's resources", error))?;
    let alarms = resources.into_iter().filter(|found| found.resource_type() == Some("AWS::CloudWatch::Alarm"));
    Ok(alarms.filter_map(|alarm| alarm.physical_resource_id).collect())
}

fn alarm_finding(alarm: &MetricAlarm, commands: &CopyableCommands) -> Finding {
    let name = alarm.alarm_name().unwrap_or_default();
    let what = format!("{name} rings: {}", alarm.alarm_description().unwrap_or_default());
    let fix = "see docs/operate.md, \"Alarms\", and the logs of the function";
    let history = format!("cloudwatch describe-alarm-history --alarm-name {} --max-items 5", quoted(name));
    Finding::wrong(ALARMS, what, fix, commands.aws(&history))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn a_stack_is_ok_after_a_completed_deployment() {
        for (status, expected) in [
            ("CREATE_COMPLETE", Level::Ok),
            ("UPDATE_COMPLETE", Level::Ok),
            ("UPDATE_ROLLBACK_COMPLETE", Level::Warning),
            ("UPDATE_IN_PROGRESS", Level::Warning),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", Level::Warning),
            ("UPDATE_ROLLBACK_FAILED", Level::Wrong),
            ("ROLLBACK_COMPLETE", Level::Wrong),
        ] {
            assert_eq!(stack_finding("whatsapp", status, &CopyableCommands::of_test()).finding, expected, "{status}");
        }
    }
}
