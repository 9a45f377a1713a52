use super::*;

fn subject() -> Subject {
    Subject {
        account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
        id: NotificationId::try_from("order-1".to_owned()).unwrap(),
        digest: "d1".to_owned(),
        recipient: None,
        category: None,
        metadata: std::collections::BTreeMap::new(),
        request: Some("{}".to_owned()),
    }
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn stored(state: State, lease_ends: Option<i64>) -> StoredNotification {
    StoredNotification {
        account_sid: subject().account_sid,
        id: subject().id,
        state,
        digest: "d1".to_owned(),
        recipient: None,
        category: None,
        metadata: std::collections::BTreeMap::new(),
        request: None,
        route: 0,
        lease: lease_ends.map(|_| Lease::random()),
        lease_until: lease_ends.map(at),
        claimed_at: None,
        not_before: None,
        template_sent_at: None,
        message_sid: None,
        reason: None,
        code: None,
        attempts: Vec::new(),
        reuse: false,
        updated_at: at(0),
        expires_at: at(1_000).as_second(),
    }
}

fn judged(found: StoredNotification) -> Standing {
    Standing::of(Some(found), "d1", at(0))
}

#[test]
fn what_is_to_be_done_follows_from_what_stands_in_the_table() {
    assert!(matches!(Standing::of(None, "d1", at(0)), Standing::New));
    assert!(matches!(judged(stored(State::Accepted, None)), Standing::Finished(State::Accepted)));
    assert!(matches!(judged(stored(State::Waiting, None)), Standing::Open(_)));
    assert!(matches!(judged(stored(State::AwaitingReply, None)), Standing::Open(_)));
    assert!(matches!(judged(stored(State::Claimed, Some(1))), Standing::HeldUntil(until) if until == at(1)));
    assert!(matches!(judged(stored(State::Claimed, Some(0))), Standing::InDoubt(_)));
    assert!(
        matches!(judged(stored(State::Unknown, None)), Standing::InDoubt(_)),
        "what comes again is looked up again"
    );
    let other = StoredNotification { digest: "d2".to_owned(), ..stored(State::Accepted, None) };
    assert!(matches!(judged(other), Standing::OtherContent));
    let over = StoredNotification { expires_at: at(-1).as_second(), ..stored(State::Accepted, None) };
    assert!(matches!(judged(over), Standing::New), "DynamoDB deletes late");
}

#[test]
fn our_own_claim_whose_answer_was_lost_is_ours() {
    let lease = Lease::random();
    let held = Held {
        lease: lease.clone(),
        route: 0,
        channel: FallbackChannel::WhatsApp,
        validity: SignedDuration::from_hours(10),
    };
    let item = |lease: &Lease| {
        let change = subject_change(&subject(), State::Claimed, at(0));
        let plain = change.values.into_iter().map(|(name, value)| (name.trim_start_matches(':').to_owned(), value));
        let times = [("lease", lease.to_string()), ("lease_until", at(9).to_string())];
        plain.chain(times.map(|(name, value)| (name.to_owned(), text(&value)))).collect::<Item>()
    };
    let judged = |lease: &Lease| claim_of(FailedCondition { item: item(lease) }, &subject(), &held, at(0)).unwrap();
    assert!(matches!(judged(&lease), Claim::Won));
    assert!(matches!(judged(&Lease::random()), Claim::Changed(Standing::HeldUntil(_))));
}

#[test]
fn every_value_of_a_change_is_used_by_its_expression_and_no_attribute_is_named_twice() {
    let sid: MessageSid = "SM00000000000000000000000000000001".parse().unwrap();
    let waiting = Waiting { reason: None, code: None, route: 1, not_before: Some(at(9)) };
    let outcomes = [
        Outcome::Accepted(sid.clone()),
        Outcome::AwaitingReply(sid),
        Outcome::Rejected { reason: "to: wrong".to_owned(), code: Some("21211".parse().unwrap()) },
        Outcome::Waiting(waiting),
        Outcome::Suppressed { reason: "opted out".to_owned(), code: None },
        Outcome::Expired { reason: "over".to_owned() },
        Outcome::Unknown { reason: "lost".to_owned() },
    ];
    for outcome in outcomes {
        let mut change = subject_change(&subject(), outcome.state(), at(0));
        change.absorb(outcome.change(&subject().account_sid, SignedDuration::ZERO, at(0)));
        change.attempt(attempt(at(0), FallbackChannel::WhatsApp, &outcome));
        let expression = change.expression();
        for name in change.values.keys() {
            assert!(expression.contains(name.as_str()), "{outcome:?}: {name} is not in {expression}");
        }
        let mut names: Vec<_> = change.set.iter().filter_map(|set| set.split(' ').next()).collect();
        names.extend(change.remove.iter().copied());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{outcome:?}: {expression}");
    }
}
