//! A stack's clock: this machine's, or one that is moved on the page or by a test.
//!
//! The emulator and the functions that it starts preload `clock.c`, which adds a number of seconds to the time of day. The
//! number is in a file that all of them share, and so does the sandbox, which moves it. No code of the functions knows of it.

use std::{
    path::{Path, PathBuf},
    time::SystemTime,
};

use anyhow::{Context as _, Result, bail};
use aws_types::sdk_config::TimeSource;
use sandbox::SharedClock;
use tokio::process::Command;

use crate::process::run_logged;

/// The clock that the emulator and the functions of a stack read. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct StackClock(Option<MovableClock>);

#[derive(Debug, Clone)]
struct MovableClock {
    library: PathBuf,
    shared: SharedClock,
}

impl StackClock {
    /// A clock that can be moved, whose files are in the folder `scratch`; `root` is the checkout.
    pub(crate) async fn movable(root: &Path, scratch: &Path) -> Result<Self> {
        if !cfg!(target_os = "linux") {
            bail!("the clock of a stack can be moved on Linux only");
        }
        let (library, path) = (scratch.join("clock.so"), scratch.join("clock"));
        let mut compiler = Command::new("cc");
        compiler.args(["-O2", "-Wall", "-Wextra", "-D_GNU_SOURCE", "-shared", "-fPIC", "-o"]).arg(&library);
        compiler.arg(root.join("tools/stack/clock.c")).arg("-ldl");
        run_logged(&mut compiler, &scratch.join("clock.log")).await?;
        let shared = SharedClock::create(path).context("cannot write the file of the clock")?;
        Ok(Self(Some(MovableClock { library, shared })))
    }

    /// The clock that the sandbox moves; none for this machine's clock.
    pub(crate) fn shared(&self) -> Option<&SharedClock> {
        self.0.as_ref().map(|clock| &clock.shared)
    }

    /// The time of day in the stack.
    pub fn now(&self) -> SystemTime {
        self.shared().map_or_else(SystemTime::now, SharedClock::now)
    }

    /// How far it is ahead of this machine's.
    pub(crate) fn seconds_ahead(&self) -> u32 {
        self.shared().map_or(0, SharedClock::seconds_ahead)
    }

    /// The variables with which a process reads this clock.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let clock = self.0.iter();
        clock.flat_map(|clock| [("LD_PRELOAD", clock.library.as_path()), ("STACK_CLOCK_FILE", clock.shared.path())])
    }
}

impl TimeSource for StackClock {
    fn now(&self) -> SystemTime {
        self.now()
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        fs::{self, File},
        io::{BufRead as _, BufReader, Write as _},
        process::Stdio,
        time::Duration,
    };

    use super::*;

    const DAY: u32 = 24 * 60 * 60;

    async fn clock(name: &str) -> (StackClock, PathBuf) {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        (StackClock::movable(crate::run::checkout().unwrap(), &folder).await.unwrap(), folder)
    }

    async fn advance(clock: &StackClock) {
        clock.shared().unwrap().advance(DAY, || {}).await.unwrap();
    }

    fn seconds(time: SystemTime) -> u64 {
        time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
    }

    #[tokio::test]
    async fn running_process_sees_the_clock_move() {
        let (clock, folder) = clock("moved").await;
        let mut python = std::process::Command::new("python3");
        python.args(["-c", "import time\nwhile True: input(); print(int(time.time()), flush=True)"]);
        let python = python.envs(clock.environment()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut time = || -> u64 {
            child.stdin.as_mut().unwrap().write_all(b"\n").unwrap();
            lines.next().unwrap().unwrap().parse().unwrap()
        };
        let begin = seconds(SystemTime::now());
        let before = time();
        advance(&clock).await;
        let after = time();
        let ahead = seconds(clock.now());
        clock.shared().unwrap().set_back(|| ()).await.unwrap();
        let back = time();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(before >= begin && after >= before + u64::from(DAY), "{begin} {before} {after}");
        assert!(before < begin + u64::from(DAY), "{begin} {before}");
        assert!(ahead >= begin + u64::from(DAY));
        assert!(back >= before && back < begin + u64::from(DAY), "{begin} {back}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn clock_moves_only_while_no_function_runs() {
        let (clock, folder) = clock("held").await;
        let function = File::open(folder.join("clock")).unwrap();
        let mut is_held = false;
        let moving = clock.shared().unwrap().advance(1, || is_held = function.try_lock_shared().is_err());
        moving.await.unwrap();
        assert!(is_held, "a function began while the clock was held");
        function.lock_shared().unwrap();
        let moved = tokio::time::timeout(Duration::from_millis(50), advance(&clock)).await;
        assert!(moved.is_err(), "the clock was moved while a function ran");
        assert!(seconds(clock.now()) < seconds(SystemTime::now()) + u64::from(DAY));
        drop(function);
        advance(&clock).await;
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn machines_clock_is_not_moved() {
        let clock = StackClock::default();
        assert!(clock.shared().is_none() && clock.environment().next().is_none());
        assert!(seconds(clock.now()) <= seconds(SystemTime::now()));
    }
}
