//! The local stack's command line: `make run` and `make test` are short for it.

use std::{
    ffi::OsString,
    process::{ExitCode, ExitStatus},
};

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use sandbox::Rules;
use tests::run::{Ports, start};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the real template.yaml on this machine: an emulator of AWS, a stand-in for Twilio, and the functions.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the stack and leave it up until Ctrl-C.
    Run(Ports),
    /// Start the stack, run a command inside it, and end with the command's exit code.
    Exec {
        /// The command; its environment describes the stack.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let ended = match Cli::parse().command {
        Command::Run(ports) => run(ports).await,
        Command::Exec { command } => exec(&command).await,
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn run(ports: Ports) -> Result<ExitCode> {
    let up = async {
        let running = start(ports, Rules::as_whatsapp()).await?;
        tests::demo::run(&running.stack).await?;
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        ended = up => ended.map(|()| ExitCode::SUCCESS),
        signal = interrupted() => signal.map(|()| ExitCode::SUCCESS),
    }
}

async fn exec(command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let running = tokio::select! {
        running = start(Ports::FREE, Rules::lenient()) => running?,
        signal = interrupted() => return signal.map(|()| ExitCode::FAILURE),
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(running.stack.environment()?)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    // A terminal sends its Ctrl-C to the command too, which decides what to do about it; the second one ends both.
    let status = tokio::select! {
        status = child.wait() => status?,
        signal = async { interrupted().await?; interrupted().await } => return signal.map(|()| ExitCode::FAILURE),
    };
    if status.success() {
        running.discard()?;
    } else {
        eprintln!("The logs of this stack are in {}", running.logs.display());
    }
    Ok(exit_code(status))
}

fn exit_code(status: ExitStatus) -> ExitCode {
    status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from)
}

async fn interrupted() -> Result<()> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    Ok(())
}
