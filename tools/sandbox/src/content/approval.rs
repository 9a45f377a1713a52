//! WhatsApp's review of a template.
//!
//! A template is `received`, then `pending`, and after a minute of the sandbox's clock `approved`. A template whose name
//! contains `reject` is rejected, and so is one that breaks a rule for variables. Source of the rules: Twilio, "Using
//! variables with the Content API".

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::{placeholders::TextPieces, types::ContentType};

/// From receipt to the start of the review.
const PENDING_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// From receipt to the decision.
const DECIDED_AFTER: SignedDuration = SignedDuration::from_secs(60);

#[derive(Debug, Clone)]
pub(crate) struct Approval {
    name: String,
    category: String,
    /// None for a template that is approved from the start.
    submitted_at: Option<Timestamp>,
    /// Why the review will reject it; none where it will not.
    rejection_reason: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ApprovalStatus {
    Unsubmitted,
    Received,
    Pending,
    Approved,
    Rejected,
}

impl ApprovalStatus {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unsubmitted => "unsubmitted",
            Self::Received => "received",
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
        }
    }
}

impl Approval {
    pub(super) fn granted(name: &str, category: &str) -> Self {
        Self { name: name.to_owned(), category: category.to_owned(), submitted_at: None, rejection_reason: None }
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
        let category = match category.to_ascii_uppercase().as_str() {
            "UTILITY" | "TRANSACTIONAL" => "UTILITY",
            "MARKETING" => "MARKETING",
            "AUTHENTICATION" | "OTP" => "AUTHENTICATION",
            _ => return Err("category must be UTILITY, MARKETING or AUTHENTICATION"),
        };
        let Some((_, content)) = content.filter(|(kind, _)| kind.can_be_approved) else {
            return Err("content of this type cannot be approved");
        };
        let by_name = name.contains("reject").then(|| "Rejected, since its name contains reject".to_owned());
        let by_rule = content["body"].as_str().and_then(broken_rule);
        let rejection_reason = by_name.or_else(|| by_rule.map(str::to_owned));
        Ok(Self { name: name.to_owned(), category: category.to_owned(), submitted_at: Some(now), rejection_reason })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn category(&self) -> &str {
        &self.category
    }

    pub(super) fn status(&self, now: Timestamp) -> ApprovalStatus {
        let Some(submitted_at) = self.submitted_at else { return ApprovalStatus::Approved };
        match now.duration_since(submitted_at) {
            passed if passed < PENDING_AFTER => ApprovalStatus::Received,
            passed if passed < DECIDED_AFTER => ApprovalStatus::Pending,
            _ if self.rejection_reason.is_some() => ApprovalStatus::Rejected,
            _ => ApprovalStatus::Approved,
        }
    }

    pub(super) fn resource(&self, content_type: Option<&str>, now: Timestamp) -> Value {
        let status = self.status(now);
        let reason =
            self.rejection_reason.as_deref().filter(|_| status == ApprovalStatus::Rejected).unwrap_or_default();
        json!({
            "name": self.name, "category": self.category, "content_type": content_type,
            "status": status.as_str(), "rejection_reason": reason, "allow_category_change": true,
        })
    }
}

/// The rule that the variables of a body break; none where they break none.
fn broken_rule(body: &str) -> Option<&'static str> {
    let pieces: Vec<_> = TextPieces::of(body).collect();
    let names: Vec<_> = pieces.iter().filter_map(|(_, name)| *name).collect();
    let (first, last) = (pieces.first()?, pieces.last()?);
    if names.is_empty() {
        return None;
    }
    let mut numbers: Vec<usize> = names.iter().filter_map(|name| name.parse().ok()).collect();
    numbers.sort_unstable();
    numbers.dedup();
    if numbers.iter().copied().ne(1..=numbers.len()) || names.iter().any(|name| name.parse::<usize>().is_err()) {
        return Some("Variables must be numbers from 1, without gaps");
    }
    if first.0.trim().is_empty() || last.0.trim_matches(|c: char| c.is_whitespace() || c == '.').is_empty() {
        return Some("A variable must not begin or end the body");
    }
    let between = pieces.get(1..pieces.len() - 1).unwrap_or_default();
    if between.iter().any(|(text, _)| text.trim().is_empty()) {
        return Some("Variables must not be next to each other");
    }
    let words: usize = pieces.iter().map(|(text, _)| text.split_whitespace().count()).sum();
    (words < 2 * numbers.len() + 1).then_some("There are too many variables for the length of the body")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_need_words_around_them() {
        let good = ["No variable", "Hello dear {{1}}, welcome", "Your order {{1}} of {{2}} is on its way today"];
        for body in good {
            assert_eq!(broken_rule(body), None, "{body}");
        }
        let bad = [
            "{{1}} is your code today",
            "Your code today is {{1}}.",
            "One {{1}} two {{3}} three four five six",
            "One {{name}} two three",
            "One two {{1}} {{2}} three four five",
            "Hi {{1}} there",
        ];
        for body in bad {
            assert!(broken_rule(body).is_some(), "{body}");
        }
    }

    #[test]
    fn review_takes_one_minute() {
        let submitted_at = Timestamp::UNIX_EPOCH;
        let of = |reason: Option<&str>, seconds| {
            let rejection_reason = reason.map(str::to_owned);
            let approval =
                Approval { submitted_at: Some(submitted_at), rejection_reason, ..Approval::granted("a", "UTILITY") };
            approval.status(submitted_at + SignedDuration::from_secs(seconds))
        };
        let statuses = [0, 5, 60].map(|seconds| of(None, seconds));
        assert_eq!(statuses, [ApprovalStatus::Received, ApprovalStatus::Pending, ApprovalStatus::Approved]);
        assert_eq!(of(Some("no"), 60), ApprovalStatus::Rejected);
        assert_eq!(Approval::granted("a", "UTILITY").status(submitted_at), ApprovalStatus::Approved);
    }
}
