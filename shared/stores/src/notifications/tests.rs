use domain::notification::FallbackChannel;
use twilio_types::sid::MessageSid;

use super::{claim::after_refusal, *};
use crate::dynamodb::FailedCondition;

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

fn stored(state: NotificationState, lease_ends: Option<i64>) -> StoredNotification {
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
        lease: lease_ends.map(|_| LeaseId::random()),
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

fn state_of(found: StoredNotification) -> ClaimState {
    ClaimState::of(Some(found), "d1", at(0))
}

#[test]
fn the_claim_state_follows_from_the_stored_item() {
    assert!(matches!(ClaimState::of(None, "d1", at(0)), ClaimState::New));
    assert!(matches!(
        state_of(stored(NotificationState::Accepted, None)),
        ClaimState::Finished(NotificationState::Accepted)
    ));
    assert!(matches!(state_of(stored(NotificationState::Waiting, None)), ClaimState::Claimable(_)));
    assert!(matches!(state_of(stored(NotificationState::AwaitingReply, None)), ClaimState::Claimable(_)));
    assert!(
        matches!(state_of(stored(NotificationState::Claimed, Some(1))), ClaimState::LeasedUntil(until) if until == at(1))
    );
    assert!(matches!(state_of(stored(NotificationState::Claimed, Some(0))), ClaimState::OutcomeUnknown(_)));
    assert!(
        matches!(state_of(stored(NotificationState::Unknown, None)), ClaimState::OutcomeUnknown(_)),
        "its message is searched for again"
    );
    let other = StoredNotification { digest: "d2".to_owned(), ..stored(NotificationState::Accepted, None) };
    assert!(matches!(state_of(other), ClaimState::IdReused));
    let over = StoredNotification { expires_at: at(-1).as_second(), ..stored(NotificationState::Accepted, None) };
    assert!(matches!(state_of(over), ClaimState::New), "DynamoDB deletes late");
}

#[test]
fn our_own_claim_with_a_lost_answer_is_claimed() {
    let id = LeaseId::random();
    let lease = Lease {
        id: id.clone(),
        attempts: 0,
        route: 0,
        channel: FallbackChannel::WhatsApp,
        validity: SignedDuration::from_hours(10),
    };
    let item = |lease: &LeaseId| {
        let update = UpdateExpression::of_subject(&subject(), NotificationState::Claimed, at(0));
        let plain = update.values.into_iter().map(|(name, value)| (name.trim_start_matches(':').to_owned(), value));
        let times = [("lease", lease.to_string()), ("lease_until", at(9).to_string())];
        plain.chain(times.map(|(name, value)| (name.to_owned(), text(&value)))).collect::<Item>()
    };
    let outcome_of =
        |id: &LeaseId| after_refusal(FailedCondition { item: item(id) }, &subject(), &lease, at(0)).unwrap();
    assert!(matches!(outcome_of(&id), ClaimOutcome::Claimed));
    assert!(matches!(outcome_of(&LeaseId::random()), ClaimOutcome::Changed(ClaimState::LeasedUntil(_))));
}

#[test]
fn an_update_uses_each_value_and_names_no_attribute_twice() {
    let sid: MessageSid = "SM00000000000000000000000000000001".parse().unwrap();
    let waiting = NextAttempt { reason: None, code: None, route: 1, not_before: Some(at(9)) };
    let outcomes = [
        NotificationOutcome::Accepted(sid.clone()),
        NotificationOutcome::AwaitingReply(sid),
        NotificationOutcome::Rejected { reason: "to: wrong".to_owned(), code: Some("21211".parse().unwrap()) },
        NotificationOutcome::Waiting(waiting),
        NotificationOutcome::Suppressed { reason: "opted out".to_owned(), code: None },
        NotificationOutcome::Expired { reason: "over".to_owned() },
        NotificationOutcome::Unknown { reason: "lost".to_owned() },
    ];
    for outcome in outcomes {
        let mut update = UpdateExpression::of_subject(&subject(), outcome.state(), at(0));
        update.absorb(outcome.update(&subject().account_sid, SignedDuration::ZERO, at(0)));
        update.append_attempt(outcome.attempt(FallbackChannel::WhatsApp, at(0)));
        let expression = update.expression();
        for name in update.values.keys() {
            assert!(expression.contains(name.as_str()), "{outcome:?}: {name} is not in {expression}");
        }
        let mut names: Vec<_> = update.set.iter().filter_map(|set| set.split(' ').next()).collect();
        names.extend(update.remove.iter().copied());
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "{outcome:?}: {expression}");
    }
}
