//! The file that a shell reads to work with a running stack, and the commands that the shell then has.

use std::{
    fs,
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use sandbox::BusinessCommand;

use crate::{
    clock::StackClock,
    deploy::STACK_NAME,
    stack::{Stack, aws_environment},
};

/// Writes the file `env` and the commands into a stack's folder: `wa` for this stack, and the pinned SAM CLI and cargo-lambda
/// of the checkout `root`. Returns the path of `env`.
pub(crate) fn write(stack: &Stack, root: &Path, folder: &Path) -> Result<PathBuf> {
    let (tools, commands, shell) = (root.join(".tools/sam/bin"), folder.join("bin"), folder.join("env"));
    let linked = [("sam", tools.join("sam")), ("cargo-lambda", tools.join("cargo-lambda"))];
    let made = link(&linked, &commands).and_then(|()| make_wa(&wa()?, &stack.clock, &commands));
    made.with_context(|| format!("cannot make the commands in {}", commands.display()))?;
    write_private(&shell, &script(stack, &commands)).with_context(|| format!("cannot write {}", shell.display()))?;
    Ok(shell)
}

/// The program `wa`, which is built beside this program, and in the folder above that of tests.
fn wa() -> io::Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("wa");
    let above = program.parent().filter(|folder| folder.ends_with("deps")).and_then(Path::parent);
    Ok(above.map(|folder| folder.join("wa")).unwrap_or(program))
}

/// Makes the command `wa`, which has the time of the stack.
fn make_wa(program: &Path, clock: &StackClock, commands: &Path) -> io::Result<()> {
    let variables: Vec<_> = clock.environment().map(|(name, value)| format!("{name}='{}' ", value.display())).collect();
    let script = format!("#!/bin/sh\n{}exec '{}' \"$@\"\n", variables.concat(), program.display());
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o755);
    options.open(commands.join("wa"))?.write_all(script.as_bytes())
}

/// The command with which the sandbox sends as the business, through the queues of the stack.
pub(crate) fn send_command(stack: &Stack, folder: &Path) -> BusinessCommand {
    let variables = variables(stack).map(|(name, value)| (name.to_owned(), value.into()));
    BusinessCommand::new(folder.join("bin/wa"), ["send"]).with_environment(variables)
}

/// Links single programs, because the tools' folder on the path would also replace the shell's Python interpreter.
fn link(linked: &[(&str, PathBuf)], commands: &Path) -> io::Result<()> {
    fs::create_dir_all(commands)?;
    linked.iter().try_for_each(|(name, program)| symlink(program, commands.join(name)))
}

fn script(stack: &Stack, commands: &Path) -> String {
    let variables = variables(stack).chain([("SAM_CLI_TELEMETRY", "0".to_owned())]);
    let lines: Vec<_> = variables.map(|(name, value)| format!("export {name}='{value}'\n")).collect();
    lines.concat() + &format!("export PATH='{}':\"$PATH\"\n", commands.display())
}

/// The variables with which `wa` works with the stack.
fn variables(stack: &Stack) -> impl Iterator<Item = (&'static str, String)> {
    aws_environment(&stack.aws_endpoint, &stack.administrator).chain([("WA_STACK", STACK_NAME.to_owned())])
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
        link(&[], &commands).unwrap();
        make_wa(Path::new("/bin/echo"), &StackClock::default(), &commands).unwrap();
        let script = script(&stack(), &commands) + "env wa $WA_STACK $AWS_ENDPOINT_URL";
        let ran = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&ran.stdout), "whatsapp-local http://aws\n", "{ran:?}");
        fs::remove_dir_all(folder).unwrap();
    }

    #[tokio::test]
    #[cfg(target_os = "linux")]
    async fn wa_has_the_time_of_the_stack() {
        let folder = std::env::temp_dir().join(format!("wa-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let clock = StackClock::movable(crate::run::checkout().unwrap(), &folder).await.unwrap();
        make_wa(Path::new("/bin/date"), &clock, &folder).unwrap();
        let time = || {
            let ran = std::process::Command::new(folder.join("wa")).arg("+%s").output().unwrap();
            String::from_utf8_lossy(&ran.stdout).trim().parse::<u64>().unwrap()
        };
        let before = time();
        clock.shared().unwrap().advance(86_400, || {}).await.unwrap();
        assert!(time() >= before + 86_400);
        clock.shared().unwrap().set_back(|| ()).await.unwrap();
        assert!(time() < before + 86_400);
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
