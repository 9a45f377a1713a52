use proptest::{collection::vec, prelude::*};
use serde_json::json;
use twilio_types::sid::AccountSid;

use super::*;
use crate::{daily_cap::DailyCap, region::Region};

fn now() -> Timestamp {
    "2026-11-25T12:00:00Z".parse().unwrap()
}

fn counters(cap: &serde_json::Value, region: &str) -> Vec<CappedCounter> {
    let account_sid: AccountSid = "AC00000000000000000000000000000001".parse().unwrap();
    let cap = DailyCap::try_from(cap.clone()).unwrap();
    cap.counters(&account_sid, region.parse::<Region>().ok(), "whatsapp:+14155238886", now())
}

/// Does what the table does.
fn serve(counted: &mut BTreeMap<DailyCounter, u32>, request: &RoomRequest) -> RoomGrant {
    let counted = counted.entry(request.capped.counter.clone()).or_default();
    let messages = request.after(*counted).map_or(0, |request| request.messages);
    *counted += messages;
    RoomGrant { messages, counted: *counted }
}

fn fill(room: &mut ReservedRoom, messages: &[Vec<CappedCounter>], counted: &mut BTreeMap<DailyCounter, u32>) {
    for request in room.missing(messages.iter().map(Vec::as_slice), now()) {
        let grant = serve(counted, &request);
        room.add(request.capped.counter, grant);
    }
}

fn wanted(room: &mut ReservedRoom, messages: &[Vec<CappedCounter>], now: Timestamp) -> Vec<u32> {
    room.missing(messages.iter().map(Vec::as_slice), now).iter().map(|request| request.messages).collect()
}

#[test]
fn first_request_is_for_the_batch_and_later_ones_are_ahead() {
    let batch = vec![counters(&json!({"account": 100_000}), "NG"); 4];
    let mut room = ReservedRoom::default();
    let mut counted = BTreeMap::new();
    assert_eq!(wanted(&mut room, &batch, now()), [4]);
    fill(&mut room, &batch, &mut counted);
    assert!(batch.iter().all(|counters| room.take(counters).is_ok()));
    assert_eq!(wanted(&mut room, &batch, now()), [50]);
    fill(&mut room, &batch, &mut counted);
    assert!(batch.iter().all(|counters| room.take(counters).is_ok()));
    assert_eq!(wanted(&mut room, &batch, now()), Vec::<u32>::new(), "46 are left");
    let small = vec![counters(&json!({"account": 300}), "NG"); 2];
    let mut room = ReservedRoom::default();
    room.add(small[0][0].counter.clone(), RoomGrant { messages: 0, counted: 40 });
    assert_eq!(wanted(&mut room, &small[..1], now()), [2], "a hundredth of the 260 that are left");
}

#[test]
fn full_counter_is_not_asked_again_on_the_same_day() {
    let batch = vec![counters(&json!({"account": 3}), "NG"); 5];
    let mut room = ReservedRoom::default();
    assert_eq!(wanted(&mut room, &batch, now()), [3], "never more than the cap");
    room.add(batch[0][0].counter.clone(), RoomGrant { messages: 2, counted: 3 });
    let taken: Vec<bool> = batch.iter().map(|counters| room.take(counters).is_ok()).collect();
    assert_eq!(taken, [true, true, false, false, false]);
    assert_eq!(wanted(&mut room, &batch, now()), Vec::<u32>::new());
}

#[test]
fn message_refused_by_one_counter_uses_nothing_of_the_others() {
    let cap = json!({"account": 2, "countries": {"NG": 1}});
    let batch = [counters(&cap, "NG"), counters(&cap, "NG"), counters(&cap, "DE")];
    let mut room = ReservedRoom::default();
    fill(&mut room, &batch, &mut BTreeMap::new());
    let taken: Vec<_> = batch.iter().map(|counters| room.take(counters).map_err(|full| full.cap)).collect();
    assert_eq!(taken, [Ok(()), Err(1), Ok(())]);
}

#[test]
fn room_given_back_serves_another_message() {
    let batch = [counters(&json!({"account": 1, "routes": {"default": 1}}), "NG")];
    let mut room = ReservedRoom::default();
    fill(&mut room, &batch, &mut BTreeMap::new());
    assert_eq!(room.take(&batch[0]), Ok(()));
    assert!(room.take(&batch[0]).is_err());
    room.give_back(&batch[0]);
    assert_eq!(room.take(&batch[0]), Ok(()));
}

#[test]
fn room_of_yesterday_is_not_used_today() {
    let yesterday = vec![counters(&json!({"account": 1}), "NG")];
    let mut room = ReservedRoom::default();
    fill(&mut room, &yesterday, &mut BTreeMap::new());
    let today: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
    let mut batch = yesterday.clone();
    batch[0][0].counter.day = day_of(today);
    assert_eq!(wanted(&mut room, &batch, today), [1]);
    assert!(room.take(&batch[0]).is_err());
}

proptest! {
    /// Whatever the batches of several functions are, no counter ever lets more messages pass than its cap.
    #[test]
    fn functions_together_never_exceed_a_cap(
        account in 1_u32..300,
        nigeria in 1_u32..100,
        batches in vec((0_usize..4, vec((any::<bool>(), any::<bool>()), 1..10)), 1..60),
    ) {
        let cap = json!({"account": account, "countries": {"NG": nigeria}});
        let mut rooms: [ReservedRoom; 4] = Default::default();
        let mut counted = BTreeMap::new();
        let (mut sent, mut sent_to_nigeria) = (0, 0);
        for (function, batch) in batches {
            let room = &mut rooms[function];
            let messages: Vec<_> =
                batch.iter().map(|(is_nigeria, _)| counters(&cap, if *is_nigeria { "NG" } else { "DE" })).collect();
            fill(room, &messages, &mut counted);
            for (counters, (is_nigeria, finds_slot)) in messages.iter().zip(batch) {
                if room.take(counters).is_err() {
                    continue;
                }
                if finds_slot {
                    sent += 1;
                    sent_to_nigeria += u32::from(is_nigeria);
                } else {
                    room.give_back(counters);
                }
            }
        }
        prop_assert!(sent <= account && sent_to_nigeria <= nigeria, "{sent}, {sent_to_nigeria}");
    }
}
