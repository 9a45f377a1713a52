//! The scenario that is being played, and what it has planned: that is removed when it ends.

use serde_json::{Value, json};
use tokio::task::AbortHandle;
use uuid::Uuid;

use crate::{drops::WebhookLoss, faults::FaultPlan, memory::Memory};

/// The scenario that is being played.
#[derive(Debug)]
pub(crate) struct RunningScenario {
    pub(super) run: Uuid,
    pub(super) title: String,
    pub(super) steps: usize,
    pub(super) task: AbortHandle,
    /// The numbers of the faults that it planned.
    pub(super) faults: Vec<u64>,
    /// The prefixes of the people whose webhooks it loses.
    pub(super) losses: Vec<String>,
}

impl RunningScenario {
    /// What the page shows of it.
    pub(crate) fn shown(&self) -> Value {
        json!({"title": self.title, "steps": self.steps})
    }

    /// Ends it, with what it planned.
    pub(crate) fn stop(self, memory: &mut Memory) {
        self.task.abort();
        for fault in self.faults {
            memory.faults.remove(fault);
        }
        for prefix in self.losses {
            memory.drops.end(&prefix);
        }
    }
}

impl Memory {
    /// Plans a fault until the scenario ends.
    pub(super) fn plan_for(&mut self, run: Uuid, planned: FaultPlan) {
        if let Some(running) = self.scenario.as_mut().filter(|running| running.run == run) {
            running.faults.push(self.faults.add(planned).id());
        }
    }

    /// Loses webhooks until the scenario ends.
    pub(super) fn lose_for(&mut self, run: Uuid, loss: WebhookLoss) {
        if let Some(running) = self.scenario.as_mut().filter(|running| running.run == run) {
            running.losses.push(loss.prefix().to_owned());
            self.drops.set(loss);
        }
    }
}
