//! Whether the templates of notifications exist, and have a value for each of their variables.
//!
//! `send` refuses a template that is not approved, or for whose variables there are no values. This command says so before it
//! queues one, by what Twilio has now, and may fill in the samples of the template.

use std::collections::BTreeMap;

use domain::{
    json,
    notification::{Content, Notification, Template},
    template_settings::TemplateSettings,
    templates::Locale,
};
use serde::Deserialize;
use serde_json::Value;
use twilio_client::{AccountClient, ApiRequest, MAX_CONTENT_PAGES, Product, TwilioError};
use twilio_types::sid::ContentSid;

use super::request::NotificationRequest;
use crate::{error::CommandError, session::Session, template_file::variables};

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
    /// Its variables, each with its sample if it has one.
    Exists(BTreeMap<String, Option<String>>),
    Missing,
    /// Twilio's answer says nothing: the credentials may not read templates.
    Unknown,
}

/// The templates that were looked up, each once.
pub(super) struct TemplateCatalog {
    account: Option<AccountClient>,
    settings: TemplateSettings,
    found: Vec<(Template, FoundTemplate)>,
}

impl TemplateCatalog {
    /// Looks up the templates of these notifications. Those of another account than the session's are not looked up.
    pub(super) async fn of(session: &Session, requests: &[NotificationRequest]) -> Result<Self, CommandError> {
        let own = session.account_sid().await?;
        let own_only = requests.iter().map(|request| &request.notification);
        let own_only = own_only.filter(|found| found.account_sid.as_ref().is_none_or(|account| *account == own));
        let settings = session.tenants().await?.of(&own).templates.clone();
        let mut catalog = Self { account: None, settings, found: Vec::new() };
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
        match read(account, template, &self.settings).await {
            Ok(found) => Ok(found),
            Err(error) => {
                let error = CommandError::from(error).describe();
                session.terminal.warn(&format!("{}: the template was not checked: {error}", name(template)));
                Ok(FoundTemplate::Unknown)
            }
        }
    }

    /// The same notification with the samples of its templates where it has no values.
    pub(super) fn filled(&self, request: &NotificationRequest) -> Result<NotificationRequest, CommandError> {
        let mut body = json::value(&request.body).unwrap_or_default();
        for option in 0.. {
            let Some((_, content)) = request.notification.channel_option(option) else { break };
            let Content::Template { template, .. } = content else { continue };
            let Some(FoundTemplate::Exists(names)) = self.get(template) else { continue };
            let path = option
                .checked_sub(1)
                .map_or_else(|| "/content".to_owned(), |index| format!("/fallback/{index}/content"));
            if let Some(content) = body.pointer_mut(&path) {
                fill(content, names);
            }
        }
        NotificationRequest::of(body, None)
    }

    /// What is wrong with the templates of a notification.
    pub(super) fn problem(&self, notification: &Notification) -> Option<String> {
        templates(notification).find_map(|(template, variables)| match self.get(template)? {
            FoundTemplate::Unknown => None,
            FoundTemplate::Missing => Some(format!("content: the account has no template {}", name(template))),
            FoundTemplate::Exists(names) => {
                let missing = names.keys().filter(|name| !variables.contains_key(*name));
                let missing = missing.map(String::as_str).collect::<Vec<_>>().join(", ");
                (!missing.is_empty()).then(|| {
                    let name = name(template);
                    format!(
                        "content.variables: the template {name} has no value for {missing}: --use-samples sends its sample"
                    )
                })
            }
        })
    }
}

/// Gives each variable without a value the sample of its template.
fn fill(content: &mut Value, names: &BTreeMap<String, Option<String>>) {
    let Some(content) = content.as_object_mut() else { return };
    let variables = content.entry("variables").or_insert_with(|| Value::Object(serde_json::Map::new()));
    let Some(variables) = variables.as_object_mut() else { return };
    for (name, sample) in names {
        if let Some(sample) = sample.as_ref().filter(|sample| !sample.is_empty()) {
            variables.entry(name.clone()).or_insert_with(|| sample.clone().into());
        }
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
        Template::Named { name, locale: Some(locale) } => format!("{name} ({locale})"),
        Template::Named { name, locale: None } => name.clone(),
    }
}

/// The SID of the first locale of the fallback that Twilio has.
async fn sid_of(
    account: &AccountClient,
    name: &str,
    locale: Option<&str>,
    settings: &TemplateSettings,
) -> Result<Option<ContentSid>, TwilioError> {
    let mut found: Vec<(Locale, ContentSid)> = Vec::new();
    let mut page = account.list_content().await?;
    for _ in 0..MAX_CONTENT_PAGES {
        let named = page.contents.iter().filter(|content| content.friendly_name.as_deref() == Some(name));
        found.extend(
            named.map(|content| (Locale::of(content.language.as_deref().unwrap_or_default()), content.sid.clone())),
        );
        let Some(next) = &page.next else { break };
        page = account.content_page(next).await?;
    }
    let tried = settings.locales(locale.map(Locale::of).as_ref());
    let sid = |wanted: &Locale| found.iter().find(|(locale, _)| locale == wanted).map(|(_, sid)| sid.clone());
    Ok(tried.iter().find_map(sid))
}

async fn read(
    account: &AccountClient,
    template: &Template,
    settings: &TemplateSettings,
) -> Result<FoundTemplate, TwilioError> {
    let sid: ContentSid = match template {
        Template::Sid(sid) => sid.clone(),
        Template::Named { name, locale } => match sid_of(account, name, locale.as_deref(), settings).await? {
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
    fn names(&self) -> BTreeMap<String, Option<String>> {
        let names: Vec<_> = if self.types.is_null() {
            self.variables.keys().cloned().collect()
        } else {
            variables(&self.types).iter().map(|name| name.trim().to_owned()).collect()
        };
        let sample = |name: &str| self.variables.get(name).and_then(Value::as_str).map(str::to_owned);
        names.into_iter().map(|name| (name.clone(), sample(&name))).collect()
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

    fn catalog(found: FoundTemplate) -> TemplateCatalog {
        let found = vec![(Template::Sid(SID.parse().unwrap()), found)];
        TemplateCatalog { account: None, settings: TemplateSettings::default(), found }
    }

    fn problem(found: FoundTemplate, variables: &Value) -> Option<String> {
        catalog(found).problem(&notification(variables))
    }

    #[test]
    fn variable_without_a_value_is_named() {
        let names =
            |names: &[&str]| FoundTemplate::Exists(names.iter().map(|name| ((*name).to_owned(), None)).collect());
        assert_eq!(problem(names(&["1"]), &json!({"1": "Ava"})), None);
        let missing = problem(names(&["1", "2", "3"]), &json!({"1": "Ava"})).unwrap();
        assert!(missing.contains(&format!("the template {SID} has no value for 2, 3:")), "{missing}");
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
        let expected = [("1".to_owned(), Some("Ava".to_owned())), ("name".to_owned(), None)];
        assert_eq!(samples.names().into_iter().collect::<Vec<_>>(), expected);
        let types = json!({"twilio/text": {"body": "Hi {{1"}});
        assert!(TemplateSamples { variables: BTreeMap::new(), types }.names().is_empty(), "braces that do not end");
    }

    #[test]
    fn samples_are_filled_in_where_a_value_is_missing() {
        let names = [("1", Some("Ava")), ("2", Some("18473")), ("3", None)];
        let names = names.map(|(name, sample)| (name.to_owned(), sample.map(str::to_owned)));
        let catalog = catalog(FoundTemplate::Exists(names.into()));
        let request = NotificationRequest::of(
            serde_json::to_value(json!({
                "id": "a", "to": "+14155550123", "category": "utility", "content": {"type": "text", "body": "Hi"},
                "fallback": [{"channel": "whatsapp",
                              "content": {"type": "template", "content_sid": SID, "variables": {"1": "Ben"}}}],
            }))
            .unwrap(),
            None,
        )
        .unwrap();
        let filled = catalog.filled(&request).unwrap();
        let body: Value = serde_json::from_str(&filled.body).unwrap();
        assert_eq!(body["fallback"][0]["content"]["variables"], json!({"1": "Ben", "2": "18473"}));
        assert_eq!(body["content"], json!({"type": "text", "body": "Hi"}));
    }
}
