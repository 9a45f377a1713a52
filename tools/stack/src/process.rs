//! Child processes, which are stopped with the stack.

use std::{
    fs::{self, File},
    path::Path,
    process::{ExitStatus, Stdio},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::{Child, Command};

/// How many lines of its log the error of a failed command shows.
const TAIL_LINES: usize = 30;

/// A child process in its own process group. Dropping it kills the child and every process that the child started.
///
/// Its standard input stays open until then: a child that reads the end of it knows that this process has ended, even when
/// it was killed.
#[derive(Debug)]
pub struct Group {
    child: Child,
    id: Pid,
}

impl Group {
    /// Starts `command` as the leader of a new process group.
    pub fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.as_std().get_program().to_owned();
        let child = command
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let id = child.id().and_then(|id| Pid::from_raw(id.cast_signed())).context("the child ended immediately")?;
        Ok(Self { child, id })
    }

    /// Waits until the child has ended.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.child.wait().await?)
    }

    /// The child's exit status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // The only possible error is that no process of the group exists any more.
        let _ = kill_process_group(self.id, Signal::KILL);
    }
}

/// Runs `command` until it ends, with its output in the file `log`. The error of a failed command has the log's
/// last lines.
pub async fn run_logged(command: &mut Command, log: &Path) -> Result<()> {
    log_to(command, log)?;
    let status = Group::spawn(command)?.wait().await?;
    if !status.success() {
        bail!("{} ({status}); the end of {}:\n{}", describe(command), log.display(), tail(log));
    }
    Ok(())
}

/// Sends the output of `command` to a new file `log`.
pub fn log_to(command: &mut Command, log: &Path) -> Result<()> {
    let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    command.stdout(file.try_clone()?).stderr(file);
    Ok(())
}

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let skipped = lines.len().saturating_sub(TAIL_LINES);
    lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
}

fn describe(command: &Command) -> String {
    let command = command.as_std();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    let words: Vec<_> = std::iter::once(program).chain(command.get_args()).map(|word| word.to_string_lossy()).collect();
    format!("`{}` failed", words.join(" "))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[tokio::test]
    async fn dropped_group_ends_its_grandchildren() {
        let log = std::env::temp_dir().join(format!("group-{}", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        log_to(&mut command, &log).unwrap();
        let group = Group::spawn(&mut command).unwrap();
        let grandchild = eventually(|| tail(&log).parse().ok().and_then(Pid::from_raw)).await;
        drop(group);
        eventually(|| ended(grandchild).then_some(())).await;
        fs::remove_file(log).unwrap();
    }

    #[tokio::test]
    async fn failed_command_is_reported_with_the_end_of_its_log() {
        let log = std::env::temp_dir().join(format!("failed-{}", std::process::id()));
        let error = run_logged(Command::new("sh").args(["-c", "echo first; echo last >&2; exit 3"]), &log).await;
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("`sh -c echo first; echo last >&2; exit 3` failed"), "{error}");
        assert!(error.contains("exit status: 3") && error.ends_with("first\nlast"), "{error}");
        fs::remove_file(log).unwrap();
    }

    /// Whether the process does not exist or is a zombie that its parent has not waited for.
    fn ended(id: Pid) -> bool {
        fs::read_to_string(format!("/proc/{}/stat", id.as_raw_nonzero())).map_or(true, |stat| stat.contains(") Z "))
    }

    async fn eventually<T>(check: impl Fn() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Some(found) = check() {
                return found;
            }
            assert!(Instant::now() < deadline, "not within ten seconds");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}
