//! The person at the terminal, if there is one: colour, questions and progress, all on the standard error.

use std::io::{self, IsTerminal as _};

use dialoguer::{Confirm, console::Term};
use indicatif::{ProgressBar, ProgressStyle};

use crate::exit::CommandError;

/// Whether questions are asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmation {
    /// `--yes`: nobody is asked.
    Given,
    /// Somebody is there to be asked.
    Ask,
    /// Nobody is there.
    Unobtainable,
}

/// Who is in front of the command.
#[derive(Debug)]
pub struct Terminal {
    consent: Confirmation,
}

impl Terminal {
    /// The terminal of this process.
    pub fn new(yes: bool) -> Self {
        let is_attended = io::stdin().is_terminal() && io::stderr().is_terminal();
        let consent = match (yes, is_attended) {
            (true, _) => Confirmation::Given,
            (false, true) => Confirmation::Ask,
            (false, false) => Confirmation::Unobtainable,
        };
        Self { consent }
    }

    /// Asks before something is done that cannot be taken back, or to many. `what` is the question, as in `Delete the
    /// body of SM...?`. A no ends the command; so does silence, where nobody can be asked.
    pub fn confirm(&self, what: &str) -> Result<(), CommandError> {
        match self.consent {
            Confirmation::Given => Ok(()),
            Confirmation::Unobtainable => {
                Err(CommandError::Usage(format!("{what} There is no terminal to ask on: say --yes if that is meant")))
            }
            Confirmation::Ask => match Confirm::new().with_prompt(what).default(false).interact() {
                Ok(true) => Ok(()),
                Ok(false) => Err(CommandError::No("nothing was done".to_owned())),
                Err(dialoguer::Error::IO(error)) => {
                    // Ctrl-C leaves it hidden, and there is nobody to tell where that fails.
                    let _ = Term::stderr().show_cursor();
                    Err(error.into())
                }
            },
        }
    }

    /// Says something that is no part of the output.
    pub fn note(&self, text: &str) {
        anstream::eprintln!("{text}");
    }

    /// Says something to be careful about.
    pub fn warn(&self, text: &str) {
        let style = anstyle::AnsiColor::Yellow.on_default();
        anstream::eprintln!("{style}warning:{style:#} {text}");
    }

    /// A bar for work on so many things; nothing where no terminal shows it.
    pub fn progress(&self, length: usize, what: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(length as u64).with_style(style).with_message(what)
    }

    /// A count of what has come so far, where nobody knows how many will.
    pub fn count(&self, what: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner} {pos} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        ProgressBar::new_spinner().with_style(style).with_message(what)
    }
}

/// Says on the standard error why a command failed. Whoever ended it themselves knows.
pub fn report(failure: &CommandError) {
    match failure {
        CommandError::Unread | CommandError::Interrupted => {}
        failure => {
            let style = anstyle::AnsiColor::Red.on_default();
            anstream::eprintln!("{style}error:{style:#} {failure}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_only_yes_goes_on() {
        assert!(Terminal { consent: Confirmation::Given }.confirm("Send 3 notifications?").is_ok());
        let refused = Terminal { consent: Confirmation::Unobtainable }.confirm("Send 3 notifications?").unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().contains("--yes"), "{refused}");
    }
}
