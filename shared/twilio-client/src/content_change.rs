//! Creating, changing, submitting and deleting templates.
//!
//! Source: Twilio, "Content API resources".

use serde_json::{Map, Value, json};
use twilio_types::sid::ContentSid;

use crate::{AccountClient, ApiRequest, ContentApproval, ContentResource, Product, TwilioError};

/// A template that is to be created or changed.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTemplate {
    /// `friendly_name`: the name by which people find it. Twilio does not keep it unique.
    pub friendly_name: String,
    /// Its language, as in `en` or `pt_BR`.
    pub language: String,
    /// The samples by the names of their variables. WhatsApp's reviewers see them.
    pub variables: Map<String, Value>,
    /// Its content by its type, as in `twilio/text`.
    pub types: Map<String, Value>,
}

impl NewTemplate {
    fn json(&self) -> Value {
        let Self { friendly_name, language, variables, types } = self;
        json!({"friendly_name": friendly_name, "language": language, "variables": variables, "types": types})
    }
}

impl AccountClient {
    /// Creates a template. It is not submitted to WhatsApp. After [`TwilioError::Unknown`] it may exist all the same.
    pub async fn create_content(&self, template: &NewTemplate) -> Result<ContentResource, TwilioError> {
        self.call(ApiRequest::post(Product::Content, "/v1/Content").json(template.json())).await
    }

    /// Replaces a template, which keeps its SID. Twilio refuses it after the template was submitted to WhatsApp.
    pub async fn update_content(
        &self,
        sid: &ContentSid,
        template: &NewTemplate,
    ) -> Result<ContentResource, TwilioError> {
        self.call(ApiRequest::put(Product::Content, path(sid)).json(template.json())).await
    }

    /// Submits a template to WhatsApp, under a name of lower-case letters, digits and underscores, and as `UTILITY`,
    /// `MARKETING` or `AUTHENTICATION`.
    pub async fn submit_content(
        &self,
        sid: &ContentSid,
        name: &str,
        category: &str,
    ) -> Result<ContentApproval, TwilioError> {
        let path = format!("{}/ApprovalRequests/whatsapp", path(sid));
        let request = json!({"name": name, "category": category.to_ascii_uppercase()});
        self.call(ApiRequest::post(Product::Content, path).json(request)).await
    }

    /// What WhatsApp decided about a template. One that was not submitted has the status `unsubmitted`.
    pub async fn content_approval(&self, sid: &ContentSid) -> Result<ContentApproval, TwilioError> {
        self.call(ApiRequest::get(Product::Content, format!("{}/ApprovalRequests", path(sid)))).await
    }

    /// Deletes a template from Twilio. WhatsApp keeps one that was submitted.
    pub async fn delete_content(&self, sid: &ContentSid) -> Result<(), TwilioError> {
        self.call(ApiRequest::delete(Product::Content, path(sid))).await
    }
}

fn path(sid: &ContentSid) -> String {
    format!("/v1/Content/{sid}")
}
