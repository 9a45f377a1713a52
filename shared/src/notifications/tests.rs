use super::*;

fn subject() -> Subject {
    Subject {
        account_sid: "AC00000000000000000000000000000001".parse().unwrap(),
        id: NotificationId::try_from("order-1".to_owned()).unwrap(),
        digest: "d1".to_owned(),
        recipient: None,
        category: None,
        metadata: std::collections::BTreeMap::new(),
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
        lease: lease_ends.map(|_| Lease::random()),
        lease_until: lease_ends.map(at),
        message_sid: None,
        reason: None,
        code: None,
        attempts: Vec::new(),
        updated_at: at(0),
    }
}

fn judged(found: StoredNotification) -> Claim {
    judge(found, &subject(), &Lease::random(), at(0))
}

#[test]
fn a_refused_claim_is_told_apart_by_what_stands_in_the_table() {
    assert!(matches!(judged(stored(State::Accepted, None)), Claim::Finished(State::Accepted)));
    assert!(matches!(judged(stored(State::Unknown, None)), Claim::Finished(State::Unknown)));
    assert!(matches!(judged(stored(State::Claimed, Some(1))), Claim::HeldUntil(until) if until == at(1)));
    assert!(matches!(judged(stored(State::Claimed, Some(0))), Claim::Abandoned(_, None)));
    let other = StoredNotification { digest: "d2".to_owned(), ..stored(State::Accepted, None) };
    assert!(matches!(judged(other), Claim::OtherContent));
}

#[test]
fn our_own_claim_whose_answer_was_lost_is_ours() {
    let lease = Lease::random();
    let found = StoredNotification { lease: Some(lease.clone()), ..stored(State::Claimed, Some(9)) };
    assert!(matches!(judge(found, &subject(), &lease, at(0)), Claim::Won));
}

#[test]
fn every_value_of_an_outcome_is_used_by_its_expression() {
    let outcomes = [
        Outcome::Accepted("SM00000000000000000000000000000001".parse().unwrap()),
        Outcome::Rejected { reason: "to: wrong".to_owned(), code: Some("21211".parse().unwrap()) },
        Outcome::Waiting { code: None },
        Outcome::Suppressed,
        Outcome::Expired,
        Outcome::Unknown { reason: "lost" },
    ];
    for outcome in outcomes {
        let (expression, values) = outcome.update(at(0));
        for name in values.keys() {
            assert!(expression.contains(name.as_str()), "{outcome:?}: {name} is not in {expression}");
        }
    }
}
