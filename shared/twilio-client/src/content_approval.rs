//! The account's templates with WhatsApp's approvals.
//!
//! Source: Twilio, "Content API resources", "Fetch all content templates and their approval status".

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use twilio_types::sid::ContentSid;

use crate::{AccountClient, ApiRequest, PagePath, Product, TwilioError, content::path_and_query};

/// A template, with what WhatsApp decided about it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[non_exhaustive]
pub struct ContentWithApproval {
    /// Its SID.
    pub sid: ContentSid,
    /// The name that its author gave it. Twilio does not keep it unique.
    pub friendly_name: Option<String>,
    /// Its language, as in `en` or `pt_BR`.
    pub language: Option<String>,
    /// When it was created, as Twilio writes it: `2026-11-20T09:00:00Z`.
    pub date_created: Option<String>,
    /// The samples by the names of their variables.
    #[serde(default, deserialize_with = "object")]
    pub variables: Map<String, Value>,
    /// Its content by its type, as in `twilio/text`.
    #[serde(default, deserialize_with = "object")]
    pub types: Map<String, Value>,
    /// None for a template that was not submitted to WhatsApp.
    #[serde(rename = "approval_requests", default)]
    pub approval: Option<ContentApproval>,
}

/// What WhatsApp decided about a template.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ContentApproval {
    /// The status, as in `approved`; none if Twilio names none.
    pub status: Option<String>,
    /// The category, as in `UTILITY`. WhatsApp may have changed it.
    pub category: Option<String>,
    /// The type that was submitted, as in `twilio/text`.
    pub content_type: Option<String>,
    /// Why it was rejected.
    pub rejection_reason: Option<String>,
}

/// A page of the list of an account's templates with their approvals.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ContentApprovalPage {
    /// The templates that were understood.
    pub contents: Vec<ContentWithApproval>,
    /// How many were not. Before you conclude anything from the absence of a template, look at this.
    pub unreadable: usize,
    /// The page that follows; none on the last page.
    pub next: Option<PagePath>,
}

/// Twilio sends null for what is empty.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl<'de> Deserialize<'de> for ContentApproval {
    /// Twilio's `OpenAPI` description has the fields in `approval_requests` itself, and its page about the approval of one
    /// template in `whatsapp`.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let all = Value::deserialize(deserializer)?;
        let whatsapp = all.get("whatsapp").filter(|whatsapp| whatsapp.is_object()).unwrap_or(&all);
        let text = |name: &str| whatsapp.get(name)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        Ok(Self {
            status: text("status"),
            category: text("category"),
            content_type: text("content_type"),
            rejection_reason: text("rejection_reason"),
        })
    }
}

impl<'de> Deserialize<'de> for ContentApprovalPage {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            contents: Vec<Value>,
            meta: PageMeta,
        }
        #[derive(Deserialize)]
        struct PageMeta {
            next_page_url: Option<String>,
        }
        let Raw { contents, meta } = Raw::deserialize(deserializer)?;
        let count = contents.len();
        let contents: Vec<_> =
            contents.into_iter().filter_map(|content| serde_json::from_value(content).ok()).collect();
        let next = meta.next_page_url.as_deref().and_then(path_and_query).and_then(|path| path.parse().ok());
        Ok(Self { unreadable: count - contents.len(), contents, next })
    }
}

/// Twilio advises pages of at most 500, since an answer holds at most 1 MB.
const FIRST_APPROVAL_PAGE: &str = "/v1/ContentAndApprovals?PageSize=250";

impl AccountClient {
    /// The first page of the account's templates with their approvals, 250 of them.
    pub async fn list_content_with_approvals(&self) -> Result<ContentApprovalPage, TwilioError> {
        self.call(ApiRequest::get(Product::Content, FIRST_APPROVAL_PAGE)).await
    }

    /// A further page, by the path that [`ContentApprovalPage::next`] gave. A path that Twilio does not know any more is
    /// [`TwilioError::Rejected`].
    pub async fn content_approval_page(&self, path: &PagePath) -> Result<ContentApprovalPage, TwilioError> {
        self.call(ApiRequest::get(Product::Content, path.as_str())).await
    }

    /// One template with its approval, by two requests. A template that does not exist is [`TwilioError::Rejected`] with the
    /// status 404.
    pub async fn content_with_approval(&self, sid: &ContentSid) -> Result<ContentWithApproval, TwilioError> {
        let path = format!("/v1/Content/{sid}");
        let mut content: ContentWithApproval = self.call(ApiRequest::get(Product::Content, path.clone())).await?;
        let approval = self.call(ApiRequest::get(Product::Content, format!("{path}/ApprovalRequests"))).await?;
        content.approval = Some(approval);
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn approval_is_read_flat_and_below_whatsapp() {
        let approval = json!({"name": "order", "category": "UTILITY", "status": "approved", "rejection_reason": "",
                              "content_type": "twilio/text", "allow_category_change": true});
        let nested = json!({"whatsapp": approval, "sid": "HX00000000000000000000000000000001", "status": "other"});
        for json in [approval, nested] {
            let read: ContentApproval = serde_json::from_value(json).unwrap();
            assert_eq!((read.status.as_deref(), read.category.as_deref()), (Some("approved"), Some("UTILITY")));
            assert_eq!((read.content_type.as_deref(), read.rejection_reason), (Some("twilio/text"), None));
        }
        assert_eq!(serde_json::from_value::<ContentApproval>(json!([])).unwrap(), ContentApproval::default());
    }

    #[test]
    fn template_that_cannot_be_read_is_counted() {
        let sid = "HX00000000000000000000000000000001";
        let contents = json!([
            {"sid": sid, "friendly_name": "order", "language": "en", "types": {}, "approval_requests": null},
            {"sid": sid, "types": null, "variables": null},
            {"sid": "HX1"},
            {"sid": sid, "types": "text"},
        ]);
        let next = "https://content.twilio.com/v1/ContentAndApprovals?PageSize=250&PageToken=x";
        let page = json!({"contents": contents, "meta": {"next_page_url": next}});
        let page: ContentApprovalPage = serde_json::from_value(page).unwrap();
        assert_eq!((page.contents.len(), page.unreadable), (2, 2));
        assert_eq!(page.next.unwrap().as_str(), "/v1/ContentAndApprovals?PageSize=250&PageToken=x");
    }
}
