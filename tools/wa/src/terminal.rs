//! The person at the terminal, if there is one: questions, notes and progress, all on the standard error.

use std::{
    io::{self, IsTerminal as _},
    sync::Mutex,
    time::{Duration, Instant},
};

use dialoguer::{Confirm, console::Term};
use indicatif::{ProgressBar, ProgressStyle};

use crate::{
    error::{CommandError, ExitReason},
    output::without_controls,
};

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

    /// Asks before a person's own STOP is overridden. `--yes` does not answer this question, because a script that always says
    /// yes would write to people who opted out: `is_given` says whether its own option, `option`, was.
    pub fn confirm_override(&self, question: &str, option: &str, is_given: bool) -> Result<(), CommandError> {
        if is_given {
            return Ok(());
        }
        match self.answer_mode {
            AnswerMode::Ask => self.confirm(question),
            AnswerMode::Given | AnswerMode::Unobtainable => Err(CommandError::usage(format!(
                "{question} Only {option} answers this with yes, --yes does not. Nothing was done"
            ))),
        }
    }

    /// Prints a note, which is not a part of the output.
    pub fn note(&self, text: &str) {
        note(text);
    }

    /// Prints a warning, which is not a part of the output.
    pub fn warn(&self, text: &str) {
        let style = anstyle::AnsiColor::Yellow.on_default();
        anstream::eprintln!("{style}warning:{style:#} {}", without_controls(text));
    }

    /// The progress of a known number of items: a bar, or a line every ten seconds where there is no terminal.
    pub fn progress(&self, length: usize, what: &'static str) -> Progress {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {eta}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        Progress::new(ProgressBar::new(length as u64).with_style(style).with_message(what), what)
    }

    /// Waits, and shows how long.
    pub async fn wait(&self, what: &'static str, time: Duration) {
        let seconds = usize::try_from(time.as_millis().div_ceil(1000)).unwrap_or(usize::MAX);
        if seconds == 0 {
            return;
        }
        self.note(&format!("{what}: {seconds} s"));
        let bar = self.progress(seconds, what);
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            bar.inc(1);
        }
        bar.finish_and_clear();
    }

    /// The progress of an unknown number of items: a counter, or a line every ten seconds where there is no terminal.
    pub fn count(&self, what: &'static str) -> Progress {
        let style = ProgressStyle::with_template("{spinner} {pos} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        Progress::new(ProgressBar::new_spinner().with_style(style).with_message(what), what)
    }
}

/// How often progress is reported where there is no terminal.
const REPORT_INTERVAL: Duration = Duration::from_secs(10);

/// How far a command is.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    what: &'static str,
    /// When the next line is due. None on a terminal, which shows the bar.
    next_report: Option<Mutex<Instant>>,
}

impl Progress {
    fn new(bar: ProgressBar, what: &'static str) -> Self {
        let next_report = bar.is_hidden().then(|| Mutex::new(Instant::now() + REPORT_INTERVAL));
        Self { bar, what, next_report }
    }

    pub fn inc(&self, items: u64) {
        self.bar.inc(items);
        self.report(Instant::now());
    }

    pub fn set_position(&self, items: u64) {
        self.bar.set_position(items);
        self.report(Instant::now());
    }

    pub fn position(&self) -> u64 {
        self.bar.position()
    }

    /// Hides the bar while something else is printed.
    pub fn suspend<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bar.suspend(print)
    }

    pub fn finish_and_clear(&self) {
        self.bar.finish_and_clear();
    }

    fn report(&self, now: Instant) {
        let Some(Ok(mut next)) = self.next_report.as_ref().map(Mutex::lock) else { return };
        if now >= *next {
            *next = now + REPORT_INTERVAL;
            note(&self.line());
        }
    }

    fn line(&self) -> String {
        let Self { bar, what, .. } = self;
        match bar.length() {
            Some(length) => format!("{what}: {} of {length}", bar.position()),
            None => format!("{} {what}", bar.position()),
        }
    }
}

/// Prints a note on the standard error. Text of AWS and of Twilio in it may hold control characters, which a terminal obeys.
pub fn note(text: &str) {
    anstream::eprintln!("{}", without_controls(text));
}

/// Prints why a command failed, unless its user ended it.
pub fn report(error: &CommandError) {
    if !matches!(error.reason(), ExitReason::OutputClosed | ExitReason::Interrupted) {
        let style = anstyle::AnsiColor::Red.on_default();
        anstream::eprintln!("{style}error:{style:#} {}", without_controls(&error.describe()));
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

    #[test]
    fn a_stop_is_overridden_by_its_own_option_alone() {
        let question = "+14155550123 has opted out. Send all the same?";
        for answer_mode in [AnswerMode::Given, AnswerMode::Unobtainable] {
            let terminal = Terminal { answer_mode };
            let refused = terminal.confirm_override(question, "--despite-opt-out", false).unwrap_err();
            assert_eq!(refused.code(), 2);
            let expected = format!("{question} Only --despite-opt-out answers this with yes, --yes does not");
            assert!(refused.to_string().starts_with(&expected), "{refused}");
            assert!(terminal.confirm_override(question, "--despite-opt-out", true).is_ok());
        }
    }

    #[test]
    fn progress_without_a_terminal_is_a_line_for_each_interval() {
        let progress = Progress::new(ProgressBar::hidden(), "lines");
        progress.bar.set_length(10_000);
        progress.bar.set_position(500);
        assert_eq!(progress.line(), "lines: 500 of 10000");
        let first = *progress.next_report.as_ref().unwrap().lock().unwrap();
        progress.report(Instant::now());
        assert_eq!(*progress.next_report.as_ref().unwrap().lock().unwrap(), first, "not due yet");
        progress.report(first);
        assert_eq!(*progress.next_report.as_ref().unwrap().lock().unwrap(), first + REPORT_INTERVAL);
    }
}
