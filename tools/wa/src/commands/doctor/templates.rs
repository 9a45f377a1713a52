//! A check of the templates: whether Twilio reports their changes, and which ones cannot be sent, or soon cannot.

use domain::templates::closest_to_archival;
use jiff::Timestamp;

use crate::{
    commands::templates::{
        AccountTemplate, read_account,
        watch::{Watching, destination, find},
    },
    copyable::CopyableCommands,
    error::CommandError,
    finding::Finding,
    session::Session,
};

pub(super) const CHECK: &str = "templates";

/// The statuses with which WhatsApp does not let a template be sent that once could be.
const STOPPED: [&str; 3] = ["paused", "disabled", "rejected"];

pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    let (account, commands) = (session.twilio().await?, session.copyable());
    let templates = read_account(&account).await?;
    let registry = session.templates(account.account_sid()).await?;
    let mut findings: Vec<_> = stopped_finding(&templates, &commands).into_iter().collect();
    let unused = closest_to_archival(registry.templates(), Timestamp::now());
    if let [first, others @ ..] = unused.as_slice() {
        let name = first.name.as_deref().unwrap_or(first.sid.as_str());
        let more = if others.is_empty() { String::new() } else { format!(" and {} others", others.len()) };
        findings.push(Finding::warning(
            CHECK,
            format!("{name}{more}: not sent for eleven months, and WhatsApp archives a template after twelve"),
            "send it, or create it again when it is needed",
            commands.wa("templates list --columns name,locale,status,last_used_on"),
        ));
    }
    let watching = find(&account, &destination(session).await?).await?;
    findings.extend(watching_finding(&watching, &commands));
    if findings.is_empty() {
        let what = format!("{} templates, and Twilio reports their changes at once", templates.len());
        findings.push(Finding::ok(CHECK, what));
    }
    Ok(findings)
}

fn stopped_finding(templates: &[AccountTemplate], commands: &CopyableCommands) -> Option<Finding> {
    let stopped = templates.iter().filter(|template| STOPPED.contains(&template.status().as_str()));
    let names: Vec<_> = stopped
        .map(|template| format!("{} ({}) is {}", template.name(), template.locale(), template.status()))
        .collect();
    let (first, others) = names.split_first()?;
    let more = if others.is_empty() { String::new() } else { format!(", and {} others", others.len()) };
    Some(Finding::warning(
        CHECK,
        format!("{first}{more}: notifications with it are sent by their fallback, or rejected"),
        "a pause ends by itself; what was rejected or disabled needs a new template",
        commands.wa("templates list"),
    ))
}

fn watching_finding(watching: &Watching, commands: &CopyableCommands) -> Option<Finding> {
    let what = match watching {
        Watching::Complete(sink, _) if sink.status == "active" => return None,
        Watching::Complete(sink, _) => {
            format!("the sink {} is {}, and Twilio posts nothing to it", sink.sid, sink.status)
        }
        Watching::NoSubscription(sink) => format!("the sink {} has no subscription to templates", sink.sid),
        Watching::NoSink => "Twilio does not report changes of templates".to_owned(),
    };
    let fix = "without it a paused template is known only after TemplateSyncMinutes: create sink and subscription";
    Some(Finding::warning(CHECK, what, fix, commands.wa("templates watch")))
}
