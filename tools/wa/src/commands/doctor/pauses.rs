//! A check of the pauses: what is paused, and since when.

use domain::pause::{Pause, Pauses};

use crate::{
    commands::pause::describe, copyable::CopyableCommands, error::CommandError, finding::Finding, session::Session,
};

pub(super) const CHECK: &str = "pauses";

/// A pause is a warning: sending works, and does less than people may think.
pub(super) async fn check(session: &Session) -> Result<Vec<Finding>, CommandError> {
    Ok(findings(&session.pauses().await?.get().await?, &session.copyable()))
}

fn findings(pauses: &Pauses, commands: &CopyableCommands) -> Vec<Finding> {
    let finding = |pause: &Pause| {
        let (what, remedy) = describe(pause);
        let command = commands.wa(remedy.trim_start_matches("wa "));
        Finding::warning(CHECK, what, format!("`{remedy}`, when the cause is gone; nothing is lost meanwhile"), command)
    };
    let found: Vec<_> = pauses.iter().map(finding).collect();
    if found.is_empty() { vec![Finding::ok(CHECK, "nothing is paused")] } else { found }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::finding::Level;

    #[test]
    fn each_pause_is_a_warning_with_the_command_that_ends_it() {
        assert_eq!(
            findings(&Pauses::default(), &CopyableCommands::of_test()),
            [Finding::ok(CHECK, "nothing is paused")]
        );
        let pause = |scope: &str| Pause {
            scope: scope.parse().unwrap(),
            since: "2026-11-25T10:00:00Z".parse().unwrap(),
            by: None,
            reason: Some("60 of 110 messages failed".to_owned()),
            is_automatic: true,
        };
        let pauses = [pause("all"), pause("sender#whatsapp:+14155238886")].into_iter().collect();
        let found = findings(&pauses, &CopyableCommands::of_test());
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].finding, Level::Warning);
        assert!(found[1].what.ends_with("automatically: 60 of 110 messages failed"), "{}", found[1].what);
        assert!(found[1].fix.as_deref().unwrap().starts_with("`wa resume whatsapp:+14155238886`"));
    }
}
