//! From a template's name and locale to its SID.
//!
//! Twilio's list of templates is read page by page until the name is found. The list of a large account can take longer
//! than an invocation lasts, and ten notifications of a batch can have the same new template. So there is one lookup for a
//! name at a time, whose answer all share that ask for it meanwhile, and a lookup that was cut off continues at its next
//! page when the name is asked for again.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use shared::{
    deadline::Deadline,
    twilio::{AccountCallError, TwilioAccounts},
};
use tokio::sync::OnceCell;
use twilio_client::{ContentPage, MAX_CONTENT_PAGES, PagePath, TwilioError};
use twilio_types::sid::{AccountSid, ContentSid};

/// A lookup that was cut off is continued for this long. After it the list is read from its beginning, because a template
/// that was created meanwhile may be on a page that was read before.
const CONTINUE_WITHIN: Duration = Duration::from_mins(30);

/// The name of a template.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct TemplateName {
    pub(crate) account_sid: AccountSid,
    pub(crate) name: String,
    pub(crate) locale: String,
}

/// The SID; none if the account has no such template. All that wait for a lookup share its error.
type LookupResult = Result<Option<ContentSid>, Arc<AccountCallError>>;

/// The templates that were looked up by name, and the lookups that have not ended.
#[derive(Debug, Default)]
pub(crate) struct TemplateNames {
    lookups: Mutex<Lookups>,
}

#[derive(Debug, Default)]
struct Lookups {
    /// A name and locale do not change their SID while the template exists, so what was found is kept for the life of the
    /// process.
    found: HashMap<TemplateName, ContentSid>,
    running: HashMap<TemplateName, Arc<OnceCell<LookupResult>>>,
    cut_off: HashMap<TemplateName, ReadPages>,
}

/// The pages of the list in which a name was not found.
#[derive(Debug, Clone)]
struct ReadPages {
    count: usize,
    next: PagePath,
    read_at: Instant,
}

impl ReadPages {
    fn can_continue(&self, now: Instant) -> bool {
        now.duration_since(self.read_at) < CONTINUE_WITHIN
    }
}

impl TemplateNames {
    /// Gives the SID of a template, which is asked of Twilio at most once.
    pub(crate) async fn resolve(
        &self,
        template: &TemplateName,
        twilio: &TwilioAccounts,
        deadline: Deadline,
    ) -> LookupResult {
        let lookup = {
            let mut lookups = self.lookups();
            if let Some(sid) = lookups.found.get(template) {
                return Ok(Some(sid.clone()));
            }
            Arc::clone(lookups.running.entry(template.clone()).or_default())
        };
        // If the one that reads is dropped, one of those that wait reads on.
        // On the heap, because most names are known, and the search's future is large.
        let result = lookup.get_or_init(|| Box::pin(self.search(template, twilio, deadline))).await.clone();
        let mut lookups = self.lookups();
        if lookups.running.get(template).is_some_and(|running| Arc::ptr_eq(running, &lookup)) {
            lookups.running.remove(template);
        }
        result
    }

    /// Reads the list on from where the last search for this template was cut off.
    async fn search(&self, template: &TemplateName, twilio: &TwilioAccounts, deadline: Deadline) -> LookupResult {
        let mut read = self.continued(template);
        let mut page = match &read {
            None => first_page(template, twilio, deadline).await,
            Some(pages) => match next_page(template, &pages.next, twilio, deadline).await {
                // Twilio does not know the page any more.
                Err(AccountCallError::Twilio(TwilioError::Rejected(_))) => {
                    read = None;
                    first_page(template, twilio, deadline).await
                }
                page => page,
            },
        }
        .map_err(Arc::new)?;
        let mut count = read.map_or(0, |pages| pages.count);
        loop {
            count += 1;
            if let Some(found) = page.find(&template.name, &template.locale) {
                self.end(template, Some(&found.sid));
                return Ok(Some(found.sid.clone()));
            }
            let Some(next) = page.next.filter(|_| count < MAX_CONTENT_PAGES) else {
                self.end(template, None);
                return Ok(None);
            };
            self.remember(template, ReadPages { count, next: next.clone(), read_at: Instant::now() });
            page = next_page(template, &next, twilio, deadline).await.map_err(Arc::new)?;
        }
    }

    fn continued(&self, template: &TemplateName) -> Option<ReadPages> {
        let now = Instant::now();
        self.lookups().cut_off.get(template).filter(|pages| pages.can_continue(now)).cloned()
    }

    /// Keeps where a search would have to be continued. Others that cannot be continued any more are removed.
    fn remember(&self, template: &TemplateName, pages: ReadPages) {
        let mut lookups = self.lookups();
        lookups.cut_off.retain(|_, other| other.can_continue(pages.read_at));
        lookups.cut_off.insert(template.clone(), pages);
    }

    fn end(&self, template: &TemplateName, sid: Option<&ContentSid>) {
        let mut lookups = self.lookups();
        lookups.cut_off.remove(template);
        if let Some(sid) = sid {
            lookups.found.insert(template.clone(), sid.clone());
        }
    }

    fn lookups(&self) -> MutexGuard<'_, Lookups> {
        self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn first_page(
    template: &TemplateName,
    twilio: &TwilioAccounts,
    deadline: Deadline,
) -> Result<ContentPage, AccountCallError> {
    twilio.call(&template.account_sid, deadline, async |account| account.list_content().await).await
}

async fn next_page(
    template: &TemplateName,
    path: &PagePath,
    twilio: &TwilioAccounts,
    deadline: Deadline,
) -> Result<ContentPage, AccountCallError> {
    twilio.call(&template.account_sid, deadline, async |account| account.content_page(path).await).await
}

#[cfg(test)]
mod tests;
