//! `PUT /contacts/{e164}/consent`, `GET /contacts/{e164}` and `GET /notifications/{id}`: what a person agreed to, what is
//! known of a person, and what became of a notification.
//!
//! API Gateway lets in who may call them by IAM. Environment: `CONTACTS_TABLE`, `NOTIFICATIONS_TABLE`, `MESSAGES_TABLE`
//! and `TWILIO_ACCOUNT_SID`.

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
    http_reply::{Problem, RequestError, json, respond},
    start::{self, StartError},
};
use stores::{
    contacts::{ConsentOutcome, ContactOverview},
    dynamodb::StoreError,
    messages::Messages,
    notification_log::NotificationLogs,
    notifications::Notifications,
};
use twilio_types::{address::E164, sid::AccountSid};

mod request;

use request::{Route, account, caller, text};

/// The function.
#[derive(Debug)]
pub struct ContactsFunction {
    people: stores::contacts::Contacts,
    histories: NotificationLogs,
    /// The account of who names none.
    account_sid: AccountSid,
}

/// What holds now.
#[derive(Serialize)]
struct Holding {
    account_sid: AccountSid,
    contact: E164,
    /// Whether what was sent is what holds: `current`, or `historic` where something newer does.
    recorded: &'static str,
    #[serde(flatten)]
    consent: Consent,
}

#[derive(Serialize)]
struct Known {
    account_sid: AccountSid,
    contact: E164,
    #[serde(flatten)]
    overview: ContactOverview,
}

impl ContactsFunction {
    /// Reads the environment, builds the client and opens its connection.
    pub async fn from_env() -> Result<Self, StartError> {
        let [contacts, notifications, messages] =
            ["CONTACTS_TABLE", "NOTIFICATIONS_TABLE", "MESSAGES_TABLE"].map(env::required);
        let account_sid = env::required_parsed("TWILIO_ACCOUNT_SID")?;
        let client = aws_sdk_dynamodb::Client::new(&shared::aws::config().await?);
        let function = Self {
            people: stores::contacts::Contacts::new(client.clone(), contacts?),
            histories: NotificationLogs {
                notifications: Notifications::new(client.clone(), notifications?),
                messages: Messages::new(client, messages?),
            },
            account_sid,
        };
        start::log_warm_up(function.histories.notifications.warm().await);
        Ok(function)
    }

    /// Records consent (201), or shows a contact or a notification (200).
    pub async fn handle(&self, request: Request) -> Result<Response<Body>, Infallible> {
        Ok(respond(self.answer(&request, Timestamp::now()).await))
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Result<Response<Body>, RequestError> {
        let route = Route::of(request)?;
        let account_sid = account(request)?.unwrap_or_else(|| self.account_sid.clone());
        match route {
            Route::Consent(contact) => {
                let wanted = ConsentRequest::parse(text(request)?, now, caller(request))
                    .map_err(|invalid| Problem::new(StatusCode::BAD_REQUEST, invalid.field, invalid.problem))?;
                Ok(json(StatusCode::CREATED, &self.record(contact, account_sid, wanted).await?))
            }
            Route::Contact(contact) => {
                let overview = self.people.overview(&ContactKey::of_phone(&account_sid, &contact)).await?;
                Ok(json(StatusCode::OK, &Known { account_sid, contact, overview }))
            }
            Route::Notification(id) => match self.histories.find(&account_sid, &id).await? {
                Some(history) => Ok(json(StatusCode::OK, &history)),
                None => Err(Problem::new(StatusCode::NOT_FOUND, "id", "there is no such notification").into()),
            },
        }
    }

    async fn record(&self, contact: E164, account: AccountSid, wanted: ConsentRequest) -> Result<Holding, StoreError> {
        let account_sid = wanted.account_sid.unwrap_or(account);
        let key = ContactKey::of_phone(&account_sid, &contact);
        let (recorded, consent) = match self.people.record_consent(&key, &wanted.evidence).await? {
            ConsentOutcome::Current(consent) => ("current", consent),
            ConsentOutcome::Historic(newer) => ("historic", newer),
        };
        let category = wanted.evidence.category.as_str();
        tracing::info!(category, state = wanted.evidence.state.as_str(), recorded, "consent");
        Ok(Holding { account_sid, contact, recorded, consent })
    }
}

#[cfg(test)]
mod tests;
