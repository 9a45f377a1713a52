//! `wa erase`: forgets a person, and keeps them suppressed.
//!
//! 1. The person is suppressed, as by `wa contacts suppress`: from then on nothing is sent to them, and what waits is cancelled.
//! 2. What exists of them is found, and what Twilio still reports of the messages to them is refused from then on.
//! 3. It is deleted, in this order: the dead letters, at Twilio, the files, the messages and the notifications, consents and
//!    history. What names something else that is to be deleted goes after that.
//! 4. Last of all the person's own item is replaced by the suppression at a hash of each identity, in one transaction. As long
//!    as something is left, it is not: then the identities are known when the command is run again.
//!
//! Every step can be repeated, so an erasure that was interrupted is continued by the same command.

use domain::{
    contact_key::ContactKey, identities::PersonIdentities, preference::Preference, suppression::Scope,
    suppression_request::SuppressionRequest,
};
use jiff::Timestamp;
use stores::{
    contacts::{ERASURE_REASON, ErasedPerson, PersonRecords},
    dynamodb::Item,
    notifications::{NotificationState, StoredNotification},
    personal_data::{Erased, PersonMessage},
};

use crate::{
    commands::consent::recorded_by,
    error::CommandError,
    output::{Format, PropertyTable},
    people::PersonAddress,
    personal_data::{PersonalData, identify},
    session::Session,
};

pub(super) mod at_twilio;
pub(super) mod files;
mod letters;
mod receipt;
mod statuses;

use at_twilio::TwilioMessages;
use files::MediaFolder;
use receipt::{Receipt, Step};

#[derive(clap::Args)]
#[command(after_help = "\
Deletes what is stored of a person, of all their numbers and user ids: contact, consents, history, messages, notifications, files,
dead letters, and the messages at Twilio. The receipt has no personal data; it says what remains, and until when. Reads the whole
Messages and Notifications tables. After an interruption the same command continues.

Example:
  wa erase +14155550123 --dry-run
  wa erase +14155550123 --yes --output json > receipt.json")]
pub struct EraseArguments {
    /// A number or a WhatsApp user id, with or without whatsapp: before it
    #[arg(value_name = "ADDRESS")]
    person: PersonAddress,
    /// Count what would be deleted, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Keep the messages at Twilio: they are deleted there by other means
    #[arg(long)]
    keep_at_twilio: bool,
}

pub async fn run(arguments: &EraseArguments, session: &Session) -> Result<(), CommandError> {
    let began = Timestamp::now();
    let contact = arguments.person.key(&session.account_sid().await?);
    let steps = if arguments.dry_run {
        count(arguments, session, &contact).await?
    } else {
        session.announce_change().await?;
        session.terminal.confirm(&format!("Erase {}? It cannot be brought back.", arguments.person))?;
        erase(arguments, session, &contact).await?
    };
    let receipt = Receipt::new(session, &contact, arguments.dry_run, began, steps).await?;
    match session.output.format() {
        Format::Json => session.output.json(&receipt)?,
        _ => session.output.table(&PropertyTable::new(&["what", "done", "left", "until", "note"], receipt.rows())?)?,
    }
    if receipt.is_complete() { Ok(()) } else { Err(CommandError::answer_is_no("something is left: run it again")) }
}

/// What an erasure would delete.
async fn count(arguments: &EraseArguments, session: &Session, contact: &ContactKey) -> Result<Vec<Step>, CommandError> {
    let identities = identify(session, contact).await?;
    let data = PersonalData::find(session, identities).await?;
    let mut steps = Vec::new();
    let messages = at_twilio(arguments, session, &data.identities).await?;
    steps.push(Step::at_twilio(arguments.keep_at_twilio).counted(messages.len()));
    steps.push(Step::files().counted(MediaFolder::of(session, &data, &messages).await?.keys.len()));
    steps.push(Step::messages().counted(data.messages.len()));
    steps.push(Step::notifications().counted(data.notifications.len()));
    steps.push(Step::letters().counted(letters::count(session, &data.traces()).await?));
    steps.push(Step::contact().counted(data.contacts.len()));
    Ok(steps)
}

async fn at_twilio(
    arguments: &EraseArguments,
    session: &Session,
    identities: &PersonIdentities,
) -> Result<TwilioMessages, CommandError> {
    if arguments.keep_at_twilio {
        return Ok(TwilioMessages::none());
    }
    TwilioMessages::find(session, identities).await
}

async fn erase(arguments: &EraseArguments, session: &Session, contact: &ContactKey) -> Result<Vec<Step>, CommandError> {
    suppress(session, contact).await?;
    let identities = identify(session, contact).await?;
    let mut data = PersonalData::find(session, identities).await?;
    cancel(session, &mut data).await?;
    let mut steps = Vec::new();
    let messages = at_twilio(arguments, session, &data.identities).await?;
    let files = MediaFolder::of(session, &data, &messages).await?;
    steps.push(letters::delete(session, &data.traces()).await?);
    // Before anything is deleted that names a message: an erasure that is interrupted would not know it again.
    statuses::refuse(session, &data, &messages).await?;
    steps.push(messages.delete(session, arguments.keep_at_twilio).await?);
    steps.push(files.delete(session).await?);
    steps.push(erase_messages(session, &data).await?);
    steps.push(erase_notifications(session, &data).await?);
    let is_left = steps.iter().any(Step::is_left);
    steps.push(erase_contact(session, contact, &data, is_left).await?);
    Ok(steps)
}

/// From here on nothing is sent to the person. Other systems hear of it by the event of a suppression.
async fn suppress(session: &Session, contact: &ContactKey) -> Result<(), CommandError> {
    let request =
        SuppressionRequest { scope: Scope::All, channel: None, reason: ERASURE_REASON.to_owned(), account_sid: None };
    let (contacts, by) = (session.contacts().await?, recorded_by(session).await);
    contacts.record_suppression(contact, &request, Preference::OptedOut, by, Timestamp::now()).await?;
    Ok(())
}

/// Cancels what has not been sent yet, so that no message of it follows. With a notification those of its further files are
/// cancelled, which may only be stored by that.
async fn cancel(session: &Session, data: &mut PersonalData) -> Result<(), CommandError> {
    let canceller = session.canceller().await?;
    let mut further = Vec::new();
    for (_, stored) in &data.notifications {
        let of_stored = stored.notification().map(|notification| notification.further_ids()).unwrap_or_default();
        canceller.cancel(stored.clone(), Some(ERASURE_REASON), Timestamp::now()).await?;
        further.extend(of_stored.into_iter().map(|id| (stored.subject.account_sid.clone(), id)));
    }
    let known = data.notification_ids();
    for (account_sid, id) in further.into_iter().filter(|(_, id)| !known.contains(id)) {
        if let Some(stored) = canceller.notifications.get(&account_sid, &id).await? {
            data.notifications.push((format!("{account_sid}#{id}"), stored));
        }
    }
    Ok(())
}

async fn erase_messages(session: &Session, data: &PersonalData) -> Result<Step, CommandError> {
    let messages = session.messages().await?;
    let bar = session.terminal.progress(data.messages.len(), "messages");
    for (item, _) in &data.messages {
        messages.erase(item, Timestamp::now()).await?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let markers = data.messages.iter().filter(|(_, what)| matches!(what, PersonMessage::Inbound { .. }));
    let markers = markers.filter_map(|(item, _)| expires_at(item)).max();
    Ok(Step { until: markers, ..Step::messages().done(data.messages.len()) })
}

/// When the marker of a message expires.
fn expires_at(item: &Item) -> Option<Timestamp> {
    let seconds = item.get("expires_at")?.as_n().ok()?.parse().ok()?;
    Timestamp::from_second(seconds).ok()
}

/// A notification that is being sent is left: the function that sends it would store it again.
async fn erase_notifications(session: &Session, data: &PersonalData) -> Result<Step, CommandError> {
    let notifications = session.notifications().await?;
    let mut step = Step::notifications();
    for (key, read) in &data.notifications {
        // Its cancellation has changed it.
        let stored = match notifications.get(&read.subject.account_sid, &read.subject.id).await? {
            Some(stored) if !read.reuse => stored,
            _ => read.clone(),
        };
        if is_being_sent(&stored) || notifications.erase(key, &stored).await? == Erased::Changed {
            step.left += 1;
        } else {
            step.done += 1;
        }
    }
    Ok(step)
}

fn is_being_sent(stored: &StoredNotification) -> bool {
    let holds = stored.lease.as_ref().is_some_and(|lease| lease.until > Timestamp::now());
    holds && stored.state() == NotificationState::Claimed
}

async fn erase_contact(
    session: &Session,
    contact: &ContactKey,
    data: &PersonalData,
    is_left: bool,
) -> Result<Step, CommandError> {
    let contacts = session.contacts().await?;
    let identities: Vec<_> = data.identities.contacts().cloned().collect();
    if is_left {
        return Ok(Step { left: 1, note: Some("kept until everything else is deleted"), ..Step::contact() });
    }
    let PersonRecords { consents, history } = contacts.delete_records(&identities).await?;
    let step = Step::contact().done(consents + history);
    let kept = |note| Ok(Step { left: 1, note: Some(note), ..step.clone() });
    match contacts.erase_person(contact, &identities, Timestamp::now()).await? {
        ErasedPerson::Erased => {
            // What was recorded since the records were deleted.
            let PersonRecords { consents, history } = contacts.delete_records(&identities).await?;
            Ok(step.done(identities.len() + consents + history))
        }
        ErasedPerson::ErasedBefore => Ok(step),
        ErasedPerson::HasOtherIdentities => kept("a further number or user id became known meanwhile"),
        ErasedPerson::OptedIn => kept("the person wrote START meanwhile"),
    }
}
