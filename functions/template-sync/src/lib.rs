//! The registry of templates, compared with Twilio's list every few minutes.
//!
//! For each account of the secret a run
//!
//! 1. reads what is stored, and then Twilio's list of templates with their approvals, page by page,
//! 2. writes what the list says otherwise ([`plan`]), on the condition that no other writer changed the template meanwhile: an
//!    update of Event Streams is newer than a list that was read before it ([`domain::templates`]),
//! 3. removes what Twilio has no more, if it read the whole list,
//! 4. warns once a day of templates that WhatsApp will archive, because they are not used.
//!
//! So what Event Streams does not say is known after a few minutes: new templates, deleted ones, and updates that were lost.
//!
//! Environment: `TEMPLATES_TABLE`, `TWILIO_SECRET_ID`, and optionally `TWILIO_API_BASE_URL` (Twilio's) and
//! `SECRET_MAX_AGE_SECONDS` (300).

use std::{collections::BTreeMap, time::Duration};

use domain::templates::{RegisteredTemplate, closest_to_archival, day_of};
use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent};
use serde::de::IgnoredAny;
use shared::{
    deadline::Deadline,
    report::Chain,
    templates::{listed, log_change},
    twilio::{AccountCallError, TwilioAccounts},
};
use stores::{
    dynamodb::StoreError,
    templates::{StoredTemplates, TemplateChange, TemplateStore},
};
use twilio_types::sid::AccountSid;

mod config;
mod plan;
mod report;

pub use report::SyncReport;

use plan::{ReadList, changes};

/// The function.
#[derive(Debug)]
pub struct TemplateSyncFunction {
    store: TemplateStore,
    twilio: TwilioAccounts,
}

/// The templates of an account were not compared. The next run does it.
#[derive(Debug, thiserror::Error)]
enum SyncError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("Twilio's list of templates cannot be read")]
    Twilio(#[from] AccountCallError),
}

/// The function's timeout in `template.yaml`.
const TIMEOUT: Duration = Duration::from_mins(5);

/// A page of Twilio's list that was asked for before the deadline comes within 10 s, and the changes are written in
/// transactions of 25 templates, which take some 50 ms each.
const RESERVE: Duration = Duration::from_mins(1);

/// How many accounts are read at a time.
const CONCURRENT_ACCOUNTS: usize = 4;

/// An account has at most 6,000 approved templates (Twilio, "Content API resources"): 24 pages, and four times as many for the
/// others. A list that goes in circles ends here, incomplete.
const MAX_PAGES: usize = 120;

impl TemplateSyncFunction {
    /// One run. An account that fails leaves the others as they are.
    pub async fn handle(&self, event: LambdaEvent<IgnoredAny>) -> Result<SyncReport, Error> {
        let deadline = Deadline::of_invocation(event.context.deadline, TIMEOUT).before(RESERVE);
        let secrets = self.twilio.secrets().current().await;
        let secrets = secrets.inspect_err(|error| tracing::error!(error = %Chain(error), "the run failed"))?;
        let accounts: Vec<_> = secrets.sids().cloned().collect();
        let reports: Vec<_> = stream::iter(accounts)
            .map(async |account_sid| self.account(&account_sid, deadline).await)
            .buffer_unordered(CONCURRENT_ACCOUNTS)
            .collect()
            .await;
        let report = reports.iter().fold(SyncReport::default(), SyncReport::with);
        report.log();
        Ok(report)
    }

    async fn account(&self, account_sid: &AccountSid, deadline: Deadline) -> SyncReport {
        let began = Timestamp::now();
        match self.sync(account_sid, deadline, began).await {
            Ok(report) => report,
            Err(error) => {
                tracing::error!(%account_sid, error = %Chain(&error), "the templates of an account were not read");
                let synced_at = self.store.sync_state(account_sid).await.ok().and_then(|state| state.synced_at);
                SyncReport::incomplete(synced_at, began)
            }
        }
    }

    async fn sync(
        &self,
        account_sid: &AccountSid,
        deadline: Deadline,
        began: Timestamp,
    ) -> Result<SyncReport, SyncError> {
        let state = self.store.sync_state(account_sid).await?;
        let stored = self.store.all(account_sid).await?;
        let list = self.read_list(account_sid, deadline).await?;
        let changes = changes(&stored, &list, began);
        let refused = self.store.write(account_sid, &changes).await?;
        let written: Vec<_> = changes.iter().filter(|change| !refused.contains(change)).collect();
        log_changes(account_sid, &stored, &written);
        if list.is_complete {
            self.store.finish_sync(account_sid, began).await?;
        }
        self.warn_of_archival(account_sid, &stored, state.warned_on, began).await?;
        let count = |is: fn(&TemplateChange) -> bool| written.iter().filter(|change| is(change)).count();
        Ok(SyncReport {
            templates: list.templates.len(),
            changed: count(|change| matches!(change, TemplateChange::Put { .. })),
            removed: count(|change| matches!(change, TemplateChange::Remove { .. })),
            ..SyncReport::of(list.is_complete, state.synced_at, began)
        })
    }

    /// Reads the whole list, as far as it comes before the deadline.
    async fn read_list(&self, account_sid: &AccountSid, deadline: Deadline) -> Result<ReadList, SyncError> {
        let mut list = ReadList::default();
        let mut unreadable = 0;
        let mut next = None;
        for _ in 0..MAX_PAGES {
            let read_at = Timestamp::now();
            let call = self.twilio.call(account_sid, deadline, async |account| match &next {
                None => account.list_content_with_approvals().await,
                Some(path) => account.content_approval_page(path).await,
            });
            let page = Box::pin(call).await?;
            unreadable += page.unreadable;
            list.templates.extend(page.contents.into_iter().map(|content| (listed(content), read_at)));
            next = page.next;
            if next.is_none() || deadline.is_over() {
                break;
            }
        }
        list.is_complete = next.is_none() && unreadable == 0;
        if !list.is_complete {
            tracing::warn!(%account_sid, unreadable, "the list of an account's templates was not read to its end, or not understood");
        }
        Ok(list)
    }

    async fn warn_of_archival(
        &self,
        account_sid: &AccountSid,
        stored: &StoredTemplates,
        warned_on: Option<jiff::civil::Date>,
        now: Timestamp,
    ) -> Result<(), SyncError> {
        let unused = closest_to_archival(stored.templates.iter().map(|stored| &stored.template), now);
        let (Some(longest), today) = (unused.first(), day_of(now)) else { return Ok(()) };
        if warned_on.is_some_and(|day| day >= today) || !self.store.begin_warning(account_sid, today).await? {
            return Ok(());
        }
        tracing::error!(
            %account_sid,
            templates = unused.len(),
            content_sid = %longest.sid,
            name = longest.name.as_deref(),
            in_use_at = %longest.in_use_at(),
            alarm = "template",
            "templates were not sent for eleven months: WhatsApp archives them after twelve"
        );
        Ok(())
    }
}

fn log_changes(account_sid: &AccountSid, stored: &StoredTemplates, written: &[&TemplateChange]) {
    let before: BTreeMap<_, &RegisteredTemplate> =
        stored.templates.iter().map(|stored| (&stored.template.sid, &stored.template)).collect();
    for change in written {
        match change {
            TemplateChange::Put { template, .. } => {
                log_change(account_sid, before.get(&template.sid).copied(), template);
            }
            TemplateChange::Remove { sid, .. } => {
                tracing::warn!(%account_sid, content_sid = %sid, "a template does not exist at Twilio any more");
            }
        }
    }
}
