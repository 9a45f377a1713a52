//! `wa templates check`

use crate::{
    error::CommandError,
    output::PropertyTable,
    session::Session,
    template_file::{TemplateFile, problems, read_all},
};

use super::{AccountTemplate, CheckTemplatesArguments, account};

#[derive(serde::Serialize)]
struct ProblemLine {
    file: String,
    field: String,
    problem: String,
}

impl ProblemLine {
    fn new(file: &TemplateFile, field: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { file: file.path.display().to_string(), field: field.into(), problem: problem.into() }
    }
}

pub(super) async fn run(arguments: &CheckTemplatesArguments, session: &Session) -> Result<(), CommandError> {
    let files = read_all(&arguments.files.paths)?;
    let mut lines = offline(&files);
    if arguments.remote {
        let templates = account::read(&session.twilio().await?).await?;
        lines.extend(files.iter().flat_map(|file| differences(file, &templates)));
    }
    if lines.is_empty() {
        session.terminal.note(&format!("{} of {} files are correct", files.len(), files.len()));
        return session.output.table(&PropertyTable::new(&COLUMNS, &lines)?);
    }
    session.output.table(&PropertyTable::new(&COLUMNS, &lines)?)?;
    Err(CommandError::answer_is_no(format!("{} problems in {} files", lines.len(), files.len())))
}

const COLUMNS: [&str; 3] = ["file", "field", "problem"];

fn offline(files: &[TemplateFile]) -> Vec<ProblemLine> {
    let of_file = |file: &TemplateFile| {
        let found = problems(file).into_iter();
        found.map(|found| ProblemLine::new(file, found.field, found.problem)).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// Refuses files that break a rule, before anything is changed.
pub(super) fn require_correct(files: &[TemplateFile]) -> Result<(), CommandError> {
    let lines = offline(files);
    let Some(ProblemLine { file, field, problem }) = lines.first() else { return Ok(()) };
    let more = if lines.len() > 1 { format!(", and {} more problems", lines.len() - 1) } else { String::new() };
    Err(CommandError::usage(format!("{file}: {field}: {problem}{more}: `wa templates check` shows all")))
}

/// How the account differs from a file.
fn differences(file: &TemplateFile, templates: &[AccountTemplate]) -> Vec<ProblemLine> {
    let mut lines = Vec::new();
    for (locale, localized) in &file.definition.locales {
        let mut say = |problem: String| lines.push(ProblemLine::new(file, format!("locales.{locale}"), problem));
        match templates.iter().find(|template| template.has(file, locale)) {
            None => say("Twilio does not have it: `wa templates create` creates it".to_owned()),
            Some(template) if !template.equals(localized) => say(format!("{} says something else", template.0.sid)),
            Some(template) if file.definition.category.is_some() => match template.status().as_str() {
                "approved" | "received" | "pending" => {}
                account::UNSUBMITTED => say("it was not submitted: `wa templates submit` submits it".to_owned()),
                other => say(format!("it is {other} at WhatsApp{}", reason(template))),
            },
            Some(_) => {}
        }
    }
    lines
}

/// Why WhatsApp rejected a template, as in `: INVALID_FORMAT`.
pub(super) fn reason(template: &AccountTemplate) -> String {
    let reason = template.0.approval.as_ref().and_then(|approval| approval.rejection_reason.as_deref());
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}
