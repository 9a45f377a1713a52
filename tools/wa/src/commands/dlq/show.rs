//! `wa dlq show`

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use shared::queues::ENQUEUED_AT;

use super::{
    QueueArgument,
    target::{DeadLetter, DeadLetters},
};
use crate::{
    error::CommandError,
    output::{Format, PropertyTable},
    session::Session,
};

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa dlq show order-18473-shipped\n  \
                        wa dlq show order-18473-shipped --body --output json")]
pub struct ShowArguments {
    #[command(flatten)]
    queue: QueueArgument,
    /// The id, as `wa dlq list` shows it
    #[arg(value_name = "ID")]
    id: String,
    /// Show everything that the letter says, which may be what people read or wrote
    #[arg(long)]
    body: bool,
}

/// A letter with its details.
#[derive(Serialize)]
struct LetterDetails {
    id: String,
    category: Option<String>,
    table: Option<String>,
    webhook: Option<&'static str>,
    recipient: Option<String>,
    reason: String,
    /// What a retry would do.
    retry: String,
    /// When the notification was first put on a queue.
    enqueued_at: Option<Timestamp>,
    /// Since when the letter is in the queue.
    since: Timestamp,
    message_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
}

const FIELDS: [&str; 10] =
    ["id", "category", "table", "webhook", "recipient", "reason", "retry", "enqueued_at", "since", "message_id"];

pub(super) async fn run(arguments: &ShowArguments, session: &Session) -> Result<(), CommandError> {
    let mut letters = DeadLetters::open(session, arguments.queue.queue).await?;
    let (mut found, mut hidden) = (Vec::new(), Vec::new());
    let ended = loop {
        match letters.next_page(usize::MAX).await {
            Ok(page) if page.is_empty() => break Ok(()),
            Ok(page) => {
                hidden.extend(page.iter().map(|letter| letter.raw.receipt_handle.clone()));
                let is_named =
                    |letter: &DeadLetter| letter.id() == arguments.id || letter.raw.message_id == arguments.id;
                found.extend(page.into_iter().filter(is_named).map(|letter| details(&letter, arguments.body)));
            }
            Err(error) => break Err(error),
        }
    };
    letters.queue.put_back(&hidden).await;
    ended?;
    if found.is_empty() {
        return Err(not_found(&arguments.id));
    }
    print(session, &found)
}

/// The error of a command that found none of its letters.
pub(super) fn not_found(what: &str) -> CommandError {
    let hint = "wa dlq list shows the dead letters; another program may be reading them, which hides them for a while";
    CommandError::not_found(format!("there is no dead letter {what}: {hint}"))
}

fn details(letter: &DeadLetter, has_body: bool) -> LetterDetails {
    let enqueued_at = letter.raw.attributes.get(ENQUEUED_AT).and_then(|attribute| attribute.string_value.as_ref());
    let enqueued_at = enqueued_at.and_then(|text| Timestamp::from_millisecond(text.parse().ok()?).ok());
    LetterDetails {
        id: letter.id(),
        category: letter.category().map(str::to_owned),
        table: letter.table().map(str::to_owned),
        webhook: letter.webhook(),
        recipient: letter.recipient(),
        reason: letter.reason(),
        retry: letter
            .refusal()
            .map_or_else(|| "possible: wa dlq retry".to_owned(), |refusal| format!("would change nothing: {refusal}")),
        enqueued_at,
        since: letter.raw.sent_at,
        message_id: letter.raw.message_id.clone(),
        body: letter.body().filter(|_| has_body),
    }
}

fn print(session: &Session, found: &[LetterDetails]) -> Result<(), CommandError> {
    let output = &session.output;
    match output.format() {
        Format::Json => match found {
            [one] => output.json(one),
            several => output.json(&several),
        },
        Format::Csv | Format::Tsv => output.table(&PropertyTable::new(&FIELDS, found)?),
        Format::Table => {
            for (index, letter) in found.iter().enumerate() {
                if index > 0 {
                    output.line("")?;
                }
                output.fields(&FIELDS, letter)?;
                if let Some(body) = &letter.body {
                    output.line("")?;
                    output.json(body)?;
                }
            }
            Ok(())
        }
    }
}
