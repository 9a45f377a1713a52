//! Whether the templates of notifications exist, and have a value for each of their variables.
//!
//! Twilio fills a variable without a value with the template's sample (Twilio, error 21656), so that a person would read the
//! sample's order number. The functions do not read templates; this command does before it queues one.

use std::collections::{BTreeMap, BTreeSet};

use domain::notification::{Content, Notification, Template};
use serde::Deserialize;
use serde_json::Value;
use twilio_client::{AccountClient, ApiRequest, Product, TwilioError};
use twilio_types::sid::ContentSid;

use super::request::NotificationRequest;
use crate::{error::CommandError, session::Session};

const NOT_FOUND: u16 = 404;

/// The names of a template's variables, with their samples.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct TemplateSamples {
    #[serde(default)]
    variables: BTreeMap<String, Value>,
    /// The texts, in which `{{1}}` stands for a variable.
    #[serde(default)]
    types: Value,
}

/// What is known of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum FoundTemplate {
    Exists(BTreeSet<String>),
    Missing,
    /// Twilio's answer says nothing: the credentials may not read templates.
    Unknown,
}

/// The templates that were looked up, each once.
pub(super) struct TemplateCatalog {
    account: Option<AccountClient>,
    found: Vec<(Template, FoundTemplate)>,
}

impl TemplateCatalog {
    /// Looks up the templates of these notifications. Those of another account than the session's are not looked up.
    pub(super) async fn of(session: &Session, requests: &[NotificationRequest]) -> Result<Self, CommandError> {
        let own = session.account_sid().await?;
        let own_only = requests.iter().map(|request| &request.notification);
        let own_only = own_only.filter(|found| found.account_sid.as_ref().is_none_or(|account| *account == own));
        let mut catalog = Self { account: None, found: Vec::new() };
        for (template, _) in own_only.flat_map(templates) {
            if catalog.get(template).is_none() {
                let found = catalog.look_up(session, template).await?;
                catalog.found.push((template.clone(), found));
            }
        }
        Ok(catalog)
    }

    fn get(&self, template: &Template) -> Option<&FoundTemplate> {
        self.found.iter().find(|(known, _)| known == template).map(|(_, found)| found)
    }

    async fn look_up(&mut self, session: &Session, template: &Template) -> Result<FoundTemplate, CommandError> {
        let account = match &self.account {
            Some(account) => account,
            None => self.account.insert(session.twilio().await?),
        };
        match read(account, template).await {
            Ok(found) => Ok(found),
            Err(error) => {
                let error = CommandError::from(error).describe();
                session.terminal.warn(&format!("{}: the template was not checked: {error}", name(template)));
                Ok(FoundTemplate::Unknown)
            }
        }
    }

    /// What is wrong with the templates of a notification.
    pub(super) fn problem(&self, notification: &Notification) -> Option<String> {
        templates(notification).find_map(|(template, variables)| match self.get(template)? {
            FoundTemplate::Unknown => None,
            FoundTemplate::Missing => Some(format!("content: the account has no template {}", name(template))),
            FoundTemplate::Exists(names) => {
                let missing: Vec<_> = names.iter().filter(|name| !variables.contains_key(*name)).collect();
                let missing = missing.into_iter().map(String::as_str).collect::<Vec<_>>().join(", ");
                (!missing.is_empty()).then(|| {
                    let name = name(template);
                    format!(
                        "content.variables: the template {name} has no value for {missing}, and Twilio would send its sample: \
                         --use-samples if that is meant"
                    )
                })
            }
        })
    }
}

/// The templates of a notification with the values of their variables: that of its content, and those of its fallbacks.
fn templates(notification: &Notification) -> impl Iterator<Item = (&Template, &BTreeMap<String, String>)> {
    let contents = (0..).map_while(|option| notification.channel_option(option));
    contents.filter_map(|(_, content)| match content {
        Content::Template { template, variables } => Some((template, variables)),
        _ => None,
    })
}

fn name(template: &Template) -> String {
    match template {
        Template::Sid(sid) => sid.to_string(),
        Template::Named { name, locale } => format!("{name} ({locale})"),
    }
}

async fn read(account: &AccountClient, template: &Template) -> Result<FoundTemplate, TwilioError> {
    let sid: ContentSid = match template {
        Template::Sid(sid) => sid.clone(),
        Template::Named { name, locale } => match account.find_content(name, locale).await? {
            Some(sid) => sid,
            None => return Ok(FoundTemplate::Missing),
        },
    };
    match account.call::<TemplateSamples>(ApiRequest::get(Product::Content, format!("/v1/Content/{sid}"))).await {
        Ok(samples) => Ok(FoundTemplate::Exists(samples.names())),
        Err(TwilioError::Rejected(response)) if response.status == NOT_FOUND => Ok(FoundTemplate::Missing),
        Err(error) => Err(error),
    }
}

impl TemplateSamples {
    /// The variables of the texts. A sample whose variable is in no text is not needed.
    fn names(&self) -> BTreeSet<String> {
        let text = self.types.to_string();
        let parts = text.split("{{").skip(1).filter_map(|part| part.split_once("}}"));
        let names: BTreeSet<_> = parts.map(|(name, _)| name.trim().to_owned()).collect();
        if self.types.is_null() { self.variables.keys().cloned().collect() } else { names }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const SID: &str = "HX00000000000000000000000000000001";

    fn notification(variables: &Value) -> Notification {
        let content = json!({"type": "template", "content_sid": SID, "variables": variables});
        let text = json!({"id": "a", "to": "+14155550123", "category": "utility",
                          "content": {"type": "text", "body": "Hi"},
                          "fallback": [{"channel": "whatsapp", "content": content}]});
        Notification::parse(&text.to_string()).unwrap()
    }

    fn problem(found: FoundTemplate, variables: &Value) -> Option<String> {
        let catalog = TemplateCatalog { account: None, found: vec![(Template::Sid(SID.parse().unwrap()), found)] };
        catalog.problem(&notification(variables))
    }

    #[test]
    fn variable_without_a_value_is_named() {
        let names = |names: &[&str]| FoundTemplate::Exists(names.iter().map(|name| (*name).to_owned()).collect());
        assert_eq!(problem(names(&["1"]), &json!({"1": "Ava"})), None);
        let missing = problem(names(&["1", "2", "3"]), &json!({"1": "Ava"})).unwrap();
        assert!(missing.contains(&format!("the template {SID} has no value for 2, 3,")), "{missing}");
        assert!(problem(FoundTemplate::Missing, &json!({"1": "Ava"})).unwrap().contains("has no template HX"));
        assert_eq!(problem(FoundTemplate::Unknown, &json!({"1": "Ava"})), None);
    }

    #[test]
    fn variables_are_those_of_the_texts() {
        let samples: TemplateSamples = serde_json::from_value(json!({
            "variables": {"1": "Ava", "9": "unused"},
            "types": {"twilio/text": {"body": "Hi {{1}}, {{ name }}"}}
        }))
        .unwrap();
        assert_eq!(samples.names().into_iter().collect::<Vec<_>>(), ["1", "name"]);
    }
}
