//! A function's process, and its CPU time and memory.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use axum::body::Bytes;
use serde_json::Value;
use tokio::process::{Child, Command};

use super::{process_time, runtime_api::RuntimeApi};

/// A running function.
#[derive(Debug)]
pub struct FunctionProcess {
    /// The Runtime API that the function calls.
    pub runtime: RuntimeApi,
    /// The time from exec to the first request for an event.
    pub start: Duration,
    process: Child,
}

/// An invocation of a process that has only been invoked with [`FunctionProcess::invoke_and_measure`].
#[derive(Debug)]
pub struct MeasuredInvocation {
    /// The function's response.
    pub answer: Value,
    /// From the event to the response.
    pub took: Duration,
    /// The process's own time on a processor, without any waiting.
    pub cpu: Duration,
}

impl FunctionProcess {
    /// Starts a program as Lambda does, and waits until it requests an event. Its log is appended to the file that
    /// `FUNCTION_LOG` names, or discarded if the variable is not set.
    pub async fn start(program: &Path, arguments: &[&str], environment: &Value) -> Result<Self> {
        let log = std::env::var_os("FUNCTION_LOG").map(PathBuf::from);
        Self::start_with_log(program, arguments, environment, log.as_deref()).await
    }

    /// As [`FunctionProcess::start`], with a file for the log.
    pub async fn start_with_log(
        program: &Path,
        arguments: &[&str],
        environment: &Value,
        log: Option<&Path>,
    ) -> Result<Self> {
        let mut runtime = RuntimeApi::start().await?;
        let mut command = Command::new(program);
        command.args(arguments).env_clear().stdout(output(log)?).stderr(output(log)?).kill_on_drop(true);
        command.env("AWS_LAMBDA_RUNTIME_API", runtime.address.to_string());
        command.envs([
            ("AWS_LAMBDA_FUNCTION_NAME", "bench"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_LOG_FORMAT", "JSON"),
            ("PATH", "/usr/bin:/bin"),
        ]);
        let variables = environment.as_object().context("an environment is an object")?;
        command.envs(variables.iter().filter_map(|(name, value)| Some((name, value.as_str()?))));
        let started = Instant::now();
        let process = command.spawn().with_context(|| format!("cannot start {}", program.display()))?;
        let asked = tokio::time::timeout(Duration::from_secs(20), runtime.asked()).await;
        let asked = asked.with_context(|| format!("{} did not request an event", program.display()))??;
        Ok(Self { runtime, start: asked - started, process })
    }

    /// Invokes the function. An error if its process ends before it answers.
    pub async fn invoke(&mut self, event: &Bytes) -> Result<Value> {
        tokio::select! {
            answered = self.runtime.invoke(event) => answered.map(|(_, answer)| answer),
            ended = self.process.wait() => bail!("the function ended with {} and did not answer", ended?),
        }
    }

    /// The process's user and system time so far.
    pub fn cpu(&self) -> Result<Duration> {
        process_time::in_ticks(self.pid()?)
    }

    /// Invokes the function, and measures until it sleeps again, which is when it has asked for the next event.
    pub async fn invoke_and_measure(&mut self, event: &Bytes) -> Result<MeasuredInvocation> {
        let before = process_time::exactly(self.pid()?)?;
        let (took, answer) = self.runtime.invoke(event).await?;
        self.runtime.asked().await?;
        let cpu = process_time::exactly(self.pid()?)?.saturating_sub(before);
        Ok(MeasuredInvocation { answer, took, cpu })
    }

    /// Resident memory in bytes.
    pub fn resident(&self) -> Result<u64> {
        self.memory("VmRSS:")
    }

    /// The most resident memory so far, in bytes.
    pub fn peak_resident(&self) -> Result<u64> {
        self.memory("VmHWM:")
    }

    /// A size in the process's status (`proc_pid_status(5)`).
    fn memory(&self, name: &str) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name)).with_context(|| format!("no {name}"))?;
        Ok(line.trim().trim_end_matches(" kB").trim().parse::<u64>()? * 1_024)
    }

    /// The process's id.
    pub fn pid(&self) -> Result<u32> {
        self.process.id().context("the function has ended")
    }

    /// Kills the process with SIGKILL, if it still runs, and waits for its end.
    pub async fn kill(&mut self) -> Result<()> {
        Ok(self.process.kill().await?)
    }
}

fn output(log: Option<&Path>) -> Result<Stdio> {
    let Some(path) = log else { return Ok(Stdio::null()) };
    let file = fs::File::options().create(true).append(true).open(path);
    Ok(file.with_context(|| format!("cannot write {}", path.display()))?.into())
}
