//! The file that a shell reads to work with a running stack, and the commands that the shell then has.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use crate::{
    deploy::STACK_NAME,
    stack::{Stack, aws_environment},
};

/// Writes the file `env` and the commands into a stack's folder: `wa` for this stack, and the pinned SAM CLI and cargo-lambda
/// of the checkout `root`. Returns the path of `env`.
pub(crate) fn write(stack: &Stack, root: &Path, folder: &Path) -> Result<PathBuf> {
    let (tools, commands, shell) = (root.join(".tools/sam/bin"), folder.join("bin"), folder.join("env"));
    let linked = [("wa", wa()?), ("sam", tools.join("sam")), ("cargo-lambda", tools.join("cargo-lambda"))];
    link(&linked, &commands).with_context(|| format!("cannot make the commands in {}", commands.display()))?;
    write_private(&shell, &script(stack, &commands)).with_context(|| format!("cannot write {}", shell.display()))?;
    Ok(shell)
}

/// The program `wa`, which `make run` builds beside this program.
fn wa() -> Result<PathBuf> {
    let program = std::env::current_exe().context("the path of this program cannot be read")?;
    let programs = program.parent().context("this program is in no folder")?;
    Ok(programs.join("wa"))
}

/// Links single programs, because the tools' folder on the path would also replace the shell's Python interpreter.
fn link(linked: &[(&str, PathBuf)], commands: &Path) -> io::Result<()> {
    fs::create_dir_all(commands)?;
    linked.iter().try_for_each(|(name, program)| symlink(program, commands.join(name)))
}

fn script(stack: &Stack, commands: &Path) -> String {
    let variables = aws_environment(&stack.aws_endpoint, &stack.administrator);
    let variables = variables
        .chain([("WA_STACK", STACK_NAME), ("SAM_CLI_TELEMETRY", "0")].map(|(name, value)| (name, value.to_owned())));
    let lines: Vec<_> = variables.map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    lines.concat() + &format!("export PATH='{}':\"$PATH\"\n", commands.display())
}

/// Writes a file that only this user may read, because it contains the administrator's key.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::stack::tests::stack;

    #[test]
    fn shell_that_reads_the_file_has_wa_and_the_stack() {
        let folder = std::env::temp_dir().join(format!("shell-{}", std::process::id()));
        let commands = folder.join("bin");
        link(&[("wa", "/bin/echo".into())], &commands).unwrap();
        let script = script(&stack(), &commands) + "env wa $WA_STACK $AWS_ENDPOINT_URL";
        let ran = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "whatsapp-local http://aws\n", "{ran:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn file_with_a_key_is_readable_by_its_user_only() {
        let path = std::env::temp_dir().join(format!("private-{}", std::process::id()));
        write_private(&path, "key").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::remove_file(path).unwrap();
    }
}
