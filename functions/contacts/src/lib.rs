//! The routes for other systems and for operators: `PUT /contacts/{contact}/consent` records a consent, `PUT` and `DELETE` of
//! `/contacts/{contact}/suppression` suppress a person and lift a suppression ([`mod@suppress`]), `GET /contacts/{contact}`
//! shows a contact, `GET /notifications/{id}` shows the log of a notification, and `DELETE` of the same path cancels the
//! notification. A contact is a phone number or a WhatsApp user id. An id may also be in the query, as in `?id=order-1`.
//!
//! Callers are authorized by IAM, in API Gateway, and for an account by the tenants document. Environment: `CONTACTS_TABLE`,
//! `NOTIFICATIONS_TABLE`, `MESSAGES_TABLE`, `ERASURE_KEY_SECRET_ID`, `TWILIO_ACCOUNT_SID` and optionally `MESSAGE_RETENTION_DAYS` and
//! `TENANTS_TABLE` ([`shared::tenants`]).

use std::convert::Infallible;

use domain::{
    consent::{Consent, ConsentRequest},
    contact_key::ContactKey,
    notification::NotificationId,
    person::ConsentEffect,
    preference::Preference,
};
use jiff::Timestamp;
use lambda_http::{Body, Request, RequestExt as _, Response, http::StatusCode};
use serde::Serialize;
use shared::{
    deadline::Deadline,
    env, erasure,
    http_reply::{RequestError, RequestProblem, json, respond},
    http_request::one_account,
    start::{self, StartError},
    tenants::{TenantCache, authorize},
};
use stores::{
    cancel_notification::NotificationCanceller,
    contacts::{ContactOverview, Contacts},
    dynamodb::StoreError,
    messages::Messages,
    notification_log::NotificationLogs,
    notifications::{Notifications, StoredNotification},
};
use twilio_types::{address::Recipient, sid::AccountSid};

mod cancel;
mod request;
mod suppress;

use request::{ContactsRoute, account, caller, text};

#[derive(Debug)]
pub struct ContactsFunction {
    contacts: Contacts,
    logs: NotificationLogs,
    canceller: NotificationCanceller,
    tenants: TenantCache,
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
        let config = shared::aws::config().await?;
        let client = aws_sdk_dynamodb::Client::new(&config);
        let notifications = Notifications::new(client.clone(), notifications_table)
            .with_retention(env::optional_parsed("MESSAGE_RETENTION_DAYS")?.unwrap_or_default());
        let messages = Messages::new(client.clone(), messages_table);
        let (tenants, erasure, warmed) =
            tokio::join!(TenantCache::from_env(&client), erasure::key_from_env(&config), notifications.warm());
        start::log_warm_up(warmed);
        let contacts = Contacts::new(client, contacts_table, erasure?);
        Ok(Self::new(contacts, notifications, messages, tenants?, account_sid))
    }

    fn new(
        contacts: Contacts,
        notifications: Notifications,
        messages: Messages,
        tenants: TenantCache,
        account_sid: AccountSid,
    ) -> Self {
        Self {
            canceller: NotificationCanceller { notifications: notifications.clone(), contacts: contacts.clone() },
            logs: NotificationLogs { notifications, messages },
            contacts,
            tenants,
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
        let of_query = account(request)?;
        let account_sid = of_query.clone().unwrap_or_else(|| self.account_sid.clone());
        match route {
            ContactsRoute::Consent(contact) => {
                let mut consent = ConsentRequest::parse(text(request)?, now, caller(request))
                    .map_err(|invalid| RequestProblem::new(StatusCode::BAD_REQUEST, invalid.field, invalid.problem))?;
                consent.account_sid = one_account(consent.account_sid, of_query)?;
                self.authorize(consent.account_sid.as_ref().unwrap_or(&self.account_sid), request).await?;
                Ok(json(StatusCode::CREATED, &self.record(contact, consent, now).await?))
            }
            ContactsRoute::Suppress(contact) => {
                Ok(json(StatusCode::OK, &self.suppress(contact, request, Preference::OptedOut, now).await?))
            }
            ContactsRoute::LiftSuppression(contact) => {
                Ok(json(StatusCode::OK, &self.suppress(contact, request, Preference::OptedIn, now).await?))
            }
            ContactsRoute::Contact(contact) => {
                self.authorize(&account_sid, request).await?;
                let overview = self.contacts.overview(&ContactKey::of(&account_sid, &contact)).await?;
                Ok(json(StatusCode::OK, &ContactAnswer { account_sid, contact, overview }))
            }
            ContactsRoute::Notification(ids) => {
                self.authorize(&account_sid, request).await?;
                let missing = || RequestProblem::new(StatusCode::NOT_FOUND, "id", "there is no such notification");
                let found = self.find(&account_sid, &ids).await?.ok_or_else(missing)?;
                Ok(json(StatusCode::OK, &self.logs.log_of(found).await?))
            }
            ContactsRoute::Cancellation(ids) => {
                self.authorize(&account_sid, request).await?;
                Ok(json(StatusCode::OK, &self.cancel(&account_sid, &ids, caller(request).as_deref(), now).await?))
            }
        }
    }

    /// Refuses an account that the caller may not name.
    async fn authorize(&self, account_sid: &AccountSid, request: &Request) -> Result<(), RequestProblem> {
        authorize(&*self.tenants.current().await, account_sid, caller(request).as_deref())
    }

    /// The first notification that exists of these readings of an id.
    async fn find(
        &self,
        account_sid: &AccountSid,
        ids: &[NotificationId],
    ) -> Result<Option<StoredNotification>, StoreError> {
        for id in ids {
            if let Some(found) = self.canceller.notifications.find(account_sid, id).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn record(
        &self,
        contact: Recipient,
        request: ConsentRequest,
        now: Timestamp,
    ) -> Result<ConsentAnswer, StoreError> {
        let account_sid = request.account_sid.unwrap_or_else(|| self.account_sid.clone());
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
mod fuzz_tests;
#[cfg(test)]
mod tests;
