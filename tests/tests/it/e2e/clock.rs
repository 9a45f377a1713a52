//! Time passes: windows close, the night is over. The tests of unknown outcomes let time pass in the same way.
//!
//! These tests share a second stack and run one after another, because each of them moves the clock of that stack. The
//! second stack is deployed from the functions that were built for the first one.

use std::{path::Path, sync::LazyLock, time::Duration};

use domain::notification::Category;
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use stack::movable::{MovableStack, StackSettings};
use stores::dynamodb::Item;
use tokio::{
    runtime::Runtime,
    sync::{Mutex, MutexGuard, OnceCell},
};

use crate::{
    e2e::{consent::assert_consent_ended, receive::agree, reconcile::sweep},
    world::{Person, World, new_id, template_notification, text, text_notification},
};

/// Iceland, where local time is UTC, has quiet hours at night, the Faroe Islands allow one marketing message a week, and
/// consents in Malta expire after 30 days. Greenland gets three messages a day, and a route pauses if all of five messages fail.
const SEND_POLICY: &str = concat!(
    r#"{"default":{"consent":{}},"countries":{"#,
    r#""IS":{"quiet_hours":{"from":"21:00","to":"08:00"}},"#,
    r#""FO":{"marketing_cap":{"messages":1,"days":7}},"#,
    r#""MT":{"consent":{"marketing":{"days":30}}}},"#,
    r#""daily_cap":{"countries":{"GL":3}},"pause_on_failures":{"share_percent":100,"at_least":5}}"#,
);
pub(super) const DAY: Duration = Duration::from_hours(24);
pub(super) const TEXT: &str = "On its way.";
const TEMPLATE: &str = "Hello Ava, your order 18473 is on its way.";

/// The second stack, for the test that is moving its clock.
pub(super) struct Time {
    stack: MutexGuard<'static, MovableStack>,
    pub(super) world: World,
}

/// The second stack, as soon as no other test uses it. The first test starts it.
pub(super) async fn time() -> Time {
    // The stack runs in a runtime that does not end with the test that started it.
    static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
    static STACK: OnceCell<Mutex<MovableStack>> = OnceCell::const_new();
    let start = async || {
        let built = std::env::var_os("STACK_FOLDER").unwrap_or_else(|| panic!("STACK_FOLDER is not set"));
        let settings = StackSettings { send_policy: Some(SEND_POLICY), timeline: true, ..StackSettings::default() };
        let started = RUNTIME.spawn(async move { MovableStack::start(Path::new(&built), "movable", &settings).await });
        Mutex::new(started.await.unwrap().unwrap())
    };
    let stack = STACK.get_or_init(start).await.lock().await;
    let world = World::of(stack.stack.clone());
    Time { stack, world }
}

impl Time {
    pub(super) fn now(&self) -> Timestamp {
        self.stack.stack.clock.now().try_into().unwrap()
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.stack.advance(by).await.unwrap();
    }

    pub(super) async fn set_clock_back(&self) {
        self.stack.set_clock_back().await.unwrap();
    }

    /// Lets time pass until the clock shows an hour, of the next day where today's has passed.
    pub(super) async fn advance_to_hour(&self, hour: i8) {
        let now = self.now().to_zoned(TimeZone::UTC);
        let today = now.with().hour(hour).minute(0).second(0).subsec_nanosecond(0).build().unwrap();
        let next = if today > now { today } else { today.tomorrow().unwrap() };
        let left = next.timestamp().duration_since(now.timestamp()) + SignedDuration::from_secs(1);
        self.advance(left.unsigned_abs()).await;
    }

    /// Sends a marketing message and waits until its notification is in this state.
    async fn offer(&self, person: &Person, state: &str) -> Item {
        let id = new_id("offer");
        let mut offer = template_notification(&id, person);
        offer["category"] = json!("marketing");
        self.world.notify(&offer).await;
        self.world.notification_in(&id, state).await
    }

    /// The bodies of the messages that a person was sent.
    pub(super) async fn bodies(&self, person: &Person) -> Vec<Value> {
        self.world.sent_to(person).await.iter().map(|message| message["body"].clone()).collect()
    }
}

/// A person with a number of five random digits after this prefix.
pub(super) fn person(prefix: &str) -> Person {
    Person { identity: format!("{prefix}{:05}", uuid::Uuid::new_v4().as_u128() % 100_000) }
}

pub(super) fn icelander() -> Person {
    person("+35461")
}

pub(super) fn updated_at(item: &Item) -> Timestamp {
    text(item, "updated_at").unwrap().parse().unwrap()
}

#[tokio::test]
async fn text_is_sent_as_template_when_a_day_has_passed() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    world.open_window(&person).await;
    let template = json!({"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID,
                          "variables": {"1": "Ava", "2": "18473"}});
    let send = async || {
        let id = new_id("order");
        let mut notification = text_notification(&id, &person);
        notification["fallback"] = json!([{"channel": "whatsapp", "content": template}]);
        world.notify(&notification).await;
        world.notification_in(&id, "accepted").await;
    };
    send().await;
    time.advance(Duration::from_hours(23)).await;
    send().await;
    assert_eq!(time.bodies(&person).await, [TEXT, TEXT], "the window is open for a day");
    time.advance(Duration::from_hours(1)).await;
    send().await;
    assert_eq!(time.bodies(&person).await, [TEXT, TEXT, TEMPLATE]);
}

#[tokio::test]
async fn offer_of_the_night_is_sent_in_the_morning() {
    let (time, person) = (time().await, icelander());
    time.advance_to_hour(23).await;
    let waiting = time.offer(&person, "waiting").await;
    assert_eq!(text(&waiting, "reason"), Some("quiet hours where the recipient is"));
    time.advance_to_hour(8).await;
    let (_account, id) = text(&waiting, "notification").unwrap().split_once('#').unwrap();
    let accepted = time.world.notification_in(id, "accepted").await;
    assert!(updated_at(&accepted).to_zoned(TimeZone::UTC).hour() >= 8);
    assert_eq!(time.bodies(&person).await.len(), 1);
}

#[tokio::test]
async fn notification_is_sent_at_its_send_at() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    let send_at = time.now() + SignedDuration::from_hours(2);
    // Of two lanes, which wait in the same index.
    let ids = ["utility", "service"].map(|category| (category, new_id("later")));
    for (category, id) in &ids {
        let mut notification = template_notification(id, &person);
        notification["category"] = json!(category);
        notification["send_at"] = json!(send_at.to_string());
        world.notify(&notification).await;
        world.notification_in(id, "waiting").await;
    }
    time.advance(Duration::from_hours(2)).await;
    for (_, id) in &ids {
        let accepted = world.notification_in(id, "accepted").await;
        assert!(updated_at(&accepted) >= send_at);
    }
    assert_eq!(time.bodies(&person).await.len(), 2);
}

#[tokio::test]
async fn notification_waiting_for_three_weeks_is_sent_at_a_later_receipt() {
    let (time, person, id) = (time().await, icelander(), new_id("three-weeks"));
    let world = &time.world;
    let send_at = time.now() + SignedDuration::from_hours(21 * 24);
    let mut notification = template_notification(&id, &person);
    notification["send_at"] = json!(send_at.to_string());
    world.notify(&notification).await;
    world.notification_in(&id, "waiting").await;
    time.advance(21 * DAY + Duration::from_hours(1)).await;
    // A copy whose age on the queue says nothing: the queue keeps a message for two weeks only.
    world.notify(&notification).await;
    let accepted = world.notification_in(&id, "accepted").await;
    assert!(updated_at(&accepted) >= send_at);
    assert_eq!(time.bodies(&person).await.len(), 1);
}

#[tokio::test]
async fn stop_found_after_a_newer_start_ends_the_consent() {
    let (time, person) = (time().await, person("+356992"));
    let world = &time.world;
    agree(world, &person).await;
    // Twilio's list gives whole seconds: within one second the consent could be the newer one.
    time.advance(Duration::from_mins(1)).await;
    let lose = async |fraction: f64| {
        let loss = json!({"to_prefix": person.address(), "fraction": fraction, "seed": 1});
        world.control("PUT", "drops", &loss).await;
    };
    lose(1.0).await;
    assert_eq!(world.write(&person, "STOP").await["status"], Value::Null, "its webhook is lost");
    lose(0.0).await;
    time.advance(Duration::from_mins(1)).await;
    assert_eq!(world.write(&person, "START").await["status"], 200);
    assert!(world.person(&person).await.person.consent_given_at(Category::Marketing).is_some(), "nothing is known");
    sweep(world).await;
    assert_consent_ended(world, &person).await;
}

#[tokio::test]
async fn consent_is_needed_again_when_its_days_have_passed() {
    let (time, person) = (time().await, person("+356992"));
    agree(&time.world, &person).await;
    time.advance(29 * DAY).await;
    time.offer(&person, "accepted").await;
    time.advance(DAY).await;
    time.offer(&person, "suppressed").await;
    agree(&time.world, &person).await;
    time.offer(&person, "accepted").await;
    assert_eq!(time.bodies(&person).await.len(), 2);
}

#[tokio::test]
async fn marketing_cap_counts_only_its_days() {
    let (time, person) = (time().await, person("+2982"));
    time.offer(&person, "accepted").await;
    time.offer(&person, "suppressed").await;
    time.advance(7 * DAY).await;
    time.offer(&person, "accepted").await;
    assert_eq!(time.bodies(&person).await.len(), 2);
}

/// An attempt ends after its time, and not after a number of attempts: these last more than two hours.
#[tokio::test]
async fn notification_is_sent_after_an_outage_of_two_hours() {
    const ATTEMPTS: u32 = 9;
    let (time, person, id) = (time().await, icelander(), new_id("outage"));
    let world = &time.world;
    world.plan(&person, ATTEMPTS, json!({"kind": "refuse", "status": 429, "code": 20429, "retry_after": 800})).await;
    world.notify(&template_notification(&id, &person)).await;
    for attempt in 1..=ATTEMPTS {
        world
            .until("the next attempt", async || {
                let item = world.notification(&id).await?;
                let attempts = item.get("attempts")?.as_l().ok()?.len();
                (u32::try_from(attempts) == Ok(attempt) && text(&item, "state") == Some("waiting")).then_some(())
            })
            .await;
        time.advance(Duration::from_mins(15)).await;
    }
    world.notification_in(&id, "accepted").await;
    assert_eq!(world.sent_to(&person).await.len(), 1);
}
