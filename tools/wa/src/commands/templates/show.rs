//! `wa templates list` and `wa templates show`

use domain::templates::TemplateRegistry;
use serde::Serialize;
use serde_json::{Map, Value};
use twilio_types::sid::ContentSid;

use crate::{error::CommandError, output::PropertyTable, session::Session};

use super::{AccountTemplate, ListTemplatesArguments, ShowTemplateArguments, account};

#[derive(Serialize)]
struct TemplateLine {
    name: String,
    locale: String,
    status: String,
    category: Option<String>,
    types: String,
    sid: ContentSid,
    /// WhatsApp's rating, which only the stack's registry knows.
    quality: Option<String>,
    /// The last day on which this stack sent it.
    last_used_on: Option<String>,
    rejection_reason: Option<String>,
}

const COLUMNS: [&str; 9] =
    ["name", "locale", "status", "category", "types", "sid", "quality", "last_used_on", "rejection_reason"];

impl TemplateLine {
    fn new(template: &AccountTemplate, registry: &TemplateRegistry) -> Self {
        let registered = registry.get(&template.0.sid);
        let approval = template.0.approval.as_ref();
        Self {
            name: template.name().to_owned(),
            locale: template.locale().to_owned(),
            status: template.status(),
            category: approval.and_then(|approval| approval.category.as_ref()).map(|category| category.to_lowercase()),
            types: template.0.types.keys().cloned().collect::<Vec<_>>().join(" "),
            sid: template.0.sid.clone(),
            quality: registered.and_then(|known| known.quality.clone()),
            last_used_on: registered.and_then(|known| known.last_used_on).map(|day| day.to_string()),
            rejection_reason: approval.and_then(|approval| approval.rejection_reason.clone()),
        }
    }
}

pub(super) async fn list(arguments: &ListTemplatesArguments, session: &Session) -> Result<(), CommandError> {
    let account = session.twilio().await?;
    let templates = account::read(&account).await?;
    let registry = session.templates(account.account_sid()).await?;
    let mut lines: Vec<_> = templates.iter().map(|template| TemplateLine::new(template, &registry)).collect();
    if let Some(status) = &arguments.status {
        lines.retain(|line| line.status.eq_ignore_ascii_case(status));
    }
    if let Some(text) = &arguments.name {
        lines.retain(|line| line.name.contains(text.as_str()));
    }
    lines.sort_by(|one, other| (&one.name, &one.locale).cmp(&(&other.name, &other.locale)));
    session.output.table(&PropertyTable::new(&COLUMNS, &lines)?.pick(&arguments.properties)?)
}

#[derive(Serialize)]
struct ShownTemplate {
    #[serde(flatten)]
    line: TemplateLine,
    variables: Map<String, Value>,
    content: Map<String, Value>,
}

pub(super) async fn show(arguments: &ShowTemplateArguments, session: &Session) -> Result<(), CommandError> {
    let account = session.twilio().await?;
    let wanted = arguments.template.as_str();
    let templates = account::read(&account).await?;
    let registry = session.templates(account.account_sid()).await?;
    let is_wanted = |template: &&AccountTemplate| template.name() == wanted || template.0.sid.as_str() == wanted;
    let shown: Vec<_> = templates
        .iter()
        .filter(is_wanted)
        .map(|template| ShownTemplate {
            line: TemplateLine::new(template, &registry),
            variables: template.0.variables.clone(),
            content: template.0.types.clone(),
        })
        .collect();
    if shown.is_empty() {
        return Err(CommandError::not_found(format!("the account has no template {wanted}")));
    }
    session.output.json(&shown)
}
