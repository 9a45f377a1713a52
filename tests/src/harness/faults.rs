//! Faults of AWS that the emulator injects into the requests of the deployed functions (`tools/stack/faults.py`).

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;
use stack::{Stack, deploy::STACK_NAME};

use super::emulator::act;

/// The emulator's action that plans faults. AWS has no such action.
const ACTION: &str = "LocalFaults";
/// The random characters at the end of a resource's name (AWS `CloudFormation`, "Resource name").
const RANDOM_CHARACTERS: usize = 13;

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// Refused, because there are too many requests.
    Throttled,
    /// Refused with an error of the service.
    Failed,
    /// Not executed, and the connection ends.
    Reset,
    /// Not executed, and without an answer for longer than a function waits.
    Hangs,
    /// Refused, because a transaction holds the item.
    Conflict,
    /// Executed, and answered just within the time for which a function waits.
    Slow,
    /// Executed, and answered after that time.
    Late,
    /// Executed, and the connection ends without an answer.
    Lost,
    /// Executed, and answered with an error of the service.
    FailedAfter,
    /// Executed, and the connection ends within the answer.
    Half,
    /// Executed but for the last entry of a batch.
    Partial,
}

impl FaultKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Throttled,
        Self::Failed,
        Self::Reset,
        Self::Hangs,
        Self::Conflict,
        Self::Slow,
        Self::Late,
        Self::Lost,
        Self::FailedAfter,
        Self::Half,
        Self::Partial,
    ];
}

/// A permission of a function: a row of the matrix.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(from = "(String, String, String)")]
pub struct Permission {
    /// The logical id of the role.
    pub role: String,
    /// The action, such as `dynamodb:PutItem`.
    pub action: String,
    /// The resource, by its logical id.
    pub resource: String,
}

impl From<(String, String, String)> for Permission {
    fn from((role, action, resource): (String, String, String)) -> Self {
        let resource = logical(&resource);
        // arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE
        let resource = resource.splitn(6, ':').last().unwrap_or_default().to_owned();
        Self { role: logical(&role), action, resource }
    }
}

/// A name or an ARN with the logical id in place of the physical one.
fn logical(physical: &str) -> String {
    let Some((before, named)) = physical.split_once(&format!("{STACK_NAME}-")) else { return physical.to_owned() };
    let Some((id, rest)) = named.split_once('-') else { return physical.to_owned() };
    format!("{before}{id}{}", rest.get(RANDOM_CHARACTERS..).unwrap_or_default())
}

/// Faults of one permission, operation and kind.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Injected {
    /// The permission.
    pub row: Permission,
    /// The operation of the request, such as `TransactWriteItems`.
    pub operation: String,
    /// The kind.
    pub kind: FaultKind,
    /// The number of requests.
    pub calls: u64,
}

/// What the emulator knows.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct FaultReport {
    /// The permissions of the roles that have made a request.
    pub granted: BTreeSet<Permission>,
    /// Those that requests needed.
    pub used: BTreeSet<Permission>,
    /// Those that requests by signed links needed. These never fail.
    pub by_link: BTreeSet<Permission>,
    /// All faults so far.
    pub injected: Vec<Injected>,
}

/// Faults of one kind: of the next requests of each permission, and afterwards of a share of all requests.
#[derive(Debug, Clone, Copy, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FaultPlan {
    /// The kind.
    pub kind: FaultKind,
    /// How many requests of each permission.
    pub calls: u32,
    /// The share of the later ones.
    pub share: f64,
    /// The beginning of the random choices.
    pub seed: u64,
}

impl FaultPlan {
    /// Begins to inject these faults instead of earlier ones.
    pub async fn begin(&self, stack: &Stack) -> Result<()> {
        act(stack, ACTION, &serde_json::to_value(self)?).await?;
        Ok(())
    }
}

/// Ends all faults.
pub async fn end_faults(stack: &Stack) -> Result<FaultReport> {
    let report = act(stack, ACTION, &json!({"Kind": null})).await?;
    serde_json::from_value(report).context("the emulator's report has another form than expected")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permission_has_logical_ids() {
        let row = json!([
            "whatsapp-local-SendFunctionRole-74E94104CB715",
            "dynamodb:Query",
            "arn:aws:dynamodb:us-east-1:000000000000:table/whatsapp-local-NotificationsTable-0A94104CB715F/index/by_due",
        ]);
        let row: Permission = serde_json::from_value(row).unwrap();
        assert_eq!((row.role.as_str(), row.action.as_str()), ("SendFunctionRole", "dynamodb:Query"));
        assert_eq!(row.resource, "table/NotificationsTable/index/by_due");
    }
}
