//! Replies to a person's message: what the TwiML of an answer says, and Twilio's own answer to an opt-out keyword.

use std::sync::Arc;

use jiff::SignedDuration;
use twilio_types::message_status::MessageStatus;

use crate::{
    callbacks::{PlannedFaults, report_statuses},
    chance::generator,
    messages::{Media, Message, WebhookTally},
    sids::Sids,
    state::Sandbox,
    timeline::TimelineEvent,
    twiml::Reply,
};

/// How many replies to one person Twilio sends in 30 seconds. Source: Twilio, error 14107.
const MAX_REPLIES: usize = 30;
const REPLY_PERIOD: SignedDuration = SignedDuration::from_secs(30);
const REPLY_LIMIT: u32 = 14107;

/// Sends a reply, without a status callback as Twilio does, up to the limit. The name tells the replies to one message
/// apart.
pub(super) fn send_reply(sandbox: &Arc<Sandbox>, inbound: &Message, reply: Reply, name: &str) {
    let now = sandbox.now();
    // The SIDs follow from the message that is answered, since the time at which answers arrive does not follow from the seed.
    let sids = Sids::from_seed(generator(sandbox.config.seed, &[inbound.sid.as_str(), name]).u64(..));
    let reply = Message {
        sid: sids.next_message(!reply.media.is_empty()),
        direction: "outbound-reply",
        from: Some(inbound.to.clone()),
        to: inbound.from.clone().unwrap_or_default(),
        body: reply.body,
        media: reply.media.into_iter().map(|url| Media::new(&sids, url, None)).collect(),
        location: None,
        rich: None,
        replied_to: None,
        answers: Some(inbound.sid.clone()),
        webhooks: WebhookTally::default(),
        status: MessageStatus::Queued,
        created_at: now,
        updated_at: now,
        sent_at: None,
        read_at: None,
        ..inbound.clone()
    };
    let sid = reply.sid.clone();
    let mut memory = sandbox.memory();
    if memory.replies_since(&reply.to, now - REPLY_PERIOD) >= MAX_REPLIES {
        let title = "more than 30 replies within 30 seconds";
        memory.record(now, TimelineEvent::broken_rule(REPLY_LIMIT, title).of(&reply.to, Some(inbound.sid.as_str())));
        return;
    }
    memory.messages.add(reply);
    drop(memory);
    tokio::spawn(report_statuses(Arc::clone(sandbox), sid, PlannedFaults::default()));
}
