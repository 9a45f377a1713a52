//! Lets the status of a template change by itself, and announces each change by an event.

use std::sync::Arc;

use super::{ContentTemplate, approval::ApprovalChange};
use crate::{event_streams::post::publish, state::Sandbox};

/// Announces the changes of a template's status that come with time, until none comes any more.
pub(crate) fn follow(sandbox: &Arc<Sandbox>, sid: String) {
    let sandbox = Arc::clone(sandbox);
    tokio::spawn(async move {
        loop {
            announce(&sandbox, &sid);
            let content = sandbox.products.contents.get(&sid);
            let Some(at) = content.and_then(|content| content.next_change(sandbox.now())) else { return };
            sandbox.clock.sleep_until(at).await;
        }
    });
}

/// Changes a template as WhatsApp does, and announces what changed. None where there is no such template.
pub(crate) fn change(sandbox: &Arc<Sandbox>, sid: &str, change: ApprovalChange) -> Option<Result<(), &'static str>> {
    let now = sandbox.now();
    let mut updates = Vec::new();
    let changed = sandbox.products.contents.update(sid, |content| {
        updates = content.change_approval(change, now)?;
        Ok(())
    });
    Some(changed?.map(|_| {
        for update in updates {
            publish(sandbox, &update);
        }
        // At once, so that the change is there and shown when the request is answered.
        announce(sandbox, sid);
        follow(sandbox, sid.to_owned());
    }))
}

/// Announces the present status, unless the last event had it.
fn announce(sandbox: &Arc<Sandbox>, sid: &str) {
    let (now, mut update) = (sandbox.now(), None);
    let _ = sandbox.products.contents.update(sid, |content: &mut ContentTemplate| {
        update = content.announce(now);
        Ok::<_, ()>(())
    });
    if let Some(update) = update {
        publish(sandbox, &update);
    }
    // Releasing a changed memory shows the template on the page.
    let _ = &mut *sandbox.memory();
}
