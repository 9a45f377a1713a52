//! `wa completions`

use std::io::{self, Write as _};

use clap_complete::{Shell, env::Shells};

use crate::{completion::VARIABLE, error::CommandError};

const NAME: &str = "wa";

#[derive(clap::Args)]
#[command(after_help = "\
The script calls `wa` for the values that it offers: the profiles of the AWS CLI, the stacks of the account and the region,
categories, types of events, and so on. Have the shell read it at its start, so that it is always of the installed version:

  bash        echo 'source <(wa completions bash)' >> ~/.bashrc
  zsh         echo 'source <(wa completions zsh)' >> ~/.zshrc
  fish        echo 'wa completions fish | source' >> ~/.config/fish/config.fish
  elvish      echo 'eval (wa completions elvish | slurp)' >> ~/.config/elvish/rc.elv
  PowerShell  echo 'wa completions powershell | Out-String | Invoke-Expression' >> $PROFILE

Example:
  wa completions bash")]
pub struct CompletionsArguments {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// Prints the script that completes this command in the shell.
pub fn run(arguments: &CompletionsArguments) -> Result<(), CommandError> {
    let shell = arguments.shell.to_string();
    let shells = Shells::builtins();
    let completer = shells.completer(&shell);
    let completer = completer.ok_or_else(|| CommandError::usage(format!("there are no completions for {shell}")))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, NAME, NAME, NAME, &mut script)?;
    Ok(io::stdout().lock().write_all(&script)?)
}
