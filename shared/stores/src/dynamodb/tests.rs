use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use aws_sdk_dynamodb::{
    config::{BehaviorVersion, Region, retry::RetryConfig},
    types::Put,
};

use super::*;
use crate::attribute::text;

type Answers = Arc<Mutex<VecDeque<(u16, &'static str)>>>;

const WRITTEN: (u16, &str) = (200, "{}");
const CONFLICT: (u16, &str) = (
    400,
    r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
        "message": "Transaction is ongoing for the item"}"#,
);
const CANCELLED_BY_CONFLICT: (u16, &str) = (
    400,
    r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict", "Message": "Transaction is ongoing"}]}"#,
);
const CANCELLED_BY_BOTH: (u16, &str) = (
    400,
    r#"{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled, please refer cancellation reasons for specific reasons",
        "CancellationReasons": [{"Code": "ConditionalCheckFailed", "Item": {"key": {"S": "stored"}}},
                                {"Code": "TransactionConflict", "Message": "Transaction is ongoing"}]}"#,
);
const REFUSED: (u16, &str) = (
    400,
    r#"{"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed", "Item": {"key": {"S": "stored"}}}"#,
);

/// A client of an HTTP server that gives these answers, one for each request, and the answers that are left. The SDK
/// does not retry, so that every repeated request is ours.
fn client(answers: impl IntoIterator<Item = (u16, &'static str)>) -> (Client, Answers) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answers: Answers = Arc::new(Mutex::new(answers.into_iter().collect()));
    let left = Arc::clone(&answers);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let answers = Arc::clone(&answers);
            std::thread::spawn(move || serve(&stream.unwrap(), &answers));
        }
    });
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .endpoint_url(url)
        .retry_config(RetryConfig::disabled())
        .allow_no_auth();
    (Client::from_conf(config.build()), left)
}

/// Answers the requests of a connection until the client closes it.
fn serve(stream: &TcpStream, answers: &Answers) {
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        reader.read_exact(&mut vec![0; length]).unwrap();
        let (status, body) = answers.lock().unwrap().pop_front().expect("no request is left to answer");
        let head = format!("HTTP/1.1 {status} \r\ncontent-type: application/x-amz-json-1.0\r\n");
        write!(&mut &*stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

fn put(client: &Client) -> PutItemFluentBuilder {
    client.put_item().table_name("table").item("key", text("new")).condition_expression("attribute_not_exists(#key)")
}

fn actions() -> Vec<TransactWriteItem> {
    let put = || Put::builder().table_name("table").item("key", text("new")).build().unwrap();
    vec![TransactWriteItem::builder().put(put()).build(), TransactWriteItem::builder().put(put()).build()]
}

#[tokio::test]
async fn a_write_is_retried_after_transaction_conflicts() {
    let (client, left) = client([CONFLICT, CONFLICT, WRITTEN]);
    let write = conditional("writing", put(&client)).await.unwrap();
    assert!(matches!(write, ConditionalWrite::Written(_)), "{write:?}");
    assert!(left.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_write_gives_the_stored_item_at_once() {
    let (client, left) = client([REFUSED, WRITTEN]);
    let write = conditional("writing", put(&client)).await.unwrap();
    let ConditionalWrite::Refused(item) = write else { panic!("{write:?}") };
    assert_eq!(item.get("key"), Some(&text("stored")));
    assert_eq!(left.lock().unwrap().len(), 1, "a refusal is an outcome");
}

#[tokio::test]
async fn a_transaction_is_retried_after_conflicts() {
    let (client, left) = client([CANCELLED_BY_CONFLICT, CONFLICT, WRITTEN]);
    let outcome = transact(&client, "writing", actions()).await.unwrap();
    assert!(matches!(outcome, TransactionOutcome::Written), "{outcome:?}");
    assert!(left.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_refused_transaction_is_not_retried_despite_a_conflict() {
    let (client, left) = client([CANCELLED_BY_BOTH, WRITTEN]);
    let outcome = transact(&client, "writing", actions()).await.unwrap();
    let TransactionOutcome::Refused(conditions) = outcome else { panic!("{outcome:?}") };
    let items: Vec<_> =
        conditions.iter().map(|failed| failed.as_ref().and_then(|failed| failed.item.get("key"))).collect();
    assert_eq!(items, [Some(&text("stored")), None]);
    assert_eq!(left.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_conflict_that_never_ends_is_an_error_to_retry_later() {
    let (client, left) = client([CONFLICT; 7]);
    let error = conditional("writing", put(&client)).await.unwrap_err();
    assert_eq!(error.fault(), AwsFault::Unavailable);
    assert!(left.lock().unwrap().is_empty(), "one request and six retries");
}

#[test]
fn the_pauses_between_retries_sum_to_at_most_1400_ms() {
    let pauses: Vec<_> = conflict_backoff().build().collect();
    let sum: Duration = pauses.iter().sum();
    assert_eq!(pauses.len(), 6);
    assert!((700..=1_400).contains(&sum.as_millis()), "{sum:?}");
}
