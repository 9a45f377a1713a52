//! A stack's clock: this machine's, or one that a test moves forward.
//!
//! The emulator and the functions that it starts preload `clock.c`, which adds a number of seconds to the time of day. The
//! number is in a file that all of them share. No code of the functions knows of it.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use anyhow::{Context as _, Result, bail};
use aws_types::sdk_config::TimeSource;
use tokio::process::Command;

use crate::process::run_logged;

/// The clock that the emulator and the functions of a stack read. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub struct StackClock(Option<Arc<MovableClock>>);

#[derive(Debug)]
struct MovableClock {
    library: PathBuf,
    /// The file that the library maps: the seconds that the clock is ahead of this machine's, as a 64-bit number.
    path: PathBuf,
    /// The number in the file.
    seconds_ahead: AtomicU32,
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
        fs::write(&path, 0_u64.to_ne_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(Some(Arc::new(MovableClock { library, path, seconds_ahead: AtomicU32::new(0) }))))
    }

    /// The time of day in the stack.
    pub fn now(&self) -> SystemTime {
        let seconds_ahead = self.0.as_ref().map_or(0, |clock| clock.seconds_ahead.load(Ordering::SeqCst));
        SystemTime::now() + Duration::from_secs(seconds_ahead.into())
    }

    /// The variables with which a process reads this clock.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &Path)> {
        let clock = self.0.iter();
        clock.flat_map(|clock| [("LD_PRELOAD", clock.library.as_path()), ("STACK_CLOCK_FILE", clock.path.as_path())])
    }

    /// Waits until no function runs, and lets none begin until the returned value is dropped.
    pub(crate) async fn hold(&self) -> Result<HeldClock> {
        let clock = Arc::clone(self.0.as_ref().context("this stack has the machine's clock, which cannot be moved")?);
        let hold = move || {
            let file = File::options().write(true).open(&clock.path)?;
            // The emulator holds a shared lock while a function runs.
            file.lock()?;
            Ok(HeldClock { clock, file })
        };
        tokio::task::spawn_blocking(hold).await?
    }
}

impl TimeSource for StackClock {
    fn now(&self) -> SystemTime {
        self.now()
    }
}

/// A clock that no running function reads.
#[derive(Debug)]
pub(crate) struct HeldClock {
    clock: Arc<MovableClock>,
    file: File,
}

impl HeldClock {
    pub(crate) fn advance(&self, seconds: u32) -> Result<()> {
        let before = self.clock.seconds_ahead.load(Ordering::SeqCst);
        let seconds_ahead = before.checked_add(seconds).context("the clock cannot be moved so far")?;
        self.file.write_all_at(&u64::from(seconds_ahead).to_ne_bytes(), 0)?;
        self.clock.seconds_ahead.store(seconds_ahead, Ordering::SeqCst);
        Ok(())
    }
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use std::{
        io::{BufRead as _, BufReader, Write as _},
        process::Stdio,
    };

    use super::*;

    const DAY: u32 = 24 * 60 * 60;

    async fn clock(name: &str) -> (StackClock, PathBuf) {
        let folder = std::env::temp_dir().join(format!("{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        (StackClock::movable(crate::run::checkout().unwrap(), &folder).await.unwrap(), folder)
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
        clock.hold().await.unwrap().advance(DAY).unwrap();
        let after = time();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(before >= begin && after >= before + u64::from(DAY), "{begin} {before} {after}");
        assert!(before < begin + u64::from(DAY), "{begin} {before}");
        assert!(seconds(clock.now()) >= begin + u64::from(DAY));
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn clock_moves_only_while_no_function_runs() {
        let (clock, folder) = clock("held").await;
        let function = File::open(folder.join("clock")).unwrap();
        let held = clock.hold().await.unwrap();
        assert!(function.try_lock_shared().is_err(), "a function began while the clock was held");
        drop(held);
        function.lock_shared().unwrap();
        let held = tokio::time::timeout(Duration::from_millis(50), clock.hold()).await;
        assert!(held.is_err(), "the clock was held while a function ran");
        drop(function);
        clock.hold().await.unwrap().advance(DAY).unwrap();
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    async fn machines_clock_is_not_moved() {
        let error = StackClock::default().hold().await.unwrap_err().to_string();
        assert_eq!(error, "this stack has the machine's clock, which cannot be moved");
    }
}
