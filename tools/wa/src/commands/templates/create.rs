//! `wa templates create`

use serde::Serialize;
use twilio_client::AccountClient;

use crate::{
    error::CommandError,
    output::PropertyTable,
    session::Session,
    template_file::{LocalizedTemplate, TemplateFile, read_all},
};

use super::{AccountTemplate, FilesArgument, account, check::require_correct};

#[derive(Serialize)]
struct CreatedLine {
    name: String,
    locale: String,
    sid: String,
    /// `created`, `changed` or `unchanged`.
    result: &'static str,
}

/// Files are created one after the other. After a failure the command can be run again: what exists is not created twice.
pub(super) async fn run(files: &FilesArgument, session: &Session) -> Result<(), CommandError> {
    let files = read_all(&files.paths)?;
    require_correct(&files)?;
    session.announce_change().await?;
    let account = session.twilio().await?;
    let templates = account::read(&account).await?;
    let mut lines = Vec::new();
    for file in &files {
        for (locale, localized) in &file.definition.locales {
            let existing = templates.iter().find(|template| template.has(file, locale));
            let (sid, result) = put(&account, existing, file, (locale, localized)).await?;
            lines.push(CreatedLine { name: file.name.clone(), locale: locale.clone(), sid, result });
        }
    }
    session.output.table(&PropertyTable::new(&["name", "locale", "sid", "result"], &lines)?)
}

async fn put(
    account: &AccountClient,
    existing: Option<&AccountTemplate>,
    file: &TemplateFile,
    (locale, localized): (&str, &LocalizedTemplate),
) -> Result<(String, &'static str), CommandError> {
    let content = file.content(locale, localized);
    let Some(template) = existing else {
        return Ok((account.create_content(&content).await?.sid.to_string(), "created"));
    };
    let sid = &template.0.sid;
    if template.equals(localized) {
        return Ok((sid.to_string(), "unchanged"));
    }
    if template.was_submitted() {
        // Source: Twilio, "Content API resources": a template that was submitted cannot be edited.
        let name = &file.name;
        return Err(CommandError::refused(format!(
            "{name} ({locale}): {sid} was submitted to WhatsApp and says something else, and Twilio does not change it: give the \
             new text another name, as in {name}_2"
        )));
    }
    account.update_content(sid, &content).await?;
    Ok((sid.to_string(), "changed"))
}
