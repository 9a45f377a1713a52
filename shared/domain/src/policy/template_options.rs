//! The options of a notification whose content is a template.

use jiff::Timestamp;

use super::{Case, PolicyRefusal};
use crate::{
    notification::Content,
    progress::Step,
    templates::{PassedOver, RegisteredTemplate, TemplateProblem, TemplateUse, check_variables},
};

impl Case<'_> {
    /// The template of an option, as it can be sent now. None if the option has no template, or one by a SID that is not known
    /// here.
    pub fn template(&self, option: usize, now: Timestamp) -> Result<Option<&RegisteredTemplate>, TemplateProblem> {
        let Some((channel, Content::Template { template, variables })) = self.notification.channel_option(option)
        else {
            return Ok(None);
        };
        let usage = TemplateUse { channel, window_is_open: self.is_window_open(option, now) };
        let found = self.templates.find(template, self.template_settings, usage)?;
        if let Some(found) = found {
            check_variables(found, channel, variables)?;
        }
        Ok(found)
    }

    /// The options before a step that could not be sent because of their templates.
    pub fn passed_over(&self, step: Step, now: Timestamp) -> Vec<PassedOver> {
        let first = self.progress.ready_step().map_or(0, |ready| ready.option);
        let options = (first..step.option).filter(|option| !self.progress.is_spent(*option));
        options.filter_map(|option| Some(PassedOver::of(option, &self.template(option, now).err()?))).collect()
    }
}

/// Why no option is left, of which these have a template that cannot be sent.
pub(super) fn refusal(problems: &[(usize, TemplateProblem)]) -> PolicyRefusal {
    if problems.is_empty() {
        return PolicyRefusal::OutsideWindow;
    }
    PolicyRefusal::Template {
        passed_over: problems.iter().map(|(option, problem)| PassedOver::of(*option, problem)).collect(),
        may_be_unknown: problems.iter().any(|(_, problem)| problem.may_be_unknown()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::{
        notification::FallbackChannel,
        person::Person,
        policy::{
            Decision, RecipientRules, decide,
            tests::{case, fallback, never, no_pauses, notification, now, send, service, text, wrote},
        },
        progress::{Phase, Progress, Purpose},
        templates::{TemplateRegistry, tests::registry},
    };

    fn named(name: &str, variables: &Value) -> Value {
        json!({"type": "template", "name": name, "variables": variables})
    }

    fn order() -> Value {
        named("order_update", &json!({"1": "Ava", "2": "18473"}))
    }

    /// The decision about a notification, and what it passes over.
    fn decided(
        content: &Value,
        options: &[(&str, Value)],
        person: &Person,
        templates: &TemplateRegistry,
    ) -> (Decision, Vec<String>) {
        let notification = notification("utility", content, &fallback(options));
        let (rules, progress) = (RecipientRules::default(), Progress::default());
        let case = Case { templates, ..case(&notification, &rules, person, &progress, service(), no_pauses()) };
        let decision = decide(&case, now());
        let passed_over = match &decision {
            Decision::Send(step) => case.passed_over(*step, now()),
            Decision::Never(PolicyRefusal::Template { passed_over, .. }) => passed_over.clone(),
            _ => Vec::new(),
        };
        (decision, passed_over.into_iter().map(|option| option.reason).collect())
    }

    #[test]
    fn paused_template_is_passed_over_for_the_next_option() {
        let paused = registry(&[json!({"status": "paused"})]);
        let (decision, reasons) = decided(&order(), &[("sms", text())], &Person::default(), &paused);
        assert_eq!(decision, send(1));
        assert_eq!(reasons, ["content: the template is paused at WhatsApp, expected an approved one"]);
        let resumed = registry(&[json!({})]);
        assert_eq!(decided(&order(), &[("sms", text())], &Person::default(), &resumed), (send(0), Vec::new()));
    }

    #[test]
    fn notification_without_a_sendable_template_is_refused_by_name() {
        let paused = registry(&[json!({"status": "paused"})]);
        let other = named("no_such", &json!({}));
        let (decision, reasons) = decided(&order(), &[("whatsapp", other)], &Person::default(), &paused);
        let Decision::Never(refusal) = decision else { panic!("{decision:?}") };
        let [first, second] = reasons.try_into().unwrap();
        assert_eq!(refusal.to_string(), format!("{first}; {second}"));
        assert!(second.starts_with("fallback[0].content.name: the account has no template of the name no_such"));
        assert!(matches!(refusal, PolicyRefusal::Template { may_be_unknown: true, .. }));
    }

    #[test]
    fn values_that_do_not_fit_the_template_are_passed_over() {
        let approved = registry(&[json!({})]);
        let missing = named("order_update", &json!({"1": "Ava"}));
        let (decision, reasons) = decided(&missing, &[("whatsapp", order())], &Person::default(), &approved);
        assert_eq!(decision, send(1));
        assert_eq!(reasons.len(), 1);
        assert!(reasons[0].starts_with("content.variables.2: missing"), "{reasons:?}");
        let by_sid = json!({"type": "template", "content_sid": "HX00000000000000000000000000000001"});
        let (decision, _) = decided(&by_sid, &[], &Person::default(), &approved);
        assert!(
            matches!(decision, Decision::Never(PolicyRefusal::Template { may_be_unknown: false, .. })),
            "{decision:?}"
        );
    }

    #[test]
    fn list_picker_is_sent_in_the_window_alone() {
        let types = json!({"twilio/list-picker": {"body": "Hi", "button": "Choose", "items": []}});
        let list = registry(&[json!({"friendly_name": "choice", "status": "unsubmitted", "types": types})]);
        let content = named("choice", &json!({}));
        assert_eq!(decided(&content, &[("sms", text())], &wrote(1), &list).0, send(0));
        let (decision, reasons) = decided(&content, &[("sms", text())], &wrote(25), &list);
        assert_eq!(decision, send(1));
        assert!(reasons[0].contains("only in the 24 hours after the recipient's last message"), "{reasons:?}");
    }

    #[test]
    fn template_that_is_to_follow_silence_must_be_sendable() {
        let options = json!([
            {"channel": "whatsapp", "content": order(), "after": "10m"},
            {"channel": "sms", "content": text(), "after": "10m"},
        ]);
        let decided = |status: &str, options: &Value| {
            let notification = notification("utility", &text(), &json!({"fallback": options}));
            let mut progress = Progress::default();
            let claimed_at = now() - jiff::SignedDuration::from_mins(10);
            progress.claim(Step { option: 0, purpose: Purpose::Deliver }, FallbackChannel::WhatsApp, claimed_at);
            progress.phase = Phase::Accepted;
            let templates = registry(&[json!({"status": status})]);
            let (rules, person) = (RecipientRules::default(), Person::default());
            let case = case(&notification, &rules, &person, &progress, service(), no_pauses());
            decide(&Case { templates: &templates, ..case }, now())
        };
        assert_eq!(decided("approved", &options), send(1));
        assert_eq!(decided("paused", &options), send(2));
        let alone = json!([options[0]]);
        assert!(matches!(decided("paused", &alone), Decision::Never(PolicyRefusal::Template { .. })));
    }

    #[test]
    fn text_outside_the_window_is_no_problem_of_a_template() {
        let (decision, reasons) = decided(&text(), &[], &Person::default(), &TemplateRegistry::default());
        assert_eq!((decision, reasons), (never(PolicyRefusal::OutsideWindow), Vec::new()));
    }

    #[test]
    fn template_that_asks_for_a_reply_must_be_sendable() {
        let both = registry(&[json!({"friendly_name": "hello", "status": "paused"}), json!({})]);
        let options = [("whatsapp", named("hello", &json!({"1": "a", "2": "b"}))), ("whatsapp", order())];
        let mut more = fallback(&options);
        more["wait_for_reply"] = json!(true);
        let notification = notification("utility", &text(), &more);
        let (rules, person, progress) = (RecipientRules::default(), Person::default(), Progress::default());
        let case = Case { templates: &both, ..case(&notification, &rules, &person, &progress, service(), no_pauses()) };
        assert_eq!(decide(&case, now()), Decision::Send(Step { option: 2, purpose: Purpose::AskForReply }));
    }
}
