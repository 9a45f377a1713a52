//! One notification, one person, Twilio, and the functions that work on the notification.

use std::collections::BTreeMap;

use fastrand::Rng;
use jiff::SignedDuration;

use super::super::*;
use crate::{
    configured_senders::ConfiguredSenders,
    limits::CLAIM_LEASE,
    notification::Content,
    pause::Pauses,
    person::{Person, WindowKey},
    policy::{Case, Decision, RecipientRules, decide},
    preference::{Preference, RecordedPreference},
    suppression::Scope,
    template_settings::TemplateSettings,
    templates::TemplateRegistry,
};
use twilio_types::address::Channel;

const VALIDITY: SignedDuration = SignedDuration::from_secs(120);
const SERVICE: &str = "MG00000000000000000000000000000001";

/// A message at Twilio, with the statuses that it will have.
struct Message {
    attempt: usize,
    option: usize,
    sid: MessageSid,
    /// What is not reported yet, the next first.
    ahead: Vec<(MessageStatus, Option<u32>)>,
    /// The last status that happened at Twilio.
    current: MessageStatus,
    created_after_stop: bool,
    created_after_cancel: bool,
    /// The recipient's phone is off: WhatsApp keeps the message, and reports nothing more for now.
    is_held_back: bool,
}

/// A function that holds a claim, at the point where it is.
enum Sender {
    /// It has claimed this attempt, and calls Twilio next.
    Claimed { attempt: usize, after_stop: bool },
    /// Twilio has answered, and it writes the answer next.
    Answered { attempt: usize, answer: CreateAnswer },
}

/// The claim in the store.
#[derive(Clone, Copy)]
struct Lease {
    until: Timestamp,
    resolvable_at: Timestamp,
}

pub(super) struct World {
    pub(super) rng: Rng,
    pub(super) notification: Notification,
    service: ConfiguredSenders,
    now: Timestamp,
    pub(super) progress: Progress,
    lease: Option<Lease>,
    person: Person,
    senders: Vec<Sender>,
    messages: Vec<Message>,
    /// Reports that are on their way. Each may arrive at any time, more than once, or never.
    reports: Vec<MessageReport>,
    /// What callbacks have recorded.
    recorded: Vec<MessageReport>,
    /// How many options followed a message without a delivery.
    followed: usize,
    /// Each outcome that was recorded since an operator last retried the notification, in its order.
    outcomes: Vec<Outcome>,
    /// Whether Twilio, the queue and the functions do as they should.
    is_calm: bool,
    pub(super) log: Vec<String>,
}

const CODES: [u32; 8] = [63016, 63003, 63024, 63010, 63018, 63019, 30008, 63014];

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let options = [("whatsapp", text()), ("whatsapp", template(1)), ("whatsapp", template(2)), ("sms", text())];
        let count = rng.usize(0..=3);
        let mut fallback: Vec<Value> = (0..count)
            .map(|_| &options[rng.usize(..options.len())])
            .map(|(channel, content)| json!({"channel": channel, "content": content}))
            .collect();
        for option in &mut fallback {
            if rng.bool() {
                option["after"] = json!(["60s", "10m", "2h"][rng.usize(..3)]);
            }
        }
        let is_template = |option: &Value| option["channel"] == "whatsapp" && option["content"]["type"] == "template";
        let wait_for_reply = fallback.iter().any(is_template) && rng.bool();
        let content = if wait_for_reply || rng.bool() { text() } else { template(9) };
        let expires_at = at(rng.i64(600..200_000)).to_string();
        let mut more = json!({"fallback": fallback, "wait_for_reply": wait_for_reply});
        if rng.bool() {
            more["expires_at"] = json!(expires_at);
        }
        let mut world = Self {
            notification: notification(&content, &more),
            service: ConfiguredSenders::from(Some(SERVICE.parse().unwrap())),
            now: at(0),
            progress: Progress::default(),
            lease: None,
            person: Person::default(),
            senders: Vec::new(),
            messages: Vec::new(),
            reports: Vec::new(),
            recorded: Vec::new(),
            followed: 0,
            outcomes: Vec::new(),
            is_calm: false,
            log: Vec::new(),
            rng,
        };
        if world.rng.bool() {
            world.reply();
        }
        world
    }

    fn is_stopped(&self) -> bool {
        self.person.suppressed_by([&Scope::All]).is_some()
    }

    /// Applies a change to the store, as a write with a condition does.
    fn write(&mut self, what: &str, change: impl FnOnce(&mut Progress, &Transition<'_>)) {
        let expires_at = self.notification.expires_at;
        let on = Transition { notification: &self.notification, expires_at, now: self.now };
        let before = self.progress.outcome;
        change(&mut self.progress, &on);
        if let Some(outcome) = self.progress.outcome.filter(|outcome| Some(*outcome) != before) {
            self.outcomes.push(outcome);
        }
        if !matches!(self.progress.phase, Phase::Claimed | Phase::Unknown) {
            self.lease = None;
        }
        self.log.push(format!("{} {what}: {:?} {:?}", self.now, self.progress.phase, self.progress.outcome));
    }

    /// The queue delivers the notification.
    fn deliver(&mut self) {
        match (self.progress.phase, self.lease) {
            (Phase::Claimed, Some(lease)) if lease.until > self.now => return,
            (Phase::Claimed | Phase::Unknown, Some(lease)) if !self.resolve(lease) => return,
            (Phase::Accepted | Phase::AwaitingReply, _) if self.awaits_delivery() && self.find_delivery() => return,
            (Phase::Accepted | Phase::AwaitingReply, _) if self.awaits_delivery() => {}
            (Phase::Accepted | Phase::Ended, _) => return,
            _ => {}
        }
        let rules = RecipientRules::default();
        let case = Case {
            notification: &self.notification,
            rules: &rules,
            person: &self.person,
            progress: &self.progress,
            senders: &self.service,
            expires_at: self.notification.expires_at,
            account_sid: &"AC00000000000000000000000000000001".parse().unwrap(),
            pauses: &Pauses::default(),
            templates: &TemplateRegistry::default(),
            template_settings: &TemplateSettings::default(),
        };
        match decide(&case, self.now) {
            Decision::Send(step) if !self.is_calm && step.option > 0 && self.rng.u8(0..12) == 0 => self.pass_over(step),
            Decision::Send(step) => self.claim(step),
            Decision::Later { .. } | Decision::Paused(_) => {}
            Decision::Never(refusal) => {
                let outcome = match &refusal {
                    crate::policy::PolicyRefusal::OptedOut(_) => Outcome::Suppressed,
                    crate::policy::PolicyRefusal::OutsideWindow => Outcome::Rejected,
                    _ => Outcome::Expired,
                };
                self.write("decided", |progress, _| progress.end(outcome, refusal.to_string()));
            }
        }
    }

    /// Finds out what became of a claim without an answer. Gives whether the notification may be decided about.
    fn resolve(&mut self, lease: Lease) -> bool {
        let attempt = self.progress.attempts.len() - 1;
        let known = self.recorded.iter().filter(|report| report.attempt == attempt).max_by_key(|report| &report.status);
        if let Some(report) = known.cloned() {
            self.write("found by a callback", |progress, on| {
                progress.record_found(&report, on);
            });
            return false;
        }
        if self.now < lease.resolvable_at {
            return false;
        }
        if !self.is_calm && self.rng.u8(0..4) == 0 {
            let mut change = Change::Nothing;
            self.write("stays unknown", |progress, on| change = progress.go_on_after_unknown("not known", on));
            if change != Change::Nothing {
                self.followed += 1;
                return false;
            }
        }
        if !self.is_calm && self.rng.bool() {
            let mut change = Change::Nothing;
            self.write("list unreadable", |progress, on| {
                change = progress.go_on_after_silence("the list is unreadable", on);
                if change == Change::Nothing {
                    progress.hold("the list is unreadable");
                }
            });
            self.followed += usize::from(change != Change::Nothing);
            return false;
        }
        let listed = self.messages.iter().find(|message| message.attempt == attempt);
        if let Some(message) = listed {
            let found = MessageReport {
                attempt,
                message_sid: Some(message.sid.clone()),
                status: message.current.into(),
                code: (message.current == MessageStatus::Failed).then(|| "63003".parse().unwrap()),
                reason: None,
            };
            self.write("found in the list", |progress, on| {
                progress.record_found(&found, on);
            });
            return false;
        }
        self.write("not sent", |progress, on| progress.record_not_sent("not listed", on));
        self.progress.ready_step().is_some()
    }

    /// The option is not sent, as an e-mail to a suppressed address.
    fn pass_over(&mut self, step: Step) {
        self.check_following(step);
        let (channel, _) = self.notification.channel_option(step.option).unwrap();
        self.write("passed over", |progress, on| {
            progress.pass_over(step, channel, "suppressed".to_owned(), on);
        });
    }

    fn awaits_delivery(&self) -> bool {
        self.progress.delivery_due_at(&self.notification).is_some()
    }

    /// Reads the callbacks before an option follows. Gives whether one of them changed something.
    fn find_delivery(&mut self) -> bool {
        if self.progress.delivery_due_at(&self.notification).is_some_and(|due_at| due_at > self.now) {
            return false;
        }
        let is_final = |report: &&MessageReport| report.status.stage() != Stage::Underway;
        let known: Vec<_> = self.recorded.iter().filter(is_final).cloned().collect();
        let mut changed = false;
        for report in known {
            self.write("callback", |progress, on| changed |= progress.report(&report, on) != Change::Nothing);
        }
        changed
    }

    /// An option that follows without a failure does so at its time, and after no report of a delivery.
    fn check_following(&mut self, step: Step) {
        let last = self.progress.last().cloned();
        let follows = match self.progress.phase {
            Phase::Accepted => true,
            Phase::AwaitingReply => step.option > 0,
            _ => false,
        };
        let Some(last) = last.filter(|_| follows) else { return };
        let after = self.notification.fallback[step.option - 1].after.expect("only an option with a time").duration();
        assert!(self.now >= last.claimed_at + after, "too early");
        let arrived = self.recorded.iter().filter(|report| report.status.stage() == Stage::Arrived);
        let is_delivery = |report: &MessageReport| self.progress.attempts[report.attempt].purpose == Purpose::Deliver;
        assert_eq!(arrived.filter(|report| is_delivery(report)).count(), 0, "an option after a reported delivery");
        self.followed += 1;
    }

    fn claim(&mut self, step: Step) {
        self.check_following(step);
        let (channel, content) = self.notification.channel_option(step.option).unwrap();
        if let (FallbackChannel::WhatsApp, Content::Text { .. }) = (channel, content) {
            let last = self.person.last_inbound_at(&WindowKey::of(SERVICE)).expect("free-form in a window only");
            assert!(self.now.duration_since(last) < SignedDuration::from_hours(24), "free-form in a window only");
        }
        let after_stop = self.is_stopped();
        let mut attempt = 0;
        self.write("claimed", |progress, on| attempt = progress.claim(step, channel, on.now));
        let now = self.now;
        self.lease =
            Some(Lease { until: now + CLAIM_LEASE, resolvable_at: now + VALIDITY + SignedDuration::from_mins(2) });
        self.senders.push(Sender::Claimed { attempt, after_stop });
    }

    /// A function goes on, or stops for ever.
    fn step_sender(&mut self, index: usize) {
        let sender = self.senders.swap_remove(index);
        let crashes = !self.is_calm && self.rng.u8(0..6) == 0;
        match sender {
            _ if crashes => self.log.push("a function stopped".to_owned()),
            Sender::Claimed { attempt, after_stop } => {
                if let Some(answer) = self.create(attempt, after_stop) {
                    self.senders.push(Sender::Answered { attempt, answer });
                }
            }
            Sender::Answered { attempt, answer } => {
                self.write(&format!("{answer:?}"), |progress, on| {
                    progress.answer(attempt, answer, on);
                });
            }
        }
    }

    /// Twilio is asked to create the message of an attempt. None if its answer is lost.
    fn create(&mut self, attempt: usize, created_after_stop: bool) -> Option<CreateAnswer> {
        // The holder of a claim stops with its invocation, long before the lease ends.
        let failure = |code: u32| CreateFailure { reason: None, code: code.to_string().parse().ok() };
        let fate = if self.is_calm { 9 } else { self.rng.u8(0..12) };
        match fate {
            0 => return Some(CreateAnswer::NotDone(failure(20429), SignedDuration::from_secs(30))),
            1 => return Some(CreateAnswer::Refused(failure(CODES[self.rng.usize(..CODES.len())]))),
            2 => return None,
            _ => {}
        }
        let sid = sid(u8::try_from(self.messages.len() + 1).unwrap());
        let fails = !self.is_calm && self.rng.bool();
        let mut ahead = vec![(MessageStatus::Queued, None), (MessageStatus::Sent, None)];
        if fails {
            ahead.push((MessageStatus::Failed, Some(CODES[self.rng.usize(..CODES.len())])));
        } else {
            ahead.extend([(MessageStatus::Delivered, None), (MessageStatus::Read, None)]);
        }
        let option = self.progress.attempts[attempt].option;
        let current = MessageStatus::Accepted;
        let is_held_back = !self.is_calm && self.rng.u8(0..3) == 0;
        let created_after_cancel =
            self.progress.outcome == Some(Outcome::Cancelled) || self.progress.cancelled_at.is_some();
        self.messages.push(Message {
            attempt,
            option,
            sid: sid.clone(),
            ahead,
            current,
            created_after_stop,
            created_after_cancel,
            is_held_back,
        });
        (fate != 3).then_some(CreateAnswer::Accepted(sid))
    }

    /// A message goes on at Twilio, and its callback is on its way, unless it is lost.
    fn step_message(&mut self, index: usize) {
        let loses = !self.is_calm && self.rng.u8(0..4) == 0;
        let message = &mut self.messages[index];
        if message.ahead.is_empty() {
            return;
        }
        let (status, code) = message.ahead.remove(0);
        message.current = status;
        let code = code.and_then(|code| code.to_string().parse().ok());
        let report = MessageReport {
            attempt: message.attempt,
            message_sid: Some(message.sid.clone()),
            status: status.into(),
            code,
            reason: None,
        };
        if !loses {
            self.reports.push(report);
        }
    }

    /// A report arrives, and may arrive again.
    fn receive(&mut self, index: usize) {
        let report = if !self.is_calm && self.rng.u8(0..5) == 0 {
            self.reports[index].clone()
        } else {
            self.reports.swap_remove(index)
        };
        self.recorded.push(report.clone());
        self.write(&format!("{} of {}", report.status, report.attempt), |progress, on| {
            progress.report(&report, on);
        });
    }

    /// A sweep finds the final status of every message.
    fn sweep(&mut self) {
        let is_final = |message: &&Message| message.current.stage() != Stage::Underway;
        let found: Vec<_> = self
            .messages
            .iter()
            .filter(is_final)
            .map(|message| (message.attempt, Some(message.sid.clone()), message.current))
            .collect();
        for (attempt, message_sid, status) in found {
            let code = (status == MessageStatus::Failed).then(|| "63003".parse().unwrap());
            let known =
                self.recorded.iter().find(|report| report.message_sid == message_sid && report.status == status.into());
            let report = known.cloned().unwrap_or(MessageReport {
                attempt,
                message_sid,
                status: status.into(),
                code,
                reason: None,
            });
            self.recorded.push(report.clone());
            self.write("sweep", |progress, on| {
                progress.report(&report, on);
            });
        }
    }

    fn reply(&mut self) {
        self.person.open_windows([WindowKey::of(SERVICE)], self.now);
        self.log.push(format!("{} the person writes", self.now));
    }

    /// An operator retries the notification.
    fn redrive(&mut self) {
        let mut reopening = Reopening::NotEnded;
        self.write("redriven", |progress, on| reopening = progress.reopen(on.now));
        if reopening == Reopening::Reopened {
            self.outcomes.clear();
        }
    }

    fn stop(&mut self) {
        let stop = RecordedPreference {
            preference: Preference::OptedOut,
            changed_at: self.now,
            message_sid: None,
            reason: None,
        };
        self.person.record_preference(&Channel::WhatsApp, &[Scope::All], &stop);
        self.log.push(format!("{} STOP", self.now));
    }

    /// An operator cancels the notification.
    fn cancel(&mut self) {
        let before = self.progress.phase;
        self.write("cancelled", |progress, on| {
            let follows = progress.delivery_due_at(on.notification).is_some();
            let was_cancelled = progress.cancelled_at.is_some();
            let outcome = progress.cancel(None, Some(on.notification), on.now);
            let expected = match before {
                Phase::Ready { .. } | Phase::AwaitingReply => outcome == CancelOutcome::Cancelled,
                Phase::Accepted if follows => outcome == CancelOutcome::Cancelled && progress.phase == before,
                Phase::Accepted if was_cancelled && progress.outcome.is_none() => {
                    outcome == CancelOutcome::AlreadyCancelled
                }
                _ => outcome != CancelOutcome::Cancelled && progress.phase == before,
            };
            assert!(expected, "{outcome:?} in {before:?}");
        });
    }

    pub(super) fn step(&mut self) {
        let seconds = [0, 0, 1, 5, 30, 61, 300, 4_000, 30_000];
        match self.rng.u8(0..21) {
            0..5 => self.deliver(),
            5..9 if !self.senders.is_empty() => {
                let index = self.rng.usize(..self.senders.len());
                self.step_sender(index);
            }
            9..13 if !self.messages.is_empty() => {
                let index = self.rng.usize(..self.messages.len());
                self.step_message(index);
            }
            13..16 if !self.reports.is_empty() => {
                let index = self.rng.usize(..self.reports.len());
                self.receive(index);
            }
            16 => {
                let seconds = seconds[self.rng.usize(..seconds.len())];
                self.advance(SignedDuration::from_secs(seconds));
            }
            17 => self.reply(),
            18 => self.sweep(),
            19 => match self.rng.u8(0..6) {
                0 => self.stop(),
                1..4 => self.redrive(),
                _ => {}
            },
            20 if self.rng.u8(0..4) == 0 => self.cancel(),
            _ => {}
        }
        self.check();
    }

    /// Time passes. A function does not outlive its claim, nor a message its validity.
    fn advance(&mut self, time: SignedDuration) {
        self.now += time;
        if time >= CLAIM_LEASE {
            self.senders.clear();
        }
        if time > VALIDITY {
            for index in 0..self.messages.len() {
                let kept = if self.messages[index].is_held_back { 2 } else { 0 };
                while self.messages[index].ahead.len() > kept {
                    self.step_message(index);
                }
            }
        }
    }

    /// Everything that is under way comes to its end.
    pub(super) fn finish(&mut self) {
        self.is_calm = true;
        for _ in 0..1_000 {
            self.deliver();
            while !self.senders.is_empty() {
                self.step_sender(0);
            }
            for index in 0..self.messages.len() {
                while !self.messages[index].ahead.is_empty() {
                    self.step_message(index);
                }
            }
            while !self.reports.is_empty() {
                self.receive(0);
            }
            self.sweep();
            self.check();
            // It was never known whether an earlier attempt became a message, and nothing more is sent.
            let stays_unknown =
                self.progress.phase == Phase::Accepted && self.progress.outcome == Some(Outcome::Unknown);
            if stays_unknown || self.progress.outcome.is_some_and(|outcome| outcome != Outcome::Unknown) {
                return;
            }
            self.advance(SignedDuration::from_secs(3_600));
        }
        panic!("no outcome");
    }

    /// What holds at every moment.
    fn check(&self) {
        let mut alive: BTreeMap<usize, Vec<&Message>> = BTreeMap::new();
        for message in &self.messages {
            assert!(!message.created_after_stop, "a message after a STOP");
            assert!(!message.created_after_cancel, "a message after a cancellation");
            if message.current.stage() != Stage::Lost {
                alive.entry(message.option).or_default().push(message);
            }
        }
        for (option, messages) in &alive {
            // A message that will fail is alive until Twilio reports it.
            let arrived = messages
                .iter()
                .filter(|message| !message.ahead.iter().any(|(status, _)| status.stage() == Stage::Lost));
            assert!(arrived.count() <= 1, "option {option} was sent twice");
        }
        for attempt in 0..self.progress.attempts.len() {
            let messages = self.messages.iter().filter(|message| message.attempt == attempt);
            assert!(messages.count() <= 1, "two messages of attempt {attempt}");
        }
    }

    /// What holds at the end.
    pub(super) fn check_end(&self) {
        let outcome = self.progress.outcome.unwrap();
        let last = self.progress.last();
        let last_message =
            last.and_then(|_| self.messages.iter().find(|message| message.attempt + 1 == self.progress.attempts.len()));
        if matches!(outcome, Outcome::Delivered | Outcome::Read) {
            let earlier = self.messages.iter().filter(|_| self.followed > 0);
            let has_arrived = |message: &Message| message.current.stage() == Stage::Arrived;
            assert!(last_message.into_iter().chain(earlier).any(has_arrived), "a delivery that was none");
        }
        let delivered = self.messages.iter().filter(|message| message.current.stage() == Stage::Arrived);
        let asked = self.progress.attempts.iter().any(|attempt| attempt.purpose == Purpose::AskForReply);
        assert!(delivered.count() <= 1 + usize::from(asked) + self.followed, "the person received it twice");
        let mut outcomes = self.outcomes.clone();
        outcomes.retain(|outcome| *outcome != Outcome::Unknown);
        let is_single = matches!(outcomes.as_slice(), [_] | [Outcome::Delivered, Outcome::Read])
            || (outcomes.is_empty() && outcome == Outcome::Unknown);
        assert!(is_single, "one outcome, not {outcomes:?}");
    }
}
