//! `wa completions`

use std::io;

use clap_complete::Shell;

use crate::error::CommandError;

#[derive(clap::Args)]
#[command(after_help = "Example:\n  wa completions bash > ~/.local/share/bash-completion/completions/wa")]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script that completes `command` in the shell.
pub fn run(arguments: &CompletionsArguments, mut command: clap::Command) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "wa", &mut script);
    Ok(io::Write::write_all(&mut io::stdout().lock(), &script)?)
}
