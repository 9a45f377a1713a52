//! A notification with several files: the process is killed at each moment of its first delivery, and each file is one message.

use std::collections::BTreeSet;

use domain::notification::Notification;
use futures::StreamExt as _;
use serde_json::json;
use tests::harness::{
    sender::{Record, Sender},
    wire::KillPoint,
};

use super::lanes;
use crate::{
    support::{end_waiting, queue_of_the_test, stranger, waits, write_until_answered},
    world::{Person, World, new_id},
};

const FILES: usize = 3;

/// A notification with three files, and the queue on which the function puts the further ones.
struct ThreeFiles<'a> {
    world: &'a World,
    person: Person,
    id: String,
    queue_url: String,
}

impl<'a> ThreeFiles<'a> {
    async fn arrange(world: &'a World) -> Self {
        let files = Self { world, person: stranger(), id: new_id("files"), queue_url: queue_of_the_test(world).await };
        write_until_answered(world, &files.person, &json!({"body": "Show me."})).await;
        files
    }

    fn url(&self, number: usize) -> String {
        format!("https://example.com/{}/{number}.png", self.id)
    }

    fn record(&self) -> Record {
        let media: Vec<_> = (1..=FILES).map(|number| json!({"url": self.url(number)})).collect();
        let content = json!({"type": "media", "media": media, "body": "Look", "one_message_per_file": true});
        let body = json!({"id": self.id, "to": self.person.identity, "category": "service", "content": content});
        Record { message_id: self.id.clone(), body: body.to_string() }
    }

    async fn sender(&self) -> Sender {
        Sender::start(&self.world.stack, &self.queue_url, &[]).await.unwrap()
    }

    /// Delivers messages until none comes again.
    async fn deliver(&self, sender: &mut Sender, records: &[Record]) {
        self.world
            .until(&format!("the end of {}", self.id), async || {
                let sent = self.world.sent_to(&self.person).await;
                // Twilio's list does not have a message before it is sent, so the time is not over before.
                if sent
                    .iter()
                    .any(|message| ["accepted", "queued", "sending"].contains(&message["status"].as_str().unwrap()))
                {
                    return None;
                }
                for record in records {
                    end_waiting(self.world, &record.message_id).await;
                }
                if !sender.deliver(records).await.unwrap().is_empty() {
                    return None;
                }
                for record in records {
                    if waits(self.world, &record.message_id).await {
                        return None;
                    }
                }
                Some(())
            })
            .await;
    }

    /// The notifications of the further files, from the queue.
    async fn further(&self) -> Vec<Record> {
        let mut further = std::collections::BTreeMap::new();
        self.world
            .until(&format!("the further files of {}", self.id), async || {
                let receive = self.world.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
                for message in receive.wait_time_seconds(1).send().await.unwrap().messages() {
                    let body = message.body().unwrap();
                    if let Ok(notification) = Notification::parse(body) {
                        let message_id = notification.id.to_string();
                        further.insert(message_id.clone(), Record { message_id, body: body.to_owned() });
                    }
                }
                (further.len() == FILES - 1).then_some(())
            })
            .await;
        further.into_values().collect()
    }

    async fn check(&self, context: &str) {
        let sent = self.world.sent_to(&self.person).await;
        assert_eq!(sent.len(), FILES, "{context}: {sent:#?}");
        let files: BTreeSet<_> = sent
            .iter()
            .map(|message| {
                let urls = message["sandbox_media_urls"].as_array().unwrap();
                assert_eq!(urls.len(), 1, "{context}");
                let url = urls[0].as_str().unwrap().to_owned();
                let caption = if url == self.url(1) { "Look" } else { "" };
                assert_eq!(message["body"], caption, "{context}: {url}");
                url
            })
            .collect();
        assert_eq!(files, (1..=FILES).map(|number| self.url(number)).collect(), "{context}");
    }

    /// Kills the first delivery, then lets all be sent, each further one also when SQS delivers it twice.
    async fn kill_at(world: &'a World, moment: usize) {
        let files = Self::arrange(world).await;
        let (stop, _) =
            files.sender().await.deliver_and_kill(&[files.record()], KillPoint::Moment(moment)).await.unwrap();
        let context = format!("killed at {stop:?}");
        let mut sender = files.sender().await;
        files.deliver(&mut sender, &[files.record()]).await;
        let further = files.further().await;
        for _ in 0..2 {
            files.deliver(&mut sender, &further).await;
        }
        files.check(&context).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_file_is_sent_once_wherever_the_process_is_killed() {
    let world = World::new();
    let calm = ThreeFiles::arrange(&world).await;
    let mut sender = calm.sender().await;
    assert!(sender.deliver(&[calm.record()]).await.unwrap().is_empty());
    let moments = sender.wire.moments();
    let position = |operation: &str| {
        let is_it = |operation_of: &str| operation_of.starts_with(operation);
        moments.iter().position(|moment| is_it(&moment.operation))
    };
    let operations: Vec<_> = moments.iter().map(|moment| format!("{:?} {}", moment.side, moment.operation)).collect();
    println!("{operations:#?}");
    assert!(position("SendMessageBatch").unwrap() < position("TransactWriteItems").unwrap(), "before the claim");
    let kills = (1..=moments.len()).map(|moment| ThreeFiles::kill_at(&world, moment));
    futures::stream::iter(kills).buffer_unordered(lanes()).collect::<Vec<()>>().await;
}
