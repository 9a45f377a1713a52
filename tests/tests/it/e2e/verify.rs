//! One-time passwords: a code is sent once for each id, checked, and kept nowhere.

use domain::verification::{VerificationId, VerificationRequest};
use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use stack::run::{ACCOUNT_SID, API_KEY_SECRET, API_KEY_SID, VERIFY_SERVICE_SID};
use stores::verifications::{StoredVerification, VerificationClaim, Verifications};

use crate::world::{Person, World, new_id};

fn request(id: &str, person: &Person) -> Value {
    json!({"id": id, "to": person.identity})
}

async fn send(world: &World, request: &Value) -> (u16, Value) {
    world.call("POST", "/verifications", &request.to_string()).await
}

/// Sends a code, and gives the answer.
async fn sent(world: &World, request: &Value) -> Value {
    let (status, answer) = send(world, request).await;
    assert_eq!(status, 201, "{answer}");
    answer
}

async fn check(world: &World, id: &str, code: &str) -> (u16, Value) {
    world.call("POST", "/verifications/check", &json!({"id": id, "code": code}).to_string()).await
}

/// The codes that arrived on a phone.
fn codes(messages: &[Value]) -> Vec<String> {
    let digits =
        |body: &str| body.split(|char: char| !char.is_ascii_digit()).find(|word| word.len() == 6).map(str::to_owned);
    messages.iter().map(|message| digits(message["body"].as_str().unwrap()).unwrap()).collect()
}

/// Another code of the same length.
fn wrong(code: &str) -> String {
    let last = code.chars().last().unwrap().to_digit(10).unwrap();
    format!("{}{}", &code[..code.len() - 1], (last + 1) % 10)
}

#[tokio::test]
async fn code_is_sent_by_whatsapp_and_approved_once() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    let answer = sent(&world, &request(&id, &person)).await;
    assert_eq!((&answer["id"], &answer["account_sid"]), (&json!(id), &json!(ACCOUNT_SID)));
    assert_eq!((&answer["status"], &answer["channel"]), (&json!("pending"), &json!("whatsapp")));
    assert_eq!(answer["attempts"], json!([{"channel": "whatsapp", "result": "sent"}]));
    let valid_until: Timestamp = answer["valid_until"].as_str().unwrap().parse().unwrap();
    let left = valid_until.duration_since(Timestamp::now());
    assert!(left > SignedDuration::from_mins(9) && left <= SignedDuration::from_mins(10), "{answer}");

    let messages = world.sent_to(&person).await;
    let [code] = &codes(&messages)[..] else { panic!("{messages:?}") };
    let (status, checked) = check(&world, &id, &wrong(code)).await;
    assert_eq!((status, &checked["status"], &checked["valid"]), (200, &json!("pending"), &json!(false)), "{checked}");
    let (status, checked) = check(&world, &id, code).await;
    assert_eq!((status, &checked["status"], &checked["valid"]), (200, &json!("approved"), &json!(true)), "{checked}");
    assert_eq!(checked["sid"], answer["sid"]);
    let (status, again) = check(&world, &id, code).await;
    assert_eq!((status, &again["error"]["reason"]), (404, &json!("not_found")), "{again}");
}

#[tokio::test]
async fn repeated_request_gives_the_same_answer_and_sends_nothing() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    let english = json!({"id": id, "to": person.identity, "locale": "en"});
    let requests = join_all((0..5).map(|_| send(&world, &english))).await;
    for (status, answer) in &requests {
        let is_right = *status == 201 || (*status == 409 && answer["error"]["reason"] == "in_progress");
        assert!(is_right, "{status} {answer}");
    }
    let first = sent(&world, &english).await;
    assert!(requests.iter().filter(|(status, _)| *status == 201).all(|(_, answer)| *answer == first), "{requests:?}");
    assert_eq!(world.sent_to(&person).await.len(), 1);

    let (status, other) = send(&world, &json!({"id": id, "to": person.identity, "locale": "de"})).await;
    assert_eq!((status, &other["error"]["reason"]), (409, &json!("id_reused")), "{other}");
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn code_goes_by_sms_where_whatsapp_is_not_available() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    world.plan(&person, 1, json!({"kind": "refuse", "status": 403, "code": 63024})).await;
    let answer = sent(&world, &request(&id, &person)).await;
    assert_eq!(answer["channel"], "sms");
    let attempts = json!([{"channel": "whatsapp", "result": "unavailable", "twilio_code": 63024}, {"channel": "sms", "result": "sent"}]);
    assert_eq!(answer["attempts"], attempts);
    assert!(world.sent_to(&person).await.is_empty());
    let [code] = &codes(&world.sent_by_sms_to(&person).await)[..] else { panic!("no SMS") };
    assert_eq!(check(&world, &id, code).await.1["status"], "approved");
}

#[tokio::test]
async fn language_that_verify_does_not_have_is_left_out() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    let gaelic = json!({"id": id, "to": person.identity, "locale": "ga-IE"});
    let answer = sent(&world, &gaelic).await;
    assert_eq!(answer["attempts"], json!([{"channel": "whatsapp", "result": "sent"}]));
    assert_eq!(sent(&world, &gaelic).await, answer);
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

#[tokio::test]
async fn value_that_verify_does_not_accept_is_the_callers() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    world.plan(&person, 1, json!({"kind": "refuse", "status": 400, "code": 60200})).await;
    let (status, answer) = send(&world, &request(&id, &person)).await;
    assert_eq!((status, &answer["error"]["reason"]), (422, &json!("invalid_parameter")), "{answer}");
    sent(&world, &request(&id, &person)).await;
}

#[tokio::test]
async fn channel_that_is_named_is_the_only_one() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    world.plan(&person, 1, json!({"kind": "refuse", "status": 403, "code": 63024})).await;
    let mut only = request(&id, &person);
    only["channel"] = json!("whatsapp");
    let (status, answer) = send(&world, &only).await;
    let error = &answer["error"];
    assert_eq!((status, &error["reason"], &error["twilio_code"]), (422, &json!("channel_unavailable"), &json!(63024)));
    assert!(world.sent_by_sms_to(&person).await.is_empty());
    sent(&world, &only).await;
    assert_eq!(world.sent_to(&person).await.len(), 1, "nothing was sent, so the id can be tried again");
}

#[tokio::test]
async fn code_whose_answer_was_lost_is_not_sent_again() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    world.plan(&person, 1, json!({"kind": "accept_then_refuse", "status": 500, "code": 20500})).await;
    let answer = sent(&world, &request(&id, &person)).await;
    assert_eq!((&answer["status"], &answer["channel"]), (&json!("pending"), &json!("whatsapp")));
    let [code] = &codes(&world.sent_to(&person).await)[..] else { panic!("not one message") };
    assert_eq!(check(&world, &id, code).await.1["status"], "approved");
}

#[tokio::test]
async fn request_that_twilio_failed_at_is_answered_later() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    world.plan(&person, 1, json!({"kind": "refuse", "status": 500, "code": 20500})).await;
    let (status, answer) = send(&world, &request(&id, &person)).await;
    assert_eq!((status, &answer["error"]["reason"]), (503, &json!("unknown_outcome")), "{answer}");
    let retry_at: Timestamp = answer["error"]["retry_at"].as_str().unwrap().parse().unwrap();
    assert!(retry_at > Timestamp::now(), "the request may still be carried out");
    let (status, early) = send(&world, &request(&id, &person)).await;
    assert_eq!((status, &early["error"]["reason"]), (409, &json!("in_progress")), "{early}");
    assert!(world.sent_to(&person).await.is_empty());
    let answer = world
        .until("the code", async || {
            Some(send(&world, &request(&id, &person)).await).filter(|(status, _)| *status == 201)
        })
        .await;
    assert!(Timestamp::now() >= retry_at);
    assert_eq!(answer.1["channel"], "whatsapp");
    assert_eq!(world.sent_to(&person).await.len(), 1);
}

/// A claim as a function leaves it that stopped while it sent the code.
async fn claim_of_a_stopped_function(world: &World, request: &Value, person: &Person) -> StoredVerification {
    let request = VerificationRequest::parse(&request.to_string()).unwrap();
    let verifications =
        Verifications::new(world.dynamodb.clone(), world.stack.outputs.verifications_table_name.clone());
    let (account_sid, now) = (ACCOUNT_SID.parse().unwrap(), Timestamp::now());
    let claim = StoredVerification::claimed(request.digest(), SignedDuration::from_secs(30), now);
    let (contacts, person) = (world.contacts().await, world.person(person).await);
    let id: &VerificationId = &request.id;
    let claimed = verifications.claim((&account_sid, id), None, &claim, (&contacts, &person), now).await.unwrap();
    assert_eq!(claimed, VerificationClaim::Claimed);
    claim
}

#[tokio::test]
async fn code_of_a_stopped_function_is_found_at_twilio() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    let request = request(&id, &person);
    claim_of_a_stopped_function(&world, &request, &person).await;
    let (status, early) = send(&world, &request).await;
    assert_eq!((status, &early["error"]["reason"]), (409, &json!("in_progress")), "{early}");
    // What the stopped function had asked of Twilio.
    let url = format!("{}/v2/Services/{VERIFY_SERVICE_SID}/Verifications", world.stack.sandbox_url);
    let form = [("To", person.identity.as_str()), ("Channel", "whatsapp")];
    let start = world.http.post(url).basic_auth(API_KEY_SID, Some(API_KEY_SECRET)).form(&form);
    let started: Value = start.send().await.unwrap().json().await.unwrap();
    let answer = sent(&world, &request).await;
    assert_eq!((&answer["sid"], &answer["channel"]), (&started["sid"], &json!("whatsapp")));
    assert_eq!(world.sent_to(&person).await.len(), 1);
    assert_eq!(sent(&world, &request).await, answer);
}

#[tokio::test]
async fn limits_of_verify_are_answered_with_their_end() {
    let (world, person) = (World::new(), Person::new());
    let began_at = Timestamp::now();
    let ids: Vec<_> = (0..6).map(|_| new_id("login")).collect();
    for id in &ids[..5] {
        sent(&world, &request(id, &person)).await;
    }
    let (status, answer) = send(&world, &request(&ids[5], &person)).await;
    let error = &answer["error"];
    assert_eq!(
        (status, &error["reason"], &error["twilio_code"]),
        (429, &json!("max_sends"), &json!(60203)),
        "{answer}"
    );
    assert_expires(error, began_at);
    assert!(world.sent_by_sms_to(&person).await.is_empty(), "another channel has the same limit");

    let messages = world.sent_to(&person).await;
    let found = codes(&messages);
    assert!(found.len() == 5 && found.iter().all(|code| *code == found[0]), "Verify sends the same code again");
    for _ in 0..5 {
        assert_eq!(check(&world, &ids[0], &wrong(&found[0])).await.0, 200);
    }
    let (status, answer) = check(&world, &ids[0], &found[0]).await;
    let error = &answer["error"];
    assert_eq!(
        (status, &error["reason"], &error["twilio_code"]),
        (429, &json!("max_checks"), &json!(60202)),
        "{answer}"
    );
    assert_eq!(error["field"], "code");
}

/// The limit ends when the verification does, ten minutes after it began.
fn assert_expires(error: &Value, began_at: Timestamp) {
    let retry_at: Timestamp = error["retry_at"].as_str().unwrap().parse().unwrap();
    let after = retry_at.duration_since(began_at);
    assert!(after > SignedDuration::from_secs(590) && after < SignedDuration::from_secs(640), "{after}");
}

#[tokio::test]
async fn number_that_verify_blocks_is_refused_by_name() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    for (code, reason) in [(60410, "fraud_guard"), (60605, "geo_permissions")] {
        world.plan(&person, 1, json!({"kind": "refuse", "status": 403, "code": code})).await;
        let (status, answer) = send(&world, &request(&id, &person)).await;
        assert_eq!((status, &answer["error"]["reason"]), (403, &json!(reason)), "{answer}");
        assert_eq!(answer["error"]["twilio_code"], code);
    }
    assert!(world.sent_by_sms_to(&person).await.is_empty(), "a block holds for every channel");
    sent(&world, &request(&id, &person)).await;
}

#[tokio::test]
async fn person_who_opted_out_gets_no_code_until_start() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    world.write(&person, "STOP").await;
    let (status, answer) = send(&world, &request(&id, &person)).await;
    assert_eq!((status, &answer["error"]["reason"]), (403, &json!("suppressed")), "{answer}");
    assert!(world.sent_to(&person).await.iter().all(|message| codes_in(message).is_empty()));
    world.write(&person, "START").await;
    sent(&world, &request(&id, &person)).await;
}

fn codes_in(message: &Value) -> Vec<&str> {
    let body = message["body"].as_str().unwrap();
    body.split(|char: char| !char.is_ascii_digit()).filter(|word| word.len() == 6).collect()
}

#[tokio::test]
async fn invalid_request_names_its_field() {
    let world = World::new();
    for (path, body, status, field) in [
        ("/verifications", json!({"id": "a", "to": "whatsapp:+14155550123"}), 400, "to"),
        ("/verifications", json!({"id": "a", "to": "US.13491208655302741918"}), 400, "to"),
        ("/verifications", json!({"id": "a", "to": "+14155550123", "channel": "call"}), 400, "channel"),
        ("/verifications/check", json!({"id": "a", "code": 123_456}), 400, "code"),
        ("/verifications/check", json!({"code": "123456"}), 400, "id"),
        ("/verifications/check", json!({"id": new_id("login"), "code": "123456"}), 404, ""),
    ] {
        let (answered, answer) = world.call("POST", path, &body.to_string()).await;
        assert_eq!((answered, &answer["error"]["field"]), (status, &json!(field)), "{body}: {answer}");
    }
    let body = json!({"id": "a", "to": "+14155550123"});
    let other = json!({"id": "a", "to": "+14155550123", "account_sid": "AC00000000000000000000000000000009"});
    for (body, query, status) in [
        (&other, "", 404),
        (&body, "?account_sid=AC00000000000000000000000000000009", 404),
        (&other, "?account_sid=AC00000000000000000000000000000008", 400),
    ] {
        let (answered, answer) = world.call("POST", &format!("/verifications{query}"), &body.to_string()).await;
        assert_eq!((answered, &answer["error"]["field"]), (status, &json!("account_sid")), "{query}: {answer}");
    }
    let url = format!("{}/verifications", world.stack.api_url);
    let unsigned = world.http.post(url).body("{}").send().await.unwrap();
    assert_eq!(unsigned.status(), 403);
}

/// The lines of a function's log.
async fn log_lines(world: &World, group: &str) -> Vec<String> {
    let call = async |action: &str, body: Value| -> Value {
        let request = world.signed("logs", "POST", &world.stack.aws_endpoint, &body.to_string());
        let request = request.header("Content-Type", "application/x-amz-json-1.1");
        let request = request.header("X-Amz-Target", format!("Logs_20140328.{action}"));
        request.send().await.unwrap().json().await.unwrap()
    };
    let groups = call("DescribeLogGroups", json!({})).await;
    let names = groups["logGroups"].as_array().unwrap().iter().map(|found| found["logGroupName"].as_str().unwrap());
    let name = names.into_iter().find(|name| name.contains(group)).unwrap_or_else(|| panic!("{groups}"));
    let events = call("FilterLogEvents", json!({"logGroupName": name})).await;
    let events = events["events"].as_array().unwrap();
    events.iter().map(|event| event["message"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn code_and_number_are_in_no_table_and_no_log() {
    let (world, person, id) = (World::new(), Person::new(), new_id("login"));
    sent(&world, &request(&id, &person)).await;
    let [code] = &codes(&world.sent_to(&person).await)[..] else { panic!("not one message") };
    check(&world, &id, &wrong(code)).await;
    check(&world, &id, code).await;
    check(&world, &id, &format!("{code}-canary")).await;
    let lines = world
        .until("the log of the checks", async || {
            let lines = log_lines(&world, "VerifyLogGroup").await;
            lines.iter().any(|line| line.contains("approved")).then_some(lines)
        })
        .await;
    assert!(lines.iter().any(|line| line.contains(&id)), "the log names the verification");
    let table = &world.stack.outputs.verifications_table_name;
    let items = world.dynamodb.scan().table_name(table).consistent_read(true).send().await.unwrap().items.unwrap();
    assert!(items.iter().any(|item| format!("{item:?}").contains(&id)));
    let stored = items.iter().map(|item| format!("{item:?}"));
    for text in lines.into_iter().chain(stored) {
        let words: Vec<_> = text.split(|char: char| !char.is_ascii_alphanumeric()).collect();
        assert!(!words.contains(&code.as_str()) && !text.contains("canary"), "{text}");
        assert!(!text.contains(&person.identity[1..]), "{text}");
    }
}
