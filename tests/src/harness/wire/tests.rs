use std::sync::atomic::{AtomicUsize, Ordering};

use axum::http::{HeaderMap, Method, Uri};
use serde_json::json;

use super::*;
use stack::{clock::StackClock, stack::Administrator};

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
        "UrgentQueueUrl",
        "OutboundQueueUrl",
        "MarketingQueueUrl",
        "OutboundDeadLetterQueueUrl",
        "EventsQueueUrl",
        "EventsDeadLetterQueueUrl",
        "UnpublishedQueueUrl",
        "MediaQueueUrl",
        "MediaDeadLetterQueueUrl",
        "SpoolQueueUrl",
        "SpoolDeadLetterQueueUrl",
        "MessagesTableName",
        "ContactsTableName",
        "NotificationsTableName",
        "RateLimitsTableName",
        "TenantsTableName",
        "TemplatesTableName",
        "VerificationsTableName",
        "MediaBucketName",
        "ArchiveBucketName",
        "TwilioSecretArn",
        "ErasureKeySecretArn",
        "ReconcileFunctionName",
        "ReleaseFunctionName",
        "TemplateSyncFunctionName",
    ];
    let outputs: serde_json::Map<_, _> = names.map(|name| (name.to_owned(), json!(name))).into_iter().collect();
    let outputs = serde_json::from_value(outputs.into()).unwrap();
    let (api_url, sandbox_url, administrator) = (url.clone(), url.clone(), Administrator::random());
    Wire::start(&Stack {
        api_url,
        sandbox_url,
        aws_endpoint: url,
        administrator,
        clock: StackClock::default(),
        outputs,
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn process_is_killed_before_a_request_or_after_its_response() {
    for (at, side, arrived) in [(1, Side::Before, 0), (2, Side::After, 1), (3, Side::Before, 1), (4, Side::After, 2)] {
        let count = Arc::default();
        let wire = wire_to(&count).await;
        let mut process = tokio::process::Command::new("sleep").arg("600").kill_on_drop(true).spawn().unwrap();
        assert_eq!(
            reqwest::get(&wire.aws_url).await.unwrap().text().await.unwrap(),
            "answer",
            "before the wire is armed"
        );
        count.store(0, Ordering::SeqCst);
        wire.arm_to_kill(process.id().unwrap(), KillPoint::Moment(at)).unwrap();
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
fn request_to_kill_at_is_counted_by_operation_and_side() {
    let moment = |operation: &str, side| {
        let (at, operation) = (Instant::now(), operation.to_owned());
        Moment { at, operation, side, body: Bytes::new() }
    };
    let operations = ["PutItem", "Query", "PutItem", "Query"];
    let sides = [Side::Before, Side::After];
    let moments: Vec<_> = operations.iter().flat_map(|operation| sides.map(|side| moment(operation, side))).collect();
    let reached = |at: &KillPoint| (0..=8).find(|count| at.is_reached(&moments[..*count]));
    let query = |number| KillPoint::Request { operation: "Query".to_owned(), side: Side::After, number };
    assert_eq!(reached(&query(2)), Some(8));
    assert_eq!(reached(&query(1)), Some(4));
    assert_eq!(reached(&query(3)), None);
    assert_eq!(reached(&KillPoint::Moment(5)), Some(5));
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
