//! The event of a consent.
//!
//! It says all that counts, and leaves out what only the evidence needs: the text that the person saw, their IP address and their
//! browser. Every consumer of events would otherwise hold them. The text is named by its hash.

use domain::{consent::ConsentState, notification::Category};
use jiff::Timestamp;
use serde::Serialize;

use super::{Detail, Event, sequence};
use crate::record::ChangedConsent;

#[derive(Clone, Serialize)]
pub(super) struct ConsentDetail {
    contact: String,
    category: Category,
    state: ConsentState,
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locale: Option<String>,
    recorded_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    recorded_by: Option<String>,
    /// The facet of the evidence, by which a restore recognises it.
    evidence: String,
}

impl Event {
    /// A consent was given or withdrawn.
    pub(crate) fn consent(changed: ChangedConsent) -> Self {
        let ChangedConsent { account_sid, recorded } = changed;
        let text_sha256 = recorded.evidence.text_digest();
        let evidence = recorded.evidence;
        // The facet is unique, and has no address.
        let event_id = format!("{}.contact_consent", recorded.facet);
        Self {
            event_type: "contact_consent",
            schema: "contact.consent.v1",
            sequence: sequence(evidence.at, &event_id),
            event_id,
            trace_id: None,
            group: recorded.contact.as_str().to_owned(),
            account_sid,
            occurred_at: evidence.at,
            detail: Detail::Consent(Box::new(ConsentDetail {
                contact: recorded.contact.address().to_owned(),
                category: evidence.category,
                state: evidence.state,
                source: evidence.source,
                text_sha256,
                text_version: evidence.text_version,
                locale: evidence.locale,
                recorded_at: evidence.recorded_at,
                recorded_by: evidence.recorded_by,
                evidence: recorded.facet,
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn consent_event_has_no_text_address_or_browser() {
        let facet = "consent#marketing#2026-11-20T09:07:00.000Z#0a37";
        let evidence = json!({
            "category": "marketing", "state": "given", "at": "2026-11-20T09:07:00Z", "source": "checkout-form",
            "text": "Send me offers.", "text_version": "2026-11", "ip": "2001:db8::1", "user_agent": "Browser/1",
            "recorded_at": "2026-11-20T09:07:01Z", "recorded_by": "arn:aws:iam::123456789012:user/ava",
        });
        let recorded = stores::contacts::RecordedConsent {
            contact: domain::contact_key::ContactKey::stored("AC00000000000000000000000000000001#+14155550123"),
            facet: facet.to_owned(),
            evidence: serde_json::from_value(evidence).unwrap(),
        };
        let account_sid = "AC00000000000000000000000000000001".parse().unwrap();
        let event = Event::consent(ChangedConsent { account_sid, recorded });
        let event: Value = serde_json::from_str(&event.to_json().unwrap()).unwrap();
        let expected = json!({
            "event_type": "contact_consent", "schema": "contact.consent.v1",
            "event_id": format!("{facet}.contact_consent"), "account_sid": "AC00000000000000000000000000000001",
            "occurred_at": "2026-11-20T09:07:00Z",
            "sequence": format!("2026-11-20T09:07:00.000000Z#{facet}.contact_consent"), "contact": "+14155550123",
            "category": "marketing", "state": "given", "source": "checkout-form",
            "text_sha256": domain::digest::sha256_hex(b"Send me offers."), "text_version": "2026-11",
            "recorded_at": "2026-11-20T09:07:01Z", "recorded_by": "arn:aws:iam::123456789012:user/ava",
            "evidence": facet,
        });
        assert_eq!(event, expected);
    }
}
