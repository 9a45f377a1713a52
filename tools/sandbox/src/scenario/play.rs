//! Playing a scenario, step by step.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::time::timeout;
use uuid::Uuid;

use super::{
    Scenario, ScenarioAction, ScenarioStep, StatusWait,
    check::{Progress, has_reached},
    expectation::VerdictLine,
    running::RunningScenario,
};
use crate::{
    business,
    content::review,
    inbound, operations,
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

/// Plays a scenario, and ends the one that is being played.
pub fn play(sandbox: &Arc<Sandbox>, scenario: Scenario) {
    let run = Uuid::new_v4();
    let (title, steps) = (scenario.title.clone().unwrap_or_else(|| "A scenario".to_owned()), scenario.steps());
    // Locked until it is stored: its first step waits for the lock.
    let mut memory = sandbox.memory();
    if let Some(other) = memory.scenario.take() {
        other.stop(&mut memory);
    }
    let task = tokio::spawn(play_all(Arc::clone(sandbox), scenario, run)).abort_handle();
    memory.scenario = Some(RunningScenario { run, title, steps, task, faults: Vec::new(), losses: Vec::new() });
}

/// Ends the scenario that is being played. False where there is none.
pub(crate) fn stop(sandbox: &Sandbox) -> bool {
    let mut memory = sandbox.memory();
    let running = memory.scenario.take();
    let is_stopped = running.is_some();
    if let Some(running) = running {
        running.stop(&mut memory);
        let summary = "The scenario was stopped, and what it had planned is removed";
        memory.record(sandbox.now(), TimelineEvent::new("scenario", TimelineOutcome::Neutral, summary));
    }
    is_stopped
}

async fn play_all(sandbox: Arc<Sandbox>, scenario: Scenario, run: Uuid) {
    let mut player = Player::begin(&sandbox, &scenario, run);
    for (step, number) in scenario.steps.into_iter().zip(1..) {
        if player.step(step, number).await.is_break() {
            player.is_complete = false;
            break;
        }
    }
    let event = player.verdict();
    let mut memory = sandbox.memory();
    // Another scenario may have begun meanwhile.
    if memory.scenario.as_ref().is_some_and(|running| running.run == run)
        && let Some(running) = memory.scenario.take()
    {
        running.stop(&mut memory);
    }
    memory.record(sandbox.now(), event);
}

/// A scenario that is being played, without the steps that are left.
struct Player<'a> {
    sandbox: &'a Arc<Sandbox>,
    run: Uuid,
    title: Option<String>,
    progress: Progress,
    /// Whether something is expected at all.
    expects: bool,
    is_complete: bool,
}

impl<'a> Player<'a> {
    fn begin(sandbox: &'a Arc<Sandbox>, scenario: &Scenario, run: Uuid) -> Self {
        let mut memory = sandbox.memory();
        for person in &scenario.people {
            if memory.people.has_room() {
                memory.people.add(person.clone());
            }
        }
        let progress = Progress {
            messages_before: memory.messages.last_number(),
            entries_before: memory.timeline.last_number(),
            notification_id: None,
            lines: Vec::new(),
        };
        let expects = scenario.steps.iter().any(|step| matches!(step.action, ScenarioAction::Expect(_)));
        Self { sandbox, run, title: scenario.title.clone(), progress, expects, is_complete: true }
    }

    async fn step(&mut self, step: ScenarioStep, number: usize) -> ControlFlow<()> {
        let summary = step.note.unwrap_or_else(|| step.action.to_string());
        let details = json!({"step": number, "action": step.json});
        let event = TimelineEvent::new("scenario", TimelineOutcome::Neutral, format!("Step {number}: {summary}"));
        self.sandbox.record(event.with(details));
        let sandbox = self.sandbox;
        match step.action {
            ScenarioAction::Inbound(sent) => {
                let stored = inbound::store(sandbox, &sent);
                if stored.is_delayed() {
                    // The message that overtakes it may be the next step.
                    let sandbox = Arc::clone(sandbox);
                    tokio::spawn(async move { inbound::deliver(&sandbox, stored).await });
                } else {
                    inbound::deliver(sandbox, stored).await;
                }
            }
            ScenarioAction::Notify(notification) => self.notify(number, notification).await,
            ScenarioAction::Fault(planned) => sandbox.memory().plan_for(self.run, planned),
            ScenarioAction::Drops(loss) => sandbox.memory().lose_for(self.run, loss),
            ScenarioAction::Rules(changed) => {
                if let Ok(rules) = changed.apply_to(&sandbox.rules()) {
                    sandbox.set_rules(rules);
                }
            }
            ScenarioAction::Choices(changed) => {
                let mut memory = sandbox.memory();
                if let Ok(choices) = memory.choices.with(&changed.0) {
                    memory.choices = choices;
                }
            }
            ScenarioAction::AdvanceSeconds(seconds) => {
                if let Err(error) = operations::advance_clock(sandbox, seconds).await {
                    self.fail(number, "the clock moves forward", error.to_string());
                    return ControlFlow::Break(());
                }
            }
            ScenarioAction::AuthToken(changed) => drop(operations::change_auth_token(sandbox, changed)),
            ScenarioAction::PauseSeconds(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
            ScenarioAction::Template(changed) => {
                let changed = review::change(sandbox, &changed.sid, changed.change);
                if let Some(error) = changed.map_or(Some("there is no such template"), Result::err) {
                    self.fail(number, "the template changes", error.to_owned());
                    return ControlFlow::Break(());
                }
            }
            ScenarioAction::Wait(wait) => return self.wait_for(number, &wait).await,
            ScenarioAction::Expect(expectation) => {
                let line = self.progress.check(sandbox, number, &expectation).await;
                self.progress.lines.push(line);
            }
        }
        ControlFlow::Continue(())
    }

    /// Sends as the business. What the system refuses is a failed line of the verdict.
    async fn notify(&mut self, number: usize, notification: Value) {
        match business::send(self.sandbox, notification).await {
            Ok(sent) => self.progress.notification_id = Some(sent.id),
            Err(error) => self.fail(number, "the notification is accepted", error.to_string()),
        }
    }

    fn fail(&mut self, step: usize, expected: &str, seen: String) {
        self.expects = true;
        self.progress.lines.push(VerdictLine { step, expected: expected.to_owned(), seen, passed: false });
    }

    /// Waits for a message that was created since the scenario began. Without it the scenario ends, with a timeline event.
    async fn wait_for(&mut self, number: usize, wait: &StatusWait) -> ControlFlow<()> {
        let to = wait.to.to_string();
        let reached = async {
            let mut changes = self.sandbox.stream.subscribe();
            loop {
                let is_reached = {
                    let memory = self.sandbox.memory();
                    self.progress.messages(&memory, Some(&to)).any(|message| has_reached(message.status, wait.status))
                };
                if is_reached {
                    return;
                }
                // The messages are read again after each change, and also where this receiver was too slow for all changes.
                let _ = changes.recv().await;
            }
        };
        if timeout(Duration::from_secs(wait.within_seconds.into()), reached).await.is_ok() {
            return ControlFlow::Continue(());
        }
        let expected = format!("a message to {to} was {} within {} seconds", wait.status, wait.within_seconds);
        let event = TimelineEvent::new(
            "scenario",
            TimelineOutcome::Bad,
            format!("The scenario ends: expected that {expected}"),
        );
        self.sandbox.record(event.of(&to, None));
        if self.expects {
            self.fail(number, &expected, "it was not".to_owned());
        }
        ControlFlow::Break(())
    }

    /// The last entry of the scenario: its verdict, or that it is over if nothing was expected.
    fn verdict(self) -> TimelineEvent {
        let lines = self.progress.lines;
        if !self.expects {
            let (outcome, summary) = if self.is_complete {
                (TimelineOutcome::Good, "The scenario is over")
            } else {
                (TimelineOutcome::Neutral, "The scenario ended early")
            };
            return TimelineEvent::new("scenario", outcome, summary);
        }
        let passed = lines.iter().filter(|line| line.passed).count();
        let is_passed = self.is_complete && passed == lines.len();
        let (outcome, word) =
            if is_passed { (TimelineOutcome::Good, "Passed") } else { (TimelineOutcome::Bad, "Failed") };
        let title = self.title.map(|title| format!(" ({title})")).unwrap_or_default();
        let summary = format!("{word}: {passed} of {} expectations were met{title}", lines.len());
        TimelineEvent::new("verdict", outcome, summary).with(json!({"passed": is_passed, "lines": lines}))
    }
}

#[cfg(test)]
mod tests {
    use twilio_types::message_status::MessageStatus;

    use super::*;

    #[test]
    fn read_implies_delivered_and_failed_does_not() {
        use MessageStatus::{Delivered, Failed, Read, Sent};
        assert!(has_reached(Read, Delivered) && has_reached(Failed, Failed));
        assert!(!has_reached(Failed, Delivered) && !has_reached(Sent, Delivered));
    }
}
