//! Records a webhook that Twilio signed, whatever its form is: when it arrives, or when it is applied from the spool.

use aws_sdk_dynamodb::Client;
use aws_types::SdkConfig;
#[cfg(test)]
use domain::{account_settings::AccountSettings, erasure::ErasureKey};
use domain::{callback_url::CallbackOrigin, opt_out_request::Intent, trace_id::TraceId};
use stores::{
    contacts::Contacts,
    dynamodb::StoreError,
    messages::{FormOutcome, MessageArrival, Messages, RecordOutcome, StoredForm},
    record_inbound::InboundRecorder,
    record_status::StatusRecorder,
};
use twilio_types::{error_code::ErrorCode, sid::AccountSid};
use twilio_webhook::{
    inbound_message::InboundMessage,
    signature::TrustedForm,
    status_callback::StatusCallback,
    twiml,
    webhook::{UnknownWebhook, Webhook},
};

use super::budget::STORE_BUDGET;
use crate::{
    deadline::{Deadline, DeadlineExceeded},
    env, erasure,
    log::found_trace,
    start::{StartError, log_warm_up},
    tenants::{DeferredTenants, TenantsError},
};

/// Writes webhooks of every kind to the tables.
#[derive(Debug)]
pub struct WebhookRecorder {
    inbound: InboundRecorder,
    statuses: StatusRecorder,
    messages: Messages,
    tenants: DeferredTenants,
}

/// What belongs to a form: how it arrived.
#[derive(Debug, Clone, Copy)]
pub struct ArrivedForm<'a> {
    pub form: TrustedForm<'a>,
    /// The path of the URL that it came to.
    pub path: &'a str,
    /// The notification that its URL names.
    pub origin: Option<&'a CallbackOrigin>,
    pub arrival: MessageArrival,
}

/// How Twilio is answered.
#[derive(Debug, PartialEq, Eq)]
pub enum WebhookAnswer {
    /// 200 with this TwiML.
    Twiml(String),
    /// 204: Twilio does not read what the answer to a status callback says, and an empty form asks for nothing.
    Empty,
}

impl WebhookAnswer {
    /// The answer to a webhook of which nothing is to be said.
    pub(super) fn without_message(webhook: &Webhook) -> Self {
        match webhook {
            Webhook::Inbound(_) | Webhook::Unknown(_) => Self::Twiml(twiml::EMPTY.to_owned()),
            Webhook::Status(_) | Webhook::Empty(_) => Self::Empty,
        }
    }
}

/// A webhook is not recorded. Time helps, or the operator; the same webhook can be recorded later.
#[derive(Debug, thiserror::Error)]
pub enum NotRecorded {
    /// What to do with it is not known.
    #[error("the settings of the webhook's account cannot be read")]
    Tenants(#[from] TenantsError),
    /// DynamoDB did not write.
    #[error("the webhook cannot be stored")]
    Store(#[from] StoreError),
    /// DynamoDB did not answer in time. The webhook may be stored or not, and recording it again changes nothing if it is.
    #[error("the webhook was not stored in time")]
    Late(#[from] DeadlineExceeded),
}

impl WebhookRecorder {
    /// Reads `MESSAGES_TABLE`, `CONTACTS_TABLE`, what [`erasure::key_from_env`] and [`DeferredTenants::from_env`] read, and opens
    /// the connection. It does not fail while DynamoDB does not answer, and does not wait long for it.
    pub async fn from_env(config: &SdkConfig) -> Result<Self, StartError> {
        let dynamodb = Client::new(config);
        let messages = Messages::new(dynamodb.clone(), env::required("MESSAGES_TABLE")?);
        let contacts_table = env::required("CONTACTS_TABLE")?;
        // The keywords are normalised while the connection opens: that needs the processor, and it waits for the network.
        let tenants = async {
            let tenants = DeferredTenants::from_env(&dynamodb)?;
            if let Ok(loaded) = Deadline::after(STORE_BUDGET).run(tenants.load()).await {
                log_warm_up(loaded.map(drop));
            }
            Ok::<_, StartError>(tenants)
        };
        let (warmed, tenants, erasure) = tokio::join!(messages.warm(), tenants, erasure::key_from_env(config));
        log_warm_up(warmed);
        let contacts = Contacts::new(dynamodb.clone(), contacts_table, erasure?);
        Ok(Self {
            inbound: InboundRecorder::new(dynamodb, messages.clone(), contacts),
            statuses: StatusRecorder::new(messages.clone()),
            messages,
            tenants: tenants?,
        })
    }

    /// With the same settings for every account.
    #[cfg(test)]
    pub(super) fn of_tables(dynamodb: Client) -> Self {
        let messages = Messages::new(dynamodb.clone(), "Messages".to_owned());
        let contacts = Contacts::new(dynamodb.clone(), "Contacts".to_owned(), ErasureKey::of_no_erasure());
        Self {
            inbound: InboundRecorder::new(dynamodb, messages.clone(), contacts),
            statuses: StatusRecorder::new(messages.clone()),
            messages,
            tenants: DeferredTenants::of_parameters(AccountSettings::default()),
        }
    }

    /// Records a webhook until the deadline. Recording it again changes nothing, and gives the same answer. The current span
    /// gets the trace id of the message.
    pub async fn record(
        &self,
        webhook: &Webhook,
        arrived: ArrivedForm<'_>,
        deadline: Deadline,
    ) -> Result<WebhookAnswer, NotRecorded> {
        if let Some(trace_id) = trace_of(webhook, arrived.origin) {
            found_trace(&trace_id);
        }
        let recorded = deadline.run(async {
            match webhook {
                Webhook::Inbound(message) => self.record_inbound(message, arrived).await,
                Webhook::Status(callback) => self.record_status(callback, arrived).await,
                Webhook::Unknown(unknown) => self.record_unknown(unknown, arrived).await,
                Webhook::Empty(account_sid) => {
                    tracing::info!(%account_sid, "a signed form with nothing but its account is not stored");
                    Ok(WebhookAnswer::Empty)
                }
            }
        });
        recorded.await?
    }

    async fn record_inbound(
        &self,
        message: &InboundMessage,
        arrived: ArrivedForm<'_>,
    ) -> Result<WebhookAnswer, NotRecorded> {
        let settings = self.tenants.of(&message.account_sid).await?;
        let stored = self.inbound.record(message, arrived.form, arrived.arrival, &settings).await?;
        tracing::info!(
            webhook = "inbound",
            account_sid = %message.account_sid,
            message_sid = %message.message_sid,
            opt_out_request = ?stored.intent.preference(),
            possible_opt_out = matches!(stored.intent, Intent::PossibleOptOut(_)),
            duplicate = matches!(stored.recorded, RecordOutcome::Duplicate(_)),
            unreadable_parameters = unreadable_names(&message.unreadable_parameters),
            "an inbound message is stored"
        );
        Ok(WebhookAnswer::Twiml(stored.answer.map_or_else(|| twiml::EMPTY.to_owned(), |body| twiml::message(&body))))
    }

    async fn record_status(
        &self,
        callback: &StatusCallback,
        arrived: ArrivedForm<'_>,
    ) -> Result<WebhookAnswer, NotRecorded> {
        let ArrivedForm { form, origin, arrival, .. } = arrived;
        let retention = self.tenants.of(&callback.account_sid).await?.retention;
        let recorded = self.statuses.record(callback, form, origin, arrival, retention).await?;
        tracing::info!(
            webhook = "status",
            account_sid = %callback.account_sid,
            message_sid = %callback.message_sid,
            notification_id = origin.map(|origin| tracing::field::display(&origin.notification_id)),
            status = %callback.status,
            error_code = callback.error_code.map(ErrorCode::get),
            duplicate = matches!(recorded, RecordOutcome::Duplicate(_)),
            unreadable_parameters = unreadable_names(&callback.unreadable_parameters),
            "a status callback is stored"
        );
        Ok(WebhookAnswer::Empty)
    }

    async fn record_unknown(
        &self,
        unknown: &UnknownWebhook,
        arrived: ArrivedForm<'_>,
    ) -> Result<WebhookAnswer, NotRecorded> {
        let ArrivedForm { form, path, arrival, .. } = arrived;
        let retention = self.tenants.of(&unknown.account_sid).await?.retention;
        let recorded = self.messages.record_form(&StoredForm::new(unknown, form, path, arrival, retention)).await?;
        tracing::warn!(
            webhook = "unknown",
            account_sid = %unknown.account_sid,
            path,
            duplicate = recorded == FormOutcome::Duplicate,
            unreadable_parameters = unreadable_names(&unknown.unreadable_parameters),
            "a form that is neither a message nor a status is stored"
        );
        Ok(WebhookAnswer::Twiml(twiml::EMPTY.to_owned()))
    }
}

/// The trace id of the notification or the message that a webhook is about.
fn trace_of(webhook: &Webhook, origin: Option<&CallbackOrigin>) -> Option<TraceId> {
    match webhook {
        Webhook::Inbound(message) => Some(TraceId::of_message(&message.account_sid, &message.message_sid)),
        Webhook::Status(callback) => {
            let notification_id = origin.map(|origin| &origin.notification_id);
            Some(TraceId::of_callback(&callback.account_sid, &callback.message_sid, notification_id))
        }
        Webhook::Unknown(_) | Webhook::Empty(_) => None,
    }
}

/// The account that a webhook concerns.
pub(super) fn account_of(webhook: &Webhook) -> &AccountSid {
    match webhook {
        Webhook::Inbound(message) => &message.account_sid,
        Webhook::Status(callback) => &callback.account_sid,
        Webhook::Unknown(unknown) => &unknown.account_sid,
        Webhook::Empty(account_sid) => account_sid,
    }
}

/// The names of the parameters that cannot be read, as the field of a log line: the metric `NotUnderstood` counts the lines
/// that have it.
pub fn unreadable_names(unreadable: &[String]) -> Option<String> {
    (!unreadable.is_empty()).then(|| unreadable.join(","))
}
