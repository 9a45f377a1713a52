//! The function `send`, request by request, as `functions/send` has it.

use std::collections::{BTreeMap, HashMap, VecDeque};

use domain::{
    lane::Lane,
    planning::Arrival,
    token_bucket::{SECOND, SENDER_RECIPIENT_INTERVAL, reserve_sender_recipient},
    waiting::{WaitReason, expected_at, is_early},
};

use crate::{
    queue::Message,
    simulation::{Due, Event, MILLISECOND, Simulation, timestamp},
    table::{Reserving, Route, SendTime, Wanted},
};

/// As in `functions/send/src/claim.rs`.
const MAX_LATENESS: i64 = 250 * MILLISECOND;

/// How long after a refusal a message is tried again.
const RETRY: i64 = 5 * SECOND;

/// A running function.
#[derive(Debug)]
pub(crate) struct Invocation {
    lane: Lane,
    environment: usize,
    messages: Vec<Message>,
    /// Drafts that reserve their times together, in turn.
    groups: VecDeque<(Reserving, Vec<Draft>)>,
    /// On how many messages it still works.
    pending: usize,
}

/// A message that is ready to be sent, and the version of its notification that was read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Draft {
    message: Message,
    version: u32,
}

impl Simulation {
    /// Lambda invokes a function with a batch.
    pub(crate) fn receive(&mut self, lane: Lane) {
        let queue = self.queues.get_mut(&lane).unwrap();
        let messages = queue.receive(&mut self.random);
        if messages.is_empty() {
            queue.running -= 1;
            return;
        }
        for message in &messages {
            self.notifications[message.id].receives += 1;
        }
        let any = self.random.usize(..self.idle.len());
        let environment = self.idle.swap_remove(any);
        let hops = messages.iter().map(|message| message.hops).max().unwrap_or_default();
        let pending = messages.len();
        let messages = messages.into_iter().map(|message| Message { hops, ..message }).collect();
        let invocation = Invocation { lane, environment, messages, groups: VecDeque::new(), pending };
        self.invocations.insert(environment, invocation);
        let reading = self.latency();
        self.after(reading, Event::Schedule(environment));
        self.poll(lane);
    }

    /// The recipients' rates are checked first; then the messages of each route and lane reserve together.
    pub(crate) fn schedule(&mut self, id: usize) {
        let mut recipients: HashMap<usize, Option<i64>> = HashMap::new();
        let mut groups: BTreeMap<(Route, Lane, Arrival), Vec<Draft>> = BTreeMap::new();
        for message in self.invocations[&id].messages.clone() {
            let notification = &self.notifications[message.id];
            let is_early = |due: Due| is_early(timestamp(due.at), due.reason, timestamp(self.now));
            if notification.is_claimed || notification.due.is_some_and(is_early) {
                self.duplicates += 1;
                self.after(0, Event::Done(id));
                continue;
            }
            let draft = Draft { message, version: notification.version };
            let person = notification.person;
            let bucket = recipients.entry(person).or_insert_with(|| self.people.get(&person).copied());
            match reserve_sender_recipient(*bucket, self.now) {
                Ok(tat) => {
                    *bucket = Some(tat);
                    groups.entry(self.group(draft)).or_default().push(draft);
                }
                Err(from) => self.plan_recipient(id, draft, from),
            }
        }
        let groups: Vec<_> = groups.into_values().collect();
        for drafts in groups {
            self.reserve(id, drafts);
        }
        self.next_request(id);
    }

    fn group(&self, draft: Draft) -> (Route, Lane, Arrival) {
        let notification = &self.notifications[draft.message.id];
        let planned = notification.due.filter(|due| due.reason == WaitReason::Slot);
        let planned = planned.map(|due| expected_at(timestamp(due.at)).as_microsecond());
        (notification.route, notification.lane, Arrival::at(planned, self.now))
    }

    fn plan_recipient(&mut self, id: usize, draft: Draft, from: i64) {
        let clock = self.recipient_clocks.entry(self.notifications[draft.message.id].person).or_default();
        let at = from.max(*clock);
        *clock = at + SENDER_RECIPIENT_INTERVAL;
        let latency = self.latency();
        self.after(latency, Event::Wait(id, draft, Due { at, reason: WaitReason::RecipientRate }));
    }

    fn reserve(&mut self, id: usize, drafts: Vec<Draft>) {
        let (route, lane, arrival) = self.group(drafts[0]);
        let wanted = Wanted { route, limit: self.limits[route], lane, arrival, count: drafts.len(), now: self.now };
        let invocation = self.invocations.get_mut(&id).unwrap();
        invocation.groups.push_back((Reserving::new(wanted, &self.environments[id]), drafts));
    }

    fn next_request(&mut self, id: usize) {
        if !self.invocations[&id].groups.is_empty() {
            let latency = self.latency();
            self.after(latency, Event::Table(id));
        }
    }

    pub(crate) fn ask_table(&mut self, id: usize) {
        let invocation = self.invocations.get_mut(&id).unwrap();
        let Some((reserving, _)) = invocation.groups.front_mut() else { return };
        let answer = self.table.answer(reserving.wanted.route, reserving.request());
        if let Some(times) = reserving.answered(answer, &mut self.environments[id]) {
            let (_, drafts) = invocation.groups.pop_front().unwrap();
            for (draft, time) in drafts.into_iter().zip(times) {
                self.scheduled(id, draft, time);
            }
            let (now, memory) = (self.now, &self.environments[id]);
            if let Some((next, _)) = self.invocations.get_mut(&id).unwrap().groups.front_mut() {
                *next = Reserving::new(Wanted { now, ..next.wanted }, memory);
            }
        }
        self.next_request(id);
    }

    fn scheduled(&mut self, id: usize, draft: Draft, time: SendTime) {
        match time {
            SendTime::Slot(slot) => self.at(slot, Event::Slot(id, draft, slot)),
            SendTime::Planned(at) => {
                self.notifications[draft.message.id].plans += 1;
                let latency = self.latency();
                self.after(latency, Event::Wait(id, draft, Due { at, reason: WaitReason::Slot }));
            }
        }
    }

    /// A message that missed its slot reserves another one.
    pub(crate) fn begin_claim(&mut self, id: usize, draft: Draft, slot: i64) {
        if self.now - slot > MAX_LATENESS {
            return self.reschedule(id, draft);
        }
        let latency = self.latency();
        self.after(latency, Event::Claim(id, draft, slot));
    }

    fn reschedule(&mut self, id: usize, draft: Draft) {
        let is_first = self.invocations[&id].groups.is_empty();
        self.reserve(id, vec![draft]);
        if is_first {
            self.next_request(id);
        }
    }

    pub(crate) fn claim(&mut self, id: usize, draft: Draft, slot: i64) {
        let notification = &self.notifications[draft.message.id];
        if notification.is_claimed || notification.version != draft.version {
            self.come_again(draft.message);
            return self.after(0, Event::Done(id));
        }
        let (person, route) = (notification.person, notification.route);
        match reserve_sender_recipient(self.people.get(&person).copied(), self.now) {
            Ok(tat) => self.people.insert(person, tat),
            Err(from) => return self.plan_recipient(id, draft, from),
        };
        let notification = &mut self.notifications[draft.message.id];
        notification.is_claimed = true;
        notification.version += 1;
        self.set_due(draft.message.id, None);
        self.slots.push((route, slot));
        // Source: `domain::token_bucket`: a request to Twilio takes 20 to 50 ms.
        let network = self.random.i64(10 * MILLISECOND..25 * MILLISECOND);
        self.after(network, Event::Create(id, draft));
    }

    pub(crate) fn create(&mut self, id: usize, draft: Draft) {
        let Message { id: number, .. } = draft.message;
        let route = self.notifications[number].route;
        let is_urgent = self.notifications[number].lane == Lane::Urgent;
        if !is_urgent && self.refuses.is_some_and(|(refused, from)| refused == route && self.now >= from) {
            self.throttle(id, route);
            self.notifications[number].is_claimed = false;
            let due = Due { at: self.now + RETRY, reason: WaitReason::Retry };
            let draft = Draft { version: self.notifications[number].version, ..draft };
            return self.after(50 * MILLISECOND, Event::Wait(id, draft, due));
        }
        self.sent(number);
        // Twilio's answer, and what is written down then.
        let answer = self.random.i64(50 * MILLISECOND..200 * MILLISECOND) + self.latency();
        self.after(answer, Event::Done(id));
    }

    fn throttle(&mut self, id: usize, route: Route) {
        self.refuses = None;
        self.throttled_at = Some(self.now);
        let (limit, now) = (self.limits[route], self.now);
        let bucket = self.table.bucket(route);
        (bucket.throttled_rate, bucket.throttled_at) = (Some(limit.halved_rate(bucket, now)), Some(now));
        self.environments[id].remove(&route);
    }

    pub(crate) fn wait(&mut self, id: usize, draft: Draft, due: Due) {
        if self.notifications[draft.message.id].version == draft.version {
            self.retries += u64::from(due.reason != WaitReason::Slot);
            self.hand_over(draft.message, due);
        } else {
            self.come_again(draft.message);
        }
        let latency = self.latency();
        self.after(latency, Event::Done(id));
    }

    /// Another function was faster: the message is looked at again.
    fn come_again(&mut self, message: Message) {
        self.lost_races += 1;
        self.after(SECOND, Event::Visible(message));
    }

    /// When the work on all messages of a batch has ended, the function is free.
    pub(crate) fn done(&mut self, id: usize) {
        let invocation = self.invocations.get_mut(&id).unwrap();
        invocation.pending -= 1;
        if invocation.pending > 0 {
            return;
        }
        let Invocation { lane, environment, messages, .. } = self.invocations.remove(&id).unwrap();
        self.idle.push(environment);
        self.queue(lane).settle(messages.len());
        self.poll(lane);
    }
}
