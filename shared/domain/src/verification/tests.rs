use twilio_types::error_code::ErrorCode;

use super::*;

const FULL: &str = r#"{"id": "login-1", "to": "+14155550123", "channel": "sms", "locale": "pt_BR",
    "rate_limits": {"end_user_ip_address": "192.0.2.1"}, "account_sid": "AC00000000000000000000000000000001"}"#;

fn code(code: u32) -> ErrorCode {
    code.to_string().parse().unwrap()
}

#[test]
fn request_is_read_with_all_its_fields() {
    let request = VerificationRequest::parse(FULL).unwrap();
    assert_eq!(request.id.to_string(), "login-1");
    assert_eq!((request.channel, request.locale.as_deref()), (Some(VerificationChannel::Sms), Some("pt-BR")));
    assert_eq!(request.rate_limits.len(), 1);
    let short = VerificationRequest::parse(r#"{"id": "login-1", "to": "+14155550123"}"#).unwrap();
    let settings = VerifySettings::default();
    assert_eq!(short.channels(&settings), [VerificationChannel::WhatsApp, VerificationChannel::Sms]);
    assert_eq!(request.channels(&settings), [VerificationChannel::Sms], "a channel that is named is the only one");
}

#[test]
fn invalid_request_is_refused_by_field() {
    for (body, field) in [
        ("", "body"),
        ("[]", "body"),
        (r#"{"to": "+14155550123"}"#, "id"),
        (r#"{"id": "", "to": "+14155550123"}"#, "id"),
        (r#"{"id": "a"}"#, "to"),
        (r#"{"id": "a", "to": "whatsapp:+14155550123"}"#, "to"),
        (r#"{"id": "a", "to": "US.13491208655302741918"}"#, "to"),
        (r#"{"id": "a", "to": "+14155550123", "channel": "call"}"#, "channel"),
        (r#"{"id": "a", "to": "+14155550123", "locale": "portuguese"}"#, "locale"),
        (r#"{"id": "a", "to": "+14155550123", "rate_limits": {"ip": ""}}"#, "rate_limits"),
        (r#"{"id": "a", "to": "+14155550123", "code": "123456"}"#, "code"),
        (r#"{"id": "a", "to": "+14155550123", "id": "b"}"#, "id"),
    ] {
        assert_eq!(VerificationRequest::parse(body).unwrap_err().field, field, "{body}");
    }
    for (body, field) in [
        (r#"{"code": "123456"}"#, "id"),
        (r#"{"id": "a", "to": "+14155550123", "code": "123456"}"#, "id"),
        (r#"{"sid": "VE1", "code": "123456"}"#, "sid"),
        (r#"{"id": "a"}"#, "code"),
        (r#"{"id": "a", "code": 123456}"#, "code"),
        (r#"{"id": "a", "code": "123"}"#, "code"),
        (r#"{"id": "a", "code": "12-34"}"#, "code"),
        (r#"{"id": "a", "code": "secret-canary"}"#, "code"),
    ] {
        let invalid = CheckRequest::parse(body).unwrap_err();
        assert_eq!(invalid.field, field, "{body}");
        assert!(!format!("{invalid} {invalid:?}").contains("canary"));
    }
}

#[test]
fn code_is_read_without_blanks_and_never_shown() {
    let request = CheckRequest::parse(r#"{"id": "login-1", "code": " 004 217\n"}"#).unwrap();
    assert_eq!(request.code.expose(), "004217");
    assert!(!format!("{request:?} {request:#?}").contains("4217"));
}

#[test]
fn debug_shows_no_number() {
    let request = VerificationRequest::parse(FULL).unwrap();
    let check = CheckRequest::parse(r#"{"to": "+14155550123", "code": "004217"}"#).unwrap();
    let shown = format!("{request:?} {check:?}");
    assert!(shown.contains("login-1") && !shown.contains("4155550123") && !shown.contains("192.0.2.1"), "{shown}");
}

#[test]
fn digest_differs_with_each_field_but_the_account() {
    let digest = |from: &str, to: &str| VerificationRequest::parse(&FULL.replace(from, to)).unwrap().digest();
    let first = digest("", "");
    for (from, to) in [("login-1", "login-2"), ("0123", "0124"), ("\"sms\"", "\"whatsapp\""), ("pt_BR", "en")] {
        assert_ne!(digest(from, to), first, "{to}");
    }
    assert_eq!(digest("pt_BR", "pt-BR"), first);
}

#[test]
fn refusals_are_sorted_by_what_is_done_about_them() {
    for (status, number, expected) in [
        (429, 60203, VerificationRefusal::TooManySends),
        (429, 60202, VerificationRefusal::TooManyChecks),
        (429, 60207, VerificationRefusal::TooManyRequests),
        (429, 60212, VerificationRefusal::TooManyRequests),
        (429, 20429, VerificationRefusal::TooManyRequests),
        (403, 60410, VerificationRefusal::FraudGuard),
        (403, 60605, VerificationRefusal::GeoPermissions),
        (403, 60238, VerificationRefusal::Blocked),
        (403, 60223, VerificationRefusal::ChannelUnavailable),
        (400, 60242, VerificationRefusal::ChannelUnavailable),
        (400, 63024, VerificationRefusal::ChannelUnavailable),
        (403, 60205, VerificationRefusal::InvalidRecipient),
        (400, 21211, VerificationRefusal::InvalidRecipient),
        (400, 21610, VerificationRefusal::OptedOut),
        (404, 20404, VerificationRefusal::NotFound),
        (400, 60217, VerificationRefusal::Misconfigured),
        (400, 99999, VerificationRefusal::Misconfigured),
    ] {
        assert_eq!(VerificationRefusal::of(status, Some(code(number)), None), expected, "{number}");
    }
    assert_eq!(VerificationRefusal::of(403, None, None), VerificationRefusal::Misconfigured);
}

#[test]
fn refusal_of_a_parameter_is_sorted_by_its_name() {
    let refusal = |message| VerificationRefusal::of(400, Some(code(60200)), message);
    for (message, expected) in [
        (Some("Invalid parameter: To"), VerificationRefusal::InvalidRecipient),
        (Some("Invalid parameter `To`: +14155550123"), VerificationRefusal::InvalidRecipient),
        (Some("Invalid parameter: Channel"), VerificationRefusal::ChannelUnavailable),
        (Some("Invalid parameter: RateLimits"), VerificationRefusal::InvalidParameter),
        (Some("Something else: To"), VerificationRefusal::InvalidParameter),
        (Some("Invalid parameter"), VerificationRefusal::InvalidParameter),
        (None, VerificationRefusal::InvalidParameter),
    ] {
        assert_eq!(refusal(message), expected, "{message:?}");
    }
}

#[test]
fn refusal_that_a_request_without_a_locale_may_not_get() {
    for (status, number, expected) in
        [(404, 20404, true), (400, 60229, true), (400, 60200, true), (429, 60203, false), (403, 60410, false)]
    {
        let (code, refusal) = (Some(code(number)), VerificationRefusal::of(status, Some(code(number)), None));
        assert_eq!(refusal.may_be_about_locale(code), expected, "{number}");
    }
}

#[test]
fn code_belongs_to_a_request_that_began_before_it() {
    let began_at: Timestamp = "2026-11-20T09:00:00.900Z".parse().unwrap();
    for (sent_at, expected) in
        [("2026-11-20T09:00:00Z", true), ("2026-11-20T09:01:00Z", true), ("2026-11-20T08:59:50Z", false)]
    {
        assert_eq!(was_sent_by(began_at, sent_at.parse().unwrap()), expected, "{sent_at}");
    }
}
