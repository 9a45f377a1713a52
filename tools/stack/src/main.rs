//! The local stack's command line: `make run` and `make test` are short for it.

use std::{
    ffi::OsString,
    process::{ExitCode, ExitStatus},
};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};
use sandbox::WhatsAppRules;
use stack::{
    account::Account,
    invitation,
    ports::Ports,
    run::{Running, Twilio, checkout, start},
    tunnel::Tunnel,
};
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
    Run(Run),
    /// Start the stack, run a command inside it, and end with the command's exit code.
    Exec {
        /// The command; its environment describes the stack.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    ports: Ports,
    /// With the Twilio account of the file .env, instead of the sandbox's.
    #[arg(long, env = "TWILIO", value_parser = FalseyValueParser::new())]
    twilio: bool,
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

async fn run(Run { ports, twilio }: Run) -> Result<ExitCode> {
    let up = async {
        // Owned until the end: who drops it ends the stack.
        let _running = if twilio { connect(ports).await? } else { play(ports).await? };
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        ended = up => ended.map(|()| ExitCode::SUCCESS),
        signal = interrupted() => signal.map(|()| ExitCode::SUCCESS),
    }
}

async fn play(ports: Ports) -> Result<Running> {
    // A service has Advanced Opt-Out only where it was switched on; without it the system itself answers a STOP.
    let rules = WhatsAppRules { advanced_opt_out: false, ..WhatsAppRules::as_whatsapp() };
    let running = start(ports, Twilio::Sandbox(rules)).await?;
    stack::demo::run(&running).await?;
    Ok(running)
}

async fn connect(ports: Ports) -> Result<Running> {
    let read = Account::from_file(&checkout()?.join(".env"), ports.api);
    let account = read.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::Error::msg(lines.join("\n"))
    })?;
    let running = start(ports, Twilio::Itself(Box::new(account.clone()))).await?;
    eprintln!("{}", invitation::page(&running.stack));
    let tunnel = Tunnel::probe(&account.public_base_url).await?;
    eprintln!("{}", invitation::to_connect(&running.stack, &running.shell, &account, &tunnel));
    Ok(running)
}

async fn exec(command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let running = tokio::select! {
        running = start(Ports::FREE, Twilio::Sandbox(WhatsAppRules::lenient())) => running?,
        signal = interrupted() => return signal.map(|()| ExitCode::FAILURE),
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(running.stack.environment()?)
        .env("STACK_FOLDER", &running.folder)
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
        eprintln!("The logs of this stack are in {}", running.folder.display());
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
