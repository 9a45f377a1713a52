//! Twilio Verify (v2): services, verifications and checks. The code is sent from the sandbox's senders: on WhatsApp with the
//! template `verification_code`, on SMS as text.
//!
//! One service exists from the start, that of the account's configuration. The channels `sms` and `whatsapp` are enabled. A verification expires
//! after 10 minutes of the sandbox's clock. Its code is sent at most 5 times and checked at most 5 times. It is deleted when it
//! is approved, has expired, or was checked too often, as at Twilio.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use twilio_types::address::E164;

use crate::{capacity, config::Config, dates::iso_date, products::collection::Collection, sids::Sids};

pub(crate) mod api;

/// Source: Twilio, "Verifications resource".
const LIFETIME: SignedDuration = SignedDuration::from_mins(10);
/// Source: Twilio, error 60203.
const MAX_SENDS: usize = 5;
/// Source: Twilio, error 60202.
const MAX_CHECKS: usize = 5;

#[derive(Debug)]
pub(crate) struct Verify {
    services: Collection<VerifyService>,
    verifications: Mutex<Verifications>,
}

#[derive(Debug, Default)]
struct Verifications(Vec<Verification>);

#[derive(Debug, Clone)]
pub(crate) struct VerifyService {
    sid: String,
    friendly_name: String,
    code_length: u32,
    created_at: Timestamp,
    updated_at: Timestamp,
}

/// The verification of a number. Its code is a secret, and not in its `Debug`.
#[derive(Clone)]
struct Verification {
    sid: String,
    service_sid: String,
    to: E164,
    channel: VerifyChannel,
    status: VerificationStatus,
    code: String,
    /// Time, channel and SID of each time the code was sent.
    sends: Vec<(Timestamp, VerifyChannel, String)>,
    checks: usize,
    created_at: Timestamp,
    updated_at: Timestamp,
}

impl std::fmt::Debug for Verification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verification").field("sid", &self.sid).field("status", &self.status).finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VerifyChannel {
    Sms,
    WhatsApp,
}

impl VerifyChannel {
    fn name(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::WhatsApp => "whatsapp",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum VerificationStatus {
    Pending,
    Approved,
    Canceled,
    MaxAttemptsReached,
    Expired,
}

impl VerificationStatus {
    fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Canceled => "canceled",
            Self::MaxAttemptsReached => "max_attempts_reached",
            Self::Expired => "expired",
        }
    }
}

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CodeCheck {
    Correct,
    Incorrect,
    TooMany,
}

impl Verify {
    /// With one service.
    pub(crate) fn new(service_sid: String, at: Timestamp) -> Self {
        let services = Collection::default();
        services.add(service_sid.clone(), VerifyService::new(service_sid, "Sandbox".to_owned(), at));
        Self { services, verifications: Mutex::default() }
    }

    fn verifications(&self) -> MutexGuard<'_, Verifications> {
        self.verifications.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Verifications {
    /// The newest verification of a service with this SID or number.
    fn find(&mut self, service_sid: &str, sid_or_to: &str) -> Option<&mut Verification> {
        let is = |it: &&mut Verification| it.sid == sid_or_to || it.to.as_str() == sid_or_to;
        self.0.iter_mut().rev().filter(|it| it.service_sid == service_sid).find(is)
    }

    /// The newest one, unless it is deleted.
    fn existing(&mut self, service_sid: &str, sid_or_to: &str, now: Timestamp) -> Option<&mut Verification> {
        self.find(service_sid, sid_or_to).filter(|verification| !verification.is_deleted(now))
    }

    /// The newest one that can still be approved.
    fn pending(&mut self, service_sid: &str, sid_or_to: &str, now: Timestamp) -> Option<&mut Verification> {
        let found = self.find(service_sid, sid_or_to);
        found.filter(|verification| verification.status_at(now) == VerificationStatus::Pending)
    }

    /// Adds a verification, or replaces the one with its SID.
    fn put(&mut self, verification: Verification) {
        self.0.retain(|other| other.sid != verification.sid);
        self.0.push(verification);
        if self.0.len() > capacity::VERIFICATIONS {
            self.0.remove(0);
        }
    }
}

impl VerifyService {
    fn new(sid: String, friendly_name: String, at: Timestamp) -> Self {
        Self { sid, friendly_name, code_length: 6, created_at: at, updated_at: at }
    }

    /// A new random code.
    fn code(&self, sids: &Sids) -> String {
        let number = u128::from_str_radix(&sids.next(""), 16).unwrap_or_default();
        let length = usize::try_from(self.code_length).unwrap_or(6);
        format!("{:0length$}", number % 10_u128.pow(self.code_length))
    }

    fn resource(&self, config: &Config) -> Value {
        let url = format!("https://verify.twilio.com/v2/Services/{}", self.sid);
        let link = |name: &str| format!("{url}/{name}");
        json!({
            "sid": self.sid, "account_sid": config.account_sid, "friendly_name": self.friendly_name,
            "code_length": self.code_length, "lookup_enabled": false, "psd2_enabled": false,
            "skip_sms_to_landlines": false, "dtmf_input_required": true, "tts_name": null,
            "do_not_share_warning_enabled": false, "custom_code_enabled": true, "default_template_sid": null,
            "push": null, "totp": null, "passkeys": null, "verify_event_subscription_enabled": false,
            "whatsapp": {"msg_service_sid": null, "from": config.sender},
            "date_created": iso_date(self.created_at), "date_updated": iso_date(self.updated_at),
            "links": {
                "verification_checks": link("VerificationCheck"), "verifications": link("Verifications"),
                "rate_limits": link("RateLimits"), "messaging_configurations": link("MessagingConfigurations"),
                "entities": link("Entities"), "webhooks": link("Webhooks"), "access_tokens": link("AccessTokens"),
            },
            "url": url,
        })
    }
}

impl Verification {
    fn status_at(&self, now: Timestamp) -> VerificationStatus {
        let is_old = now.duration_since(self.created_at) >= LIFETIME;
        if self.status == VerificationStatus::Pending && is_old { VerificationStatus::Expired } else { self.status }
    }

    /// Whether Twilio has deleted it. Source: Twilio, error 20404: after 10 minutes, when it is approved, and when its code was
    /// checked too often. A canceled one is not among these.
    fn is_deleted(&self, now: Timestamp) -> bool {
        match self.status_at(now) {
            VerificationStatus::Pending => false,
            VerificationStatus::Canceled => now.duration_since(self.created_at) >= LIFETIME,
            VerificationStatus::Approved | VerificationStatus::MaxAttemptsReached | VerificationStatus::Expired => true,
        }
    }

    /// Checks a code. The correct one approves the number.
    fn check(&mut self, code: &str, now: Timestamp) -> CodeCheck {
        self.updated_at = now;
        if self.checks == MAX_CHECKS {
            self.status = VerificationStatus::MaxAttemptsReached;
            return CodeCheck::TooMany;
        }
        self.checks += 1;
        if code == self.code {
            self.status = VerificationStatus::Approved;
            CodeCheck::Correct
        } else {
            CodeCheck::Incorrect
        }
    }

    fn resource(&self, config: &Config, now: Timestamp) -> Value {
        let status = self.status_at(now);
        let sends: Vec<_> = self
            .sends
            .iter()
            .map(|(at, channel, sid)| json!({"time": iso_date(*at), "channel": channel.name(), "attempt_sid": sid}))
            .collect();
        json!({
            "sid": self.sid, "service_sid": self.service_sid, "account_sid": config.account_sid, "to": self.to.as_str(),
            "channel": self.channel.name(), "status": status.name(), "valid": status == VerificationStatus::Approved,
            "lookup": {}, "amount": null, "payee": null, "sna": null, "send_code_attempts": sends,
            "date_created": iso_date(self.created_at), "date_updated": iso_date(self.updated_at),
            "url": format!("https://verify.twilio.com/v2/Services/{}/Verifications/{}", self.service_sid, self.sid),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verification() -> Verification {
        Verification {
            sid: "VE1".to_owned(),
            service_sid: "VA1".to_owned(),
            to: "+14155550123".parse().unwrap(),
            channel: VerifyChannel::Sms,
            status: VerificationStatus::Pending,
            code: "000042".to_owned(),
            sends: Vec::new(),
            checks: 0,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn code_expires_after_ten_minutes_or_five_checks() {
        let now = Timestamp::UNIX_EPOCH;
        let mut tried = verification();
        assert_eq!(
            [(); 6].map(|()| tried.check("1", now)).map(|check| check == CodeCheck::TooMany),
            [false, false, false, false, false, true]
        );
        assert_eq!(tried.status_at(now), VerificationStatus::MaxAttemptsReached);
        let mut approved = verification();
        assert_eq!(approved.check("000042", now), CodeCheck::Correct);
        assert_eq!(approved.status_at(now + LIFETIME), VerificationStatus::Approved);
        assert_eq!(verification().status_at(now + LIFETIME), VerificationStatus::Expired);
    }

    #[test]
    fn verification_that_is_over_is_deleted() {
        let now = Timestamp::UNIX_EPOCH;
        let with = |status| Verification { status, ..verification() };
        let deleted = |verification: &Verification| [now, now + LIFETIME].map(|at| verification.is_deleted(at));
        assert_eq!(deleted(&with(VerificationStatus::Pending)), [false, true]);
        assert_eq!(deleted(&with(VerificationStatus::Canceled)), [false, true]);
        assert_eq!(deleted(&with(VerificationStatus::Approved)), [true; 2]);
        assert_eq!(deleted(&with(VerificationStatus::MaxAttemptsReached)), [true; 2]);
    }

    #[test]
    fn code_has_the_length_of_its_service() {
        let service = VerifyService {
            code_length: 4,
            ..VerifyService::new("VA1".to_owned(), "a".to_owned(), Timestamp::UNIX_EPOCH)
        };
        let [one, same] = [7, 7].map(|seed| service.code(&Sids::from_seed(seed)));
        assert_eq!((one.len(), one.bytes().all(|b| b.is_ascii_digit())), (4, true), "{one}");
        assert_eq!(one, same);
    }
}
