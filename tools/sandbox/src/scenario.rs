//! Scenarios: people, and steps that are played one after the other. This module reads them, [`play`] plays them, and [`check`]
//! looks whether what they expect ([`expectation`]) has happened. [`running`] is what ends with them.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use twilio_types::message_status::MessageStatus;

use crate::{
    auth_tokens::AuthTokenChange,
    choices::Choices,
    content::approval::ApprovalChange,
    drops::WebhookLoss,
    faults::FaultPlan,
    inbound::person_message::PersonMessage,
    people::{NewPerson, WhatsAppAddress},
    rules::WhatsAppRules,
};

mod check;
mod expectation;
pub(crate) mod play;
pub(crate) mod running;

use expectation::Expectation;

/// A scenario that was read and is valid.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The seed that the scenario was written for.
    pub seed: Option<u64>,
    /// What it shows.
    pub(crate) title: Option<String>,
    /// What a person is to expect.
    pub(crate) expect: Option<String>,
    people: Vec<NewPerson>,
    steps: Vec<ScenarioStep>,
}

/// An error in a scenario: its step, its field, and what is expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidScenario(String);

impl std::fmt::Display for InvalidScenario {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for InvalidScenario {}

#[derive(Debug, Clone)]
struct ScenarioStep {
    note: Option<String>,
    /// As JSON, for the timeline.
    json: Value,
    action: ScenarioAction,
}

#[derive(Debug, Clone)]
enum ScenarioAction {
    Inbound(Box<PersonMessage>),
    Fault(FaultPlan),
    Drops(WebhookLoss),
    Rules(ChangedRules),
    Choices(ChangedChoices),
    AdvanceSeconds(u32),
    AuthToken(AuthTokenChange),
    Wait(StatusWait),
    /// Sends as the business.
    Notify(Value),
    Expect(Box<Expectation>),
    PauseSeconds(u32),
    /// WhatsApp changes a template.
    Template(ChangedTemplate),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct ChangedTemplate {
    sid: String,
    change: ApprovalChange,
}

/// Waits until a message to a person has a status.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct StatusWait {
    status: MessageStatus,
    to: WhatsAppAddress,
    #[serde(default = "default_wait_seconds")]
    within_seconds: u32,
}

fn default_wait_seconds() -> u32 {
    30
}

/// The rules to change; the others stay as they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
struct ChangedRules(Map<String, Value>);

impl TryFrom<Map<String, Value>> for ChangedRules {
    type Error = serde_json::Error;

    fn try_from(changes: Map<String, Value>) -> Result<Self, serde_json::Error> {
        let read = Self(changes);
        read.apply_to(&WhatsAppRules::lenient()).map(|_| read)
    }
}

impl ChangedRules {
    fn apply_to(&self, rules: &WhatsAppRules) -> Result<WhatsAppRules, serde_json::Error> {
        let mut changed = serde_json::to_value(rules)?;
        if let Some(fields) = changed.as_object_mut() {
            fields.extend(self.0.clone());
        }
        serde_json::from_value(changed)
    }
}

/// The choices to change; the others stay as they are.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Map<String, Value>")]
struct ChangedChoices(Map<String, Value>);

impl TryFrom<Map<String, Value>> for ChangedChoices {
    type Error = serde_json::Error;

    fn try_from(changes: Map<String, Value>) -> Result<Self, serde_json::Error> {
        Choices::default().with(&changes).map(|_| Self(changes))
    }
}

/// A scenario whose steps are not yet read.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ScenarioFile {
    #[serde(default)]
    title: Option<String>,
    #[serde(default)]
    expect: Option<String>,
    #[serde(default)]
    seed: Option<u64>,
    #[serde(default)]
    people: Vec<Value>,
    steps: Vec<Map<String, Value>>,
}

const ACTIONS: &str = "inbound, notify, fault, drops, rules, choices, advance_seconds, auth_token, wait, expect, template or pause_seconds";

impl std::str::FromStr for Scenario {
    type Err = InvalidScenario;

    fn from_str(text: &str) -> Result<Self, InvalidScenario> {
        let written = serde_json::from_str(text).map_err(|error| InvalidScenario(error.to_string()))?;
        Self::read(written)
    }
}

impl Scenario {
    pub(crate) fn from_json(json: Value) -> Result<Self, InvalidScenario> {
        Self::read(serde_json::from_value(json).map_err(|error| InvalidScenario(error.to_string()))?)
    }

    pub(crate) fn steps(&self) -> usize {
        self.steps.len()
    }

    fn read(written: ScenarioFile) -> Result<Self, InvalidScenario> {
        let numbered = written.people.into_iter().zip(1..);
        let people = numbered.map(|(person, number)| field(person, &format!("person {number}")));
        let steps = written.steps.into_iter().zip(1..).map(|(step, number)| {
            ScenarioStep::read(step)
                .map_err(|InvalidScenario(error)| InvalidScenario(format!("step {number}: {error}")))
        });
        Ok(Self {
            seed: written.seed,
            title: written.title,
            expect: written.expect,
            people: people.collect::<Result<_, _>>()?,
            steps: steps.collect::<Result<_, _>>()?,
        })
    }
}

impl ScenarioStep {
    fn read(mut step: Map<String, Value>) -> Result<Self, InvalidScenario> {
        let note = step.remove("note").map(|note| field(note, "note")).transpose()?;
        let json = Value::Object(step.clone());
        let mut fields = step.into_iter();
        let (Some((name, value)), None) = (fields.next(), fields.next()) else {
            return Err(InvalidScenario(format!("expected one of {ACTIONS}, and optionally note")));
        };
        let action = match name.as_str() {
            "inbound" => ScenarioAction::Inbound(field(value, &name)?),
            "fault" => ScenarioAction::Fault(field(value, &name)?),
            "drops" => ScenarioAction::Drops(field(value, &name)?),
            "rules" => ScenarioAction::Rules(field(value, &name)?),
            "choices" => ScenarioAction::Choices(field(value, &name)?),
            "advance_seconds" => ScenarioAction::AdvanceSeconds(field(value, &name)?),
            "auth_token" => ScenarioAction::AuthToken(field(value, &name)?),
            "wait" => ScenarioAction::Wait(field(value, &name)?),
            "notify" if value.is_object() => ScenarioAction::Notify(value),
            "notify" => return Err(InvalidScenario("notify: expected the JSON of a notification".to_owned())),
            "expect" => ScenarioAction::Expect(field(value, &name)?),
            "pause_seconds" => ScenarioAction::PauseSeconds(field(value, &name)?),
            "template" => ScenarioAction::Template(field(value, &name)?),
            _ => return Err(InvalidScenario(format!("{name}: unknown; expected {ACTIONS}"))),
        };
        Ok(Self { note, json, action })
    }
}

fn field<T: DeserializeOwned>(value: Value, name: &str) -> Result<T, InvalidScenario> {
    serde_json::from_value(value).map_err(|error| InvalidScenario(format!("{name}: {error}")))
}

impl std::fmt::Display for ScenarioAction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Inbound(writing) => write!(f, "{} sends a message", writing.from),
            Self::Fault(_) => f.write_str("plan a fault"),
            Self::Drops(_) => f.write_str("lose webhooks"),
            Self::Rules(_) => f.write_str("change the rules"),
            Self::Choices(_) => f.write_str("answer open questions in another way"),
            Self::AdvanceSeconds(seconds) => write!(f, "move the clock forward by {seconds} seconds"),
            Self::AuthToken(_) => f.write_str("change the auth token"),
            Self::Wait(wait) => write!(f, "wait until a message to {} is {}", wait.to, wait.status),
            Self::Notify(notification) => {
                write!(f, "send a notification to {}", notification["to"].as_str().unwrap_or("a person"))
            }
            Self::Expect(expectation) => write!(f, "expect that {expectation}"),
            Self::PauseSeconds(seconds) => write!(f, "pause for {seconds} seconds"),
            Self::Template(changed) => write!(f, "WhatsApp changes the template {}", changed.sid),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error_of(scenario: &str) -> String {
        scenario.parse::<Scenario>().unwrap_err().to_string()
    }

    #[test]
    fn error_names_the_step_the_field_and_what_is_expected() {
        let cases = [
            (r#"{"step": []}"#, ["unknown field `step`", "`steps`"]),
            (r#"{"steps": [{"inbound": {"from": "x:"}}]}"#, ["step 1: inbound", "expected"]),
            (
                r#"{"steps": [{"pause_seconds": 1}, {"fault": {"faults": 1}}]}"#,
                ["step 2: fault: unknown field `faults`", "`fault`"],
            ),
            (r#"{"steps": [{"wait": {"to": "whatsapp:+14155550123", "status": "seen"}}]}"#, ["step 1: wait", "read"]),
            (r#"{"steps": [{"wait": {"status": "read"}}]}"#, ["step 1: wait", "missing field `to`"]),
            (r#"{"steps": [{"advance_seconds": -1}]}"#, ["step 1: advance_seconds", "u32"]),
            (r#"{"steps": [{"rules": {"pair": 1}}]}"#, ["step 1: rules: unknown field `pair`", "pair_limit"]),
            (r#"{"steps": [{"rules": {"pair_limit": 1}}]}"#, ["step 1: rules", "a boolean"]),
            (
                r#"{"steps": [{"choices": {"broken_rules": "failed"}}]}"#,
                ["step 1: choices: unknown field", "broken_rule"],
            ),
            (
                r#"{"steps": [{"choices": {"broken_rule": "lost"}}]}"#,
                ["step 1: choices: unknown variant", "undelivered"],
            ),
            (r#"{"steps": [{"dance": 1}]}"#, ["step 1: dance: unknown", "pause_seconds"]),
            (r#"{"steps": [{"note": "nothing"}]}"#, ["step 1: expected one of", "inbound"]),
            (r#"{"steps": [{"pause_seconds": 1, "fault": {}}]}"#, ["step 1: expected one of", "inbound"]),
            (r#"{"steps": [{"notify": "a"}]}"#, ["step 1: notify", "the JSON of a notification"]),
            (r#"{"steps": [{"expect": {"within_seconds": 1}}]}"#, ["step 1: expect", "one of message, notification"]),
            (r#"{"steps": [{"expect": {"event": {"kind": "a"}}}]}"#, ["unknown field `kind`", "`type`"]),
            (r#"{"steps": [{"expect": {"count": {"of": "webhook"}}}]}"#, ["step 1: expect: count", "at_least"]),
            (r#"{"steps": [{"expect": {"notification": {}}}]}"#, ["step 1: expect: notification", "outcome"]),
            (r#"{"people": [{"name": ""}], "steps": []}"#, ["person 1: name", "1 to 60"]),
        ];
        for (scenario, parts) in cases {
            let error = error_of(scenario);
            assert!(parts.iter().all(|part| error.contains(part)), "{scenario}: {error}");
        }
    }
}
