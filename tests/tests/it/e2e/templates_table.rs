//! Each write of the Templates table, once allowed and once refused.

use aws_sdk_dynamodb::Client;
use domain::templates::{Locale, RegisteredTemplate, TemplateShape, TemplateStatus};
use jiff::{Timestamp, civil::date};
use stack::Stack;
use stores::templates::{FoundTemplate, StoredTemplate, TemplateChange, TemplateStore};
use tests::harness::{
    refusals::Refusal,
    wire::{Side, Wire},
};
use twilio_types::sid::{AccountSid, ContentSid};

use crate::world::World;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + seconds).unwrap()
}

fn template(number: u32, status: &str) -> RegisteredTemplate {
    RegisteredTemplate {
        sid: format!("HX{number:032}").parse().unwrap(),
        name: Some("order".to_owned()),
        locale: Some(Locale::of("en")),
        created_at: None,
        registered_at: at(0),
        shape: TemplateShape::default(),
        status: TemplateStatus::of(status),
        status_at: at(0),
        category: None,
        category_at: None,
        quality: None,
        quality_at: None,
        rejection_reason: None,
        last_used_on: None,
    }
}

fn put(number: u32, status: &str, seen: Option<i64>) -> TemplateChange {
    TemplateChange::Put { template: Box::new(template(number, status)), seen }
}

/// The store, and an account that no other test has.
fn store() -> (TemplateStore, AccountSid) {
    let world = World::without_consumers();
    let account_sid = format!("AC{}", uuid::Uuid::new_v4().simple()).parse().unwrap();
    (TemplateStore::new(world.dynamodb, world.stack.outputs.templates_table_name), account_sid)
}

/// What is stored of a template, which can be read.
async fn stored(store: &TemplateStore, account: &AccountSid, sid: &ContentSid) -> Option<StoredTemplate> {
    store.get(account, sid).await.unwrap().map(|found| match found {
        FoundTemplate::Stored(stored) => *stored,
        FoundTemplate::Unreadable(unreadable) => panic!("{unreadable:?}"),
    })
}

#[tokio::test]
async fn template_is_written_only_as_it_was_read() {
    let (store, account) = store();
    let sid = template(1, "").sid;
    let write = async |change: TemplateChange| store.write(&account, &[change]).await.unwrap().is_empty();
    let status = async || {
        stored(&store, &account, &sid).await.map(|stored| (stored.template.status.to_string(), stored.revision))
    };
    assert!(!write(put(1, "approved", Some(1))).await, "nothing is stored");
    assert!(write(put(1, "approved", None)).await);
    assert!(!write(put(1, "disabled", None)).await, "it is stored");
    assert!(write(put(1, "paused", Some(1))).await);
    assert!(!write(put(1, "disabled", Some(1))).await, "another writer was faster");
    assert_eq!(status().await, Some(("paused".to_owned(), 2)));
    assert!(!write(TemplateChange::Remove { sid: sid.clone(), seen: 1 }).await);
    assert!(write(TemplateChange::Remove { sid: sid.clone(), seen: 2 }).await);
    assert_eq!(status().await, None);
}

#[tokio::test]
async fn version_changes_with_each_written_template_and_no_other() {
    let (store, account) = store();
    let version = async || store.sync_state(&account).await.unwrap().version;
    assert_eq!(version().await, 0);
    store.write(&account, &[put(1, "approved", None)]).await.unwrap();
    let first = version().await;
    assert!(first > 0);
    store.write(&account, &[put(1, "paused", None)]).await.unwrap();
    assert_eq!(version().await, first, "it was refused");
    store.note_use(&account, &template(1, "").sid, date(2026, 11, 26)).await.unwrap();
    store.finish_sync(&account, at(10)).await.unwrap();
    assert_eq!(version().await, first, "neither a use nor a list without changes");
    store.write(&account, &[put(1, "paused", Some(1))]).await.unwrap();
    assert!(version().await > first);
}

#[tokio::test]
async fn refused_template_leaves_the_others_of_its_portion() {
    let (store, account) = store();
    store.write(&account, &[put(7, "approved", None)]).await.unwrap();
    let changes: Vec<_> = (1..=60).map(|number| put(number, "paused", None)).collect();
    let refused = store.write(&account, &changes).await.unwrap();
    assert_eq!(refused, [put(7, "paused", None)]);
    let all = store.all(&account).await.unwrap();
    assert_eq!((all.templates.len(), all.unreadable.len()), (60, 0));
    let paused = all.templates.iter().filter(|stored| stored.template.status == TemplateStatus::Paused);
    assert_eq!(paused.count(), 59);
}

#[tokio::test]
async fn use_is_written_once_a_day_and_kept_by_other_writes() {
    let (store, account) = store();
    let sid = template(1, "").sid;
    let used = async || stored(&store, &account, &sid).await.and_then(|stored| stored.template.last_used_on);
    store.note_use(&account, &sid, date(2026, 11, 26)).await.unwrap();
    assert!(store.get(&account, &sid).await.unwrap().is_none(), "a use makes no template");
    store.write(&account, &[put(1, "approved", None)]).await.unwrap();
    store.note_use(&account, &sid, date(2026, 11, 26)).await.unwrap();
    store.note_use(&account, &sid, date(2026, 11, 25)).await.unwrap();
    assert_eq!(used().await, Some(date(2026, 11, 26)), "an older day changes nothing");
    store.write(&account, &[put(1, "paused", Some(1))]).await.unwrap();
    assert_eq!(used().await, Some(date(2026, 11, 26)));
    store.note_use(&account, &sid, date(2026, 11, 27)).await.unwrap();
    assert_eq!(used().await, Some(date(2026, 11, 27)));
}

#[tokio::test]
async fn state_of_a_list_never_goes_back() {
    let (store, account) = store();
    let synced_at = async || store.sync_state(&account).await.unwrap().synced_at;
    store.finish_sync(&account, at(10)).await.unwrap();
    store.finish_sync(&account, at(5)).await.unwrap();
    assert_eq!(synced_at().await, Some(at(10)));
    store.finish_sync(&account, at(20)).await.unwrap();
    assert_eq!(synced_at().await, Some(at(20)));
    assert!(store.begin_warning(&account, date(2026, 11, 26)).await.unwrap());
    assert!(!store.begin_warning(&account, date(2026, 11, 26)).await.unwrap(), "once a day");
    assert!(store.begin_warning(&account, date(2026, 11, 27)).await.unwrap());
}

/// Otherwise the operator would not be warned on this day.
#[tokio::test]
async fn warning_whose_answer_was_lost_begins_once() {
    let stack = Stack::from_env().unwrap_or_else(|error| panic!("{error}"));
    let wire = Wire::start(&stack).await.unwrap();
    let config = stack.aws().to_builder().endpoint_url(&wire.aws_url).build();
    let store = TemplateStore::new(Client::new(&config), stack.outputs.templates_table_name.clone());
    let (_, account) = self::store();
    wire.arm_to_refuse("UpdateItem of Templates", Side::After, Refusal::Throttled, 1);
    assert!(store.begin_warning(&account, date(2026, 11, 26)).await.unwrap() && wire.refused() == 1);
    assert!(!store.begin_warning(&account, date(2026, 11, 26)).await.unwrap(), "another run");
}
