//! The evidence of a consent, as its event has it: without the text, the IP address and the browser, which no event has.

use domain::{
    consent::{ConsentEvidence, ConsentState},
    notification::Category,
};
use jiff::Timestamp;
use serde::Deserialize;
use stores::contacts::RecordedConsent;

use super::{ArchivedEvent, UnreadableEvent};

#[derive(Deserialize)]
struct ConsentBody {
    contact: String,
    category: Category,
    state: ConsentState,
    source: String,
    #[serde(default)]
    text_sha256: Option<String>,
    #[serde(default)]
    text_version: Option<String>,
    #[serde(default)]
    locale: Option<String>,
    recorded_at: Timestamp,
    #[serde(default)]
    recorded_by: Option<String>,
    evidence: String,
}

/// The evidence and its place in the Contacts table.
pub(super) fn recorded(event: &ArchivedEvent) -> Result<RecordedConsent, UnreadableEvent> {
    let body = ConsentBody::deserialize(&event.json)?;
    Ok(RecordedConsent {
        contact: event.stored_contact(&body.contact),
        facet: body.evidence,
        evidence: ConsentEvidence {
            category: body.category,
            state: body.state,
            at: event.occurred_at,
            source: body.source,
            text: None,
            text_sha256: body.text_sha256,
            text_version: body.text_version,
            locale: body.locale,
            ip: None,
            user_agent: None,
            recorded_at: body.recorded_at,
            recorded_by: body.recorded_by,
        },
    })
}
