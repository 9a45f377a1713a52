use super::*;

const NOON: &str = "2026-11-20T12:00:00Z";
const MORNING: &str = "2026-11-20T09:00:00Z";
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

fn path(text: &str) -> PagePath {
    text.parse().unwrap()
}

fn page(text: &str) -> ListPosition {
    ListPosition::Page(path(text))
}

fn gap(since: &str, resume: &str) -> Gap {
    Gap { since: at(since), resume: resume.to_owned() }
}

fn resume(mark: &SenderMark, now: &str) -> SenderReading {
    SenderReading::resume(Some(mark), at(now), MINUTE)
}

#[test]
fn first_reading_looks_back_half_a_day() {
    let reading = SenderReading::resume(None, at(NOON), MINUTE);
    assert_eq!(reading.next(), Some(ListPosition::Newest));
    assert_eq!(reading.horizon(), at("2026-11-19T23:59:00Z"));
    assert_eq!(reading.first_day().to_string(), "2026-11-19");
}

#[test]
fn reading_to_the_mark_moves_the_mark_to_the_youngest_checked() {
    let mut reading = resume(&SenderMark { since: at(MORNING), gap: None }, NOON);
    reading.advance(Some(path("/2")), Some(at("2026-11-20T10:00:00Z")));
    assert!(!reading.is_newest_read());
    reading.advance(Some(path("/3")), Some(at("2026-11-20T08:58:59Z")));
    assert_eq!((reading.is_newest_read(), reading.next()), (true, None));
    assert_eq!(reading.mark(), SenderMark { since: at("2026-11-20T11:59:00Z"), gap: None });
}

#[test]
fn reading_that_ends_early_leaves_a_gap() {
    let mut reading = resume(&SenderMark { since: at(MORNING), gap: None }, NOON);
    reading.advance(Some(path("/2")), Some(at("2026-11-20T10:00:00Z")));
    let mark = reading.mark();
    assert_eq!(mark, SenderMark { since: at("2026-11-20T11:59:00Z"), gap: Some(gap(MORNING, "/2")) });
    assert_eq!(mark.checked_until(), at(MORNING));
}

#[test]
fn newest_part_is_read_before_the_gap() {
    let mut reading = resume(&SenderMark { since: at(NOON), gap: Some(gap(MORNING, "/9")) }, "2026-11-20T12:05:00Z");
    assert_eq!(reading.next(), Some(ListPosition::Newest));
    reading.advance(Some(path("/2")), Some(at("2026-11-20T11:58:00Z")));
    assert!(reading.is_newest_read());
    assert_eq!(reading.next(), Some(page("/9")));
    reading.advance(Some(path("/10")), Some(at("2026-11-20T10:00:00Z")));
    let mark = reading.mark();
    assert_eq!(mark, SenderMark { since: at("2026-11-20T12:04:00Z"), gap: Some(gap(MORNING, "/10")) });
    let mut reading = resume(&mark, "2026-11-20T12:10:00Z");
    reading.advance(None, None);
    reading.advance(None, None);
    assert_eq!(reading.mark(), SenderMark { since: at("2026-11-20T12:09:00Z"), gap: None });
}

#[test]
fn second_gap_reaches_down_to_the_end_of_the_first() {
    let mut reading = resume(&SenderMark { since: at(NOON), gap: Some(gap(MORNING, "/9")) }, "2026-11-20T12:05:00Z");
    reading.advance(Some(path("/2")), Some(at("2026-11-20T12:02:00Z")));
    assert_eq!(reading.mark(), SenderMark { since: at("2026-11-20T12:04:00Z"), gap: Some(gap(MORNING, "/2")) });
}

#[test]
fn reading_without_a_page_leaves_the_mark_as_it_was() {
    for gap in [None, Some(gap(MORNING, "/9"))] {
        let mark = SenderMark { since: at(NOON), gap };
        assert_eq!(resume(&mark, "2026-11-20T12:05:00Z").mark(), mark);
    }
}

#[test]
fn reading_after_a_long_pause_looks_back_13_days_at_most() {
    let mark = SenderMark { since: at("2026-01-01T00:00:00Z"), gap: None };
    assert_eq!(resume(&mark, NOON).first_day().to_string(), "2026-11-07");
}

#[test]
fn stored_page_that_is_no_path_is_read_from_the_newest_on() {
    let mark = SenderMark { since: at(NOON), gap: Some(gap(MORNING, "https://elsewhere.example/")) };
    let reading = resume(&mark, "2026-11-20T12:05:00Z");
    assert_eq!((reading.next(), reading.horizon()), (Some(ListPosition::Newest), at("2026-11-20T08:59:00Z")));
}

#[test]
fn forgotten_page_is_read_from_the_newest_on() {
    let mut reading = resume(&SenderMark { since: at(NOON), gap: Some(gap(MORNING, "/9")) }, "2026-11-20T12:05:00Z");
    reading.advance(Some(path("/2")), None);
    reading.lose_place();
    assert_eq!(reading.next(), Some(ListPosition::Newest));
    reading.advance(None, None);
    reading.lose_place();
    assert_eq!((reading.next(), reading.mark()), (None, SenderMark { since: at(MORNING), gap: None }));
}
