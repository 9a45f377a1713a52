//! Progress messages: a spinner on a terminal, plain lines elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

const FRAME: Duration = Duration::from_millis(100);

/// A step of the start that takes some time.
#[derive(Debug)]
pub struct Step {
    title: String,
    started: Instant,
    spinner: ProgressBar,
}

impl Step {
    /// Starts a step and prints its title.
    pub fn start(title: impl Into<String>) -> Self {
        let title = title.into();
        let spinner =
            ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner()).with_message(title.clone());
        spinner.enable_steady_tick(FRAME);
        if spinner.is_hidden() {
            eprintln!("... {title}");
        }
        Self { title, started: Instant::now(), spinner }
    }

    /// Ends a successful step and prints its duration.
    pub fn done(self) {
        self.spinner.finish_and_clear();
        eprintln!("ok  {} ({:.1} s)", self.title, self.started.elapsed().as_secs_f32());
    }
}
