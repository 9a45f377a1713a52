//! What is wrong with the values of a template's variables, each problem by the name of its variable.

use std::{collections::BTreeMap, fmt};

use twilio_types::limits::MAX_TEMPLATE_VALUE_CHARS;

use super::{RegisteredTemplate, TemplateShape};
use crate::notification::FallbackChannel;

/// The problems of a template's values. `Display` names each variable and shows no value.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub struct VariableProblems(Vec<(String, VariableProblem)>);

/// What is wrong with a variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VariableProblem {
    /// Twilio would show the sample of the template's author to the person.
    #[error("missing, expected a value: the template shows it")]
    Missing,
    #[error("expected no such variable: the template has none of this name")]
    Extra,
    #[error("expected a text that is not empty: Twilio refuses an empty variable")]
    Empty,
    #[error("expected a text that is not blank: WhatsApp delivers no template with a blank variable")]
    Blank,
    #[error("expected a text without line breaks and tabs: WhatsApp delivers no template with them in a variable")]
    LineBreak,
    #[error("expected at most four spaces in a row: WhatsApp delivers no template with more of them in a variable")]
    Spaces,
    #[error("expected at most {MAX_TEMPLATE_VALUE_CHARS} characters")]
    LongValue,
    /// The longest value, if the whole text is too long.
    #[error("expected a shorter value: with it the template's text is longer than {0} characters")]
    LongText(usize),
}

impl fmt::Debug for VariableProblems {
    /// Leaves out the names, which are free text of the notification.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(_, problem)| problem)).finish()
    }
}

impl fmt::Display for VariableProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// A notification may have a hundred variables.
        const SHOWN: usize = 5;
        for (index, (name, problem)) in self.0.iter().take(SHOWN).enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}content.variables.{}: {problem}", shortened(name))?;
        }
        match self.0.len().checked_sub(SHOWN) {
            None | Some(0) => Ok(()),
            Some(more) => write!(f, "; and {more} more"),
        }
    }
}

/// A name that is not the template's comes from the notification, and may be as long as it.
fn shortened(name: &str) -> String {
    const MAX_CHARS: usize = 40;
    let mut chars = name.chars().filter(|c| !c.is_control());
    let shown: String = chars.by_ref().take(MAX_CHARS).collect();
    if chars.next().is_some() { format!("{shown}…") } else { shown }
}

/// Checks the values that a notification has for a template which goes out over a channel.
pub fn check_variables(
    template: &RegisteredTemplate,
    channel: FallbackChannel,
    variables: &BTreeMap<String, String>,
) -> Result<(), VariableProblems> {
    let shape = &template.shape;
    let mut problems: Vec<_> = variables
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), problem_of_value(shape, channel, name, value)?)))
        .collect();
    if let Some(uses) = shape.variables(channel) {
        let missing = uses.names.keys().filter(|name| !variables.contains_key(*name));
        problems.extend(missing.map(|name| (name.clone(), VariableProblem::Missing)));
        let most = shape.max_body_chars(channel);
        let chars = |name: &String| variables.get(name).map_or(0, |value| value.chars().count());
        let used: usize = uses.names.iter().map(|(name, times)| times.saturating_mul(chars(name))).sum();
        if problems.is_empty() && uses.body_chars.saturating_add(used) > most {
            let longest = uses.names.keys().max_by_key(|name| chars(name));
            problems.extend(longest.map(|name| (name.clone(), VariableProblem::LongText(most))));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(VariableProblems(problems)) }
}

fn problem_of_value(
    shape: &TemplateShape,
    channel: FallbackChannel,
    name: &str,
    value: &str,
) -> Option<VariableProblem> {
    if shape.has_variable(name) { value_problem(channel, value) } else { Some(VariableProblem::Extra) }
}

/// What is wrong with a value, whatever its template is.
///
/// Sources: Twilio, error 21656, for an empty value on every channel; Twilio, "Using variables with Content API", and error
/// 63013, for line breaks and more than four spaces in a row, to which Meta's "Message templates" adds the tab.
pub fn value_problem(channel: FallbackChannel, value: &str) -> Option<VariableProblem> {
    const TOO_MANY_SPACES: &str = "     ";
    if value.is_empty() {
        return Some(VariableProblem::Empty);
    }
    if value.chars().count() > MAX_TEMPLATE_VALUE_CHARS {
        return Some(VariableProblem::LongValue);
    }
    match channel {
        FallbackChannel::WhatsApp if value.trim().is_empty() => Some(VariableProblem::Blank),
        FallbackChannel::WhatsApp if value.contains(['\n', '\r', '\t']) => Some(VariableProblem::LineBreak),
        FallbackChannel::WhatsApp if value.contains(TOO_MANY_SPACES) => Some(VariableProblem::Spaces),
        FallbackChannel::WhatsApp | FallbackChannel::Sms | FallbackChannel::Email => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::templates::tests::template;

    fn order() -> RegisteredTemplate {
        template(&json!({"variables": {"1": "Ava", "2": "18473"}}))
    }

    fn checked(template: &RegisteredTemplate, values: &[(&str, &str)]) -> Result<(), String> {
        let values = values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        check_variables(template, FallbackChannel::WhatsApp, &values).map_err(|problems| problems.to_string())
    }

    #[test]
    fn every_problem_names_its_variable() {
        let long = "x".repeat(1_601);
        let longer = "x".repeat(1_600);
        for (values, problem) in [
            (vec![("1", "Ava")], "content.variables.2: missing, expected a value"),
            (
                vec![],
                "content.variables.1: missing, expected a value: the template shows it; content.variables.2: miss",
            ),
            (vec![("1", "Ava"), ("2", "7"), ("3", "x")], "content.variables.3: expected no such variable"),
            (vec![("1", ""), ("2", "7")], "content.variables.1: expected a text that is not empty"),
            (vec![("1", " "), ("2", "7")], "content.variables.1: expected a text that is not blank"),
            (vec![("1", "Ava\nB"), ("2", "7")], "content.variables.1: expected a text without line breaks"),
            (vec![("1", "A     B"), ("2", "7")], "content.variables.1: expected at most four spaces"),
            (vec![("1", long.as_str()), ("2", "7")], "content.variables.1: expected at most 1600 characters"),
            (vec![("1", longer.as_str()), ("2", "7")], "content.variables.1: expected a shorter value: with it the"),
        ] {
            let error = checked(&order(), &values).unwrap_err();
            assert!(error.starts_with(problem), "{error}");
            assert!(error.len() < 300 && !error.contains("Ava"), "{error}");
        }
        assert_eq!(checked(&order(), &[("1", "Ava"), ("2", "18    473")]), Ok(()));
    }

    #[test]
    fn text_of_a_template_with_buttons_has_1024_characters() {
        let types = json!({"twilio/quick-reply": {"body": "Hello {{1}}", "actions": [{"title": "Yes", "id": "1"}]}});
        let buttons = template(&json!({"types": types, "variables": {"1": "Ava"}}));
        assert_eq!(checked(&buttons, &[("1", &"x".repeat(1_018))]), Ok(()));
        assert!(checked(&buttons, &[("1", &"x".repeat(1_019))]).unwrap_err().contains("longer than 1024 characters"));
    }

    #[test]
    fn problems_are_few_and_short_for_any_number_of_names() {
        let names: Vec<String> = (0..100).map(|index| format!("{index}{}", "n".repeat(1_000))).collect();
        let values: Vec<_> = names.iter().map(|name| (name.as_str(), "x")).collect();
        let error = checked(&order(), &values).unwrap_err();
        assert!(error.ends_with("; and 97 more"), "{error}");
        assert!(error.len() < 800, "{}", error.len());
    }

    proptest! {
        /// What is accepted has exactly the variables of the template, and its text is short enough.
        #[test]
        fn accepted_values_are_complete_and_fit(
            values in prop::collection::btree_map("[1-4]", "[a-z \n]{0,900}", 0..5),
        ) {
            if check_variables(&order(), FallbackChannel::WhatsApp, &values).is_ok() {
                prop_assert_eq!(values.keys().map(String::as_str).collect::<Vec<_>>(), ["1", "2"]);
                let text = format!("Hello {}, your order {} is on its way.", values["1"], values["2"]);
                prop_assert!(text.chars().count() <= 1_600);
                prop_assert!(values.values().all(|value| !value.trim().is_empty() && !value.contains('\n')));
            }
        }
    }
}
