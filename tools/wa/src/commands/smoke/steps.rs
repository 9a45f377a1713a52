//! The steps of a smoke test, each with what has to be seen.

use domain::{notification::NotificationId, progress::Outcome};
use serde_json::{Value, json};
use stores::notification_log::NotificationLog;
use twilio_types::address::WhatsAppSender;
use uuid::Uuid;

use super::{observer::Observer, person::Phone, picture::UploadedPicture};
use crate::{
    commands::send,
    error::CommandError,
    people::PersonAddress,
    session::Session,
    webhook_probe::{SignatureCheck, probe},
};

/// What is tried, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The functions accept what the secret's token signed, and nothing else.
    Signature,
    /// The person writes, which opens the service window.
    Inbound,
    Text,
    Picture,
    Stop,
    /// Nothing reaches the person.
    Suppressed,
    Start,
    /// The person is reached again.
    Again,
}

impl Step {
    pub(super) const ALL: [Self; 8] = [
        Self::Signature,
        Self::Inbound,
        Self::Text,
        Self::Picture,
        Self::Stop,
        Self::Suppressed,
        Self::Start,
        Self::Again,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Inbound => "inbound message",
            Self::Text => "text",
            Self::Picture => "picture",
            Self::Stop => "STOP",
            Self::Suppressed => "nothing after STOP",
            Self::Start => "START",
            Self::Again => "text after START",
        }
    }
}

/// A smoke test under way.
pub(super) struct SmokeRun<'a> {
    pub(super) session: &'a Session,
    pub(super) observer: Observer<'a>,
    pub(super) phone: Phone,
    pub(super) sender: WhatsAppSender,
    pub(super) to: PersonAddress,
}

impl SmokeRun<'_> {
    /// Does a step. Gives what was seen.
    pub(super) async fn step(&mut self, step: Step) -> Result<String, CommandError> {
        match step {
            Step::Signature => self.signature().await,
            Step::Inbound => {
                self.ask("any text, as in Hello").await?;
                let event = self.observer.event("twilio_inbound", "the event of the message").await?;
                let sid = event.get("message_sid").and_then(Value::as_str).unwrap_or_default();
                Ok(format!("{sid} arrived, and its event is in the archive"))
            }
            Step::Text => {
                let content = json!({"type": "text", "body": "This is a test message. It has arrived."});
                self.reaches(content).await
            }
            Step::Picture => {
                let picture = UploadedPicture::upload(self.session).await?;
                let content = json!({"type": "media", "media": [{"key": picture.key()}], "body": "A test picture"});
                let seen = self.reaches(content).await;
                self.observer.uploaded = Some(picture);
                seen
            }
            Step::Stop => {
                self.ask("STOP").await?;
                self.observer.event("contact_opted_out", "the event of the opt-out").await?;
                Ok("the person is opted out, and the event contact_opted_out is published".to_owned())
            }
            Step::Suppressed => {
                let log = self.send(json!({"type": "text", "body": "This message must not arrive."})).await?;
                expect(&log, |outcome| outcome == Outcome::Suppressed, "suppressed")
            }
            Step::Start => {
                self.ask("START").await?;
                self.observer.event("contact_opted_in", "the event of the opt-in").await?;
                Ok("the person is not opted out any more (contact_opted_in)".to_owned())
            }
            Step::Again => self.reaches(json!({"type": "text", "body": "This is the last test message."})).await,
        }
    }

    async fn signature(&self) -> Result<String, CommandError> {
        let (stack, account_sid) = (self.session.stack().await?, self.session.account_sid().await?);
        let keys = self.session.accounts().await?.signing_keys(&account_sid);
        let token = keys.and_then(|keys| keys.auth_tokens.first());
        let token =
            token.ok_or_else(|| CommandError::refused("the stack's secret has no auth token: run `wa doctor`"))?;
        for (token, expected, what) in [
            (Some(token), SignatureCheck::Accepted, "a webhook that the auth token signed"),
            (None, SignatureCheck::Refused, "a webhook without a signature"),
        ] {
            let answer = probe(&stack.api_url, &account_sid, token).await;
            let answer = answer.map_err(|error| CommandError::no_answer(stack.api_url.to_string()).because(error))?;
            if answer.signature != expected {
                let remedy = "run `wa doctor`";
                return Err(CommandError::refused(format!(
                    "{what}: {:?}, expected {expected:?}: {remedy}",
                    answer.signature
                )));
            }
        }
        Ok(format!("{} accepts signed webhooks and refuses others", stack.api_url))
    }

    async fn ask(&mut self, text: &str) -> Result<(), CommandError> {
        // Only what is archived after the person was asked counts.
        self.observer.begin().await?;
        self.phone.write(self.session, text).await
    }

    /// Sends something that has to arrive.
    async fn reaches(&self, content: Value) -> Result<String, CommandError> {
        let log = self.send(content).await?;
        expect(&log, |outcome| matches!(outcome, Outcome::Delivered | Outcome::Read), "delivered")
    }

    /// Sends something, and waits for its outcome.
    async fn send(&self, content: Value) -> Result<NotificationLog, CommandError> {
        let id: NotificationId = send::enqueue(self.session, self.notification(content).await?).await?;
        self.observer.outcome(&id).await
    }

    async fn notification(&self, content: Value) -> Result<Value, CommandError> {
        let (id, to) = (format!("smoke-{}", Uuid::new_v4().simple()), self.to.identity.as_str());
        let metadata = json!({"sent_by": "wa smoke"});
        // With a Messaging Service the stack chooses the sender, as it does for every notification that names none.
        Ok(if self.session.stack().await?.messaging_service_sid.is_some() {
            json!({"id": id, "to": to, "category": "service", "content": content, "metadata": metadata})
        } else {
            let from = self.sender.to_string();
            json!({"id": id, "to": to, "from": from, "category": "service", "content": content, "metadata": metadata})
        })
    }

    /// Deletes what was uploaded.
    pub(super) async fn clean_up(mut self) {
        if let Some(picture) = self.observer.uploaded.take() {
            picture.delete(self.session).await;
        }
    }
}

/// Judges the outcome of a notification. Gives what was seen.
fn expect(
    log: &NotificationLog,
    is_expected: impl Fn(Outcome) -> bool,
    expected: &str,
) -> Result<String, CommandError> {
    let sid = log.attempts.iter().rev().find_map(|attempt| attempt.message.as_ref());
    let sid = sid.map(|message| format!(", {}", message.message_sid)).unwrap_or_default();
    let reason = log.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let outcome = log.outcome.map_or("none", Outcome::as_str);
    let seen = format!("outcome {outcome}{sid}{reason}");
    if log.outcome.is_some_and(is_expected) {
        return Ok(seen);
    }
    let id = &log.id;
    Err(CommandError::answer_is_no(format!(
        "{seen}, expected {expected}: `wa notifications show {id}` has its history"
    )))
}
