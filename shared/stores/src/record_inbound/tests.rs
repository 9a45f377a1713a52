use domain::opt_out_keywords::Language;

use super::*;

#[test]
fn opt_out_is_confirmed_by_what_it_covers() {
    let settings = OptOutSettings::default();
    let request = |preference, scope| PreferenceRequest {
        preference,
        scope,
        confirmation: Confirmation::FromUs(Language::French),
    };
    let stop = |scope| request(Preference::OptedOut, scope);
    let (all, marketing) = (RequestedScope::All, RequestedScope::Marketing);
    let texts = [Language::French.opt_out_confirmation(), Language::French.marketing_opt_out_confirmation()];
    let confirmed = |preference, reply, is_stopped| {
        confirmation(MessageRequest { preference, settings: &settings, reply }, is_stopped)
    };
    assert_eq!(confirmed(stop(all), Reply::Awaited, false).as_deref(), Some(texts[0]));
    assert_eq!(confirmed(stop(all), Reply::Awaited, true).as_deref(), Some(texts[0]));
    assert_eq!(confirmed(stop(marketing), Reply::Awaited, false).as_deref(), Some(texts[1]));
    assert_eq!(confirmed(stop(marketing), Reply::Awaited, true), None, "every message is stopped already");
    assert_eq!(confirmed(stop(marketing), Reply::TooLate, false), None);
    assert_eq!(confirmed(stop(all), Reply::TooLate, false), None);
    assert_eq!(confirmed(request(Preference::OptedIn, all), Reply::Awaited, false), None);
}

#[test]
fn message_of_the_list_may_be_from_the_end_of_its_second() {
    let at: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
    assert_eq!(latest_time(at, Source::Webhook), at);
    assert_eq!(latest_time(at, Source::Reconcile).to_string(), "2026-11-20T09:00:00.999Z");
}
