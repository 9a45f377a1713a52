//! The clock, alone and shared with a system under test.

use std::{fs, path::PathBuf};

use sandbox::{Config, SandboxServer, SharedClock, serve_on_free_port};
use serde_json::{Value, json};

async fn start(shared_clock: Option<SharedClock>) -> SandboxServer {
    serve_on_free_port(|_| Config { shared_clock, ..Config::documented(String::new()) }).await.unwrap()
}

async fn change(server: &SandboxServer, change: Value) -> (u16, Value) {
    let request = reqwest::Client::new().post(format!("{}/sandbox/clock", server.url)).json(&change);
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn state(server: &SandboxServer) -> Value {
    reqwest::get(format!("{}/sandbox/state", server.url)).await.unwrap().json().await.unwrap()
}

#[tokio::test]
async fn clock_is_set_back_to_the_machines() {
    let server = start(None).await;
    let (_, ahead) = change(&server, json!({"advance_seconds": 90_000})).await;
    assert_eq!((&ahead["ahead_seconds"], &ahead["shared"]), (&json!(90_000), &json!(false)));
    let (_, back) = change(&server, json!({"now": true})).await;
    assert_eq!(back["ahead_seconds"], 0);
    let shown = state(&server).await;
    assert_eq!(shown["timeline"][1]["summary"], "The clock is set back by 25h, to now");
    for wrong in [json!({}), json!({"advance_seconds": 1, "now": true}), json!({"now": false}), json!({"back": 1})] {
        assert_eq!(change(&server, wrong.clone()).await.0, 422, "{wrong}");
    }
    assert_eq!(state(&server).await["clock"]["ahead_seconds"], 0);
}

#[tokio::test]
async fn message_in_the_queue_does_not_wait_longer_after_a_set_back() {
    let server = start(None).await;
    let post = async |path: &str, body: Value| {
        reqwest::Client::new().post(format!("{}/sandbox/{path}", server.url)).json(&body).send().await.unwrap()
    };
    change(&server, json!({"advance_seconds": 86_400})).await;
    post("faults", json!({"fault": {"kind": "hold", "seconds": 1}})).await;
    let template = json!({"type": "template", "name": "order_update", "locale": "en"});
    let order = json!({"to": "+14155550123", "category": "utility", "content": template});
    assert_eq!(post("business/send", order).await.status(), 200);
    change(&server, json!({"now": true})).await;
    crate::until::until(async || {
        let message = state(&server).await["messages"][0].clone();
        (message["status"] == "read").then_some(())
    })
    .await;
}

fn file(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("{name}-{}", std::process::id()))
}

#[tokio::test]
async fn shared_clock_moves_with_that_of_the_sandbox() {
    let path = file("shared-clock");
    let server = start(Some(SharedClock::create(path.clone()).unwrap())).await;
    let seconds = || u64::from_ne_bytes(fs::read(&path).unwrap().try_into().unwrap());
    assert_eq!((seconds(), &state(&server).await["clock"]["shared"]), (0, &json!(true)));
    for (advance, expected) in [(60, 60), (86_400, 86_460)] {
        assert_eq!(change(&server, json!({"advance_seconds": advance})).await.1["ahead_seconds"], expected);
        assert_eq!(seconds(), expected);
    }
    assert_eq!(change(&server, json!({"advance_seconds": u32::MAX})).await.0, 422, "the file keeps its number");
    assert_eq!((seconds(), &state(&server).await["clock"]["ahead_seconds"]), (86_460, &json!(86_460)));
    assert_eq!(change(&server, json!({"now": true})).await.1["ahead_seconds"], 0);
    assert_eq!(seconds(), 0);
    change(&server, json!({"advance_seconds": 60})).await;
    let reset = reqwest::Client::new().post(format!("{}/sandbox/reset", server.url)).send().await.unwrap();
    assert_eq!((reset.status().as_u16(), seconds()), (204, 0));
    fs::remove_file(&path).unwrap();
    fs::remove_file(path.with_extension("turnstile")).unwrap();
}

#[tokio::test]
async fn clock_waits_until_no_function_runs() {
    let path = file("busy-clock");
    let server = start(Some(SharedClock::create(path.clone()).unwrap())).await;
    let function = fs::File::open(&path).unwrap();
    function.lock_shared().unwrap();
    let moving = change(&server, json!({"advance_seconds": 60}));
    let ends = async {
        crate::until::until(async || {
            // A function that begins now has to wait.
            let gate = fs::File::open(path.with_extension("turnstile")).unwrap();
            gate.try_lock_shared().is_err().then_some(())
        })
        .await;
        assert_eq!(state(&server).await["clock"]["ahead_seconds"], 0);
        drop(function);
    };
    assert_eq!(tokio::join!(moving, ends).0.1["ahead_seconds"], 60);
    fs::remove_file(&path).unwrap();
    fs::remove_file(path.with_extension("turnstile")).unwrap();
}
