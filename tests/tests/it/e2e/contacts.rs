//! A person's consent, the contact overview, and a notification's log.

use domain::{
    notification::Category,
    preference::{Preference, RecordedPreference},
    suppression::Scope,
};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::run::ACCOUNT_SID;
use stores::contacts::PreferenceSource;
use twilio_types::address::Channel;

use crate::world::{Person, World, new_id, new_sid, of_notification, template_notification};

const OTHER_ACCOUNT: &str = "AC00000000000000000000000000000009";

fn marketing() -> Value {
    json!({"category": "marketing", "source": "checkout-form", "text": "Send me offers on WhatsApp."})
}

fn marketing_at(at: Timestamp) -> Value {
    let mut consent = marketing();
    consent["at"] = json!(at);
    consent
}

async fn record(world: &World, person: &Person, consent: &Value) -> Value {
    let path = format!("/contacts/{}/consent", person.identity);
    let (status, holding) = world.call("PUT", &path, &consent.to_string()).await;
    assert_eq!(status, 201, "{holding}");
    holding
}

async fn overview(world: &World, person: &Person) -> Value {
    let (status, overview) = world.call("GET", &format!("/contacts/{}", person.identity), "").await;
    assert_eq!(status, 200, "{overview}");
    overview
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_secs(seconds)
}

#[tokio::test]
async fn consent_is_read_back_with_all_its_evidence() {
    let (world, person) = (World::new(), Person::new());
    let mut consent = marketing_at("2026-01-02T03:04:05.678Z".parse().unwrap());
    consent["locale"] = json!("pt-BR");
    consent["text_version"] = json!("2026-01");
    consent["ip"] = json!("2001:db8::1");
    consent["user_agent"] = json!("Mozilla/5.0");
    let holding = record(&world, &person, &consent).await;
    assert_eq!(holding["recorded"], "current");
    assert_eq!(holding["state"], "given");
    let overview = overview(&world, &person).await;
    assert_eq!(overview["contact"], person.identity);
    assert_eq!(overview["account_sid"], ACCOUNT_SID);
    let history = &overview["consents"][0];
    assert_eq!(history["current"]["state"], "given");
    assert_eq!(history["current"]["at"], consent["at"]);
    assert_eq!((&history["current"]["text_version"], &holding["text_version"]), (&json!("2026-01"), &json!("2026-01")));
    let proof = &history["evidence"][0];
    for (field, value) in consent.as_object().unwrap() {
        assert_eq!(&proof[field], value, "{field}");
    }
    assert!(proof["recorded_at"].as_str().unwrap().parse::<Timestamp>().unwrap() > ago(600));
    assert!(proof["recorded_by"].as_str().unwrap().starts_with("arn:aws:"), "{proof}");
}

#[tokio::test]
async fn consent_older_than_its_withdrawal_changes_nothing() {
    let (world, person) = (World::new(), Person::new());
    record(&world, &person, &marketing_at(ago(300))).await;
    let withdrawal = json!({"category": "marketing", "state": "withdrawn", "source": "call-centre", "at": ago(100)});
    let holding = record(&world, &person, &withdrawal).await;
    assert_eq!(holding["recorded"], "current");
    assert_eq!(holding["state"], "withdrawn");
    let holding = record(&world, &person, &marketing_at(ago(200))).await;
    assert_eq!(holding["recorded"], "historic");
    assert_eq!(holding["state"], "withdrawn");
    let history = overview(&world, &person).await["consents"][0].clone();
    assert_eq!(history["current"]["state"], "withdrawn");
    let states: Vec<_> = history["evidence"].as_array().unwrap().iter().map(|proof| &proof["state"]).collect();
    assert_eq!(states, ["withdrawn", "given", "given"], "the newest first");
}

#[tokio::test]
async fn concurrent_consents_keep_the_newest_and_all_evidence() {
    let (world, person) = (World::new(), Person::new());
    let newest = ago(10);
    let consents: Vec<_> =
        (0..10).map(|step| marketing_at(newest - SignedDuration::from_secs(7 * (step * 3 % 10)))).collect();
    join_all(consents.iter().map(|consent| record(&world, &person, consent))).await;
    let history = overview(&world, &person).await["consents"][0].clone();
    let at: Timestamp = history["current"]["at"].as_str().unwrap().parse().unwrap();
    assert_eq!(at.as_millisecond(), newest.as_millisecond());
    assert_eq!(history["evidence"].as_array().unwrap().len(), 10);
}

#[tokio::test]
async fn withdrawal_overrides_a_consent_of_the_same_time() {
    let world = World::new();
    let at = ago(60);
    let withdrawal = json!({"category": "marketing", "state": "withdrawn", "source": "app", "at": at});
    for order in [[marketing_at(at), withdrawal.clone()], [withdrawal, marketing_at(at)]] {
        let person = Person::new();
        for consent in &order {
            record(&world, &person, consent).await;
        }
        assert_eq!(overview(&world, &person).await["consents"][0]["current"]["state"], "withdrawn");
    }
}

#[tokio::test]
async fn opt_out_withdraws_earlier_consent_once() {
    let (world, person) = (World::new(), Person::new());
    record(&world, &person, &marketing_at(ago(300))).await;
    let has_consent = async || world.person(&person).await.person.consent_given_at(Category::Marketing).is_some();
    let stop = async |at: Timestamp| {
        let (preference, reason) = (Preference::OptedOut, Some("asked by letter".to_owned()));
        let stop = RecordedPreference { preference, changed_at: at, message_sid: None, reason };
        let event_id = format!("{}#{at}", person.key().as_str());
        let source = PreferenceSource { event_id, code: None, recorded_by: None };
        let recorded = world.contacts().await;
        let (channel, now) = (Some(&Channel::WhatsApp), Timestamp::now());
        recorded.record_preference(&person.key(), channel, &[Scope::All], &stop, &source, now).await.unwrap();
    };
    stop(ago(400)).await;
    assert!(has_consent().await, "the STOP is older than the consent");
    let last = ago(200);
    stop(last).await;
    assert!(!has_consent().await);
    stop(last).await;
    let overview = overview(&world, &person).await;
    assert_eq!(overview["consents"].as_array().unwrap().len(), 1);
    let consent = &overview["consents"][0];
    assert_eq!(consent["current"]["state"], "withdrawn");
    assert_eq!(consent["evidence"][0]["source"], "opt-out");
    let states: Vec<_> = consent["evidence"].as_array().unwrap().iter().map(|proof| &proof["state"]).collect();
    assert_eq!(states, ["withdrawn", "given", "withdrawn"], "the newest first, and each once");
    let history = overview["history"].as_array().unwrap();
    assert_eq!(history.len(), 2, "the repeated STOP is not recorded again: {history:?}");
    assert_eq!(history[0]["reason"], "asked by letter");
}

#[tokio::test]
async fn invalid_consent_is_refused_by_field_and_not_stored() {
    let (world, person) = (World::new(), Person::new());
    let path = format!("/contacts/{}/consent", person.identity);
    for (field, value) in [("category", json!("promo")), ("text", json!(null)), ("at", json!("2999-01-01T00:00:00Z"))] {
        let mut consent = marketing();
        consent[field] = value;
        let (status, problem) = world.call("PUT", &path, &consent.to_string()).await;
        assert_eq!(status, 400, "{problem}");
        assert_eq!(problem["error"]["field"], field);
    }
    let twice = marketing().to_string().replacen('{', r#"{"text": "my-secret-value", "#, 1);
    let mut of_account = marketing();
    of_account["account_sid"] = json!(ACCOUNT_SID);
    let elsewhere = format!("{path}?account_sid={OTHER_ACCOUNT}");
    for (path, body, field) in [(&path, twice, "text"), (&elsewhere, of_account.to_string(), "account_sid")] {
        let (status, problem) = world.call("PUT", path, &body).await;
        assert_eq!((status, &problem["error"]["field"]), (400, &json!(field)), "{problem}");
        assert!(!problem.to_string().contains("my-secret-value"), "{problem}");
    }
    let overview = overview(&world, &person).await;
    for list in ["suppressions", "consents", "windows", "linked", "history"] {
        assert_eq!(overview[list], json!([]), "{list} of a person without records");
    }
}

#[tokio::test]
async fn field_given_twice_in_a_notification_is_refused_by_name() {
    let (world, person) = (World::new(), Person::new());
    let [twice, marked] = ["twice", "marked"].map(new_id);
    let body = template_notification(&twice, &person).to_string();
    world.enqueue(&body.replacen('{', r#"{"to": "my-secret-value", "#, 1)).await;
    let event = world.event("the refusal", of_notification("notification_failed", &twice)).await;
    assert!(event["reason"].as_str().unwrap().starts_with("to: given twice"), "{event}");
    assert!(!event.to_string().contains("my-secret-value"), "{event}");
    world.enqueue(&format!("\u{feff}{}", template_notification(&marked, &person))).await;
    let log = world.until_outcome(&marked, "read").await;
    assert_eq!((&log["recipient"], &log["category"]), (&json!(person.identity), &json!("utility")), "{log}");
}

#[tokio::test]
async fn notification_of_an_unknown_account_has_a_record() {
    let (world, person, id) = (World::new(), Person::new(), new_id("unknown-account"));
    let mut notification = template_notification(&id, &person);
    notification["account_sid"] = json!(OTHER_ACCOUNT);
    world.notify(&notification).await;
    let path = format!("/notifications/{id}?account_sid={OTHER_ACCOUNT}");
    let log = world
        .until("the record of the notification", async || {
            let (status, log) = world.call("GET", &path, "").await;
            (status == 200).then_some(log)
        })
        .await;
    assert_eq!((&log["account_sid"], &log["state"]), (&json!(OTHER_ACCOUNT), &json!("waiting")), "{log}");
    assert_eq!(log["waits_for"], "account", "{log}");
}

#[tokio::test]
async fn contact_is_one_in_every_spelling_and_separate_per_account() {
    let (world, person) = (World::new(), Person::new());
    record(&world, &person, &marketing()).await;
    let digits = person.identity.trim_start_matches('+');
    for spelling in [digits.to_owned(), format!("%2B{digits}")] {
        let (status, overview) = world.call("GET", &format!("/contacts/{spelling}"), "").await;
        assert_eq!(status, 200, "{spelling}");
        assert_eq!(overview["consents"].as_array().unwrap().len(), 1, "{spelling}");
    }
    let path = format!("/contacts/{digits}?account_sid={OTHER_ACCOUNT}");
    let (_, elsewhere) = world.call("GET", &path, "").await;
    assert_eq!(elsewhere["account_sid"], OTHER_ACCOUNT);
    assert_eq!(elsewhere["consents"], json!([]));
}

#[tokio::test]
async fn contact_overview_has_the_opt_out_and_the_window() {
    let (world, person) = (World::new(), Person::new());
    let stop = world.write(&person, "STOP").await;
    let overview = overview(&world, &person).await;
    let all = overview["suppressions"].as_array().unwrap().iter().find(|found| found["scope"] == "all").unwrap();
    assert_eq!(all["preference"], "opted_out");
    assert_eq!(all["channel"], "whatsapp");
    let time = |name: &str| overview["windows"][0][name].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert_eq!(time("open_until").duration_since(time("last_inbound_at")), SignedDuration::from_hours(24));
    let history = overview["history"].as_array().unwrap();
    assert_eq!(history.len(), 1, "{history:?}");
    assert_eq!((&history[0]["preference"], &history[0]["message_sid"]), (&json!("opted_out"), &stop["message_sid"]));
}

#[tokio::test]
async fn contact_request_without_iam_permission_is_refused() {
    let (world, person) = (World::new(), Person::new());
    let url = |path: &str| format!("{}{path}", world.stack.api_url);
    let consent = url(&format!("/contacts/{}/consent", person.identity));
    assert_eq!(world.http.put(consent).json(&marketing()).send().await.unwrap().status(), 403);
    for path in [format!("/contacts/{}", person.identity), "/notifications/order-1".to_owned()] {
        assert_eq!(world.http.get(url(&path)).send().await.unwrap().status(), 403, "{path}");
    }
    assert_eq!(overview(&world, &person).await["consents"], json!([]));
}

#[tokio::test]
async fn notification_log_has_every_status_of_its_message() {
    let (world, person, id) = (World::new(), Person::new(), new_id("log/of a"));
    world.notify(&template_notification(&id, &person)).await;
    world.events("four statuses", of_notification("twilio_status", &id), 4).await;
    let sid = world.sent_to(&person).await[0]["sid"].as_str().unwrap().to_owned();
    world.until_outcome(&id, "read").await;
    let by_id = format!("/notifications/{}", id.replace('/', "%2F").replace(' ', "%20"));
    for path in [by_id, format!("/notifications/{sid}")] {
        let (status, shown) = world.call("GET", &path, "").await;
        assert_eq!(status, 200, "{shown}");
        assert_eq!(shown["id"], id, "{path}");
        assert_eq!((&shown["state"], &shown["outcome"]), (&json!("accepted"), &json!("read")), "{path}");
        assert_eq!(shown["recipient"], person.identity);
        assert_eq!(shown["category"], "utility");
        assert_eq!(shown["metadata"]["order"], id);
        let attempt = &shown["attempts"][0];
        assert_eq!(attempt["channel"], "whatsapp");
        assert_eq!(attempt["message_sid"], json!(sid));
        assert_eq!(attempt["current_status"], "read");
        let statuses: Vec<_> = attempt["statuses"].as_array().unwrap().iter().map(|found| &found["status"]).collect();
        assert_eq!(statuses, ["queued", "sent", "delivered", "read"]);
        assert!(!shown.to_string().contains("content"), "the content is not shown: {shown}");
    }
    assert_eq!(world.call("GET", &format!("/notifications/{sid}-not"), "").await.0, 404);
    assert_eq!(world.call("GET", &format!("/notifications/{}", new_sid()), "").await.0, 404);
}

#[tokio::test]
async fn each_message_of_a_notification_finds_it_by_its_sid() {
    let (world, person, id) = (World::new(), Person::new(), new_id("log"));
    world.plan(&person, 1, json!({"kind": "fail", "code": 63016})).await;
    let mut notification = template_notification(&id, &person);
    let again = notification["content"].clone();
    notification["fallback"] = json!([{"channel": "whatsapp", "content": again}]);
    world.notify(&notification).await;
    world.until_outcome(&id, "read").await;
    let sent = world.sent_to(&person).await;
    assert_eq!(sent.len(), 2, "the message that failed, and the fallback");
    for message in &sent {
        let path = format!("/notifications/{}", message["sid"].as_str().unwrap());
        let (status, shown) = world.call("GET", &path, "").await;
        assert_eq!((status, &shown["id"]), (200, &json!(id)), "{path}: {shown}");
        let attempts = shown["attempts"].as_array().unwrap();
        assert_eq!(attempts.len(), 2, "{shown}");
        assert_eq!(attempts[0]["message_sid"], sent[0]["sid"]);
        assert_eq!((&attempts[0]["current_status"], &attempts[0]["code"]), (&json!("failed"), &json!(63016)));
        assert_eq!(attempts[1]["message_sid"], sent[1]["sid"]);
    }
}

#[tokio::test]
async fn notification_log_has_the_suppression_reason() {
    let (world, person, id) = (World::new(), Person::new(), new_id("suppressed"));
    world.write(&person, "STOP").await;
    world.notify(&template_notification(&id, &person)).await;
    world.notification_in(&id, "suppressed").await;
    let (_, shown) = world.call("GET", &format!("/notifications/{id}"), "").await;
    assert_eq!((&shown["state"], &shown["outcome"]), (&json!("suppressed"), &json!("suppressed")));
    assert_eq!(shown["reason"], "the recipient has opted out");
}
