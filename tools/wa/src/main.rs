//! The binary.

use std::process::ExitCode;

use clap::Parser as _;
use wa::{cli::Cli, terminal::report};

#[tokio::main]
async fn main() -> ExitCode {
    match wa::run(Cli::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report(&failure);
            ExitCode::from(failure.code())
        }
    }
}
