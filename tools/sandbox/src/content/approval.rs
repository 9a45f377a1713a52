//! WhatsApp's review of a template, and what WhatsApp changes of it afterwards.
//!
//! A template is `received`, then `pending`, and after a minute of the sandbox's clock `approved`. A template whose name
//! contains `reject` is rejected, and so is one that breaks a rule for variables ([`super::variable_rules`]).
//!
//! The control interface pauses, disables, rejects or approves a submitted template, and changes its category and its quality
//! ([`ApprovalChange`]). A pause ends by itself: the first after 3 hours and the second after 6; the third disables the template.
//! Source: Meta, "Template pausing".

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{types::ContentType, variable_rules::broken_rule};

mod words;

pub(crate) use words::{ApprovalStatus, Quality, TemplateCategory};

/// From receipt to the start of the review.
const PENDING_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// From receipt to the decision.
const DECIDED_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// The durations of the pauses of a template. Source: Meta, "Template pausing".
const PAUSES: [SignedDuration; 2] = [SignedDuration::from_hours(3), SignedDuration::from_hours(6)];

#[derive(Debug, Clone)]
pub(crate) struct Approval {
    name: String,
    category: TemplateCategory,
    /// None for a template that is approved from the start.
    submitted_at: Option<Timestamp>,
    /// Why it is rejected, or the review will reject it; none where it will not.
    rejection_reason: Option<String>,
    /// What WhatsApp decided after the review, or instead of it.
    decision: Option<Decision>,
    /// How often it was paused.
    pauses: usize,
    quality: Quality,
    /// The status that its last event has reported.
    announced: ApprovalStatus,
}

/// A status, and when it ends in an approval by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Decision {
    status: ApprovalStatus,
    until: Option<Timestamp>,
}

/// What WhatsApp changes of a template: `{"status": "paused", "quality": "red"}`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApprovalChange {
    #[serde(default)]
    status: Option<ApprovalStatus>,
    /// For the status `rejected`.
    #[serde(default)]
    rejection_reason: Option<String>,
    #[serde(default)]
    category: Option<TemplateCategory>,
    #[serde(default)]
    quality: Option<Quality>,
}

impl Approval {
    pub(super) fn granted(name: &str, category: TemplateCategory) -> Self {
        Self {
            name: name.to_owned(),
            category,
            submitted_at: None,
            rejection_reason: None,
            decision: None,
            pauses: 0,
            quality: Quality::default(),
            announced: ApprovalStatus::Approved,
        }
    }

    /// Submits a content, given its WhatsApp type and the content of that type.
    pub(super) fn submit(
        content: Option<(&ContentType, &Value)>,
        name: &str,
        category: &str,
        now: Timestamp,
    ) -> Result<Self, &'static str> {
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_') {
            return Err("name must be lower-case letters, digits and underscores");
        }
        let category =
            TemplateCategory::parse(category).ok_or("category must be UTILITY, MARKETING or AUTHENTICATION")?;
        let Some((_, content)) = content.filter(|(kind, _)| kind.can_be_approved) else {
            return Err("content of this type cannot be approved");
        };
        let by_name = name.contains("reject").then(|| "Rejected, since its name contains reject".to_owned());
        let by_rule = content["body"].as_str().and_then(broken_rule);
        let rejection_reason = by_name.or_else(|| by_rule.map(str::to_owned));
        let announced = ApprovalStatus::Received;
        Ok(Self { submitted_at: Some(now), rejection_reason, announced, ..Self::granted(name, category) })
    }

    /// Changes what WhatsApp changes.
    pub(super) fn change(&mut self, change: ApprovalChange, now: Timestamp) -> Result<(), &'static str> {
        match change.status {
            None => {}
            Some(ApprovalStatus::Unsubmitted | ApprovalStatus::Received) => {
                return Err("status: expected pending, approved, rejected, paused or disabled");
            }
            Some(ApprovalStatus::Paused) => self.pause(now),
            Some(status) => self.decision = Some(Decision { status, until: None }),
        }
        if change.status == Some(ApprovalStatus::Rejected) {
            let reason = change.rejection_reason.unwrap_or_else(|| "INVALID_FORMAT".to_owned());
            self.rejection_reason = Some(reason);
        }
        self.category = change.category.unwrap_or(self.category);
        self.quality = change.quality.unwrap_or(self.quality);
        Ok(())
    }

    fn pause(&mut self, now: Timestamp) {
        let lasts = PAUSES.get(self.pauses);
        self.pauses += 1;
        self.decision = Some(match lasts {
            Some(duration) => Decision {
                status: ApprovalStatus::Paused,
                until: Some(now.saturating_add(*duration).unwrap_or(Timestamp::MAX)),
            },
            None => Decision { status: ApprovalStatus::Disabled, until: None },
        });
    }

    /// Undoes all that WhatsApp decided after the review, without an event.
    pub(super) fn restore(&mut self, now: Timestamp) {
        (self.decision, self.pauses, self.quality) = (None, 0, Quality::default());
        self.announced = self.status(now);
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn category(&self) -> TemplateCategory {
        self.category
    }

    pub(super) fn quality(&self) -> Quality {
        self.quality
    }

    pub(super) fn status(&self, now: Timestamp) -> ApprovalStatus {
        match self.decision {
            Some(Decision { until: Some(until), .. }) if now >= until => ApprovalStatus::Approved,
            Some(decision) => decision.status,
            None => self.reviewed(now),
        }
    }

    fn reviewed(&self, now: Timestamp) -> ApprovalStatus {
        let Some(submitted_at) = self.submitted_at else { return ApprovalStatus::Approved };
        match now.duration_since(submitted_at) {
            passed if passed < PENDING_AFTER => ApprovalStatus::Received,
            passed if passed < DECIDED_AFTER => ApprovalStatus::Pending,
            _ if self.rejection_reason.is_some() => ApprovalStatus::Rejected,
            _ => ApprovalStatus::Approved,
        }
    }

    /// When its status changes by itself; none where it does not.
    pub(super) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let after = |duration| self.submitted_at?.saturating_add(duration).ok();
        let at = match self.decision {
            Some(decision) => decision.until,
            None if self.reviewed(now) == ApprovalStatus::Received => after(PENDING_AFTER),
            None => after(DECIDED_AFTER),
        };
        at.filter(|at| *at > now)
    }

    /// The status that the last event reported, and the present one, which counts as reported from now on; none if they are equal.
    pub(super) fn announce(&mut self, now: Timestamp) -> Option<(ApprovalStatus, ApprovalStatus)> {
        let (before, status) = (self.announced, self.status(now));
        self.announced = status;
        (before != status).then_some((before, status))
    }

    pub(super) fn rejection_reason(&self, now: Timestamp) -> &str {
        let is_rejected = self.status(now) == ApprovalStatus::Rejected;
        self.rejection_reason.as_deref().filter(|_| is_rejected).unwrap_or_default()
    }

    pub(super) fn resource(&self, content_type: Option<&str>, now: Timestamp) -> Value {
        json!({
            "name": self.name, "category": self.category.as_str(), "content_type": content_type,
            "status": self.status(now).as_str(), "rejection_reason": self.rejection_reason(now),
            "allow_category_change": true,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn review_takes_one_minute() {
        let submitted_at = Timestamp::UNIX_EPOCH;
        let granted = || Approval::granted("a", TemplateCategory::Utility);
        let of = |reason: Option<&str>, seconds| {
            let rejection_reason = reason.map(str::to_owned);
            let approval = Approval { submitted_at: Some(submitted_at), rejection_reason, ..granted() };
            approval.status(submitted_at + SignedDuration::from_secs(seconds))
        };
        let statuses = [0, 5, 60].map(|seconds| of(None, seconds));
        assert_eq!(statuses, [ApprovalStatus::Received, ApprovalStatus::Pending, ApprovalStatus::Approved]);
        assert_eq!(of(Some("no"), 60), ApprovalStatus::Rejected);
        assert_eq!(granted().status(submitted_at), ApprovalStatus::Approved);
    }

    #[test]
    fn pause_ends_by_itself_and_the_third_disables() {
        let mut now = Timestamp::UNIX_EPOCH;
        let mut approval = Approval::granted("a", TemplateCategory::Marketing);
        let paused = || ApprovalChange { status: Some(ApprovalStatus::Paused), ..ApprovalChange::default() };
        for hours in [3, 6] {
            approval.change(paused(), now).unwrap();
            assert_eq!(approval.announce(now), Some((ApprovalStatus::Approved, ApprovalStatus::Paused)));
            assert_eq!(approval.announce(now), None, "it was announced");
            let end = approval.next_change(now).unwrap();
            assert_eq!(end.duration_since(now), SignedDuration::from_hours(hours));
            now = end;
            assert_eq!(approval.announce(now), Some((ApprovalStatus::Paused, ApprovalStatus::Approved)));
        }
        approval.change(paused(), now).unwrap();
        assert_eq!((approval.status(now), approval.next_change(now)), (ApprovalStatus::Disabled, None));
        approval.restore(now);
        assert_eq!((approval.status(now), approval.announce(now)), (ApprovalStatus::Approved, None));
    }
}
