//! Twilio Studio (v2): executions of flows. Every flow SID can be started, and nothing happens in the flow. An execution is
//! active until a request ends it, and a person has at most one active execution of a flow. Source: Twilio, "Execution" (Studio
//! REST API v2).

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{config::Config, dates::iso_date};

/// What goes wrong when the next execution for an address is started.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedStartFault {
    to: String,
    /// The status of the answer.
    status: u16,
    /// Whether the execution is started all the same.
    started: bool,
    /// Whether its context is shown as empty, except by the resource of the context. Twilio's examples of lists show it so.
    #[serde(default)]
    hides_context: bool,
}

pub(crate) mod api;

#[derive(Debug, Clone)]
pub(crate) struct Execution {
    sid: String,
    flow_sid: String,
    contact_sid: String,
    to: String,
    parameters: Map<String, Value>,
    hides_context: bool,
    status: ExecutionStatus,
    created_at: Timestamp,
    updated_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExecutionStatus {
    Active,
    Ended,
}

impl Execution {
    fn resource(&self, config: &Config) -> Value {
        let url = format!("https://studio.twilio.com/v2/Flows/{}/Executions/{}", self.flow_sid, self.sid);
        let context = if self.hides_context { json!({}) } else { self.context() };
        json!({
            "sid": self.sid, "account_sid": config.account_sid, "flow_sid": self.flow_sid, "context": context,
            "contact_channel_address": self.to, "contact_sid": self.contact_sid, "flow_version": 1,
            "status": if self.status == ExecutionStatus::Active { "active" } else { "ended" }, "initiated_by": null,
            "date_created": iso_date(self.created_at), "date_updated": iso_date(self.updated_at),
            "links": {"steps": format!("{url}/Steps"), "execution_context": format!("{url}/Context")}, "url": url,
        })
    }

    /// The context of the flow, with the parameters as `flow.data`.
    fn context(&self) -> Value {
        json!({"flow": {"data": self.parameters}})
    }
}
