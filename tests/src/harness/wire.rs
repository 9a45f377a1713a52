//! Two proxies between a function's process and AWS and Twilio. They record two moments of each request, before it is
//! forwarded and after its response has arrived, and can kill the process at any of these moments.
//!
//! A wire belongs to one process. It records nothing until it is armed, so that a cold start's requests do not count.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context as _, Result};
use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, Method, StatusCode, Uri, header::HOST},
};
use rustix::process::{Pid, Signal, kill_process};
use stack::Stack;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::Instant};

/// Whether a moment is before or after a request is forwarded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The request has not been forwarded.
    Before,
    /// The response has arrived and has not been returned to the process.
    After,
}

/// A moment of a request.
#[derive(Debug, Clone)]
pub struct Moment {
    /// The time.
    pub at: Instant,
    /// The operation and its tables, as in `PutItem of Messages`, or the method and path, as in `POST Messages.json`.
    pub operation: String,
    /// Before or after the request is forwarded.
    pub side: Side,
    /// The request's body.
    pub body: Bytes,
}

/// A function's wire to AWS and to Twilio.
#[derive(Debug)]
pub struct Wire {
    /// The function's AWS endpoint.
    pub aws_url: String,
    /// The function's Twilio base URL.
    pub twilio_url: String,
    line: Arc<Line>,
    _proxies: JoinSet<std::io::Result<()>>,
}

/// The state that the two proxies share.
#[derive(Debug)]
struct Line {
    recorded: Mutex<Recorded>,
    killed: watch::Sender<Option<Moment>>,
    in_flight: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Recorded {
    armed: bool,
    moments: Vec<Moment>,
    kill: Option<PlannedKill>,
    throttled: Option<(String, Side)>,
}

/// The process to kill, and the number of the moment, counted from 1.
#[derive(Debug, Clone, Copy)]
struct PlannedKill {
    process: Pid,
    at: usize,
}

impl Wire {
    /// Starts the two proxies on free ports, in front of a stack.
    pub async fn start(stack: &Stack) -> Result<Self> {
        let (killed, in_flight) = (watch::Sender::new(None), watch::Sender::new(0));
        let line = Arc::new(Line { recorded: Mutex::default(), killed, in_flight });
        let mut proxies = JoinSet::new();
        let mut proxy = async |target: &str, names: Names| -> Result<String> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let url = format!("http://{}", listener.local_addr()?);
            let (line, http) = (Arc::clone(&line), reqwest::Client::new());
            let proxy = Arc::new(Proxy { target: target.to_owned(), names, http, line });
            let router = Router::new().fallback(forward).with_state(proxy);
            proxies.spawn(async { axum::serve(listener, router).await });
            Ok(url)
        };
        let aws_url = proxy(&stack.aws_endpoint, Names::of_aws(stack)).await?;
        let twilio_url = proxy(&stack.sandbox_url, Names::OfTwilio).await?;
        Ok(Self { aws_url, twilio_url, line, _proxies: proxies })
    }

    /// Records requests from now on.
    pub fn arm(&self) {
        *self.line.recorded() = Recorded { armed: true, ..Recorded::default() };
    }

    /// As [`Wire::arm`], and kills a process with SIGKILL at the moment with this number, counted from 1.
    pub fn arm_to_kill(&self, process: u32, at: usize) -> Result<()> {
        let process = Pid::from_raw(process.cast_signed()).context("no process has the id 0")?;
        *self.line.recorded() =
            Recorded { armed: true, kill: Some(PlannedKill { process, at }), ..Recorded::default() };
        Ok(())
    }

    /// As [`Wire::arm`], and answers each request of this operation as a throttling DynamoDB does: instead of forwarding the
    /// request, or after AWS has executed it.
    pub fn arm_to_throttle(&self, operation: &str, side: Side) {
        let throttled = Some((operation.to_owned(), side));
        *self.line.recorded() = Recorded { armed: true, throttled, ..Recorded::default() };
    }

    /// The moments since the wire was armed.
    pub fn moments(&self) -> Vec<Moment> {
        self.line.recorded().moments.clone()
    }

    /// Waits until the process is killed, and returns the moment.
    pub async fn killed(&self) -> Result<Moment> {
        let mut killed = self.line.killed.subscribe();
        let moment = killed.wait_for(Option::is_some).await?.clone();
        moment.context("no process was killed")
    }

    /// Waits until all forwarded requests have been answered: a request outlives the process that sent it.
    pub async fn settled(&self) -> Result<()> {
        self.line.in_flight.subscribe().wait_for(|count| *count == 0).await?;
        Ok(())
    }
}

impl Line {
    fn recorded(&self) -> MutexGuard<'_, Recorded> {
        self.recorded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttles(&self, operation: &str, side: Side) -> bool {
        self.recorded().throttled.as_ref().is_some_and(|(wanted, at)| wanted == operation && *at == side)
    }

    /// Records a moment, and kills the process if this is the planned one. Returns only if the process still runs: otherwise
    /// neither the request nor its response is passed on.
    async fn pass(&self, operation: &str, side: Side, body: &Bytes) {
        if self.is_killed_by(operation, side, body) {
            std::future::pending::<()>().await;
        }
    }

    fn is_killed_by(&self, operation: &str, side: Side, body: &Bytes) -> bool {
        let mut recorded = self.recorded();
        if self.killed.borrow().is_some() {
            return true;
        }
        if recorded.armed {
            let moment = Moment { at: Instant::now(), operation: operation.to_owned(), side, body: body.clone() };
            recorded.moments.push(moment.clone());
            if let Some(kill) = recorded.kill
                && kill.at == recorded.moments.len()
            {
                // The only error is that the process has already ended, and then no one waits for this request.
                let _ = kill_process(kill.process, Signal::KILL);
                self.killed.send_replace(Some(moment));
                return true;
            }
        }
        // Under the lock, so that a caller that sees the kill also sees every request in flight.
        if side == Side::Before {
            self.in_flight.send_modify(|count| *count += 1);
        }
        false
    }
}

struct Proxy {
    target: String,
    names: Names,
    http: reqwest::Client,
    line: Arc<Line>,
}

async fn forward(
    State(proxy): State<Arc<Proxy>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Bytes) {
    let operation = proxy.names.operation(&method, &uri, &headers, &body);
    proxy.line.pass(&operation, Side::Before, &body).await;
    if proxy.line.throttles(&operation, Side::Before) {
        proxy.line.in_flight.send_modify(|count| *count -= 1);
        return throttled();
    }
    let proxy_of_task = Arc::clone(&proxy);
    let forwarded = body.clone();
    // A separate task, so that the request completes even if the process that sent it is killed.
    let answered = tokio::spawn(async move {
        let answer = proxy_of_task.send(method, &uri, headers, forwarded).await;
        proxy_of_task.line.in_flight.send_modify(|count| *count -= 1);
        answer
    });
    let answer = answered.await.unwrap_or_else(|_| bad_gateway());
    proxy.line.pass(&operation, Side::After, &body).await;
    if proxy.line.throttles(&operation, Side::After) { throttled() } else { answer }
}

/// A response that the AWS SDK retries. Source: Amazon DynamoDB, "Error handling with DynamoDB".
fn throttled() -> (StatusCode, HeaderMap, Bytes) {
    let body = br#"{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "Rate exceeded"}"#;
    (StatusCode::BAD_REQUEST, HeaderMap::new(), Bytes::from_static(body))
}

fn bad_gateway() -> (StatusCode, HeaderMap, Bytes) {
    (StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::new())
}

impl Proxy {
    async fn send(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, HeaderMap, Bytes) {
        // For AWS the Host header stays, because it is signed. The sandbox accepts only its own host name.
        if matches!(self.names, Names::OfTwilio) {
            headers.remove(HOST);
        }
        let request = self.http.request(method, format!("{}{uri}", self.target)).headers(headers).body(body);
        match request.send().await {
            Ok(answer) => (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap_or_default()),
            Err(_) => bad_gateway(),
        }
    }
}

/// How a proxy names requests.
#[derive(Debug)]
enum Names {
    /// By the action, and the tables in the body.
    OfAws(Vec<(&'static str, String)>),
    /// By the method, and the path after the account.
    OfTwilio,
}

impl Names {
    fn of_aws(stack: &Stack) -> Self {
        let outputs = &stack.outputs;
        let tables = [
            ("Contacts", &outputs.contacts_table_name),
            ("Messages", &outputs.messages_table_name),
            ("Notifications", &outputs.notifications_table_name),
            ("RateLimits", &outputs.rate_limits_table_name),
        ];
        Self::OfAws(tables.map(|(name, table)| (name, table.clone())).to_vec())
    }

    fn operation(&self, method: &Method, uri: &Uri, headers: &HeaderMap, body: &[u8]) -> String {
        match self {
            Self::OfAws(tables) => {
                let target = headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
                let action = target.rsplit('.').next().unwrap_or_default();
                let body = String::from_utf8_lossy(body);
                let named = tables.iter().filter(|(_, table)| body.contains(table.as_str()));
                let named: Vec<_> = named.map(|(name, _)| *name).collect();
                if named.is_empty() { action.to_owned() } else { format!("{action} of {}", named.join(" and ")) }
            }
            Self::OfTwilio => {
                let path = uri.path();
                let below = path.strip_prefix("/2010-04-01/Accounts/").and_then(|path| Some(path.split_once('/')?.1));
                format!("{method} {}", below.unwrap_or(path))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use serde_json::json;

    use super::*;
    use stack::stack::Administrator;

    /// A wire to a server that counts the requests that reach it.
    async fn wire_to(count: &Arc<AtomicUsize>) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let count = Arc::clone(count);
        let router = Router::new().fallback(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            "answer"
        });
        tokio::spawn(async { axum::serve(listener, router).await });
        let names = [
            "ApiUrl",
            "OutboundQueueUrl",
            "OutboundDeadLetterQueueUrl",
            "EventsQueueUrl",
            "EventsDeadLetterQueueUrl",
            "UnpublishedQueueUrl",
            "MessagesTableName",
            "ContactsTableName",
            "NotificationsTableName",
            "RateLimitsTableName",
            "MediaBucketName",
            "ArchiveBucketName",
            "TwilioSecretArn",
            "ReconcileFunctionName",
        ];
        let outputs: serde_json::Map<_, _> = names.map(|name| (name.to_owned(), json!(name))).into_iter().collect();
        let outputs = serde_json::from_value(outputs.into()).unwrap();
        let (api_url, sandbox_url, administrator) = (url.clone(), url.clone(), Administrator::random());
        Wire::start(&Stack { api_url, sandbox_url, aws_endpoint: url, administrator, outputs }).await.unwrap()
    }

    #[tokio::test]
    async fn process_is_killed_before_a_request_or_after_its_response() {
        for (at, side, arrived) in
            [(1, Side::Before, 0), (2, Side::After, 1), (3, Side::Before, 1), (4, Side::After, 2)]
        {
            let count = Arc::default();
            let wire = wire_to(&count).await;
            let mut process = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
            assert_eq!(
                reqwest::get(&wire.aws_url).await.unwrap().text().await.unwrap(),
                "answer",
                "before the wire is armed"
            );
            count.store(0, Ordering::SeqCst);
            wire.arm_to_kill(process.id().unwrap(), at).unwrap();
            let requests = async {
                for url in [&wire.aws_url, &wire.twilio_url] {
                    reqwest::get(url).await.unwrap();
                }
            };
            let moment = tokio::select! {
                moment = wire.killed() => moment.unwrap(),
                () = requests => panic!("the process was not killed"),
            };
            assert!(!process.wait().await.unwrap().success(), "killed");
            wire.settled().await.unwrap();
            assert_eq!(moment.side, side, "moment {at}");
            assert_eq!(count.load(Ordering::SeqCst), arrived, "moment {at}");
            assert_eq!(wire.moments().len(), at);
        }
    }

    #[test]
    fn request_is_named_by_its_operation_and_tables() {
        let tables = vec![("Contacts", "stack-Contacts-1".to_owned()), ("Notifications", "stack-Notes-1".to_owned())];
        let mut headers = HeaderMap::new();
        headers.insert("x-amz-target", "DynamoDB_20120810.TransactWriteItems".parse().unwrap());
        let body = br#"[{"TableName": "stack-Notes-1"}, {"TableName": "stack-Contacts-1"}]"#;
        let root = Uri::from_static("/");
        let of_aws = Names::OfAws(tables);
        let named = of_aws.operation(&Method::POST, &root, &headers, body);
        assert_eq!(named, "TransactWriteItems of Contacts and Notifications");
        headers.insert("x-amz-target", "AmazonSQS.SendMessage".parse().unwrap());
        assert_eq!(of_aws.operation(&Method::POST, &root, &headers, b"{}"), "SendMessage");
        let list = Uri::from_static("/2010-04-01/Accounts/AC1/Messages.json?To=x");
        assert_eq!(Names::OfTwilio.operation(&Method::GET, &list, &headers, b""), "GET Messages.json");
        let content = Uri::from_static("/v1/Content?PageSize=50");
        assert_eq!(Names::OfTwilio.operation(&Method::GET, &content, &headers, b""), "GET /v1/Content");
    }
}
