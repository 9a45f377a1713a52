//! The order in which an auth token is changed, such that at every moment the secret holds the token that Twilio signs
//! with, and an interruption anywhere is made up for by running it again.
//!
//! Nothing is remembered between runs: what is to be done next is told by which of the secret's tokens Twilio's API lets
//! in. Source: Twilio, "Auth Tokens" and "Secondary Auth Token": both tokens are let in until the secondary one is
//! promoted, and webhooks are signed with the primary one alone; from its promotion on the old one is refused.

/// What Twilio's API says to a token of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStatus {
    /// It is the primary or the secondary one.
    Accepted,
    /// It is neither.
    Refused,
}

/// Whether this run has done anything yet, or found a rotation that another one began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPhase {
    /// It is to begin one.
    Start,
    /// It is to finish one.
    Underway,
}

/// What is done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// Have Twilio make a secondary token, and put it before the others in the secret at once: nobody will show it again.
    Create,
    /// Make the secondary token the one that Twilio signs with.
    Promote,
    /// Put the token in this place before the others, since REST calls are made with the first.
    PutFirst(usize),
    /// Take the refused tokens out of the secret.
    Drop,
    /// Nothing.
    Done,
    /// Nothing can be done.
    Stop(RotationBlocked),
}

impl RotationStep {
    /// Whether the token that Twilio signs with becomes another one by it.
    pub const fn changes_the_token(self) -> bool {
        matches!(self, Self::Promote)
    }
}

/// Why nothing can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RotationBlocked {
    /// There is nothing to change.
    #[error("the secret has no auth token of the account: put the primary one of the Twilio Console into it first")]
    NoToken,
    /// The secret is out of date already.
    #[error("Twilio refuses every auth token in the secret: put the primary one of the Twilio Console into it first")]
    AllRefused,
}

/// Says what is done next, from what Twilio says to the secret's tokens, in their order.
pub fn next(standings: &[TokenStatus], begun: RunPhase) -> RotationStep {
    let admitted: Vec<usize> = standings
        .iter()
        .enumerate()
        .filter(|(_, standing)| **standing == TokenStatus::Accepted)
        .map(|(i, _)| i)
        .collect();
    match (admitted.as_slice(), standings.len()) {
        ([], 0) => RotationStep::Stop(RotationBlocked::NoToken),
        ([], _) => RotationStep::Stop(RotationBlocked::AllRefused),
        ([_], 1) if begun == RunPhase::Start => RotationStep::Create,
        ([_], 1) => RotationStep::Done,
        ([0], _) => RotationStep::Drop,
        ([only], _) => RotationStep::PutFirst(*only),
        (both, all) if both.len() < all => RotationStep::Drop,
        _ => RotationStep::Promote,
    }
}

/// What is expected to be done from here on, for people to read before.
pub fn plan(standings: &[TokenStatus]) -> Vec<RotationStep> {
    let (mut standings, mut begun, mut steps) = (standings.to_vec(), RunPhase::Start, Vec::new());
    loop {
        let step = next(&standings, begun);
        steps.push(step);
        begun = RunPhase::Underway;
        match step {
            RotationStep::Create => standings.insert(0, TokenStatus::Accepted),
            RotationStep::Promote => standings.iter_mut().skip(1).for_each(|standing| *standing = TokenStatus::Refused),
            RotationStep::PutFirst(place) => {
                let token = standings.remove(place);
                standings.insert(0, token);
            }
            RotationStep::Drop => standings.retain(|standing| *standing == TokenStatus::Accepted),
            RotationStep::Done | RotationStep::Stop(_) => return steps,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use TokenStatus::{Accepted, Refused};

    #[test]
    fn what_is_found_says_what_is_next() {
        use RunPhase::{Start, Underway};
        for (standings, begun, expected, case) in [
            (&[][..], Start, RotationStep::Stop(RotationBlocked::NoToken), "an empty secret"),
            (&[Refused], Start, RotationStep::Stop(RotationBlocked::AllRefused), "a secret out of date"),
            (&[Refused, Refused], Underway, RotationStep::Stop(RotationBlocked::AllRefused), "two of them"),
            (&[Accepted], Start, RotationStep::Create, "the usual beginning"),
            (&[Accepted], Underway, RotationStep::Done, "the end"),
            (&[Accepted, Accepted], Start, RotationStep::Promote, "stopped after the secondary was stored"),
            (&[Accepted, Refused], Start, RotationStep::Drop, "stopped after the promotion"),
            (&[Refused, Accepted], Start, RotationStep::PutFirst(1), "promoted by hand"),
            (&[Refused, Accepted, Accepted], Start, RotationStep::Drop, "an old one was never dropped"),
            (&[Refused, Refused, Accepted], Start, RotationStep::PutFirst(2), "two old ones were never dropped"),
        ] {
            assert_eq!(next(standings, begun), expected, "{case}");
        }
    }

    #[test]
    fn the_plan_is_what_is_done() {
        assert_eq!(
            plan(&[Accepted]),
            [RotationStep::Create, RotationStep::Promote, RotationStep::Drop, RotationStep::Done]
        );
        assert_eq!(plan(&[Accepted, Accepted]), [RotationStep::Promote, RotationStep::Drop, RotationStep::Done]);
        assert_eq!(plan(&[Refused, Accepted]), [RotationStep::PutFirst(1), RotationStep::Drop, RotationStep::Done]);
        assert_eq!(plan(&[Refused]), [RotationStep::Stop(RotationBlocked::AllRefused)]);
        for (standings, changes) in
            [(&[Accepted][..], true), (&[Accepted, Accepted], true), (&[Refused, Accepted], false)]
        {
            assert_eq!(plan(standings).into_iter().any(RotationStep::changes_the_token), changes, "{standings:?}");
        }
    }

    /// Twilio and the secret, with tokens that are numbers.
    #[derive(Debug, Clone)]
    struct SimulatedAccount {
        primary: u32,
        secondary: Option<u32>,
        secret: Vec<u32>,
        made: u32,
    }

    /// Something that reaches Twilio or Secrets Manager, after each of which a run may be interrupted.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Act {
        Deleted,
        Made(u32),
        Stored,
        Promoted,
    }

    impl SimulatedAccount {
        fn new(secret: Vec<u32>) -> Self {
            Self { primary: 1, secondary: None, secret, made: 1 }
        }

        fn standings(&self) -> Vec<TokenStatus> {
            let is_admitted = |token: &u32| *token == self.primary || Some(*token) == self.secondary;
            self.secret.iter().map(|token| if is_admitted(token) { Accepted } else { Refused }).collect()
        }

        /// Runs until the end or until so many acts were done. Gives whether it came to its end.
        fn run(&mut self, mut acts: usize) -> Option<RotationStep> {
            let mut begun = RunPhase::Start;
            loop {
                let step = next(&self.standings(), begun);
                begun = RunPhase::Underway;
                let mut token = 0;
                let parts: &[Act] = match step {
                    RotationStep::Create if self.secondary.is_some() => &[Act::Deleted, Act::Made(0), Act::Stored],
                    RotationStep::Create => &[Act::Made(0), Act::Stored],
                    RotationStep::Promote => &[Act::Promoted],
                    RotationStep::PutFirst(_) | RotationStep::Drop => &[Act::Stored],
                    RotationStep::Done | RotationStep::Stop(_) => return Some(step),
                };
                for act in parts {
                    if acts == 0 {
                        return None;
                    }
                    acts -= 1;
                    self.act(step, *act, &mut token);
                    assert!(self.secret.contains(&self.primary), "{self:?} after {act:?} of {step:?}");
                }
            }
        }

        fn act(&mut self, step: RotationStep, act: Act, token: &mut u32) {
            match (act, step) {
                (Act::Deleted, _) => self.secondary = None,
                (Act::Made(_), _) => {
                    self.made += 1;
                    *token = self.made;
                    self.secondary = Some(self.made);
                }
                (Act::Stored, RotationStep::Create) => self.secret.insert(0, *token),
                (Act::Stored, RotationStep::PutFirst(place)) => {
                    let token = self.secret.remove(place);
                    self.secret.insert(0, token);
                }
                (Act::Stored, _) => {
                    let standings = self.standings();
                    let mut standings = standings.iter();
                    self.secret.retain(|_| standings.next() == Some(&Accepted));
                }
                (Act::Promoted, _) => {
                    self.primary = self.secondary.take().expect("there is one to promote");
                }
            }
        }
    }

    #[test]
    fn a_crash_after_any_act_is_made_up_for_by_running_again() {
        for acts in 0..8 {
            let mut world = SimulatedAccount::new(vec![1]);
            let first = world.run(acts);
            if first.is_none() {
                assert_eq!(world.run(usize::MAX), Some(RotationStep::Done), "{acts}");
            }
            assert!(world.secret == [world.primary] && world.primary != 1, "{acts}: {world:?}");
        }
    }

    proptest! {
        #[test]
        fn however_often_it_is_stopped_the_secret_holds_the_token_that_signs(
            stops in prop::collection::vec(0..6_usize, 0..12),
            old in prop::collection::vec(100..110_u32, 0..3),
            place in 0..3_usize,
        ) {
            let mut secret = old;
            secret.insert(place.min(secret.len()), 1);
            let mut world = SimulatedAccount::new(secret);
            for stop in stops {
                world.run(stop);
            }
            prop_assert_eq!(world.run(usize::MAX), Some(RotationStep::Done));
            prop_assert_eq!(&world.secret, &[world.primary]);
        }
    }
}
