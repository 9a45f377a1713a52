//! SendGrid: it accepts e-mails, keeps suppression lists, and reports events to the Signed Event Webhook.
//!
//! An e-mail is processed, delivered and, by default, not opened. What goes wrong is planned for an address: an answer with a
//! status, an answer that is lost after the e-mail was accepted, a bounce, or events that are never posted. An e-mail to an
//! address on a list is accepted and dropped, as SendGrid does ("Suppressions overview").
//!
//! Source: SendGrid's `OpenAPI` descriptions, `tsg_mail_v3.json` and `tsg_suppressions_v3.json`; "Event Webhook Reference".

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub(crate) mod api;
pub(crate) mod control;
pub(crate) mod events;
pub(crate) mod shown;

/// The API key of the sandbox's account.
pub const SENDGRID_API_KEY: &str = "SG.sandbox-key";

/// The verification key of the sandbox's Signed Event Webhook.
pub const SENDGRID_PUBLIC_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZWuGm9jmudQoSF6JnzB73XJ+B0iuWWmdMR5M8rldF9yt2IKE0vZCPXMAcVkttv2WV7odLYZOPs9lZxOZRovw1g==";

/// The key that signs events. It is no secret: the sandbox sends no e-mail.
const PRIVATE_KEY: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgmq2N9qh6e2X33tON/G7ycEffNozGFHN3xOpdJ6GO/kmhRANCAARla4ab2Oa51ChIXomfMHvdcn4HSK5ZaZ0xHkzyuV0X3K3YgoTS9kI9cwBxWS22/ZZXuh0thk4+z2VnE5lGi/DW";

/// What the sandbox knows of e-mails.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    /// The oldest first.
    emails: Vec<Email>,
    lists: BTreeMap<MailList, BTreeSet<String>>,
    faults: Vec<PlannedMailFault>,
    /// The e-mails that are new or have changed since the last call of `take_changed`.
    changed: BTreeSet<String>,
}

/// An e-mail that was accepted.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Email {
    pub(crate) id: String,
    pub(crate) at: Timestamp,
    pub(crate) from: String,
    pub(crate) to: String,
    pub(crate) template_id: String,
    pub(crate) variables: Value,
    pub(crate) custom_args: BTreeMap<String, String>,
    pub(crate) unsubscribe_group: Option<u64>,
    /// The last event.
    pub(crate) status: String,
    /// The person of the notification, if a message of the notification shows who that is.
    pub(crate) person: Option<String>,
}

/// A list of addresses that get no e-mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MailList {
    Global,
    Bounces,
    SpamReports,
    InvalidEmails,
    /// The unsubscribe group of every e-mail that has one.
    Group,
}

/// What goes wrong with the next e-mails to an address.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlannedMailFault {
    to: String,
    #[serde(default = "once")]
    times: u32,
    fault: MailFault,
}

const fn once() -> u32 {
    1
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub(crate) enum MailFault {
    /// Not accepted, and answered with this status.
    Refuse { status: u16 },
    /// Accepted, and answered with this status.
    LoseAnswer { status: u16 },
    /// Accepted, and no event is ever posted.
    Silent,
    /// Accepted, answered with this status, and no event is ever posted.
    Vanish { status: u16 },
    /// Accepted, and bounces.
    Bounce,
    /// Accepted, and deferred: no server accepts it for now.
    Defer,
}

impl Mailbox {
    /// The fault that is planned for the next e-mail to an address.
    pub(crate) fn take_fault(&mut self, to: &str) -> Option<MailFault> {
        let planned = self.faults.iter_mut().find(|planned| planned.to == to && planned.times > 0)?;
        planned.times -= 1;
        Some(planned.fault)
    }

    pub(crate) fn is_on(&self, list: MailList, address: &str) -> bool {
        self.lists.get(&list).is_some_and(|addresses| addresses.contains(address))
    }

    /// SendGrid's reason for dropping an e-mail.
    pub(crate) fn drop_reason(&self, email: &Email) -> Option<&'static str> {
        let reasons = [
            (MailList::Global, "Unsubscribed Address"),
            (MailList::Bounces, "Bounced Address"),
            (MailList::SpamReports, "Spam Reporting Address"),
            (MailList::InvalidEmails, "Invalid"),
        ];
        let of_group = email.unsubscribe_group.is_some() && self.is_on(MailList::Group, &email.to);
        let listed = reasons.into_iter().find(|(list, _)| self.is_on(*list, &email.to)).map(|(_, reason)| reason);
        listed.or_else(|| of_group.then_some("Unsubscribed Address"))
    }

    pub(crate) fn add(&mut self, email: Email) {
        self.changed.insert(email.id.clone());
        self.emails.push(email);
    }

    pub(crate) fn set_status(&mut self, id: &str, status: &str) {
        if let Some(email) = self.emails.iter_mut().find(|email| email.id == id) {
            status.clone_into(&mut email.status);
            self.changed.insert(email.id.clone());
        }
    }

    pub(crate) fn take_changed(&mut self) -> BTreeSet<String> {
        std::mem::take(&mut self.changed)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = &Email> {
        self.emails.iter()
    }
}
