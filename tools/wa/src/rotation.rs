//! The order of steps that replaces an auth token.
//!
//! *Invariant:* at every moment the secret holds the token that Twilio signs with. A run that was interrupted anywhere is
//! completed by running it again.
//!
//! Nothing is stored between runs. The next step follows from which of the secret's tokens Twilio's API accepts. Source:
//! Twilio, "Auth Tokens" and "Secondary Auth Token": the API accepts both tokens until the secondary one is promoted, and
//! webhooks are signed with the primary one alone; from the promotion on the API refuses the old one.

/// Whether Twilio's API accepts a token of the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenStatus {
    /// It is the account's primary or secondary token.
    Accepted,
    /// It is neither of them.
    Refused,
}

/// How far this run has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunPhase {
    /// It has done nothing yet: for a secret with a single token it begins a new rotation.
    Start,
    /// It has done a step: a secret with a single token is the end.
    Underway,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// Create a secondary token at Twilio, and store it before the others in the secret at once: Twilio shows it only this
    /// once.
    Create,
    /// Make the secondary token the one that Twilio signs with.
    Promote,
    /// Move the token at this index before the others, because REST calls are made with the first.
    PutFirst(usize),
    /// Remove the refused tokens from the secret.
    Drop,
    /// The rotation is complete.
    Done,
    /// No step is possible.
    Stop(RotationBlocked),
}

impl RotationStep {
    /// Whether Twilio signs with another token after this step.
    pub const fn changes_the_token(self) -> bool {
        matches!(self, Self::Promote)
    }
}

/// Why no step is possible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RotationBlocked {
    #[error("the secret has no auth token of the account: put the primary one of the Twilio Console into it first")]
    NoToken,
    #[error("Twilio refuses every auth token in the secret: put the primary one of the Twilio Console into it first")]
    AllRefused,
}

/// The next step, from the statuses of the secret's tokens in their order.
pub fn next(statuses: &[TokenStatus], phase: RunPhase) -> RotationStep {
    let accepted: Vec<usize> =
        statuses.iter().enumerate().filter(|(_, status)| **status == TokenStatus::Accepted).map(|(i, _)| i).collect();
    match (accepted.as_slice(), statuses.len()) {
        ([], 0) => RotationStep::Stop(RotationBlocked::NoToken),
        ([], _) => RotationStep::Stop(RotationBlocked::AllRefused),
        ([_], 1) if phase == RunPhase::Start => RotationStep::Create,
        ([_], 1) => RotationStep::Done,
        ([0], _) => RotationStep::Drop,
        ([only], _) => RotationStep::PutFirst(*only),
        (both, all) if both.len() < all => RotationStep::Drop,
        _ => RotationStep::Promote,
    }
}

/// All steps that are expected from here on, for people to read before the first.
pub fn plan(statuses: &[TokenStatus]) -> Vec<RotationStep> {
    let (mut statuses, mut phase, mut steps) = (statuses.to_vec(), RunPhase::Start, Vec::new());
    loop {
        let step = next(&statuses, phase);
        steps.push(step);
        phase = RunPhase::Underway;
        match step {
            RotationStep::Create => statuses.insert(0, TokenStatus::Accepted),
            RotationStep::Promote => statuses.iter_mut().skip(1).for_each(|status| *status = TokenStatus::Refused),
            RotationStep::PutFirst(index) => {
                let token = statuses.remove(index);
                statuses.insert(0, token);
            }
            RotationStep::Drop => statuses.retain(|status| *status == TokenStatus::Accepted),
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
    fn the_next_step_follows_from_the_statuses() {
        use RunPhase::{Start, Underway};
        for (statuses, phase, expected, case) in [
            (&[][..], Start, RotationStep::Stop(RotationBlocked::NoToken), "an empty secret"),
            (&[Refused], Start, RotationStep::Stop(RotationBlocked::AllRefused), "an outdated secret"),
            (&[Refused, Refused], Underway, RotationStep::Stop(RotationBlocked::AllRefused), "two outdated tokens"),
            (&[Accepted], Start, RotationStep::Create, "the usual beginning"),
            (&[Accepted], Underway, RotationStep::Done, "the end"),
            (&[Accepted, Accepted], Start, RotationStep::Promote, "interrupted after the secondary was stored"),
            (&[Accepted, Refused], Start, RotationStep::Drop, "interrupted after the promotion"),
            (&[Refused, Accepted], Start, RotationStep::PutFirst(1), "promoted by hand"),
            (&[Refused, Accepted, Accepted], Start, RotationStep::Drop, "an old token was never removed"),
            (&[Refused, Refused, Accepted], Start, RotationStep::PutFirst(2), "two old tokens were never removed"),
        ] {
            assert_eq!(next(statuses, phase), expected, "{case}");
        }
    }

    #[test]
    fn the_plan_lists_the_steps_that_are_done() {
        use RotationStep::{Create, Done, Drop, Promote, PutFirst, Stop};
        assert_eq!(plan(&[Accepted]), [Create, Promote, Drop, Done]);
        assert_eq!(plan(&[Accepted, Accepted]), [Promote, Drop, Done]);
        assert_eq!(plan(&[Refused, Accepted]), [PutFirst(1), Drop, Done]);
        assert_eq!(plan(&[Refused]), [Stop(RotationBlocked::AllRefused)]);
        for (statuses, changes) in
            [(&[Accepted][..], true), (&[Accepted, Accepted], true), (&[Refused, Accepted], false)]
        {
            assert_eq!(plan(statuses).into_iter().any(RotationStep::changes_the_token), changes, "{statuses:?}");
        }
    }

    /// Twilio and the secret, with numbers for tokens.
    #[derive(Debug, Clone)]
    struct SimulatedAccount {
        primary: u32,
        secondary: Option<u32>,
        secret: Vec<u32>,
        created: u32,
    }

    /// A change at Twilio or in Secrets Manager. A run may be interrupted after each of them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum RemoteChange {
        DeleteSecondary,
        CreateSecondary,
        Store,
        Promote,
    }

    impl SimulatedAccount {
        fn new(secret: Vec<u32>) -> Self {
            Self { primary: 1, secondary: None, secret, created: 1 }
        }

        fn statuses(&self) -> Vec<TokenStatus> {
            let is_accepted = |token: &u32| *token == self.primary || Some(*token) == self.secondary;
            self.secret.iter().map(|token| if is_accepted(token) { Accepted } else { Refused }).collect()
        }

        /// Runs until the last step or until this many changes were made. Gives the last step, if it came to it.
        fn run(&mut self, mut changes_left: usize) -> Option<RotationStep> {
            let mut phase = RunPhase::Start;
            loop {
                let step = next(&self.statuses(), phase);
                phase = RunPhase::Underway;
                let mut token = 0;
                let changes: &[RemoteChange] = match step {
                    RotationStep::Create if self.secondary.is_some() => {
                        &[RemoteChange::DeleteSecondary, RemoteChange::CreateSecondary, RemoteChange::Store]
                    }
                    RotationStep::Create => &[RemoteChange::CreateSecondary, RemoteChange::Store],
                    RotationStep::Promote => &[RemoteChange::Promote],
                    RotationStep::PutFirst(_) | RotationStep::Drop => &[RemoteChange::Store],
                    RotationStep::Done | RotationStep::Stop(_) => return Some(step),
                };
                for change in changes {
                    if changes_left == 0 {
                        return None;
                    }
                    changes_left -= 1;
                    self.apply(step, *change, &mut token);
                    assert!(self.secret.contains(&self.primary), "{self:?} after {change:?} of {step:?}");
                }
            }
        }

        fn apply(&mut self, step: RotationStep, change: RemoteChange, token: &mut u32) {
            match (change, step) {
                (RemoteChange::DeleteSecondary, _) => self.secondary = None,
                (RemoteChange::CreateSecondary, _) => {
                    self.created += 1;
                    *token = self.created;
                    self.secondary = Some(self.created);
                }
                (RemoteChange::Store, RotationStep::Create) => self.secret.insert(0, *token),
                (RemoteChange::Store, RotationStep::PutFirst(index)) => {
                    let token = self.secret.remove(index);
                    self.secret.insert(0, token);
                }
                (RemoteChange::Store, _) => {
                    let statuses = self.statuses();
                    let mut statuses = statuses.iter();
                    self.secret.retain(|_| statuses.next() == Some(&Accepted));
                }
                (RemoteChange::Promote, _) => {
                    self.primary = self.secondary.take().expect("there is a secondary token to promote");
                }
            }
        }
    }

    #[test]
    fn a_second_run_completes_a_run_that_was_interrupted_anywhere() {
        for changes in 0..8 {
            let mut account = SimulatedAccount::new(vec![1]);
            let first = account.run(changes);
            if first.is_none() {
                assert_eq!(account.run(usize::MAX), Some(RotationStep::Done), "{changes}");
            }
            assert!(account.secret == [account.primary] && account.primary != 1, "{changes}: {account:?}");
        }
    }

    proptest! {
        #[test]
        fn the_secret_always_holds_the_token_that_signs(
            interruptions in prop::collection::vec(0..6_usize, 0..12),
            old in prop::collection::vec(100..110_u32, 0..3),
            index in 0..3_usize,
        ) {
            let mut secret = old;
            secret.insert(index.min(secret.len()), 1);
            let mut account = SimulatedAccount::new(secret);
            for changes in interruptions {
                account.run(changes);
            }
            prop_assert_eq!(account.run(usize::MAX), Some(RotationStep::Done));
            prop_assert_eq!(&account.secret, &[account.primary]);
        }
    }
}
