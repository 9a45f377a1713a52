//! `wa completions`

use std::io;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{cli::Cli, exit::Failure};

/// The shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "Example:\n  wa completions bash > ~/.local/share/bash-completion/completions/wa")]
pub struct Arguments {
    /// Which shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the shell's script.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "wa", &mut script);
    Ok(io::Write::write_all(&mut io::stdout().lock(), &script)?)
}
