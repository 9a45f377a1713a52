//! A day that passes on the page passes for the functions, for `wa` and for the emulator too, and the clock is set back to now.
//! The scenarios of the page end with a verdict. The tests use the stack of [`super::clock`].

use std::{path::PathBuf, process::Command, time::Duration};

use serde_json::{Value, json};
use stack::{Stack, aws_environment, clock::StackClock, deploy::STACK_NAME};

use super::{
    clock::{DAY, TEXT, Time, icelander, time},
    media::{link_for, put},
    reconcile::sweep,
    templates::add_sink,
};
use crate::world::{Person, World, new_id, template_notification, text_notification};

/// The sandbox's present state.
async fn state(world: &World) -> Value {
    let url = format!("{}/sandbox/state", world.stack.sandbox_url);
    world.http.get(url).send().await.unwrap().json().await.unwrap()
}

/// Loses the webhook of a person's message, until `passed` and a sweep, and waits until the event says that it was recovered.
async fn lose_and_find(time: &Time, person: &Person, body: &str, passed: Duration) {
    let world = &time.world;
    world.plan(person, 1, json!({"kind": "lost"})).await;
    assert_eq!(world.write(person, body).await["status"], Value::Null, "its webhook is lost");
    time.advance(passed).await;
    sweep(world).await;
    let is_it = |entry: &Value| {
        let event = &entry["details"];
        entry["kind"] == "event" && event["body"] == body && event["recovered"] == true
    };
    let found = async || state(world).await["timeline"].as_array().unwrap().iter().any(is_it).then_some(());
    world.until("the event of a message that was found", found).await;
}

#[tokio::test]
async fn lost_message_is_found_when_a_day_has_passed() {
    let (time, person) = (time().await, icelander());
    // The first run ever looks back by half a day.
    sweep(&time.world).await;
    lose_and_find(&time, &person, "before the day", DAY).await;
    lose_and_find(&time, &person, "after the day", Duration::from_mins(10)).await;
}

#[tokio::test]
async fn messages_go_on_when_the_clock_is_set_back() {
    let (time, person) = (time().await, icelander());
    let world = &time.world;
    let send = async || {
        let id = new_id("back");
        world.notify(&text_notification(&id, &person)).await;
        world.until_outcome(&id, "read").await;
    };
    time.advance(DAY).await;
    world.open_window(&person).await;
    // As many as WhatsApp lets a person have at once, so that the next one has to wait for its time.
    let burst = (0..45).map(|number| {
        let notification = text_notification(&new_id(&format!("burst-{number}")), &person);
        async move { world.notify(&notification).await }
    });
    futures::future::join_all(burst).await;
    world.until("the burst", async || (world.sent_to(&person).await.len() >= 40).then_some(())).await;
    send().await;
    sweep(world).await;
    time.set_clock_back().await;
    let clock = world.control("POST", "clock", &json!({"now": true})).await;
    assert_eq!((&clock["ahead_seconds"], &clock["shared"]), (&json!(0), &json!(true)));
    send().await;
    lose_and_find(&time, &icelander(), "after the clock was set back", Duration::from_mins(10)).await;
}

/// The command `wa` of the stack's shell, which has the stack's time, or the program itself with this machine's.
fn wa(time: &Time, command: WaCommand, arguments: &[&str]) -> (Option<i32>, String) {
    let built = PathBuf::from(std::env::var_os("STACK_FOLDER").unwrap());
    let of_shell = built.join("movable/bin/wa");
    let program = match command {
        WaCommand::OfTheShell => of_shell,
        WaCommand::WithThisMachinesTime => std::env::current_exe().unwrap().ancestors().nth(2).unwrap().join("wa"),
    };
    let Stack { aws_endpoint, administrator, .. } = &time.world.stack;
    let mut command = Command::new(program);
    command.args(arguments).envs(aws_environment(aws_endpoint, administrator)).env("WA_STACK", STACK_NAME);
    let ran = command.output().unwrap();
    (ran.status.code(), String::from_utf8_lossy(&ran.stdout).into_owned() + &String::from_utf8_lossy(&ran.stderr))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WaCommand {
    OfTheShell,
    WithThisMachinesTime,
}

#[tokio::test]
async fn wa_works_when_a_day_has_passed() {
    let (time, person) = (time().await, icelander());
    time.advance(DAY).await;
    time.world.open_window(&person).await;
    for command in [WaCommand::OfTheShell, WaCommand::WithThisMachinesTime] {
        let (_, findings) = wa(&time, command, &["doctor", "--output", "json"]);
        let json = findings.rsplit_once(']').unwrap_or_else(|| panic!("{findings}")).0.to_owned() + "]";
        let findings: Vec<Value> = serde_json::from_str(&json).unwrap_or_else(|_| panic!("{json}"));
        let clock: Vec<_> = findings.iter().filter(|found| found["check"] == "clock").collect();
        let what = clock[0]["what"].as_str().unwrap();
        assert!(clock.len() == 1 && what.contains("this local stack was moved"), "{clock:?}");
        assert_eq!(clock[0]["finding"], "warning");
        let aws: Vec<_> = findings.iter().filter(|found| found["check"] == "AWS").collect();
        assert!(aws.iter().all(|found| found["finding"] == "ok") && !aws.is_empty(), "{aws:?}");
    }
    // A time of the stack: by this machine's time the window would not be open yet.
    let preview = ["send", "--to", &person.identity, "--category", "utility", "--text", TEXT, "--dry-run"];
    let (code, shown) = wa(&time, WaCommand::OfTheShell, &preview);
    assert!(code == Some(0) && shown.contains("window_open_until"), "{shown}");
    let sent = ["send", "--to", &person.identity, "--category", "utility", "--text", TEXT, "--wait"];
    let (code, shown) = wa(&time, WaCommand::OfTheShell, &sent);
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(time.bodies(&person).await, [TEXT]);
}

#[tokio::test]
async fn sdk_with_this_machines_time_works_when_a_day_has_passed() {
    let time = time().await;
    time.advance(DAY).await;
    let stack = Stack { clock: StackClock::default(), ..time.world.stack.clone() };
    let world = World::of(stack);
    let id = new_id("machine");
    world.notify(&template_notification(&id, &icelander())).await;
    world.until_outcome(&id, "read").await;
    let files = world.s3.list_objects_v2().bucket(&world.stack.outputs.media_bucket_name).send().await;
    assert!(files.is_ok(), "{files:?}");
}

#[tokio::test]
async fn media_link_expires_with_the_stacks_clock() {
    let time = time().await;
    let world = &time.world;
    let link = link_for(world, "image/png", b"a picture").await;
    assert!(put(world, &link, b"a picture", None).await.status().is_success());
    let path = format!("/media/{}", link["key"].as_str().unwrap());
    let download = async || world.call("GET", &path, "").await.1["url"].as_str().unwrap().to_owned();
    let fetch = async |url: &str| world.http.get(url).send().await.unwrap().status().as_u16();
    let first = download().await;
    assert_eq!(fetch(&first).await, 200);
    time.advance(DAY).await;
    assert_eq!(fetch(&first).await, 403, "the link is a day old");
    assert_eq!(fetch(&download().await).await, 200);
}

#[tokio::test]
async fn each_preset_passes() {
    let time = time().await;
    let world = &time.world;
    add_sink(world).await;
    let presets = world.http.get(format!("{}/sandbox/presets", world.stack.sandbox_url)).send().await.unwrap();
    let presets: Vec<Value> = presets.json().await.unwrap();
    // It only plans what the messages of a person at the page meet, for ten minutes.
    let with_verdict = presets.iter().filter(|preset| preset["name"] != "rate-limited");
    for preset in with_verdict {
        let name = preset["name"].as_str().unwrap();
        let last = async || {
            let state = state(world).await;
            state["timeline"].as_array().unwrap().last().map_or(0, |entry| entry["number"].as_u64().unwrap())
        };
        let before = last().await;
        let started = world.control("POST", &format!("presets/{name}"), &Value::Null).await;
        assert_eq!(started["steps"], preset["steps"]);
        let verdict = world
            .until(&format!("the verdict of {name}"), async || {
                let state = state(world).await;
                let entries = state["timeline"].as_array().unwrap().clone();
                entries.into_iter().find(|entry| entry["kind"] == "verdict" && entry["number"].as_u64() > Some(before))
            })
            .await;
        assert_eq!(verdict["details"]["passed"], true, "{name}: {verdict:#}");
        let state = state(world).await;
        assert_eq!((&state["faults"], &state["scenario"]), (&json!([]), &Value::Null), "{name}");
    }
    assert!(presets.len() >= 9, "{presets:?}");
}
