//! A request that may be Twilio's: what is read of an event, and how it is verified.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use base64::{Engine, engine::general_purpose::STANDARD};
use domain::callback_url::{CallbackOrigin, STATUS_PATH};
use twilio_types::{base_url::BaseUrl, sid::AccountSid};
use twilio_webhook::signature::{SIGNATURE, SignatureError, SigningKeys, UnverifiedRequest, Verified, VerifiedForm};

use super::Refusal;
use crate::secrets::Accounts;

/// A request as it arrived.
pub(super) struct WebhookRequest {
    base: BaseUrl,
    path: String,
    query: Option<String>,
    unverified: UnverifiedRequest,
    has_signature: bool,
    has_fragment: bool,
    /// The most bytes that the body may have, if it has more. Then it is cut off.
    too_large_for: Option<usize>,
}

impl WebhookRequest {
    /// Reads an event. `public_base_url` is used in place of the API's own domain.
    pub(super) fn read(
        event: ApiGatewayV2httpRequest,
        public_base_url: Option<&BaseUrl>,
        max_bytes: usize,
    ) -> Result<Self, Refusal> {
        let own_domain = || event.request_context.domain_name.as_deref().map(BaseUrl::of_domain);
        let base = public_base_url.cloned().or_else(own_domain);
        let base = base.ok_or(Refusal::Unreadable(
            "requestContext.domainName: expected the API's domain, or PUBLIC_BASE_URL set",
        ))?;
        let path = event.raw_path.unwrap_or_default();
        let query = event.raw_query_string.filter(|query| !query.is_empty());
        let mut url = base.join(&path);
        if let Some(query) = &query {
            url.push('?');
            url.push_str(query);
        }
        let body = event.body.unwrap_or_default();
        let mut body = if event.is_base64_encoded {
            STANDARD.decode(body).map_err(|_| Refusal::Unreadable("body: expected base64"))?
        } else {
            body.into_bytes()
        };
        let too_large_for = Some(max_bytes).filter(|most| body.len() > *most);
        body.truncate(max_bytes);
        Ok(Self {
            base,
            path,
            query,
            has_signature: event.headers.get(SIGNATURE).is_some_and(|signature| !signature.is_empty()),
            // A request has no fragment (RFC 9112, section 3.2). What follows a literal `#` would be read and is not signed.
            has_fragment: url.contains('#'),
            unverified: UnverifiedRequest::new(url, &event.headers, body),
            too_large_for,
        })
    }

    /// The account of the secret that the form names, if the request has a signature at all.
    pub(super) fn signing_account(&self, accounts: &Accounts) -> Option<AccountSid> {
        self.claimed_account().filter(|account_sid| self.has_signature && accounts.signing_keys(account_sid).is_some())
    }

    /// The account that the form names, which no signature covers yet.
    fn claimed_account(&self) -> Option<AccountSid> {
        self.unverified.unverified_parameter("AccountSid")?.parse().ok()
    }

    /// The body, which no signature covers yet, if anything can sign the request at all.
    pub(super) fn unverified_body(&self) -> Result<&[u8], Refusal> {
        self.check()?;
        Ok(self.unverified.unverified_body())
    }

    pub(super) fn has_signature(&self) -> bool {
        self.has_signature
    }

    /// Verifies a request whose body is not a form, with the keys of one account.
    pub(super) fn verify_body(&self, keys: &SigningKeys) -> Result<(), Refusal> {
        match self.verify_with(keys)? {
            Verified::Body => Ok(()),
            _ => Err(Refusal::Unreadable("Content-Type: expected application/json")),
        }
    }

    /// Refuses what nothing can sign.
    fn check(&self) -> Result<(), Refusal> {
        if let Some(most) = self.too_large_for {
            return Err(Refusal::TooLarge(most));
        }
        self.unverified.check_signable()?;
        if self.has_fragment { Err(SignatureError::Mismatch.into()) } else { Ok(()) }
    }

    /// Verifies the request. No signature is computed for one that names no account of the secret.
    pub(super) fn verify(&self, accounts: &Accounts) -> Result<VerifiedForm, Refusal> {
        self.check()?;
        if !self.unverified.is_form() {
            return Err(Refusal::Unreadable("Content-Type: expected application/x-www-form-urlencoded"));
        }
        let account_sid = self.claimed_account().ok_or(Refusal::Unreadable("AccountSid: expected an account's SID"))?;
        let keys = accounts.signing_keys(&account_sid).ok_or(SignatureError::Mismatch)?;
        match self.verify_with(keys)? {
            Verified::Form(form) => Ok(form),
            _ => Err(SignatureError::UnsignedBody.into()),
        }
    }

    /// The URL as it was requested costs one HMAC. Only if that was not signed, other URLs that Twilio may have been given
    /// are tried.
    fn verify_with(&self, keys: &SigningKeys) -> Result<Verified, SignatureError> {
        let verified = self.unverified.verify(keys);
        if verified != Err(SignatureError::Mismatch) {
            return verified;
        }
        let mut others = self.other_urls().into_iter().map(|url| self.unverified.verify_as(&url, keys));
        others.find(Result::is_ok).unwrap_or(verified)
    }

    /// The URL of a request behind a proxy that leaves the path of the base URL in it, and the callback URLs that Twilio was
    /// given for the notification that the query names.
    fn other_urls(&self) -> Vec<String> {
        let query = self.query.as_deref().map(|query| format!("?{query}")).unwrap_or_default();
        let below = self.base.join_below(&self.path).map(|url| format!("{url}{query}"));
        let callback = self.query.as_deref().filter(|_| self.path.ends_with(STATUS_PATH));
        let origin = callback.and_then(CallbackOrigin::in_query);
        let given = origin.into_iter().flat_map(|origin| origin.signed_urls(&self.base));
        below.into_iter().chain(given).collect()
    }
}
