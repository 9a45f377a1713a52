//! The person at the terminal, if there is one: questions, notes and progress, all on the standard error.

use std::io::{self, IsTerminal as _};

use dialoguer::{Confirm, console::Term};
use indicatif::{ProgressBar, ProgressStyle};

use crate::error::{CommandError, ExitReason};

/// How a question is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerMode {
    /// Yes, by `--yes`: the question is not shown.
    Given,
    /// By the person at the terminal.
    Ask,
    /// Not at all: there is neither `--yes` nor a terminal.
    Unobtainable,
}

#[derive(Debug)]
pub struct Terminal {
    answer_mode: AnswerMode,
}

impl Terminal {
    /// The terminal of this process.
    pub fn new(yes: bool) -> Self {
        let is_attended = io::stdin().is_terminal() && io::stderr().is_terminal();
        let answer_mode = match (yes, is_attended) {
            (true, _) => AnswerMode::Given,
            (false, true) => AnswerMode::Ask,
            (false, false) => AnswerMode::Unobtainable,
        };
        Self { answer_mode }
    }

    /// Asks before something is done that cannot be undone, or that concerns many people. `question` is a whole sentence,
    /// as in `Delete the body of SM...?`. The command ends if the answer is no, or if there is nobody to ask.
    pub fn confirm(&self, question: &str) -> Result<(), CommandError> {
        match self.answer_mode {
            AnswerMode::Given => Ok(()),
            AnswerMode::Unobtainable => Err(CommandError::usage(format!(
                "{question} There is no terminal to ask on: say --yes if that is meant"
            ))),
            AnswerMode::Ask => match Confirm::new().with_prompt(question).default(false).interact() {
                Ok(true) => Ok(()),
                Ok(false) => Err(CommandError::answer_is_no("nothing was done")),
                Err(dialoguer::Error::IO(error)) => {
                    // Ctrl-C leaves the cursor hidden. If it cannot be shown again, the command ends all the same.
                    let _ = Term::stderr().show_cursor();
                    Err(error.into())
                }
            },
        }
    }

    /// Prints a note, which is not a part of the output.
    pub fn note(&self, text: &str) {
        anstream::eprintln!("{text}");
    }

    /// Prints a warning, which is not a part of the output.
    pub fn warn(&self, text: &str) {
        let style = anstyle::AnsiColor::Yellow.on_default();
        anstream::eprintln!("{style}warning:{style:#} {text}");
    }

    /// A progress bar for a known number of items. Without a terminal it shows nothing.
    pub fn progress(&self, length: usize, what: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        ProgressBar::new(length as u64).with_style(style).with_message(what)
    }

    /// A counter for an unknown number of items. Without a terminal it shows nothing.
    pub fn count(&self, what: &'static str) -> ProgressBar {
        let style = ProgressStyle::with_template("{spinner} {pos} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        ProgressBar::new_spinner().with_style(style).with_message(what)
    }
}

/// Prints why a command failed, unless its user ended it.
pub fn report(error: &CommandError) {
    if !matches!(error.reason(), ExitReason::OutputClosed | ExitReason::Interrupted) {
        let style = anstyle::AnsiColor::Red.on_default();
        anstream::eprintln!("{style}error:{style:#} {}", error.describe());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_terminal_only_yes_continues() {
        assert!(Terminal { answer_mode: AnswerMode::Given }.confirm("Send 3 notifications?").is_ok());
        let unattended = Terminal { answer_mode: AnswerMode::Unobtainable };
        let refused = unattended.confirm("Send 3 notifications?").unwrap_err();
        assert_eq!(refused.code(), 2);
        assert!(refused.to_string().contains("--yes"), "{refused}");
    }
}
