//! The account's templates, as Twilio lists them.

use serde_json::Value;
use twilio_client::{AccountClient, ContentWithApproval};

use crate::{
    error::CommandError,
    template_file::{LocalizedTemplate, TemplateFile},
};

/// A page has 250 templates: more pages than an account has templates for.
const MAX_PAGES: usize = 120;

/// The status of a template that was never submitted.
pub(in crate::commands) const UNSUBMITTED: &str = "unsubmitted";

/// A template of the account.
pub(in crate::commands) struct AccountTemplate(pub(in crate::commands) ContentWithApproval);

/// All templates of the account, in Twilio's order.
pub(in crate::commands) async fn read(account: &AccountClient) -> Result<Vec<AccountTemplate>, CommandError> {
    let mut page = account.list_content_with_approvals().await?;
    let mut found = page.contents;
    for _ in 1..MAX_PAGES {
        let Some(next) = &page.next else { break };
        page = account.content_approval_page(next).await?;
        found.append(&mut page.contents);
    }
    Ok(found.into_iter().map(AccountTemplate).collect())
}

impl AccountTemplate {
    pub(in crate::commands) fn name(&self) -> &str {
        self.0.friendly_name.as_deref().unwrap_or_default()
    }

    pub(in crate::commands) fn locale(&self) -> &str {
        self.0.language.as_deref().unwrap_or_default()
    }

    /// In lower case.
    pub(in crate::commands) fn status(&self) -> String {
        let approval = self.0.approval.as_ref();
        let status = approval.and_then(|approval| approval.status.as_deref()).unwrap_or(UNSUBMITTED);
        status.to_lowercase()
    }

    pub(super) fn was_submitted(&self) -> bool {
        self.status() != UNSUBMITTED
    }

    pub(super) fn has(&self, file: &TemplateFile, locale: &str) -> bool {
        self.name() == file.name && self.locale().replace('-', "_").eq_ignore_ascii_case(locale)
    }

    /// Whether it says what the file says. Twilio adds fields without a value.
    pub(super) fn equals(&self, localized: &LocalizedTemplate) -> bool {
        let theirs = (&self.0.variables, &self.0.types);
        let is_same = |ours: &serde_json::Map<String, Value>, theirs: &serde_json::Map<String, Value>| {
            without_nulls(&Value::Object(ours.clone())) == without_nulls(&Value::Object(theirs.clone()))
        };
        is_same(&localized.variables, theirs.0) && is_same(&localized.types, theirs.1)
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            fields.map(|(name, value)| (name.clone(), without_nulls(value))).collect()
        }
        Value::Array(values) => values.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_that_twilio_adds_without_a_value_are_no_difference() {
        let types = json!({"twilio/text": {"body": "Hi"}, "twilio/media": null});
        let content =
            json!({"sid": format!("HX{:032}", 1), "friendly_name": "hi", "language": "pt-BR", "types": types});
        let template = AccountTemplate(serde_json::from_value(content).unwrap());
        let localized = |body: &str| {
            let types = json!({"twilio/text": {"body": body}});
            serde_json::from_value(json!({"types": types})).unwrap()
        };
        assert!(template.equals(&localized("Hi")) && !template.equals(&localized("Hello")));
        let file = TemplateFile::parse("hi.json".into(), r#"{"locales": {}}"#).unwrap();
        assert!(template.has(&file, "pt_BR") && !template.has(&file, "pt"));
        assert_eq!((template.status().as_str(), template.was_submitted()), (UNSUBMITTED, false));
    }
}
