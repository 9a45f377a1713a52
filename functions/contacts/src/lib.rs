//! The routes for other systems and for operators: `PUT /contacts/{contact}/consent` records a consent,
//! `GET /contacts/{contact}` shows a contact, `GET /notifications/{id}` shows the log of a notification, and `DELETE` of the
//! same path cancels the notification. A contact is a phone number or a WhatsApp user id.
//!
//! Callers are authorized by IAM, in API Gateway. Environment: `CONTACTS_TABLE`, `NOTIFICATIONS_TABLE`, `MESSAGES_TABLE` and
//! `TWILIO_ACCOUNT_SID`.

use std::convert::Infallible;

use domain::{
    consent::{Consent, ConsentRequest},
    contact_key::ContactKey,
    person::ConsentEffect,
};
use jiff::Timestamp;
use lambda_http::{Body, Request, RequestExt as _, Response, http::StatusCode};
use serde::Serialize;
use shared::{
    deadline::Deadline,
    env,
    http_reply::{RequestError, RequestProblem, json, respond},
    start::{self, StartError},
};
use stores::{
    cancel_notification::NotificationCanceller,
    contacts::{ContactOverview, Contacts},
    dynamodb::StoreError,
    messages::Messages,
    notification_log::NotificationLogs,
    notifications::Notifications,
};
use twilio_types::{address::Recipient, sid::AccountSid};

mod cancel;
mod request;

use request::{ContactsRoute, account, caller, text};

#[derive(Debug)]
pub struct ContactsFunction {
    contacts: Contacts,
    logs: NotificationLogs,
    canceller: NotificationCanceller,
    /// The account of requests that name none.
    account_sid: AccountSid,
}

/// The answer to `PUT /contacts/{contact}/consent`: the consent that is valid now.
#[derive(Serialize)]
struct ConsentAnswer {
    account_sid: AccountSid,
    contact: Recipient,
    /// `current` if the request's consent is valid now, `historic` if a newer consent, withdrawal or
    /// opt-out is.
    recorded: &'static str,
    #[serde(flatten)]
    consent: Consent,
}

/// The answer to `GET /contacts/{contact}`.
#[derive(Serialize)]
struct ContactAnswer {
    account_sid: AccountSid,
    contact: Recipient,
    #[serde(flatten)]
    overview: ContactOverview,
}

impl ContactsFunction {
    /// Reads the environment, builds the client and opens its connection.
    pub async fn from_env() -> Result<Self, StartError> {
        let contacts_table = env::required("CONTACTS_TABLE")?;
        let notifications_table = env::required("NOTIFICATIONS_TABLE")?;
        let messages_table = env::required("MESSAGES_TABLE")?;
        let account_sid = env::required_parsed("TWILIO_ACCOUNT_SID")?;
        let client = aws_sdk_dynamodb::Client::new(&shared::aws::config().await?);
        let contacts = Contacts::new(client.clone(), contacts_table);
        let notifications = Notifications::new(client.clone(), notifications_table);
        let messages = Messages::new(client, messages_table);
        let function = Self::new(contacts, notifications, messages, account_sid);
        start::log_warm_up(function.logs.notifications.warm().await);
        Ok(function)
    }

    fn new(contacts: Contacts, notifications: Notifications, messages: Messages, account_sid: AccountSid) -> Self {
        Self {
            canceller: NotificationCanceller { notifications: notifications.clone(), contacts: contacts.clone() },
            logs: NotificationLogs { notifications, messages },
            contacts,
            account_sid,
        }
    }

    /// Answers 201 to a consent, 200 to the other routes.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        let deadline_ms = request.lambda_context_ref().map_or(0, |context| context.deadline);
        let answered = Deadline::of_answer(deadline_ms).run(self.answer(&request, Timestamp::now())).await;
        Ok(respond(answered.unwrap_or_else(|exceeded| Err(exceeded.into()))))
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Result<Response<Body>, RequestError> {
        let route = ContactsRoute::parse(request)?;
        let account_sid = account(request)?.unwrap_or_else(|| self.account_sid.clone());
        match route {
            ContactsRoute::Consent(contact) => {
                let request = ConsentRequest::parse(text(request)?, now, caller(request))
                    .map_err(|invalid| RequestProblem::new(StatusCode::BAD_REQUEST, invalid.field, invalid.problem))?;
                Ok(json(StatusCode::CREATED, &self.record(contact, account_sid, request, now).await?))
            }
            ContactsRoute::Contact(contact) => {
                let overview = self.contacts.overview(&ContactKey::of(&account_sid, &contact)).await?;
                Ok(json(StatusCode::OK, &ContactAnswer { account_sid, contact, overview }))
            }
            ContactsRoute::Notification(id) => match self.logs.find(&account_sid, &id).await? {
                Some(log) => Ok(json(StatusCode::OK, &log)),
                None => Err(RequestProblem::new(StatusCode::NOT_FOUND, "id", "there is no such notification").into()),
            },
            ContactsRoute::Cancellation(id) => {
                Ok(json(StatusCode::OK, &self.cancel(&account_sid, &id, caller(request).as_deref(), now).await?))
            }
        }
    }

    /// The account that the body names is used before the one of the query.
    async fn record(
        &self,
        contact: Recipient,
        account: AccountSid,
        request: ConsentRequest,
        now: Timestamp,
    ) -> Result<ConsentAnswer, StoreError> {
        let account_sid = request.account_sid.unwrap_or(account);
        let key = ContactKey::of(&account_sid, &contact);
        let (recorded, consent) = match self.contacts.record_consent(&key, &request.evidence, now).await? {
            ConsentEffect::Current(consent) => ("current", consent),
            ConsentEffect::Historic(newer) => ("historic", newer),
        };
        tracing::info!(
            %account_sid,
            category = request.evidence.category.as_str(),
            state = request.evidence.state.as_str(),
            recorded,
            "a consent is recorded"
        );
        Ok(ConsentAnswer { account_sid, contact, recorded, consent })
    }
}

#[cfg(test)]
mod tests;
