use serde_json::{Value, json};

use super::*;

const ACCOUNT: &str = "AC00000000000000000000000000000001";

fn item(change: &Value) -> Item {
    let request = json!({"id": "order-1", "to": "+5215512345678", "category": "utility",
                         "content": {"type": "text", "body": "private"}});
    let mut item = json!({
        "notification": format!("{ACCOUNT}#order-1"), "state": "waiting", "digest": "d", "code": 63018,
        "notification_json": request.to_string(), "enqueued_at": "2026-11-20T09:00:00.5Z", "version": 1,
        "updated_at": "2026-11-20T10:00:00Z", "expires_at": 1_795_000_000,
    });
    item.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    serde_dynamo::to_item(item).unwrap()
}

fn account_sid() -> AccountSid {
    ACCOUNT.parse().unwrap()
}

/// A person of whom nothing else is known.
fn person(number: &str) -> StoredPerson {
    StoredPerson::new(ContactKey::of(&account_sid(), &number.parse().unwrap()))
}

fn lists(filter: &NotificationFilter) -> bool {
    filter.page(vec![item(&json!({}))]).listed.len() == 1
}

#[test]
fn each_condition_of_a_filter_excludes_what_does_not_match() {
    let none = NotificationFilter::default;
    let at = |time: &str| time.parse::<Timestamp>().ok();
    assert!(lists(&none()));
    for (filter, expected) in [
        (NotificationFilter { states: vec![NotificationState::Accepted], ..none() }, false),
        (NotificationFilter { states: vec![NotificationState::Accepted, NotificationState::Waiting], ..none() }, true),
        (NotificationFilter { categories: vec![Category::Marketing], ..none() }, false),
        (NotificationFilter { categories: vec![Category::Marketing, Category::Utility], ..none() }, true),
        (NotificationFilter { code: "63016".parse().ok(), ..none() }, false),
        (NotificationFilter { code: "63018".parse().ok(), ..none() }, true),
        (NotificationFilter { enqueued_since: at("2026-11-20T09:00:00.6Z"), ..none() }, false),
        (NotificationFilter { enqueued_since: at("2026-11-20T09:00:00.5Z"), ..none() }, true),
        (NotificationFilter { person: Some(person("+14155550123")), ..none() }, false),
        (NotificationFilter { person: Some(person("+5215512345678")), ..none() }, true),
    ] {
        assert_eq!(lists(&filter), expected, "{filter:?}");
    }
}

#[test]
fn person_is_found_by_every_identity_and_spelling() {
    let filter = |person| NotificationFilter { person: Some(person), ..NotificationFilter::default() };
    assert!(lists(&filter(person("+525512345678"))), "Mexico without the mobile digit");
    let home = ContactKey::of(&account_sid(), &"US.13491208655302741918".parse().unwrap());
    let mut known_by_user_id = StoredPerson::new(home);
    assert!(!lists(&filter(known_by_user_id.clone())));
    known_by_user_id.person.aliases.insert("+525512345678".to_owned());
    assert!(lists(&filter(known_by_user_id)));
}

#[test]
fn category_and_recipient_are_read_without_a_stored_request() {
    let delivered = item(&json!({"notification_json": null, "recipient": "+14155550123", "category": "marketing",
                                 "state": "accepted", "outcome": "delivered", "code": null}));
    let filter = NotificationFilter {
        categories: vec![Category::Marketing],
        person: Some(person("+14155550123")),
        ..NotificationFilter::default()
    };
    assert_eq!(filter.page(vec![delivered, item(&json!({}))]).listed.len(), 1);
}

#[test]
fn unreadable_item_is_counted_and_does_not_hide_the_others() {
    let page = NotificationFilter::default().page(vec![item(&json!({"state": "new"})), item(&json!({}))]);
    assert_eq!((page.listed.len(), page.unreadable), (1, 1));
}

#[test]
fn second_sorts_before_every_time_in_it() {
    let since = at_second("2026-11-20T09:00:00.7Z".parse().unwrap());
    assert_eq!(since, "2026-11-20T09:00:00");
    for stored in ["2026-11-20T09:00:00Z", "2026-11-20T09:00:00.123Z", "2026-11-20T09:00:01Z"] {
        assert!(stored > since.as_str(), "{stored}");
    }
    assert!("2026-11-20T08:59:59.999Z" < since.as_str());
}

#[test]
fn index_is_read_only_for_states_that_it_has() {
    use NotificationState::{Accepted, AwaitingReply, Claimed, Waiting};
    let of = |states: &[NotificationState]| {
        NotificationFilter { states: states.to_vec(), ..NotificationFilter::default() }.is_indexed()
    };
    assert!(of(&[Waiting]) && of(&[AwaitingReply]) && of(&[AwaitingReply, Waiting]));
    assert!(!of(&[]) && !of(&[Accepted]) && !of(&[Waiting, Claimed]));
}

#[test]
fn category_of_the_index_excludes_others_without_a_read() {
    let due = |scopes: &[&str]| DueNotification {
        account_sid: account_sid(),
        id: "order-1".to_owned().try_into().unwrap(),
        due_at: Timestamp::UNIX_EPOCH,
        scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
    };
    let filter = NotificationFilter { categories: vec![Category::Marketing], ..NotificationFilter::default() };
    assert!(filter.passes_index(&due(&["category#marketing"])));
    assert!(!filter.passes_index(&due(&["category#utility"])));
    assert!(filter.passes_index(&due(&[])), "the item decides");
}
