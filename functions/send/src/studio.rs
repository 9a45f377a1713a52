//! Flows of Twilio Studio: an execution is started once for each attempt, and found again if the answer was lost.
//!
//! An execution has the parameters of the notification, and two of ours, by which it is recognised in the flow's list of
//! executions: the id of the notification and the number of the attempt.
//!
//! "Only one Execution can be active at a time for the same To/From combination": Twilio refuses a second one, and the refusal
//! leads to the next option like any other. The list may give executions without what their context holds, as Twilio's own
//! examples of the list do. Then the context is asked for by itself, because an execution that is not recognised would be
//! started a second time.
//!
//! Source: Twilio, "Execution" and "Execution Context" (Studio REST API v2).

use std::sync::Arc;

use domain::{
    notification::{
        FallbackChannel,
        flow_parameters::{ATTEMPT, NOTIFICATION},
    },
    progress::{Attempt, CreateAnswer, ExternalId},
    route::RouteSender,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::{
    report::Chain,
    twilio::{AccountCallError, TwilioAccounts},
};
use twilio_client::{ApiRequest, Product};
use twilio_types::{
    address::{Address, Recipient},
    sid::{ExecutionSid, FlowSid},
};

use crate::{
    claim::Claimed,
    compose::ComposeError,
    deliver::{Delivery, of_error},
    job::Job,
    judge::Plan,
};

/// An execution to start.
#[derive(Debug, Clone)]
pub(crate) struct NewExecution {
    flow_sid: FlowSid,
    to: String,
    from: String,
    parameters: String,
}

/// Starts and finds executions.
#[derive(Debug, Clone)]
pub(crate) struct Executions {
    pub(crate) twilio: Arc<TwilioAccounts>,
}

/// What the list of a flow says of an attempt.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ExecutionSearch {
    Found(ExternalId),
    /// The complete list has none.
    NotStarted,
    /// The list cannot be read, for this reason.
    Unreadable(String),
}

#[derive(Deserialize)]
struct Execution {
    sid: ExecutionSid,
    #[serde(default)]
    context: Value,
    #[serde(default)]
    contact_channel_address: Option<String>,
}

/// "Execution Context": what a flow has stored, with the parameters.
#[derive(Deserialize)]
struct ExecutionContext {
    context: Value,
}

#[derive(Deserialize)]
struct ExecutionPage {
    executions: Vec<Execution>,
    meta: PageMeta,
}

#[derive(Deserialize)]
struct PageMeta {
    next_page_url: Option<String>,
}

/// The most that Twilio gives on a page. Source: Twilio, "Execution", `PageSize`.
const PAGE_SIZE: &str = "1000";

/// Where the parameters are in a context.
const PARAMETERS: &str = "/flow/data";

/// The clocks of Twilio and AWS differ by seconds.
const CLOCK_MARGIN: jiff::SignedDuration = jiff::SignedDuration::from_mins(1);

impl NewExecution {
    pub(crate) fn of(
        job: &Job<'_>,
        plan: &Plan,
        (flow_sid, parameters): (&FlowSid, &Map<String, Value>),
        attempt: usize,
    ) -> Result<Self, ComposeError> {
        let from = match &plan.route.sender {
            RouteSender::From(from) => from.to_string(),
            RouteSender::Service(service) | RouteSender::Both(_, service) => service.to_string(),
            RouteSender::SendGrid => return Err(ComposeError::Invalid("channel: a flow has no e-mail".to_owned())),
        };
        let to = match plan.route.channel {
            FallbackChannel::WhatsApp => Address::whatsapp(plan.recipient.clone()).to_string(),
            FallbackChannel::Sms | FallbackChannel::Email => plan.recipient.to_string(),
        };
        let mut parameters = parameters.clone();
        parameters.insert(NOTIFICATION.to_owned(), json!(job.notification.id));
        parameters.insert(ATTEMPT.to_owned(), json!(attempt));
        Ok(Self { flow_sid: flow_sid.clone(), to, from, parameters: Value::Object(parameters).to_string() })
    }

    fn request(&self) -> ApiRequest {
        let form = [("To", &self.to), ("From", &self.from), ("Parameters", &self.parameters)];
        ApiRequest::post(Product::Studio, executions_path(&self.flow_sid)).form(form)
    }
}

fn executions_path(flow_sid: &FlowSid) -> String {
    format!("/v2/Flows/{flow_sid}/Executions")
}

impl Executions {
    /// Starts the execution of a claim.
    pub(crate) async fn start(&self, claimed: &Claimed<'_>, execution: &NewExecution) -> Delivery {
        let (account_sid, deadline) = (&claimed.job.account_sid, claimed.job.message.deadline);
        let request = || execution.request();
        let started = self.twilio.call(account_sid, deadline, async |twilio| twilio.call::<Execution>(request()).await);
        match Box::pin(started).await {
            Ok(started) => {
                let id = ExternalId::new(started.sid.as_str());
                Delivery::Answered(CreateAnswer::AcceptedElsewhere(Some(id)))
            }
            Err(error) => {
                tracing::warn!(
                    notification_id = %claimed.job.notification.id,
                    error = %Chain(&error),
                    "Twilio Studio did not start an execution"
                );
                of_error(error, claimed.attempt() + 1)
            }
        }
    }

    /// Looks for the execution of an attempt in the flow's list.
    pub(crate) async fn find(
        &self,
        job: &Job<'_>,
        flow_sid: &FlowSid,
        attempt: &Attempt,
        number: usize,
    ) -> ExecutionSearch {
        let since = attempt.claimed_at.saturating_sub(CLOCK_MARGIN).unwrap_or(attempt.claimed_at);
        let since = since.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut path = executions_path(flow_sid);
        let mut query = vec![("DateCreatedFrom", since), ("PageSize", PAGE_SIZE.to_owned())];
        loop {
            let page = match self.page(job, &path, &query).await {
                Ok(page) => page,
                Err(error) => return ExecutionSearch::Unreadable(Chain(&error).to_string()),
            };
            for execution in page.executions {
                match self.is_ours(job, flow_sid, &execution, number).await {
                    Ok(false) => {}
                    Ok(true) => return ExecutionSearch::Found(ExternalId::new(execution.sid.as_str())),
                    Err(error) => return ExecutionSearch::Unreadable(Chain(&error).to_string()),
                }
            }
            let Some(next) = page.meta.next_page_url.as_deref() else { return ExecutionSearch::NotStarted };
            // Only the path of our own list is requested with the account's credentials.
            match next.find("/v2/Flows/").and_then(|start| next.get(start..)) {
                Some(next) => next.clone_into(&mut path),
                None => return ExecutionSearch::Unreadable("the next page of the list has no known path".to_owned()),
            }
            query.clear();
        }
    }

    /// Whether an execution of the list was started for an attempt.
    async fn is_ours(
        &self,
        job: &Job<'_>,
        flow_sid: &FlowSid,
        execution: &Execution,
        number: usize,
    ) -> Result<bool, AccountCallError> {
        if let Some(data) = execution.context.pointer(PARAMETERS) {
            return Ok(is_of(data, job, number));
        }
        if execution
            .contact_channel_address
            .as_ref()
            .is_some_and(|address| is_of_another(address, &job.notification.to))
        {
            return Ok(false);
        }
        let path = format!("{}/{}/Context", executions_path(flow_sid), execution.sid);
        let request = || ApiRequest::get(Product::Studio, &path);
        let (account_sid, deadline) = (&job.account_sid, job.message.deadline);
        let context =
            self.twilio.call(account_sid, deadline, async |twilio| twilio.call::<ExecutionContext>(request()).await);
        Ok(Box::pin(context).await?.context.pointer(PARAMETERS).is_some_and(|data| is_of(data, job, number)))
    }

    async fn page(
        &self,
        job: &Job<'_>,
        path: &str,
        query: &[(&'static str, String)],
    ) -> Result<ExecutionPage, AccountCallError> {
        let request = || ApiRequest::get(Product::Studio, path).query(query.iter().cloned());
        let page =
            self.twilio.call(&job.account_sid, job.message.deadline, async |twilio| twilio.call(request()).await);
        Box::pin(page).await
    }
}

/// Whether an execution is for another person. A user id says nothing, because the message may have gone to the number.
fn is_of_another(address: &str, recipient: &Recipient) -> bool {
    matches!(recipient, Recipient::Phone(number) if !address.ends_with(&number.to_string()))
}

/// Whether these are the parameters of an attempt with this number.
fn is_of(data: &Value, job: &Job<'_>, number: usize) -> bool {
    data.get(NOTIFICATION).and_then(Value::as_str) == Some(job.notification.id.as_str())
        && data.get(ATTEMPT) == Some(&json!(number))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::{
        job::tests::{body, candidate},
        judge::{Judgement, judge},
        queue_message::tests::message,
    };

    const FLOW_SID: &str = "FW00000000000000000000000000000001";

    #[test]
    fn execution_names_its_attempt_beside_the_parameters() {
        let content = json!({"type": "studio", "flow_sid": FLOW_SID, "parameters": {"order": 18473}});
        let body = body(&json!({"content": content}));
        let message = message(&body, Timestamp::UNIX_EPOCH);
        let candidate = candidate(&message, "{}");
        let judgement = judge(&candidate, Timestamp::UNIX_EPOCH);
        let Judgement::Send(plan) = judgement else { panic!("{judgement:?}") };
        let parameters = json!({"order": 18473});
        let flow = FLOW_SID.parse().unwrap();
        let execution = NewExecution::of(&candidate.job, &plan, (&flow, parameters.as_object().unwrap()), 2).unwrap();
        assert_eq!(
            (execution.to.as_str(), execution.from.as_str()),
            ("whatsapp:+14155550123", "whatsapp:+14155238886")
        );
        let data: Value = serde_json::from_str(&execution.parameters).unwrap();
        assert_eq!(data, json!({"order": 18473, "notification_id": "order-1", "notification_attempt": 2}));
        assert!(is_of(&data, &candidate.job, 2) && !is_of(&data, &candidate.job, 1));
        assert!(!is_of(&Value::Null, &candidate.job, 0));
        let to = &candidate.job.notification.to;
        assert!(!is_of_another("whatsapp:+14155550123", to) && !is_of_another("+14155550123", to));
        assert!(is_of_another("whatsapp:+14155550124", to));
    }
}
