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
    timeline::{Happening, Outcome},
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
        let details = json!({"step": number, "action": step.written});
        sandbox.tell(Happening::new("scenario", Outcome::Neutral, format!("Step {number}: {summary}")).with(details));
        if act(&sandbox, step.action, begin).await.is_break() {
            return;
        }
    }
    sandbox.tell(Happening::new("scenario", Outcome::Good, "The scenario is over"));
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
        ScenarioAction::InjectedFault(planned) => drop(sandbox.memory().faults.plan(planned)),
        ScenarioAction::WebhookLosses(loss) => sandbox.memory().drops.set(loss),
        ScenarioAction::Rules(changed) => {
            if let Ok(rules) = changed.over(&sandbox.rules()) {
                sandbox.set_rules(rules);
            }
        }
        ScenarioAction::AdvanceSeconds(seconds) => operations::advance_clock(sandbox, seconds),
        ScenarioAction::AuthToken(changed) => drop(operations::change_auth_token(sandbox, changed)),
        ScenarioAction::PauseSeconds(seconds) => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
        ScenarioAction::StatusWait(wait) => return wait_for(sandbox, &wait, begin).await,
    }
    ControlFlow::Continue(())
}

/// Waits for a message of this play, and says so where it does not come.
async fn wait_for(sandbox: &Sandbox, wait: &StatusWait, begin: Timestamp) -> ControlFlow<()> {
    let to = wait.to.to_string();
    let is_it = |message: &Message| {
        message.direction != "inbound" && message.to == to && has_come_to(message.status, wait.status)
    };
    let coming = async {
        let mut changes = sandbox.stream.subscribe();
        loop {
            let found = {
                let memory = sandbox.memory();
                let of_this_play = memory.messages.iter().rev().take_while(|message| message.created_at >= begin);
                of_this_play.into_iter().any(is_it)
            };
            if found {
                return;
            }
            // An error is a receiver that was too slow: then too the messages are looked at again.
            let _ = changes.recv().await;
        }
    };
    if tokio::time::timeout(Duration::from_secs(wait.within_seconds.into()), coming).await.is_ok() {
        return ControlFlow::Continue(());
    }
    let summary =
        format!("The scenario ends: no message to {to} was {} within {} seconds", wait.status, wait.within_seconds);
    sandbox.tell(Happening::new("scenario", Outcome::Bad, summary).of(&to, None));
    ControlFlow::Break(())
}

/// Whether a message has a status or has passed it.
fn has_come_to(status: MessageStatus, wanted: MessageStatus) -> bool {
    status == wanted || (status > wanted && status <= MessageStatus::Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_was_read_was_delivered_and_one_that_failed_was_not() {
        use MessageStatus::{Delivered, Failed, Read, Sent};
        assert!(has_come_to(Read, Delivered) && has_come_to(Failed, Failed));
        assert!(!has_come_to(Failed, Delivered) && !has_come_to(Sent, Delivered));
    }
}
