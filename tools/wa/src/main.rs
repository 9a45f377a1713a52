//! The binary.

use std::process::ExitCode;

use clap::Parser as _;
use wa::{cli::CommandLine, terminal::report};

#[tokio::main]
async fn main() -> ExitCode {
    match wa::run(CommandLine::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report(&error);
            ExitCode::from(error.code())
        }
    }
}
