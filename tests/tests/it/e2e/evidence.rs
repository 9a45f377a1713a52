//! Consents, STOPs and STARTs in the bucket that locks its objects.

use aws_sdk_s3::{
    error::{ProvideErrorMetadata as _, SdkError},
    types::{ObjectLockMode, ObjectVersion},
};
use domain::evidence::prefix_of;
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;

use super::{receive::agree, unpublished::Publisher};
use crate::world::{Person, World, erasure_key, new_id};

fn bucket(world: &World) -> &str {
    world.stack.outputs.evidence_bucket_name.as_deref().unwrap()
}

/// Every version of the records of a person.
async fn versions(world: &World, person: &Person) -> Vec<ObjectVersion> {
    let prefix = prefix_of(&person.key(), &erasure_key(&world.stack).await);
    let list = world.s3.list_object_versions().bucket(bucket(world)).prefix(prefix);
    list.send().await.unwrap().versions.unwrap_or_default()
}

/// The stream record of evidence of a consent.
fn consent(world: &World, person: &Person, facet: &str) -> Value {
    let text = |text: &str| json!({"S": text});
    let contact = person.key();
    let table = &world.stack.outputs.contacts_table_name;
    json!({
        "eventID": new_id("record"), "eventName": "INSERT", "awsRegion": "us-east-1", "eventSource": "aws:dynamodb",
        "eventSourceARN": format!("arn:aws:dynamodb:us-east-1:000000000000:table/{table}/stream/2026-11-20"),
        "dynamodb": {
            "Keys": {"contact": text(contact.as_str()), "facet": text(facet)},
            "NewImage": {
                "contact": text(contact.as_str()), "facet": text(facet), "category": text("marketing"),
                "state": text("withdrawn"), "at": text("2026-11-20T09:00:00Z"), "source": text("letter"),
                "recorded_at": text("2026-11-20T09:00:01Z")
            },
            "SequenceNumber": "1", "SizeBytes": 1
        }
    })
}

#[tokio::test]
async fn consent_and_stop_are_locked_and_name_no_number() {
    let (world, person) = (World::new(), Person::new());
    agree(&world, &person).await;
    world.write(&person, "STOP").await;
    let found = world
        .until("two records", async || Some(versions(&world, &person).await).filter(|found| found.len() == 2))
        .await;
    let digits = person.identity.as_str().trim_start_matches('+');
    for version in &found {
        let key = version.key().unwrap();
        let get = world.s3.get_object().bucket(bucket(&world)).key(key).send().await.unwrap();
        assert_eq!(get.object_lock_mode(), Some(&ObjectLockMode::Compliance));
        let record = get.body.collect().await.unwrap().into_bytes();
        let record = String::from_utf8(record.to_vec()).unwrap();
        assert!(!record.contains(digits) && !key.contains(digits), "{key}: {record}");
        let delete = world.s3.delete_object().bucket(bucket(&world)).key(key);
        let refused = delete.version_id(version.version_id().unwrap()).send().await.unwrap_err();
        assert_eq!(refused.code(), Some("AccessDenied"), "the administrator cannot delete it");
    }
}

#[tokio::test]
async fn record_that_comes_again_has_one_version() {
    let (world, person) = (World::new(), Person::new());
    let name = bucket(&world).to_owned();
    let mut publisher = Publisher::start_with(&world, &[("EVIDENCE_BUCKET", &name)]).await;
    let record = consent(&world, &person, "consent#marketing#2026-11-20T09:00:00.000Z#1");
    for _ in 0..2 {
        assert_eq!(publisher.deliver(std::slice::from_ref(&record)).await, None);
    }
    assert!(publisher.notes(&world).await.is_empty());
    assert_eq!(versions(&world, &person).await.len(), 1);
}

#[tokio::test]
async fn evidence_is_kept_while_its_bucket_refuses_it() {
    let (world, person) = (World::new(), Person::new());
    let mut publisher = Publisher::start_with(&world, &[("EVIDENCE_BUCKET", &new_id("there-is-none"))]).await;
    let facet = "consent#marketing#2026-11-20T09:00:00.000Z#1";
    assert_eq!(publisher.deliver(&[consent(&world, &person, facet)]).await, None, "the stream does not stop");
    assert_eq!(publisher.event_ids(&world).await, [format!("{facet}.contact_consent")]);
    let notes = publisher.notes(&world).await;
    let [note] = notes.as_slice() else { panic!("{notes:?}") };
    let kept = &note["evidence"][0];
    assert!(kept["key"].as_str().unwrap().starts_with(&format!("evidence/{ACCOUNT_SID}/")), "{note}");
    assert_eq!(kept["record"]["state"], "withdrawn");
    // The note is the body of a dead letter: `wa dlq retry` writes the object, as here.
    let put = world.s3.put_object().bucket(bucket(&world)).key(kept["key"].as_str().unwrap());
    put.body(kept["record"].to_string().into_bytes().into()).send().await.unwrap();
    assert_eq!(versions(&world, &person).await.len(), 1);
}

/// The emulator refuses what S3 refuses.
#[tokio::test]
async fn locked_object_without_a_checksum_is_refused() {
    let world = World::new();
    let config = shared::aws::s3_config(&world.stack.aws())
        .request_checksum_calculation(aws_sdk_s3::config::RequestChecksumCalculation::WhenRequired);
    let client = aws_sdk_s3::Client::from_conf(config.build());
    let put = client.put_object().bucket(bucket(&world)).key(new_id("unchecked")).body(b"{}".to_vec().into());
    match put.send().await {
        Err(SdkError::ServiceError(refused)) => assert_eq!(refused.err().code(), Some("InvalidRequest")),
        other => panic!("{other:?}"),
    }
}
