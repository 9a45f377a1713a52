//! A request to any resource of Twilio's REST API.

use std::fmt;

use reqwest::Method;
use serde_json::Value;
use twilio_types::base_url::BaseUrl;

/// A product of Twilio's: each has its own host, and its own versions in its paths.
///
/// Source: Twilio's `OpenAPI` description, one file for each product and version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Product {
    /// `accounts`: auth tokens and credentials.
    Accounts,
    /// `api`: messages and their media, calls, numbers, and the account itself.
    Api,
    /// `content`: message templates.
    Content,
    /// `events`: sinks and subscriptions of Event Streams.
    Events,
    /// `iam`: API keys.
    Iam,
    /// `lookups`: what is known of a phone number.
    Lookups,
    /// `messaging`: Messaging Services and senders.
    Messaging,
    /// `monitor`: the alerts of the debugger, and events of the account.
    Monitor,
    /// `studio`: flows and their executions.
    Studio,
    /// `verify`: one-time passwords.
    Verify,
}

impl Product {
    /// The first part of the product's host name, as in `content.twilio.com`.
    pub const fn subdomain(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::Api => "api",
            Self::Content => "content",
            Self::Events => "events",
            Self::Iam => "iam",
            Self::Lookups => "lookups",
            Self::Messaging => "messaging",
            Self::Monitor => "monitor",
            Self::Studio => "studio",
            Self::Verify => "verify",
        }
    }

    /// Where the product is, beside the main API: `https://content.dublin.ie1.twilio.com` beside
    /// `https://api.dublin.ie1.twilio.com`. A base URL that is not Twilio's, such as a stand-in's for tests, is that of every
    /// product.
    #[must_use]
    pub fn base_url(self, api: &BaseUrl) -> BaseUrl {
        match api.as_str().strip_prefix("https://api.") {
            Some(domain) if domain == "twilio.com" || domain.ends_with(".twilio.com") => {
                BaseUrl::of_domain(&format!("{}.{domain}", self.subdomain()))
            }
            _ => api.clone(),
        }
    }
}

/// A request to a resource for which this crate has no method. `Debug` shows neither the path nor what is sent.
///
/// ```
/// use twilio_client::{ApiRequest, Product};
///
/// let senders = ApiRequest::get(Product::Messaging, "/v2/Channels/Senders").query([("Channel", "whatsapp")]);
/// let update = ApiRequest::post(Product::Messaging, "/v1/Services/MG1").form([("StatusCallback", "https://example.com/")]);
/// ```
#[derive(Clone)]
pub struct ApiRequest {
    pub(crate) method: Method,
    pub(crate) product: Product,
    pub(crate) path: String,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Body,
}

/// What a request carries.
#[derive(Clone)]
pub(crate) enum Body {
    None,
    Form(Vec<(String, String)>),
    Json(Value),
}

impl ApiRequest {
    /// Reads a resource or a list. `path` begins with a slash, and it may hold a query.
    pub fn get(product: Product, path: impl Into<String>) -> Self {
        Self::new(Method::GET, product, path.into())
    }

    /// Creates or updates a resource.
    pub fn post(product: Product, path: impl Into<String>) -> Self {
        Self::new(Method::POST, product, path.into())
    }

    /// Replaces a resource.
    pub fn put(product: Product, path: impl Into<String>) -> Self {
        Self::new(Method::PUT, product, path.into())
    }

    /// Deletes a resource.
    pub fn delete(product: Product, path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, product, path.into())
    }

    fn new(method: Method, product: Product, path: String) -> Self {
        // Without the slash the path would become a part of the host, and the credentials would go there.
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        Self { method, product, path, query: Vec::new(), body: Body::None }
    }

    /// Adds parameters to the query.
    #[must_use]
    pub fn query<N: Into<String>, V: Into<String>>(mut self, parameters: impl IntoIterator<Item = (N, V)>) -> Self {
        self.query.extend(owned(parameters));
        self
    }

    /// Sends these parameters as a form, which is what most resources accept.
    #[must_use]
    pub fn form<N: Into<String>, V: Into<String>>(mut self, parameters: impl IntoIterator<Item = (N, V)>) -> Self {
        self.body = Body::Form(owned(parameters).collect());
        self
    }

    /// Sends JSON, which newer resources accept.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Body::Json(body);
        self
    }
}

fn owned<N: Into<String>, V: Into<String>>(
    parameters: impl IntoIterator<Item = (N, V)>,
) -> impl Iterator<Item = (String, String)> {
    parameters.into_iter().map(|(name, value)| (name.into(), value.into()))
}

impl fmt::Debug for ApiRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, product, .. } = self;
        f.debug_struct("ApiRequest").field("method", method).field("product", product).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_product_has_its_host_and_a_stand_in_has_one_for_all() {
        for (api, product, expected) in [
            ("https://api.twilio.com", Product::Api, "https://api.twilio.com"),
            ("https://api.twilio.com", Product::Content, "https://content.twilio.com"),
            ("https://api.twilio.com", Product::Messaging, "https://messaging.twilio.com"),
            ("https://api.dublin.ie1.twilio.com", Product::Content, "https://content.dublin.ie1.twilio.com"),
            ("https://api.dublin.ie1.twilio.com", Product::Accounts, "https://accounts.dublin.ie1.twilio.com"),
            ("http://127.0.0.1:8090", Product::Content, "http://127.0.0.1:8090"),
            ("https://api.example.com", Product::Content, "https://api.example.com"),
            ("https://api.nottwilio.com", Product::Content, "https://api.nottwilio.com"),
        ] {
            assert_eq!(product.base_url(&api.parse().unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn a_path_never_becomes_a_part_of_the_host() {
        let request = ApiRequest::get(Product::Api, "@elsewhere.example.com/");
        let base_url: BaseUrl = "https://api.twilio.com".parse().unwrap();
        assert_eq!(base_url.join(&request.path), "https://api.twilio.com/@elsewhere.example.com/");
    }

    #[test]
    fn debug_shows_no_parameters() {
        let request = ApiRequest::post(Product::Api, "/path?To=%2B14155550123")
            .query([("To", "+14155550123")])
            .form([("Body", "secret words")]);
        let shown = format!("{request:?}");
        assert!(!shown.contains("4155550123") && !shown.contains("secret"), "{shown}");
    }
}
