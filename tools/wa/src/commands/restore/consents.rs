//! Consents and withdrawals are no events. But each is an item of the Contacts table, which a copy of an older table leaves where it
//! is: so what was recorded since the time of the restore counts again, as far as the table itself was not lost.

use domain::{consent::ConsentEvidence, contact_key::ContactKey};
use jiff::Timestamp;
use stores::{
    contacts::{Contacts, RecordedFact},
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
            let RecordedFact::Consent(evidence) = record.fact else { continue };
            if evidence.recorded_at >= since {
                let contact = ContactKey::new(account_sid, &record.identity);
                missing += u64::from(recover_one(contacts, &contact, &evidence, mode).await?);
            }
        }
        match page.next {
            Some(next) => from = Some(next),
            None => return Ok(missing),
        }
    }
}

/// Whether the person lacked it. A consent that a newer one or a STOP ended is not missing.
async fn recover_one(
    contacts: &Contacts,
    contact: &ContactKey,
    evidence: &ConsentEvidence,
    mode: Mode,
) -> Result<bool, StoreError> {
    let person = contacts.person(contact).await?.person;
    if person.consent(evidence.category).is_some_and(|known| known.at >= evidence.at) {
        return Ok(false);
    }
    if mode == Mode::Write {
        contacts.record_consent(contact, evidence, Timestamp::now()).await?;
    }
    Ok(true)
}
