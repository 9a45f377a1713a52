//! What is paused, by an operator or by a rule, waits and is sent later, once. The tests share the stack of [`super::clock`] and
//! run one after another, because a pause of everything stops all of them.

use domain::{
    daily_cap::{
        DailyCap, day_of, next_day,
        room::{ReservedRoom, RoomRequest},
    },
    pause::Pause,
    route_health::RouteResults,
};
use futures::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use stores::{
    daily_counts::DailyCounts,
    pauses::{PauseOutcome, PauseStore},
    route_health::RouteHealth,
};

use super::{
    clock::{Time, icelander, person, time},
    waiting::{assert_sent_once, release, until_queues_are_empty},
};
use crate::world::{Person, World, new_id, template_notification};

fn pauses(world: &World) -> PauseStore {
    PauseStore::new(world.dynamodb.clone(), world.stack.outputs.rate_limits_table_name.clone())
}

async fn pause(time: &Time, scope: &str) {
    let scope = scope.parse().unwrap();
    let pause = Pause { scope, since: time.now(), by: None, reason: None, is_automatic: false };
    assert_eq!(pauses(&time.world).pause(&pause).await.unwrap(), PauseOutcome::Paused);
}

async fn resume(time: &Time, scope: &str) {
    let ended = pauses(&time.world).resume(&scope.parse().unwrap()).await.unwrap();
    assert!(ended.is_some(), "{scope} was paused");
}

/// A sender that no other test uses.
async fn new_sender(world: &World) -> String {
    let sender = Person::new().address();
    world.control("POST", "senders", &json!({"address": sender})).await;
    sender
}

/// Queues a notification from this sender. Gives its id.
async fn send(world: &World, person: &Person, sender: &str, category: &str) -> String {
    let id = new_id("pause");
    let mut notification = template_notification(&id, person);
    notification["from"] = json!(sender);
    notification["category"] = json!(category);
    world.notify(&notification).await;
    id
}

async fn log_of(world: &World, id: &str) -> Value {
    world.call("GET", &format!("/notifications/{id}"), "").await.1
}

/// Waits until a notification waits, and returns its log.
async fn until_waiting(world: &World, id: &str) -> Value {
    world.notification_in(id, "waiting").await;
    log_of(world, id).await
}

#[tokio::test]
async fn each_pause_holds_what_it_covers_and_loses_nothing() {
    let time = time().await;
    let world = &time.world;
    let sender = new_sender(world).await;
    let scopes = ["all", &format!("account#{ACCOUNT_SID}"), "category#utility", &format!("sender#{sender}")];
    for scope in scopes {
        pause(&time, scope).await;
        let person = icelander();
        let id = send(world, &person, &sender, "utility").await;
        let log = until_waiting(world, &id).await;
        assert_eq!(log["waits_for"], "pause", "{scope}: {log}");
        release(world).await;
        until_queues_are_empty(world).await;
        assert_eq!(world.sent_to(&person).await, Vec::<Value>::new(), "{scope}");
        resume(&time, scope).await;
        release(world).await;
        assert_sent_once(world, &person, &id).await;
    }
}

#[tokio::test]
async fn pause_of_one_category_leaves_the_others_alone() {
    let time = time().await;
    let world = &time.world;
    let (sender, person) = (new_sender(world).await, icelander());
    pause(&time, "category#marketing").await;
    for category in ["authentication", "utility", "service"] {
        let id = send(world, &person, &sender, category).await;
        world.notification_in(&id, "accepted").await;
    }
    resume(&time, "category#marketing").await;
}

#[tokio::test]
async fn messages_over_the_daily_cap_wait_for_the_next_day() {
    let time = time().await;
    let world = &time.world;
    time.advance_to_hour(12).await;
    let (sender, people) = (new_sender(world).await, [(); 5].map(|()| person("+2992")));
    let today = time.now();
    let mut ids = Vec::new();
    for person in &people {
        ids.push(send(world, person, &sender, "utility").await);
    }
    let logs = world
        .until("five decisions", async || {
            let logs = join_all(ids.iter().map(|id| log_of(world, id))).await;
            let is_decided = |log: &Value| log["state"] == "accepted" || log["waits_for"] == "daily_cap";
            logs.iter().all(is_decided).then_some(logs)
        })
        .await;
    let waiting: Vec<_> = logs.iter().filter(|log| log["state"] == "waiting").collect();
    assert_eq!(waiting.len(), 2, "three a day: {waiting:?}");
    for log in waiting {
        let due_at: Timestamp = log["due_at"].as_str().unwrap().parse().unwrap();
        assert_eq!(due_at, next_day(today), "{log}");
    }
    let elsewhere = send(world, &icelander(), &sender, "utility").await;
    world.notification_in(&elsewhere, "accepted").await;

    time.advance_to_hour(0).await;
    assert_ne!(day_of(time.now()), day_of(today));
    release(world).await;
    for (person, id) in people.iter().zip(&ids) {
        assert_sent_once(world, person, id).await;
    }
}

#[tokio::test]
async fn route_whose_messages_fail_is_paused_until_resumed() {
    let time = time().await;
    let world = &time.world;
    let sender = new_sender(world).await;
    let scope = format!("sender#{sender}");
    for _ in 0..5 {
        let person = icelander();
        world.plan(&person, 1, json!({"kind": "fail", "code": 63024})).await;
        send(world, &person, &sender, "utility").await;
    }
    let paused = world
        .until("an automatic pause", async || pauses(world).get().await.unwrap().get(&scope.parse().unwrap()).cloned())
        .await;
    assert!(paused.is_automatic && paused.by.is_none());
    let reason = paused.reason.unwrap();
    assert!(reason.starts_with("5 of 5 messages failed since 20"), "{reason}");

    let person = icelander();
    let id = send(world, &person, &sender, "utility").await;
    assert_eq!(until_waiting(world, &id).await["waits_for"], "pause");
    let other = send(world, &icelander(), &new_sender(world).await, "utility").await;
    world.notification_in(&other, "accepted").await;
    assert_eq!(world.sent_to(&person).await, Vec::<Value>::new());
    resume(&time, &scope).await;
    release(world).await;
    assert_sent_once(world, &person, &id).await;
}

#[tokio::test]
async fn functions_that_count_at_once_never_exceed_a_cap() {
    let world = World::new();
    let counts = DailyCounts::new(world.dynamodb.clone(), world.stack.outputs.rate_limits_table_name.clone());
    let cap = DailyCap::try_from(json!({"account": 100})).unwrap();
    let account_sid = format!("AC{}", uuid::Uuid::new_v4().simple()).parse().unwrap();
    let now = Timestamp::now();
    let counters = vec![cap.counters(&account_sid, None, "whatsapp:+14155238886", now); 7];
    let requests = ReservedRoom::default().missing(counters.iter().map(Vec::as_slice), now);
    let [RoomRequest { messages: 7, .. }] = requests.as_slice() else { panic!("{requests:?}") };
    let granted = try_join_all((0..40).map(|_| counts.reserve(&requests[0], now))).await.unwrap();
    assert_eq!(granted.iter().map(|grant| grant.messages).sum::<u32>(), 100);
    assert_eq!(counts.reserve(&requests[0], now).await.unwrap().messages, 0);
}

#[tokio::test]
async fn results_of_a_route_are_counted_for_an_hour() {
    let world = World::new();
    let health = RouteHealth::new(world.dynamodb.clone(), world.stack.outputs.rate_limits_table_name.clone());
    let (route, now) = (Person::new().address(), Timestamp::now());
    let failed = RouteResults { attempts: 2, failures: 1 };
    try_join_all((0..20).map(|_| health.add(&route, failed, now))).await.unwrap();
    let almost_an_hour = now + SignedDuration::from_mins(59);
    let counted = health.add(&route, failed, almost_an_hour).await.unwrap();
    assert_eq!(counted.results, RouteResults { attempts: 42, failures: 21 });
    let next = health.add(&route, failed, now + SignedDuration::from_hours(1)).await.unwrap();
    assert_eq!(next.results, failed, "the count has begun again");
    health.forget(&route).await.unwrap();
    assert_eq!(health.add(&route, failed, now).await.unwrap().results, failed);
}
