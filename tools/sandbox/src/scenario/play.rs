//! Playing a scenario, step by step.

use std::{ops::ControlFlow, sync::Arc, time::Duration};

use jiff::Timestamp;
use serde_json::json;
use twilio_types::message_status::MessageStatus;

use super::{Scenario, ScenarioAction, StatusWait};
use crate::{
    inbound,
    messages::Message,
    operations,
    state::Sandbox,
    timeline::{TimelineEvent, TimelineOutcome},
};

/// Plays a scenario, and ends the one that is being played.
pub fn play(sandbox: &Arc<Sandbox>, scenario: Scenario) {
    let task = tokio::spawn(play_all(Arc::clone(sandbox), scenario));
    if let Some(other) = sandbox.memory().scenario_task.replace(task.abort_handle()) {
        other.abort();
    }
}

async fn play_all(sandbox: Arc<Sandbox>, scenario: Scenario) {
    let begin = sandbox.now();
    for person in scenario.people {
        let mut memory = sandbox.memory();
        if memory.people.has_room() {
            memory.people.add(person);
        }
    }
    for (step, number) in scenario.steps.into_iter().zip(1..) {
        let summary = step.note.unwrap_or_else(|| step.action.to_string());
        let details = json!({"step": number, "action": step.json});
        sandbox.record(
            TimelineEvent::new("scenario", TimelineOutcome::Neutral, format!("Step {number}: {summary}")).with(details),
        );
        if act(&sandbox, step.action, begin).await.is_break() {
            return;
        }
    }
    sandbox.record(TimelineEvent::new("scenario", TimelineOutcome::Good, "The scenario is over"));
}

async fn act(sandbox: &Arc<Sandbox>, action: ScenarioAction, begin: Timestamp) -> ControlFlow<()> {
    match action {
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
        ScenarioAction::Fault(planned) => drop(sandbox.memory().faults.add(planned)),
        ScenarioAction::Drops(loss) => sandbox.memory().drops.set(loss),
        ScenarioAction::Rules(changed) => {
            if let Ok(rules) = changed.apply_to(&sandbox.rules()) {
                sandbox.set_rules(rules);
            }
        }
        ScenarioAction::AdvanceSeconds(seconds) => operations::advance_clock(sandbox, seconds),
        ScenarioAction::AuthToken(changed) => drop(operations::change_auth_token(sandbox, changed)),
        ScenarioAction::PauseSeconds(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
        ScenarioAction::Wait(wait) => return wait_for(sandbox, &wait, begin).await,
    }
    ControlFlow::Continue(())
}

/// Waits for a message that was created since the scenario began. Without it the scenario ends, with a timeline event.
async fn wait_for(sandbox: &Sandbox, wait: &StatusWait, begin: Timestamp) -> ControlFlow<()> {
    let to = wait.to.to_string();
    let matches = |message: &Message| {
        message.direction != "inbound" && message.to == to && has_reached(message.status, wait.status)
    };
    let reached = async {
        let mut changes = sandbox.stream.subscribe();
        loop {
            let found = {
                let memory = sandbox.memory();
                let since_begin = memory.messages.iter().rev().take_while(|message| message.created_at >= begin);
                since_begin.into_iter().any(matches)
            };
            if found {
                return;
            }
            // The messages are read again after each change, and also where this receiver was too slow for all changes.
            let _ = changes.recv().await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(wait.within_seconds.into()), reached).await.is_ok() {
        return ControlFlow::Continue(());
    }
    let summary =
        format!("The scenario ends: no message to {to} was {} within {} seconds", wait.status, wait.within_seconds);
    sandbox.record(TimelineEvent::new("scenario", TimelineOutcome::Bad, summary).of(&to, None));
    ControlFlow::Break(())
}

/// Whether a message has the wanted status, or a later one that implies it.
fn has_reached(status: MessageStatus, wanted: MessageStatus) -> bool {
    status == wanted || (status > wanted && status <= MessageStatus::Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn read_implies_delivered_and_failed_does_not() {
        use MessageStatus::{Delivered, Failed, Read, Sent};
        assert!(has_reached(Read, Delivered) && has_reached(Failed, Failed));
        assert!(!has_reached(Failed, Delivered) && !has_reached(Sent, Delivered));
    }
}
