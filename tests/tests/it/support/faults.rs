//! Random faults of Twilio for the messages to one person.

use fastrand::Rng;
use serde_json::{Value, json};

use super::{batch::Recipient, kind::Kind};
use crate::world::World;

/// A person's messages may be refused, unanswered, queued for a while, or fail, and their callbacks may be late, repeated,
/// in another order or lost.
pub(crate) async fn plan_random_faults(world: &World, rng: &mut Rng, recipient: &Recipient) {
    let Recipient { kind, person, .. } = recipient;
    let first = if *kind == Kind::Sms { person.identity.clone() } else { person.address() };
    if let Some(fault) = fault_of_request(rng, recipient) {
        plan(world, &first, &fault).await;
    }
    if *kind == Kind::Fallback && rng.bool() {
        plan(world, &person.identity, &unanswered(rng)).await;
    }
    match rng.u8(0..12) {
        0 => plan(world, &first, &json!({"kind": "late", "milliseconds": rng.u64(500..3_000)})).await,
        1 => plan(world, &first, &json!({"kind": "duplicate"})).await,
        2 => plan(world, &first, &json!({"kind": "reordered"})).await,
        3 => plan(world, &first, &json!({"kind": "retried"})).await,
        4 => plan(world, &first, &json!({"kind": "lost", "statuses": ["sent", "failed"]})).await,
        5..8 => lose_callbacks(world, recipient, [0.5, 1.0, 1.0][rng.usize(..3)], rng.u32(..)).await,
        _ => {}
    }
    if rng.u8(0..4) == 0 {
        for address in recipient.addresses() {
            control(world, "PUT", "unsent", &json!({"hidden": true, "to": address})).await;
        }
    }
}

/// A fault of the first request for a message to the person.
fn fault_of_request(rng: &mut Rng, recipient: &Recipient) -> Option<Value> {
    let failure = json!({"kind": "fail", "code": recipient.kind.failure_code()});
    // Until the validity period is over, or `Batch::release_held`.
    let held = json!({"kind": "hold"});
    if recipient.is_short {
        return Some(if rng.bool() { together(&[unanswered(rng), held]) } else { held });
    }
    Some(match rng.u8(0..16) {
        0 => json!({"kind": "slow", "milliseconds": rng.u64(50..500)}),
        1 => unanswered(rng),
        2 => json!({"kind": "refuse", "status": 500, "code": 20500}),
        3 => json!({"kind": "report_first"}),
        4 => together(&[unanswered(rng), held]),
        5 => held,
        6 => failure,
        7 => together(&[json!({"kind": "report_first"}), failure]),
        8 => together(&[unanswered(rng), failure]),
        9 => together(&[unanswered(rng), held, failure]),
        _ => return None,
    })
}

/// The message is created, and its request is answered with an error or, rarely because the function waits ten seconds for it,
/// not at all.
fn unanswered(rng: &mut Rng) -> Value {
    match rng.u8(0..12) {
        0 => json!({"kind": "accept_then_hang"}),
        _ => json!({"kind": "accept_then_refuse", "status": 500, "code": 20500}),
    }
}

fn together(faults: &[Value]) -> Value {
    json!({"kind": "together", "faults": faults})
}

async fn plan(world: &World, to: &str, fault: &Value) {
    control(world, "POST", "faults", &json!({"to": to, "times": 1, "fault": fault})).await;
}

/// Loses this part of the webhooks about a person; 0 ends it.
pub(crate) async fn lose_callbacks(world: &World, recipient: &Recipient, fraction: f64, seed: u32) {
    for address in recipient.addresses() {
        let loss = json!({"to_prefix": address, "fraction": fraction, "seed": seed});
        control(world, "PUT", "drops", &loss).await;
    }
}

/// Asks the sandbox for something.
pub(crate) async fn control(world: &World, method: &str, path: &str, body: &Value) {
    let url = format!("{}/sandbox/{path}", world.stack.sandbox_url);
    let request = world.http.request(method.parse().unwrap(), url).json(body);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{method} {path} {body}: {}", answer.status());
}
