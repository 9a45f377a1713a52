//! What is sent of an option: a message by Twilio, an e-mail by SendGrid, or a flow of Twilio Studio that is started.

use std::sync::Arc;

use domain::notification::Content;
use sendgrid_client::NewEmail;
use twilio_client::NewMessage;

use crate::{
    compose::{ComposeError, Composer},
    email::Emails,
    job::Job,
    judge::Plan,
    studio::NewExecution,
};

/// What is asked of another service when the option is claimed.
#[derive(Debug)]
pub(crate) enum Outgoing {
    Message(NewMessage),
    Email(Box<NewEmail>),
    Execution(Box<NewExecution>),
}

impl Outgoing {
    /// For how many seconds the other service may try to send it, if that is bounded.
    pub(crate) fn validity_period(&self) -> Option<u32> {
        match self {
            Self::Message(message) => message.validity_period,
            Self::Email(_) | Self::Execution(_) => None,
        }
    }
}

/// Composes what is sent.
#[derive(Debug)]
pub(crate) struct OutgoingComposer {
    pub(crate) messages: Arc<Composer>,
    pub(crate) emails: Arc<Emails>,
}

impl OutgoingComposer {
    /// What an attempt with this number sends.
    pub(crate) async fn compose(&self, job: &Job<'_>, plan: &Plan, attempt: usize) -> Result<Outgoing, ComposeError> {
        match job.notification.channel_option(plan.step.option) {
            Some((_, Content::EmailTemplate { template_id, variables })) => {
                let email = self.emails.compose(job, plan.step.option, (template_id, variables), attempt).await?;
                Ok(Outgoing::Email(Box::new(email)))
            }
            Some((_, Content::Studio { flow_sid, parameters })) => {
                let execution = NewExecution::of(job, plan, (flow_sid, parameters), attempt)?;
                Ok(Outgoing::Execution(Box::new(execution)))
            }
            _ => Ok(Outgoing::Message(self.messages.compose(job, plan, attempt).await?)),
        }
    }
}
