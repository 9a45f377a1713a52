//! The routes for other systems and for operators: `PUT /contacts/{e164}/consent` records a consent, `GET /contacts/{e164}`
//! shows a contact, and `GET /notifications/{id}` shows the log of a notification.
//!
//! Callers are authorized by IAM, in API Gateway. Environment: `CONTACTS_TABLE`, `NOTIFICATIONS_TABLE`, `MESSAGES_TABLE` and
//! `TWILIO_ACCOUNT_SID`.

use std::convert::Infallible;

use domain::{
    consent::{Consent, ConsentRequest},
    contact_key::ContactKey,
};
use jiff::Timestamp;
use lambda_http::{Body, Request, Response, http::StatusCode};
use serde::Serialize;
use shared::{
    env,
    http_reply::{RequestError, RequestProblem, json, respond},
    start::{self, StartError},
};
use stores::{
    contacts::{ConsentOutcome, ContactOverview, Contacts},
    dynamodb::StoreError,
    messages::Messages,
    notification_log::NotificationLogs,
    notifications::Notifications,
};
use twilio_types::{address::E164, sid::AccountSid};

mod request;

use request::{ContactsRoute, account, caller, text};

#[derive(Debug)]
pub struct ContactsFunction {
    contacts: Contacts,
    histories: NotificationLogs,
    /// The account of requests that name none.
    account_sid: AccountSid,
}

/// The answer to `PUT /contacts/{e164}/consent`: the consent that is valid now.
#[derive(Serialize)]
struct ConsentAnswer {
    account_sid: AccountSid,
    contact: E164,
    /// `current` if the request's consent is valid now, `historic` if a newer one is.
    recorded: &'static str,
    #[serde(flatten)]
    consent: Consent,
}

/// The answer to `GET /contacts/{e164}`.
#[derive(Serialize)]
struct ContactAnswer {
    account_sid: AccountSid,
    contact: E164,
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
        let function = Self {
            contacts: Contacts::new(client.clone(), contacts_table),
            histories: NotificationLogs {
                notifications: Notifications::new(client.clone(), notifications_table),
                messages: Messages::new(client, messages_table),
            },
            account_sid,
        };
        start::log_warm_up(function.histories.notifications.warm().await);
        Ok(function)
    }

    /// Answers 201 to a consent, 200 to the other routes.
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        Ok(respond(self.answer(&request, Timestamp::now()).await))
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Result<Response<Body>, RequestError> {
        let route = ContactsRoute::parse(request)?;
        let account_sid = account(request)?.unwrap_or_else(|| self.account_sid.clone());
        match route {
            ContactsRoute::Consent(contact) => {
                let request = ConsentRequest::parse(text(request)?, now, caller(request))
                    .map_err(|invalid| RequestProblem::new(StatusCode::BAD_REQUEST, invalid.field, invalid.problem))?;
                Ok(json(StatusCode::CREATED, &self.record(contact, account_sid, request).await?))
            }
            ContactsRoute::Contact(contact) => {
                let overview = self.contacts.overview(&ContactKey::of_phone(&account_sid, &contact)).await?;
                Ok(json(StatusCode::OK, &ContactAnswer { account_sid, contact, overview }))
            }
            ContactsRoute::Notification(id) => match self.histories.find(&account_sid, &id).await? {
                Some(history) => Ok(json(StatusCode::OK, &history)),
                None => Err(RequestProblem::new(StatusCode::NOT_FOUND, "id", "there is no such notification").into()),
            },
        }
    }

    /// The account that the body names is used before the one of the query.
    async fn record(
        &self,
        contact: E164,
        account: AccountSid,
        request: ConsentRequest,
    ) -> Result<ConsentAnswer, StoreError> {
        let account_sid = request.account_sid.unwrap_or(account);
        let key = ContactKey::of_phone(&account_sid, &contact);
        let (recorded, consent) = match self.contacts.record_consent(&key, &request.evidence).await? {
            ConsentOutcome::Current(consent) => ("current", consent),
            ConsentOutcome::Historic(newer) => ("historic", newer),
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
