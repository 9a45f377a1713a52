//! Where Twilio's documentation says nothing, or says two things: a choice for each, since a system under test must be correct
//! with every answer.

use axum::http::StatusCode;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the sandbox does where Twilio's documentation leaves it open. The first value of each is the one from the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Choices {
    /// The last status of a message that breaks one of WhatsApp's rules. Twilio, "Message resource", has both for a message that
    /// was not delivered, and 63016 is seen with both.
    pub(crate) broken_rule: BrokenRule,
    /// What happens to a message to a person who has opted out. Twilio, error 21610, is an answer to the request;
    /// "Customize users' opt-in and opt-out experience with Advanced Opt-Out" has it as an asynchronous error.
    pub(crate) opted_out: OptedOutMessage,
    /// Whether REVOKE and OPTOUT are keywords of Advanced Opt-Out, too. The same page has them in the list for long codes only.
    pub(crate) long_code_keywords: LongCodeKeywords,
    /// The HTTP status of error 30409, whose page names none.
    pub(crate) late_cancellation: LateCancellation,
    /// What happens to `SendAt` without `MessagingServiceSid`. Twilio, error 35118, refuses it; "Message scheduling" and error
    /// 35111 say that the message is sent at once.
    pub(crate) unscheduled: Unscheduled,
    /// How far ahead a message is scheduled at least. Twilio, "Message scheduling": 15 minutes; errors 35114 and 35115:
    /// 5 minutes.
    pub(crate) schedule_lead: ScheduleLead,
    /// What happens to `MediaUrl` beside `ContentSid` on WhatsApp. Twilio, error 63030: media is not supported with templates;
    /// error 63016 and "Message scheduling": the two are not given together.
    pub(crate) media_beside_content: MediaBesideContent,
    /// Whether the list of messages has those that are not sent yet. Twilio, "Messages resource": it is sorted by `DateSent`,
    /// which they lack. [`crate::unsent`] hides them for one recipient, or for a time.
    pub(crate) unsent_messages: UnsentMessages,
    /// How an event arrives at a sink without `batch_events`: in an array of one, or by itself. Twilio, "Sink resource", does not
    /// say it.
    pub(crate) unbatched_event: UnbatchedEvent,
    /// How the row that a person selects in a list arrives. No page of Twilio has `ListId` and `ListTitle`; programs read them.
    pub(crate) list_answer: ListAnswer,
    /// How an order arrives. Twilio has no page about it; here it is Meta's own object, if anything.
    pub(crate) order_answer: OrderAnswer,
    /// How a reaction arrives. Twilio has no page about it.
    pub(crate) reaction: ReactionWebhook,
    /// Whether a verification is found by its number. Twilio, "Verifications resource", has the SID in the path of `GET`, and
    /// programs use the number there for updates.
    pub(crate) verification_by_number: VerificationByNumber,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BrokenRule {
    #[default]
    Failed,
    Undelivered,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OptedOutMessage {
    /// The request is answered with 21610.
    #[default]
    Refused,
    /// The message is accepted, and fails with 21610.
    Fails,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LongCodeKeywords {
    #[default]
    Included,
    Excluded,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum LateCancellation {
    #[default]
    #[serde(rename = "400")]
    BadRequest,
    #[serde(rename = "409")]
    Conflict,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unscheduled {
    /// With 35118.
    #[default]
    Refused,
    SentAtOnce,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum ScheduleLead {
    #[default]
    #[serde(rename = "15_minutes")]
    FifteenMinutes,
    #[serde(rename = "5_minutes")]
    FiveMinutes,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MediaBesideContent {
    /// With 63030.
    #[default]
    Fails,
    /// The message has the content alone.
    Ignored,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnsentMessages {
    /// Before all others.
    #[default]
    Listed,
    Hidden,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum UnbatchedEvent {
    #[default]
    Array,
    Object,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ListAnswer {
    /// `ListId` and `ListTitle`.
    #[default]
    ListParameters,
    /// `ButtonPayload` and `ButtonText`, as a button.
    ButtonParameters,
    /// The title as the text of the message, and nothing else.
    TextAlone,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OrderAnswer {
    #[default]
    InteractiveData,
    ChannelMetadata,
    /// A message of the type `order`, without what is ordered.
    Absent,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ReactionWebhook {
    /// A message of the type `reaction`, whose text is the emoji.
    #[default]
    Message,
    /// Meta's own object in `ChannelMetadata`.
    ChannelMetadata,
    NotPosted,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerificationByNumber {
    #[default]
    Found,
    /// With 20404.
    NotFound,
}

impl From<LateCancellation> for StatusCode {
    fn from(choice: LateCancellation) -> Self {
        match choice {
            LateCancellation::BadRequest => Self::BAD_REQUEST,
            LateCancellation::Conflict => Self::CONFLICT,
        }
    }
}

impl From<ScheduleLead> for SignedDuration {
    fn from(choice: ScheduleLead) -> Self {
        Self::from_mins(match choice {
            ScheduleLead::FifteenMinutes => 15,
            ScheduleLead::FiveMinutes => 5,
        })
    }
}

impl Choices {
    /// The choices with the given ones changed: `{"broken_rule": "undelivered"}`.
    pub(crate) fn with(self, given: &serde_json::Map<String, Value>) -> Result<Self, serde_json::Error> {
        let mut changed = serde_json::to_value(self)?;
        if let Some(fields) = changed.as_object_mut() {
            fields.extend(given.clone());
        }
        serde_json::from_value(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choice_that_is_not_given_stays_as_it_is() {
        let choose = |choices: Choices, given: &str| choices.with(&serde_json::from_str(given).unwrap());
        let chosen =
            choose(Choices::default(), r#"{"broken_rule": "undelivered", "late_cancellation": "409"}"#).unwrap();
        assert_eq!(
            (chosen.broken_rule, chosen.late_cancellation),
            (BrokenRule::Undelivered, LateCancellation::Conflict)
        );
        let back = choose(chosen, r#"{"broken_rule": "failed"}"#).unwrap();
        assert_eq!(back, Choices { late_cancellation: LateCancellation::Conflict, ..Choices::default() });
        for wrong in [r#"{"broken_rule": "lost"}"#, r#"{"broken_rules": "failed"}"#, r#"{"late_cancellation": 409}"#] {
            assert!(choose(chosen, wrong).is_err(), "{wrong}");
        }
    }
}
