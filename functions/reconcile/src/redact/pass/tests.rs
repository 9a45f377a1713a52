use super::*;

const RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn date(day: &str) -> Date {
    day.parse().unwrap()
}

fn due(mark: Option<&RedactionMark>, now: &str) -> Option<RedactionPass> {
    RedactionPass::due(mark, stored_since(RETENTION, at(now)), at(now))
}

fn days(pass: &RedactionPass) -> [Date; 2] {
    let PassPosition::Begin(days) = pass.next else { panic!("expected the begin of a pass: {pass:?}") };
    days
}

fn page(path: &str) -> PagePath {
    path.parse().unwrap()
}

fn open(pass: RedactionPass, deleted: usize, failed: usize) -> OpenPage {
    OpenPage { pass, next: Some(page("/3")), deleted, failed }
}

#[test]
fn pass_begins_once_a_day_and_goes_on_where_it_stopped() {
    let first = due(None, "2026-11-26T00:00:00Z").unwrap();
    assert_eq!(days(&first), [date("2026-11-18"), date("2026-11-24")]);
    let mark = first.after(Some(page("/2")));
    let second = due(Some(&mark), "2026-11-27T00:00:00Z").unwrap();
    assert_eq!(second.next, PassPosition::Page(page("/2")));
    let done = second.after(None);
    assert_eq!(due(Some(&done), "2026-11-26T23:59:59Z"), None);
    let next = due(Some(&done), "2026-11-27T00:00:00Z").unwrap();
    assert_eq!(days(&next), [date("2026-11-19"), date("2026-11-25")]);
}

#[test]
fn every_day_of_a_pass_ended_a_day_ago() {
    for now in ["2026-11-26T00:00:00Z", "2026-11-26T12:00:00Z", "2026-11-26T23:59:59Z"] {
        let [_, until] = days(&due(None, now).unwrap());
        let end = until.tomorrow().unwrap().to_zoned(TimeZone::UTC).unwrap().timestamp();
        assert!(at(now).duration_since(end) >= MINIMUM_AGE, "{now}");
    }
}

#[test]
fn pass_after_a_late_one_begins_where_that_ended() {
    let late = due(None, "2026-11-06T00:00:00Z").unwrap().after(Some(page("/2")));
    let late = due(Some(&late), "2026-11-20T00:00:00Z").unwrap().after(None);
    assert_eq!(days(&due(Some(&late), "2026-11-20T00:00:00Z").unwrap()), [date("2026-11-05"), date("2026-11-18")]);
}

#[test]
fn pass_reads_no_day_that_is_not_stored_any_more() {
    let mark = ended(date("2026-09-01"));
    let pass = due(Some(&mark), "2026-11-26T12:00:00Z").unwrap();
    assert_eq!(days(&pass), [date("2026-10-28"), date("2026-11-24")]);
}

#[test]
fn lost_page_begins_a_pass_with_all_unread_days() {
    let mark = ended(date("2026-11-10"));
    let pass = due(Some(&mark), "2026-11-26T00:00:00Z").unwrap();
    let under_way = pass.after(Some(page("/2")));
    let no_path = RedactionMark { resume: Some("no path".to_owned()), ..under_way.clone() };
    let lost = due(Some(&under_way), "2026-11-26T00:00:00Z").unwrap().lost();
    for mark in [lost, no_path] {
        let again = due(Some(&mark), "2026-11-27T00:00:00Z").unwrap();
        assert_eq!(days(&again), [date("2026-11-11"), date("2026-11-25")]);
    }
}

#[test]
fn pass_of_the_release_before_had_seven_days() {
    let stored = RedactionMark { resume: Some("/2".to_owned()), ..ended(date("2026-11-24")) };
    let pass = due(Some(&stored), "2026-11-26T00:00:00Z").unwrap();
    assert_eq!(pass.lost(), ended(date("2026-11-17")));
}

#[test]
fn unread_days_are_urgent_before_they_are_forgotten_here() {
    let now = "2026-11-26T12:00:00Z";
    let unread = |until: &str| Unread::of(&ended(date(until)), stored_since(RETENTION, at(now)), at(now));
    let expected = |since: &str, is_urgent| Some(Unread { since: date(since), is_urgent });
    assert_eq!(unread("2026-11-24"), None);
    assert_eq!(unread("2026-11-23"), expected("2026-11-24", false));
    // The first day that is stored is 28 October.
    assert_eq!(unread("2026-10-30"), expected("2026-10-31", false));
    assert_eq!(unread("2026-10-29"), expected("2026-10-30", true));
    assert_eq!(unread("2026-09-29"), expected("2026-09-30", true));
}

#[test]
fn page_that_never_gets_on_is_passed() {
    let now = "2026-11-26T00:00:00Z";
    for (first, passed) in [(None, None), (Some(due(None, now).unwrap().after(Some(page("/2")))), Some("/2"))] {
        let mut mark = first;
        for run in 0..MAX_FRUITLESS_RUNS {
            let pass = due(mark.as_ref(), now).unwrap();
            assert!(!pass.is_last_try(), "{run}");
            mark = Some(open(pass, 0, 32).left());
            assert_eq!(mark.as_ref().unwrap().resume.as_deref(), passed, "it is tried again");
        }
        let pass = due(mark.as_ref(), now).unwrap();
        assert!(pass.is_last_try());
        let mark = open(pass, 0, 1).left();
        assert_eq!((mark.resume.as_deref(), mark.fruitless_runs), (Some("/3"), 0));
        assert_eq!(mark.read_until, Some(date("2026-11-17")));
    }
}

#[test]
fn only_runs_that_tried_in_vain_count_against_a_page() {
    let now = "2026-11-26T00:00:00Z";
    let pass = due(None, now).unwrap();
    let mark = open(pass, 0, 1).left();
    let left = |deleted, failed| open(due(Some(&mark), now).unwrap(), deleted, failed).left().fruitless_runs;
    assert_eq!([left(0, 0), left(0, 1), left(1, 1), left(1, 0)], [1, 2, 0, 0]);
}
