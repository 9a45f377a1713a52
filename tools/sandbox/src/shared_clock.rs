//! The clock of a system under test whose processes read how far it is ahead from a file, as those of the local stack do. It
//! is moved together with the sandbox's clock, while none of the system's functions runs: to a running function it would
//! seem that it was stopped for hours.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::{Duration, SystemTime},
};

use futures::future::BoxFuture;
use tokio::time::{Instant, sleep};

/// How long the functions may run before the clock stays as it is: longer than any of them may run without a pause.
const LONGEST_WAIT: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(5);

/// A clock that several processes read. Clones show the same time.
#[derive(Debug, Clone)]
pub struct SharedClock(Arc<ClockFile>);

#[derive(Debug)]
struct ClockFile {
    /// The seconds that the clock is ahead of this machine's, as a 64-bit number. Who runs a function holds a shared lock.
    path: PathBuf,
    /// Who begins to run a function holds a shared lock for a moment, so that functions that overlap each other cannot make
    /// the clock wait for ever.
    turnstile: PathBuf,
    /// The number in the file.
    seconds_ahead: AtomicU32,
    after_set_back: OnceLock<AfterSetBack>,
}

/// What a system does after its clock was set back, before its functions run again.
struct AfterSetBack(Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync>);

impl std::fmt::Debug for AfterSetBack {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AfterSetBack").finish_non_exhaustive()
    }
}

/// Why the clock could not be moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedClockError {
    /// The functions ran all the time.
    Busy,
    /// The clock would be more than a hundred years ahead.
    TooFar,
    /// The file cannot be locked or written.
    File(String),
}

impl std::fmt::Display for SharedClockError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Busy => {
                write!(f, "the clock cannot be moved: functions have run for {LONGEST_WAIT:?} without a pause")
            }
            Self::TooFar => f.write_str("the clock cannot be moved so far"),
            Self::File(error) => write!(f, "the file of the clock cannot be written: {error}"),
        }
    }
}

impl std::error::Error for SharedClockError {}

impl From<io::Error> for SharedClockError {
    fn from(error: io::Error) -> Self {
        Self::File(error.to_string())
    }
}

impl SharedClock {
    /// A clock with this machine's time, with a new file at this path.
    pub fn create(path: PathBuf) -> io::Result<Self> {
        let turnstile = path.with_extension("turnstile");
        fs::write(&path, 0_u64.to_ne_bytes())?;
        fs::write(&turnstile, [])?;
        let (seconds_ahead, after_set_back) = (AtomicU32::new(0), OnceLock::new());
        Ok(Self(Arc::new(ClockFile { path, turnstile, seconds_ahead, after_set_back })))
    }

    /// Sets what the system does after the clock was set back, before its functions run again. Only the first call counts.
    pub fn after_set_back(&self, action: impl Fn() -> BoxFuture<'static, ()> + Send + Sync + 'static) {
        let _ = self.0.after_set_back.set(AfterSetBack(Box::new(action)));
    }

    /// The file with the seconds that the clock is ahead.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The time of day by this clock.
    pub fn now(&self) -> SystemTime {
        SystemTime::now() + Duration::from_secs(self.seconds_ahead().into())
    }

    /// How far the clock is ahead of this machine's.
    pub fn seconds_ahead(&self) -> u32 {
        self.0.seconds_ahead.load(Ordering::SeqCst)
    }

    /// Moves the clock forward, and whatever else `forward` moves, while no function runs.
    pub async fn advance(&self, seconds: u32, forward: impl FnOnce()) -> Result<(), SharedClockError> {
        let held = self.hold().await?;
        held.set(self.seconds_ahead().checked_add(seconds).ok_or(SharedClockError::TooFar)?)?;
        forward();
        Ok(())
    }

    /// Sets the clock back to this machine's time, and whatever else `back` sets back, while no function runs.
    pub async fn set_back<T>(&self, back: impl FnOnce() -> T) -> Result<T, SharedClockError> {
        let held = self.hold().await?;
        let is_ahead = self.seconds_ahead() > 0;
        held.set(0)?;
        if let Some(AfterSetBack(action)) = self.0.after_set_back.get().filter(|_| is_ahead) {
            action().await;
        }
        Ok(back())
    }

    /// Waits until no function runs, and lets none begin until the returned value is dropped.
    async fn hold(&self) -> Result<HeldClock<'_>, SharedClockError> {
        let open = |path: &Path| File::options().write(true).open(path);
        let (turnstile, file) = (open(&self.0.turnstile)?, open(&self.0.path)?);
        let deadline = Instant::now() + LONGEST_WAIT;
        // The lock is tried again and again, because a thread that waits for a lock cannot be stopped.
        for lock in [&turnstile, &file] {
            while lock.try_lock().is_err() {
                if Instant::now() > deadline {
                    return Err(SharedClockError::Busy);
                }
                sleep(PAUSE).await;
            }
        }
        Ok(HeldClock { clock: &self.0, file, _turnstile: turnstile })
    }
}

/// A clock that no running function reads.
#[derive(Debug)]
struct HeldClock<'a> {
    clock: &'a ClockFile,
    file: File,
    _turnstile: File,
}

impl HeldClock<'_> {
    fn set(&self, seconds_ahead: u32) -> io::Result<()> {
        self.file.write_all_at(&u64::from(seconds_ahead).to_ne_bytes(), 0)?;
        self.clock.seconds_ahead.store(seconds_ahead, Ordering::SeqCst);
        Ok(())
    }
}
