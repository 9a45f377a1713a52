//! The stack reports the system's events, decisions and stored items to the sandbox, whose page shows them.

use serde_json::{Value, json};

use crate::world::{DEADLINE, Person, World, new_id, text_notification};

/// The event stream that the page reads.
struct Timeline {
    stream: reqwest::Response,
    unread: Vec<u8>,
}

impl Timeline {
    async fn watch(world: &World) -> Self {
        let stream = world.http.get(format!("{}/sandbox/stream", world.stack.sandbox_url)).send().await.unwrap();
        Self { stream, unread: Vec::new() }
    }

    /// Reads until the person has an entry of each kind with these words, and returns those entries.
    async fn until_reported(&mut self, person: &Person, wanted: &[(&str, &str)]) -> Vec<Value> {
        let mut found = vec![None; wanted.len()];
        let reading = async {
            while found.contains(&None) {
                for entry in self.next().await {
                    let is_it = |(kind, words): &(&str, &str)| {
                        let summary = entry["summary"].as_str().unwrap();
                        entry["person"] == person.address() && entry["kind"] == *kind && summary.contains(words)
                    };
                    if let Some(index) = wanted.iter().position(is_it) {
                        found[index] = Some(entry);
                    }
                }
            }
        };
        let read = tokio::time::timeout(DEADLINE, reading).await;
        assert!(read.is_ok(), "of {wanted:?} these entries came within {DEADLINE:?}: {found:?}");
        found.into_iter().flatten().collect()
    }

    /// The timeline entries of the stream's next change; none where it is a change of something else.
    async fn next(&mut self) -> Vec<Value> {
        loop {
            if let Some(end) = self.unread.windows(2).position(|end| end == b"\n\n") {
                let change: Vec<u8> = self.unread.drain(..end + 2).collect();
                return entries(&String::from_utf8(change).unwrap());
            }
            self.unread.extend(self.stream.chunk().await.unwrap().unwrap());
        }
    }
}

fn entries(change: &str) -> Vec<Value> {
    let field = |name: &str| change.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let data = || serde_json::from_str::<Value>(field("data:").unwrap()).unwrap();
    match field("event:") {
        Some("entry") => vec![data()],
        // A reader that is too slow gets a new snapshot.
        Some("snapshot") => data()["timeline"].as_array().unwrap().clone(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn timeline_shows_a_stop_and_the_suppression_it_causes() {
    let (world, person, id) = (World::new(), Person::new(), new_id("reported"));
    let mut timeline = Timeline::watch(&world).await;
    let sid = world.write(&person, "STOP").await["message_sid"].clone();
    world.notify(&text_notification(&id, &person)).await;
    let reported = timeline
        .until_reported(
            &person,
            &[
                ("item", "Messages: inbound of "),
                ("item", " opted out by SM"),
                ("item", "Contacts: service window "),
                ("event", "twilio_inbound: "),
                ("event", "contact_opted_out: "),
                ("decision", "suppressed, the recipient has opted out"),
                ("event", "notification_suppressed: "),
            ],
        )
        .await;
    for index in [0, 1, 3, 4] {
        assert_eq!(reported[index]["message_sid"], sid, "{}", reported[index]);
    }
    for index in [5, 6] {
        assert_eq!(reported[index]["notification_id"], id.as_str(), "{}", reported[index]);
    }
}

#[tokio::test]
async fn timeline_shows_a_failure_and_its_fallback() {
    let (world, person, id) = (World::new(), Person::new(), new_id("reported"));
    let mut timeline = Timeline::watch(&world).await;
    world.write(&person, "Hello").await;
    timeline.until_reported(&person, &[("item", "Contacts: service window ")]).await;
    world.plan(&person, 1, json!({"kind": "fail", "code": 63016})).await;
    let mut notification = text_notification(&id, &person);
    notification["fallback"] = json!([{"channel": "sms", "content": {"type": "text", "body": "On its way."}}]);
    world.notify(&notification).await;
    let reported = timeline
        .until_reported(
            &person,
            &[
                ("decision", "claimed, goes out as text over whatsapp"),
                ("decision", "fallback 1, text over sms takes over"),
                ("decision", "claimed, goes out as fallback 1, text over sms"),
                ("decision", "accepted by Twilio as SM"),
            ],
        )
        .await;
    assert_eq!(reported[1]["details"]["code"], 63016);
    assert!(reported.iter().all(|entry| entry["notification_id"] == id.as_str()), "{reported:?}");
}
