//! The consents and withdrawals that are items of the Contacts table, which a copy of an older table leaves where they are: what was
//! recorded since the time of the restore counts again by them. Those that are lost come back from their events.

use domain::contact_key::ContactKey;
use jiff::Timestamp;
use stores::{
    contacts::{ConsentRecovery, Contacts, RecordedConsent, RecordedFact},
    dynamodb::StoreError,
};
use twilio_types::sid::AccountSid;

use crate::table_recorder::Mode;

/// Makes the consent records of an account that are newer than the restored people count. Gives how many did not.
pub(super) async fn recover(
    contacts: &Contacts,
    account_sid: &AccountSid,
    since: Timestamp,
    mode: Mode,
) -> Result<u64, StoreError> {
    let (mut missing, mut from) = (0, None);
    loop {
        let page = contacts.list(account_sid, from).await?;
        for record in page.listed {
            let contact = ContactKey::new(account_sid, &record.identity);
            let RecordedFact::Consent(evidence) = record.fact else { continue };
            // A STOP that ended a consent is listed as a withdrawal, and is stored with the person.
            let recorded = RecordedConsent { contact, facet: record.facet, evidence };
            if recorded.is_record() && recorded.evidence.recorded_at >= since {
                missing += u64::from(is_missing(contacts, &recorded, mode).await?);
            }
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(missing),
        }
    }
}

/// Whether it did not count. A consent that a newer one or a STOP ended is not missing.
async fn is_missing(contacts: &Contacts, recorded: &RecordedConsent, mode: Mode) -> Result<bool, StoreError> {
    let now = Timestamp::now();
    match mode {
        Mode::OnlyLook => contacts.lacks_consent(recorded, now).await,
        Mode::Write => Ok(contacts.recover_consent(recorded, now).await? == ConsentRecovery::Recovered),
    }
}
