//! Two proxies between a function's process and AWS and Twilio. They record two moments of each request, before it is
//! forwarded and after its response has arrived, and can kill the process at any of these moments.
//!
//! A wire belongs to one process. It records nothing until it is armed, so that a cold start's requests do not count.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result};
use axum::{Router, body::Bytes};
use rustix::process::{Pid, Signal, kill_process};
use stack::Stack;
use tokio::{net::TcpListener, sync::watch, task::JoinSet, time::Instant};

use self::proxy::{Names, Proxy, forward};
use super::{
    outages::{AwsService, Fault, Outages, RandomFaults},
    refusals::Refusal,
};

mod proxy;

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

/// What a wire has recorded.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Line>);

impl Recorder {
    /// The moments since the wire was armed.
    pub fn moments(&self) -> Vec<Moment> {
        self.0.recorded().moments.clone()
    }
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
    refusal: Option<PlannedRefusal>,
    outages: Outages,
    random: Option<RandomFaults>,
    /// How many requests were refused.
    refused: usize,
}

/// The requests that DynamoDB refuses.
#[derive(Debug)]
struct PlannedRefusal {
    operation: String,
    side: Side,
    refusal: Refusal,
    /// How many requests are still to be refused.
    left: usize,
}

/// The moment at which a process is killed. Numbers are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KillPoint {
    /// The moment with this number.
    Moment(usize),
    /// One side of the request with this number among those of this operation.
    Request {
        /// As in [`Moment::operation`].
        operation: String,
        /// Before or after the request is forwarded.
        side: Side,
        /// The number of the request.
        number: usize,
    },
}

impl KillPoint {
    /// Whether the last of these moments is it.
    fn is_reached(&self, moments: &[Moment]) -> bool {
        match self {
            Self::Moment(number) => moments.len() == *number,
            Self::Request { operation, side, number } => {
                let is_of = |moment: &&Moment| moment.operation == *operation && moment.side == *side;
                moments.last().as_ref().is_some_and(is_of) && moments.iter().filter(is_of).count() == *number
            }
        }
    }
}

/// The process to kill, and when.
#[derive(Debug, Clone)]
struct PlannedKill {
    process: Pid,
    at: KillPoint,
}

/// The sandbox never answers some requests. The process gives up after ten seconds (`twilio_client`), so nothing waits for the
/// proxy's own request any longer than this.
const FORWARD_TIMEOUT: Duration = Duration::from_secs(12);

impl Wire {
    /// Starts the two proxies on free ports, in front of a stack.
    pub async fn start(stack: &Stack) -> Result<Self> {
        let (killed, in_flight) = (watch::Sender::new(None), watch::Sender::new(0));
        let line = Arc::new(Line { recorded: Mutex::default(), killed, in_flight });
        let mut proxies = JoinSet::new();
        let mut proxy = async |target: &str, names: Names| -> Result<String> {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let url = format!("http://{}", listener.local_addr()?);
            let (line, http) = (Arc::clone(&line), reqwest::Client::builder().timeout(FORWARD_TIMEOUT).build()?);
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

    /// As [`Wire::arm`], and kills a process with SIGKILL at this moment.
    pub fn arm_to_kill(&self, process: u32, at: KillPoint) -> Result<()> {
        let process = Pid::from_raw(process.cast_signed()).context("no process has the id 0")?;
        *self.line.recorded() =
            Recorded { armed: true, kill: Some(PlannedKill { process, at }), ..Recorded::default() };
        Ok(())
    }

    /// As [`Wire::arm`], and answers each request of this operation as a throttling DynamoDB does: instead of forwarding the
    /// request, or after AWS has executed it.
    pub fn arm_to_throttle(&self, operation: &str, side: Side) {
        self.arm_to_refuse(operation, side, Refusal::Throttled, usize::MAX);
    }

    /// As [`Wire::arm`], and answers the next `times` transactions as if another transaction held an item of theirs.
    pub fn arm_to_conflict(&self, times: usize) {
        self.arm_to_refuse("TransactWriteItems", Side::Before, Refusal::Conflict, times);
    }

    /// As [`Wire::arm`], and refuses the next `left` requests of this operation.
    pub fn arm_to_refuse(&self, operation: &str, side: Side, refusal: Refusal, left: usize) {
        let refusal = Some(PlannedRefusal { operation: operation.to_owned(), side, refusal, left });
        *self.line.recorded() = Recorded { armed: true, refusal, ..Recorded::default() };
    }

    /// As [`Wire::arm_to_kill`], while services fail.
    pub fn arm_to_kill_while_failing(&self, process: u32, at: KillPoint, outages: Outages) -> Result<()> {
        self.arm_to_kill(process, at)?;
        self.line.recorded().outages = outages;
        Ok(())
    }

    /// As [`Wire::arm`], and lets services fail.
    pub fn arm_to_fail(&self, outages: Outages) {
        *self.line.recorded() = Recorded { armed: true, outages, ..Recorded::default() };
    }

    /// As [`Wire::arm`], and lets requests to tables and queues fail at random.
    pub fn arm_to_fail_at_random(&self, faults: RandomFaults) {
        *self.line.recorded() = Recorded { armed: true, random: Some(faults), ..Recorded::default() };
    }

    /// How many requests were refused since the wire was armed.
    pub fn refused(&self) -> usize {
        self.line.recorded().refused
    }

    /// The moments since the wire was armed.
    pub fn moments(&self) -> Vec<Moment> {
        self.recorder().moments()
    }

    /// Reads the moments while the process works.
    pub fn recorder(&self) -> Recorder {
        Recorder(Arc::clone(&self.line))
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

    /// The planned refusal of a request at this moment.
    fn refusal(&self, operation: &str, side: Side) -> Option<Refusal> {
        let mut recorded = self.recorded();
        let planned = recorded.refusal.as_mut()?;
        let is_planned = match planned.refusal {
            Refusal::Throttled => operation == planned.operation,
            // On any tables.
            Refusal::Conflict => operation.starts_with(&planned.operation),
        };
        let refuses = is_planned && planned.side == side && planned.left > 0;
        planned.left -= usize::from(refuses);
        let refusal = refuses.then_some(planned.refusal);
        recorded.refused += usize::from(refuses);
        refusal
    }

    /// How a request to a service fails at this moment.
    fn fault(&self, service: AwsService, operation: &str, side: Side) -> Option<Fault> {
        let mut recorded = self.recorded();
        let random = recorded.random.as_mut().filter(|_| service != AwsService::Other);
        if let Some(fault) = random.and_then(|faults| faults.next(operation, side)) {
            recorded.refused += 1;
            return Some(fault);
        }
        recorded.outages.iter().find(|(of, at, _)| (*of, *at) == (service, side)).map(|(_, _, fault)| *fault)
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
            if let Some(kill) = &recorded.kill
                && kill.at.is_reached(&recorded.moments)
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

#[cfg(test)]
mod tests;
