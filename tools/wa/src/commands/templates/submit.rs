//! `wa templates submit`

use std::time::Duration;

use serde::Serialize;
use twilio_client::{AccountClient, TwilioError};
use twilio_types::sid::ContentSid;

use crate::{
    error::CommandError,
    output::PropertyTable,
    session::Session,
    template_file::{TemplateFile, read_all},
};

use super::{SubmitTemplatesArguments, account, check::require_correct};

/// Between two looks at an approval.
const PAUSE: Duration = Duration::from_secs(5);

#[derive(Serialize)]
struct SubmittedLine {
    name: String,
    locale: String,
    sid: ContentSid,
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection_reason: Option<String>,
}

pub(super) async fn run(arguments: &SubmitTemplatesArguments, session: &Session) -> Result<(), CommandError> {
    let files = read_all(&arguments.files.paths)?;
    require_correct(&files)?;
    session.announce_change().await?;
    let account = session.twilio().await?;
    let mut lines = submit(&account, &files).await?;
    if arguments.wait {
        follow(&account, session, &mut lines).await?;
    }
    session.output.table(&PropertyTable::new(&["name", "locale", "sid", "status", "rejection_reason"], &lines)?)?;
    let rejected = lines.iter().filter(|line| arguments.wait && line.status != "approved").count();
    match rejected {
        0 => Ok(()),
        some => Err(CommandError::answer_is_no(format!("{some} of {} templates are not approved", lines.len()))),
    }
}

/// Submits what was not submitted, and gives the present status of each.
async fn submit(account: &AccountClient, files: &[TemplateFile]) -> Result<Vec<SubmittedLine>, CommandError> {
    let templates = account::read(account).await?;
    let mut lines = Vec::new();
    for file in files {
        let Some(category) = &file.definition.category else { continue };
        for (locale, localized) in &file.definition.locales {
            let name = format!("{} ({locale})", file.name);
            let template = templates.iter().find(|template| template.has(file, locale));
            let template = template.ok_or_else(|| {
                CommandError::not_found(format!("{name}: Twilio does not have it: `wa templates create` creates it"))
            })?;
            if !template.equals(localized) {
                let remedy = "`wa templates create` changes what was not submitted";
                return Err(CommandError::refused(format!("{name}: Twilio's says something else: {remedy}")));
            }
            let (sid, mut status, mut reason) = (template.0.sid.clone(), template.status(), None);
            if !template.was_submitted() {
                let approval = account.submit_content(&sid, &file.name, category).await?;
                status = approval.status.unwrap_or_else(|| "received".to_owned()).to_lowercase();
            } else if let Some(approval) = &template.0.approval {
                reason.clone_from(&approval.rejection_reason);
            }
            lines.push(SubmittedLine {
                name: file.name.clone(),
                locale: locale.clone(),
                sid,
                status,
                rejection_reason: reason,
            });
        }
    }
    Ok(lines)
}

/// Looks at the approvals until WhatsApp has decided about all, and says each change.
async fn follow(account: &AccountClient, session: &Session, lines: &mut [SubmittedLine]) -> Result<(), CommandError> {
    loop {
        for line in lines.iter_mut().filter(|line| is_open(&line.status)) {
            let approval = match account.content_approval(&line.sid).await {
                Ok(approval) => approval,
                // The review may last two days: the next look asks again.
                Err(error) if is_temporary(&error) => {
                    session.terminal.warn(&format!("{} ({}): {error}: asked again", line.name, line.locale));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let status = approval.status.unwrap_or_default().to_lowercase();
            if !status.is_empty() && status != line.status {
                session.terminal.note(&format!("{} ({}): {} to {status}", line.name, line.locale, line.status));
                line.status = status;
            }
            line.rejection_reason = approval.rejection_reason;
        }
        if !lines.iter().any(|line| is_open(&line.status)) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Whether the same question may be answered later.
fn is_temporary(error: &TwilioError) -> bool {
    matches!(error, TwilioError::NotDone { .. } | TwilioError::Unknown { .. })
}

/// Whether WhatsApp has not decided yet.
fn is_open(status: &str) -> bool {
    ["received", "pending", account::UNSUBMITTED].contains(&status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_goes_on_after_a_temporary_failure() {
        let not_done = TwilioError::NotDone { retry_after: None, response: None, source: None };
        assert!(is_temporary(&not_done) && is_temporary(&TwilioError::Unknown { response: None, source: None }));
        assert!(!is_temporary(&TwilioError::Rejected(twilio_client::ErrorResponse::new(404, None))));
    }

    #[test]
    fn decided_template_is_not_asked_about_again() {
        assert!(["received", "pending", "unsubmitted"].into_iter().all(is_open));
        assert!(!["approved", "rejected", "paused", "disabled", "on_hold"].into_iter().any(is_open));
    }
}
