//! The function that fetches files, and the files that it writes.

use super::{of_type, resources, value};

#[test]
fn function_that_fetches_files_writes_files_of_people_alone() {
    let function = &of_type("AWS::Serverless::Function")["StoreMediaFunction"];
    let of_bucket: Vec<_> = function.lines().filter(|line| line.contains("s3:")).collect();
    assert_eq!(of_bucket, ["Action: [s3:PutObject, s3:AbortMultipartUpload]"]);
    assert!(function.contains("Resource: !Sub ${MediaBucket.Arn}/inbound/*"), "{function}");
    let role = &resources()["MediaReaderRole"];
    assert!(!role.contains("PutObject"), "who signs links writes nothing");
}

/// Source: AWS Lambda, "Using Lambda with Amazon SQS": six times the function's timeout.
#[test]
fn file_is_not_delivered_twice_while_it_is_stored() {
    let timeout = value(&of_type("AWS::Serverless::Function")["StoreMediaFunction"], "Timeout").unwrap().to_owned();
    let visibility = value(&of_type("AWS::SQS::Queue")["MediaQueue"], "VisibilityTimeout").unwrap().to_owned();
    assert_eq!(visibility.parse::<u32>().unwrap(), 6 * timeout.parse::<u32>().unwrap());
    let mapping = &of_type("AWS::Lambda::EventSourceMapping")["StoreMediaFunctionMediaQueue"];
    assert_eq!(value(mapping, "BatchSize"), Some("1"), "one file is in memory");
}

#[test]
fn files_of_people_are_deleted_with_their_messages() {
    let bucket = &resources()["MediaBucket"];
    let (_, rule) = bucket.split_once("Id: files-of-people\n").unwrap();
    let rule: Vec<_> = rule.lines().take(3).collect();
    assert_eq!(rule, ["Status: Enabled", "Prefix: inbound/", "ExpirationInDays: !Ref MessageRetentionDays"]);
}
