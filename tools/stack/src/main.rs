//! The local stack's command line, which `make run` and `make test` call.

use std::{
    ffi::OsString,
    process::{ExitCode, ExitStatus},
};

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};
use sandbox::WhatsAppRules;
use stack::{
    account::TwilioAccount,
    emulator::PERMISSIONS,
    invitation,
    ports::Ports,
    run::{Running, TimeOfDay, TwilioSide, checkout, start},
    tunnel::Tunnel,
};
use tokio::signal::unix::{SignalKind, signal};

/// Runs the real template.yaml on this machine: an emulator of AWS, the functions, and a sandbox in place of Twilio.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start the stack and keep it running until Ctrl-C.
    Run(Run),
    /// Start the stack, run a command in its environment, and exit with the command's exit code.
    Exec {
        /// The command and its arguments. Environment variables describe the stack to it.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<OsString>,
    },
}

#[derive(Args)]
struct Run {
    #[command(flatten)]
    ports: Ports,
    /// Use the Twilio account in the file .env instead of the sandbox.
    #[arg(long, env = "TWILIO", value_parser = FalseyValueParser::new())]
    twilio: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Run(ports) => run(ports).await,
        Command::Exec { command } => exec(&command).await,
    };
    result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

async fn run(Run { ports, twilio }: Run) -> Result<ExitCode> {
    let stack = async {
        // Kept until the end, because dropping it stops the stack.
        let _running = if twilio { start_with_twilio(ports).await? } else { start_with_sandbox(ports).await? };
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        result = stack => result.map(|()| ExitCode::SUCCESS),
        signal = interrupted() => signal.map(|()| ExitCode::SUCCESS),
    }
}

async fn start_with_sandbox(ports: Ports) -> Result<Running> {
    // Without Advanced Opt-Out, which is off by default in a Messaging Service, the system itself answers a STOP.
    let rules = WhatsAppRules { advanced_opt_out: false, ..WhatsAppRules::as_whatsapp() };
    let running = start(ports, TwilioSide::TwoAccounts(rules), TimeOfDay::Sandbox).await?;
    stack::demo::run(&running).await?;
    Ok(running)
}

async fn start_with_twilio(ports: Ports) -> Result<Running> {
    let account = TwilioAccount::from_file(&checkout()?.join(".env"), ports.api);
    let account = account.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::Error::msg(lines.join("\n"))
    })?;
    let running = start(ports, TwilioSide::Account(Box::new(account.clone())), TimeOfDay::Machine).await?;
    eprintln!("{}", invitation::page(&running.stack));
    let tunnel = Tunnel::probe(&account.public_base_url).await?;
    eprintln!("{}", invitation::with_twilio(&running.stack, &running.shell, &account, &tunnel));
    Ok(running)
}

async fn exec(command: &[OsString]) -> Result<ExitCode> {
    let (program, arguments) = command.split_first().context("no command")?;
    let sandbox = TwilioSide::Sandbox(WhatsAppRules::lenient());
    let running = tokio::select! {
        running = start(Ports::FREE, sandbox, TimeOfDay::Machine) => running?,
        signal = interrupted() => return signal.map(|()| ExitCode::FAILURE),
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .envs(running.stack.environment()?)
        .env("STACK_FOLDER", &running.folder)
        .env(PERMISSIONS, running.folder.join("permissions.jsonl"))
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    // A terminal sends Ctrl-C to the command too, which handles the first one itself; the second one stops both.
    let status = tokio::select! {
        status = child.wait() => status?,
        signal = async { interrupted().await?; interrupted().await } => return signal.map(|()| ExitCode::FAILURE),
    };
    if status.success() {
        running.discard()?;
    } else {
        eprintln!("The logs of the stack are in {}", running.folder.display());
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
