//! What lies between a function's process and the world: two proxies that note every request twice, before it is passed
//! on and after its answer has come, and that can stop the process at any of these moments.
//!
//! A wire belongs to one process. The requests of a cold start pass without being noted, until the wire is armed.

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

/// On which side of the passing on of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// It has not been passed on.
    Before,
    /// Its answer has come and has not been handed back.
    After,
}

/// A moment of a request.
#[derive(Debug, Clone)]
pub struct Moment {
    /// When.
    pub at: Instant,
    /// What is asked of whom, as in `PutItem of Messages` or `POST Messages.json`.
    pub operation: String,
    /// Which side of it.
    pub side: Side,
    /// The request's body.
    pub body: Bytes,
}

/// A function's wire to AWS and to Twilio.
#[derive(Debug)]
pub struct Wire {
    /// Where AWS is for the function.
    pub aws_url: String,
    /// Where Twilio is for it.
    pub twilio_url: String,
    line: Arc<Line>,
    _proxies: JoinSet<std::io::Result<()>>,
}

/// What the two proxies share.
#[derive(Debug)]
struct Line {
    noted: Mutex<Noted>,
    cut: watch::Sender<Option<Moment>>,
    in_flight: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct Noted {
    armed: bool,
    moments: Vec<Moment>,
    trip: Option<Trip>,
    refused: Option<(String, Side)>,
}

/// The process to stop, and at which moment from 1.
#[derive(Debug, Clone, Copy)]
struct Trip {
    process: Pid,
    at: usize,
}

impl Wire {
    /// Lays a wire from two free ports to a stack.
    pub async fn lay(stack: &Stack) -> Result<Self> {
        let (cut, in_flight) = (watch::Sender::new(None), watch::Sender::new(0));
        let line = Arc::new(Line { noted: Mutex::default(), cut, in_flight });
        let mut proxies = JoinSet::new();
        let mut proxy = async |target: &str, names: Names| -> Result<String> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let url = format!("http://{}", listener.local_addr()?);
            let (line, http) = (Arc::clone(&line), reqwest::Client::new());
            let proxy = Arc::new(Proxy { target: target.to_owned(), names, http, line });
            let router = Router::new().fallback(pass_on).with_state(proxy);
            proxies.spawn(async { axum::serve(listener, router).await });
            Ok(url)
        };
        let aws_url = proxy(&stack.aws_endpoint, Names::of_aws(stack)).await?;
        let twilio_url = proxy(&stack.sandbox_url, Names::OfTwilio).await?;
        Ok(Self { aws_url, twilio_url, line, _proxies: proxies })
    }

    /// Notes what passes from now on.
    pub fn arm(&self) {
        *self.line.noted() = Noted { armed: true, ..Noted::default() };
    }

    /// As [`Wire::arm`], and stops a process with SIGKILL at the moment of this number, from 1.
    pub fn arm_to_cut(&self, process: u32, at: usize) -> Result<()> {
        let process = Pid::from_raw(process.cast_signed()).context("no process has the id 0")?;
        *self.line.noted() = Noted { armed: true, trip: Some(Trip { process, at }), ..Noted::default() };
        Ok(())
    }

    /// As [`Wire::arm`], and answers each request of this operation as DynamoDB does when it is pressed: instead of passing
    /// it on, or after it has done what was asked.
    pub fn arm_to_refuse(&self, operation: &str, side: Side) {
        let refused = Some((operation.to_owned(), side));
        *self.line.noted() = Noted { armed: true, refused, ..Noted::default() };
    }

    /// What has passed since the wire was armed.
    pub fn moments(&self) -> Vec<Moment> {
        self.line.noted().moments.clone()
    }

    /// Waits until the process was stopped, and gives the moment.
    pub async fn cut(&self) -> Result<Moment> {
        let mut cut = self.line.cut.subscribe();
        let moment = cut.wait_for(Option::is_some).await?.clone();
        moment.context("waited for it")
    }

    /// Waits until all that was passed on has been answered: a request outlives the process that sent it.
    pub async fn settled(&self) -> Result<()> {
        self.line.in_flight.subscribe().wait_for(|count| *count == 0).await?;
        Ok(())
    }
}

impl Line {
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refuses(&self, operation: &str, side: Side) -> bool {
        self.noted().refused.as_ref().is_some_and(|(wanted, at)| wanted == operation && *at == side)
    }

    /// Notes a moment, and stops the process if it is the one. Returns only where the process lives on: else the request
    /// goes no further, and neither does an answer.
    async fn pass(&self, operation: &str, side: Side, body: &Bytes) {
        if self.is_cut_by(operation, side, body) {
            std::future::pending::<()>().await;
        }
    }

    fn is_cut_by(&self, operation: &str, side: Side, body: &Bytes) -> bool {
        let mut noted = self.noted();
        if self.cut.borrow().is_some() {
            return true;
        }
        if noted.armed {
            let moment = Moment { at: Instant::now(), operation: operation.to_owned(), side, body: body.clone() };
            noted.moments.push(moment.clone());
            if let Some(trip) = noted.trip
                && trip.at == noted.moments.len()
            {
                // The only error is that it has ended by itself, in which case nobody waits for this request.
                let _ = kill_process(trip.process, Signal::KILL);
                self.cut.send_replace(Some(moment));
                return true;
            }
        }
        // Under the lock: whoever sees the cut sees all that is on its way.
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

async fn pass_on(
    State(proxy): State<Arc<Proxy>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, Bytes) {
    let operation = proxy.names.operation(&method, &uri, &headers, &body);
    proxy.line.pass(&operation, Side::Before, &body).await;
    if proxy.line.refuses(&operation, Side::Before) {
        proxy.line.in_flight.send_modify(|count| *count -= 1);
        return pressed();
    }
    let onward = Arc::clone(&proxy);
    let asked = body.clone();
    // A task of its own: what is on its way arrives, even if the process that sent it is stopped meanwhile.
    let answered = tokio::spawn(async move {
        let answer = onward.ask(method, &uri, headers, asked).await;
        onward.line.in_flight.send_modify(|count| *count -= 1);
        answer
    });
    let answer = answered.await.unwrap_or_else(|_| unreachable_world());
    proxy.line.pass(&operation, Side::After, &body).await;
    if proxy.line.refuses(&operation, Side::After) { pressed() } else { answer }
}

/// Source: Amazon DynamoDB, "Error handling with DynamoDB": one that its client tries again.
fn pressed() -> (StatusCode, HeaderMap, Bytes) {
    let body = br#"{"__type": "com.amazonaws.dynamodb.v20120810#ThrottlingException", "message": "Rate exceeded"}"#;
    (StatusCode::BAD_REQUEST, HeaderMap::new(), Bytes::from_static(body))
}

fn unreachable_world() -> (StatusCode, HeaderMap, Bytes) {
    (StatusCode::BAD_GATEWAY, HeaderMap::new(), Bytes::new())
}

impl Proxy {
    async fn ask(
        &self,
        method: Method,
        uri: &Uri,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> (StatusCode, HeaderMap, Bytes) {
        // For AWS the Host header stays, because it is signed. The sandbox answers to its own name alone.
        if matches!(self.names, Names::OfTwilio) {
            headers.remove(HOST);
        }
        let request = self.http.request(method, format!("{}{uri}", self.target)).headers(headers).body(body);
        match request.send().await {
            Ok(answer) => (answer.status(), answer.headers().clone(), answer.bytes().await.unwrap_or_default()),
            Err(_) => unreachable_world(),
        }
    }
}

/// How requests are named.
#[derive(Debug)]
enum Names {
    /// By the target, and the tables that the body names.
    OfAws(Vec<(&'static str, String)>),
    /// By the method and what follows the account in the path.
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

    /// A wire to a world that counts what reaches it.
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
        Wire::lay(&Stack { api_url, sandbox_url, aws_endpoint: url, administrator, outputs }).await.unwrap()
    }

    #[tokio::test]
    async fn process_is_stopped_before_a_request_or_after_its_response() {
        for (at, side, arrived) in
            [(1, Side::Before, 0), (2, Side::After, 1), (3, Side::Before, 1), (4, Side::After, 2)]
        {
            let count = Arc::default();
            let wire = wire_to(&count).await;
            let mut process = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
            assert_eq!(reqwest::get(&wire.aws_url).await.unwrap().text().await.unwrap(), "answer", "not armed yet");
            count.store(0, Ordering::SeqCst);
            wire.arm_to_cut(process.id().unwrap(), at).unwrap();
            let requests = async {
                for url in [&wire.aws_url, &wire.twilio_url] {
                    reqwest::get(url).await.unwrap();
                }
            };
            let moment = tokio::select! {
                moment = wire.cut() => moment.unwrap(),
                () = requests => panic!("nothing was stopped"),
            };
            assert!(!process.wait().await.unwrap().success(), "stopped");
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
