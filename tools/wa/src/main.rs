//! The binary.

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};
use clap_complete::CompleteEnv;
use wa::{cli::CommandLine, completion, terminal::report};

fn main() -> ExitCode {
    // A shell that asks for values to offer is answered here, and the program ends.
    CompleteEnv::with_factory(CommandLine::command).var(completion::VARIABLE).complete();
    run()
}

#[tokio::main]
async fn run() -> ExitCode {
    match wa::run(CommandLine::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.code())
        }
    }
}
