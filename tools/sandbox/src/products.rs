//! What the account has set up in Twilio's products. Plain data: [`resource`] answers requests about the resources that are
//! created, listed, fetched, changed and deleted, and [`routes`] joins all products' routes.

use std::sync::atomic::AtomicUsize;

use jiff::Timestamp;

use self::collection::Collection;
use crate::{
    api_keys::{self, ApiKey},
    auth_tokens::AuthTokens,
    capacity,
    config::Config,
    content::{self, ContentTemplate},
    event_streams::EventStreams,
    rules::ActiveRules,
    senders::Senders,
    services::MessagingService,
    sids::Sids,
    studio::Execution,
    verify::Verify,
};

pub(crate) mod collection;
pub(crate) mod resource;
pub(crate) mod routes;

#[derive(Debug)]
pub(crate) struct Products {
    pub(crate) auth_tokens: AuthTokens,
    pub(crate) api_keys: Collection<ApiKey>,
    pub(crate) services: Collection<MessagingService>,
    pub(crate) senders: Senders,
    pub(crate) contents: Collection<ContentTemplate>,
    pub(crate) event_streams: EventStreams,
    pub(crate) rules: ActiveRules,
    pub(crate) verify: Verify,
    pub(crate) executions: Collection<Execution>,
    /// How many calls have no answer yet.
    open_calls: AtomicUsize,
}

impl Products {
    pub(crate) fn new(config: &Config, sids: &Sids, at: Timestamp) -> Self {
        let services = Collection::default();
        let service = MessagingService::of_account(config, at);
        services.add(service.sid.clone(), service);
        let contents = Collection::default();
        for content in content::approved_templates(at) {
            contents.add(content.sid.clone(), content);
        }
        Self {
            auth_tokens: AuthTokens::new(config.auth_token.clone()),
            api_keys: api_keys::of_account(config, at),
            services,
            senders: Senders::new(config),
            contents,
            event_streams: EventStreams::of_account(config, sids, at),
            rules: ActiveRules::new(config.rules.clone()),
            verify: Verify::new(config.verify_service_sid.to_string(), at),
            executions: Collection::at_most(capacity::EXECUTIONS),
            open_calls: AtomicUsize::new(0),
        }
    }

    /// The URL for people's messages to a sender, and the fallback URL for when that one fails.
    pub(crate) fn inbound_urls(&self, sender: &str) -> (Option<String>, Option<String>) {
        let service = self.services.all().into_iter().find(|service| service.has_sender(sender));
        match service {
            Some(service) if !service.use_inbound_webhook_on_number => {
                (service.inbound_request_url.clone(), service.fallback_url.clone())
            }
            _ => self.senders.webhook_of(sender),
        }
    }

    /// The status callback URL of a message that names none itself: its service's, or its sender's.
    pub(crate) fn default_status_callback(&self, from: Option<&str>, service_sid: Option<&str>) -> Option<String> {
        match service_sid {
            Some(sid) => self.services.get(sid)?.status_callback.clone(),
            None => self.senders.status_callback_of(from?),
        }
    }
}
