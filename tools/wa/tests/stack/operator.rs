//! Runs of the command, and what else a test does to the local stack.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use stack::Stack;

/// The stack's name, from samconfig.toml's `local`.
pub(crate) const STACK: &str = "whatsapp-local";
/// Longer than anything takes that works.
pub(crate) const DEADLINE: Duration = Duration::from_mins(3);
const PAUSE: Duration = Duration::from_millis(100);

/// A run of the command that has ended.
#[derive(Debug)]
pub(crate) struct CommandRun {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl CommandRun {
    /// The output of a command that succeeded.
    pub(crate) fn done(self) -> String {
        assert_eq!(self.code, 0, "{self:?}");
        self.stdout
    }

    /// The output of a command that succeeded, as JSON.
    pub(crate) fn json(self) -> Value {
        serde_json::from_str(&self.done()).unwrap()
    }

    /// The standard error of a command that ended with this code.
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(self.code, code, "{self:?}");
        self.stderr
    }
}

/// The command, in the environment that `make test` sets up.
pub(crate) fn command(arguments: &[&str]) -> Command {
    command_in(STACK, arguments)
}

/// The command for another stack in the same environment.
pub(crate) fn command_in(name: &str, arguments: &[&str]) -> Command {
    command_for(&Stack::from_env().unwrap_or_else(|error| panic!("{error}")), name, arguments)
}

/// The command for a stack in another environment.
pub(crate) fn command_for(stack: &Stack, name: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wa"));
    command.args(["--stack", name]).args(arguments).stdin(Stdio::null());
    for variable in ["WA_STACK", "AWS_PROFILE", "TWILIO_ACCOUNT_SID", "NO_COLOR"] {
        command.env_remove(variable);
    }
    command.envs(stack.environment().unwrap());
    command
}

/// Runs the command until it ends.
pub(crate) fn wa(arguments: &[&str]) -> CommandRun {
    ran(&mut command(arguments))
}

pub(crate) fn ran(command: &mut Command) -> CommandRun {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let ran =
        CommandRun { code: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) };
    for secret in [stack::run::AUTH_TOKEN, stack::run::API_KEY_SECRET] {
        assert!(!ran.stdout.contains(secret) && !ran.stderr.contains(secret), "a secret was printed");
    }
    ran
}

/// Runs a program on a terminal of this width, without its standard error. The first argument is the width.
const ON_TERMINAL: &str = r#"
import fcntl, os, pty, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(1, termios.TIOCSWINSZ, struct.pack("HHHH", 24, int(sys.argv[1]), 0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    os.execv(sys.argv[2], sys.argv[2:])
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        break
    if not part:
        break
    sys.stdout.buffer.write(part)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

/// Runs the command on a terminal of this width.
pub(crate) fn wa_on_terminal(width: usize, arguments: &[&str]) -> CommandRun {
    let stack = Stack::from_env().unwrap_or_else(|error| panic!("{error}"));
    let mut python = Command::new("python3");
    python.args(["-c", ON_TERMINAL, &width.to_string(), env!("CARGO_BIN_EXE_wa"), "--stack", STACK]).args(arguments);
    ran(python.envs(stack.environment().unwrap()).env("NO_COLOR", "1").stdin(Stdio::null()))
}

/// Runs the command with this on its standard input.
pub(crate) fn wa_reading(arguments: &[&str], input: &str) -> CommandRun {
    let mut child = command(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let child = child.as_mut().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let read = |stream: &mut dyn std::io::Read| {
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    };
    let (stdout, stderr) = (read(child.stdout.as_mut().unwrap()), read(child.stderr.as_mut().unwrap()));
    CommandRun { code: child.wait().unwrap().code().unwrap(), stdout, stderr }
}

/// A run of the command that continues until it is interrupted.
pub(crate) struct RunningCommand {
    child: Child,
    lines: std::sync::mpsc::Receiver<String>,
}

impl RunningCommand {
    /// Starts the command, whose standard output is read.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        let mut child = command(arguments).stdout(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        Self::listen(child, stdout)
    }

    /// Starts the command, whose standard error is read.
    pub(crate) fn start_with_stderr(arguments: &[&str]) -> Self {
        Self::start_command(command(arguments))
    }

    /// Starts a command whose standard error is read.
    pub(crate) fn start_command(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = child.stderr.take().unwrap();
        Self::listen(child, stderr)
    }

    fn listen(child: Child, stream: impl std::io::Read + Send + 'static) -> Self {
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, lines }
    }

    /// Waits for a line.
    pub(crate) fn line(&self, wanted: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + DEADLINE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).unwrap();
            if wanted(&line) {
                return line;
            }
        }
    }

    /// Presses Ctrl-C. Gives the exit code.
    pub(crate) fn interrupt(self) -> i32 {
        self.interrupt_for_lines().0
    }

    /// Presses Ctrl-C. Gives the exit code, and the lines that were not read.
    pub(crate) fn interrupt_for_lines(mut self) -> (i32, Vec<String>) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code().unwrap();
        (code, self.lines.iter().collect())
    }
}

/// Waits for a condition, with a deadline.
pub(crate) fn until<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = found() {
            return found;
        }
        assert!(Instant::now() < end, "{what}: not seen within {DEADLINE:?}");
        std::thread::sleep(PAUSE);
    }
}

/// A number that no other test uses.
pub(crate) fn new_number() -> String {
    format!("+1415{:07}", uuid::Uuid::new_v4().as_u128() % 10_000_000)
}

/// An id that no other test uses.
pub(crate) fn new_id(name: &str) -> String {
    format!("{name}-{}", uuid::Uuid::new_v4().simple())
}

/// A notification with the sandbox's approved template.
pub(crate) fn notification(id: &str, to: &str) -> Value {
    json!({"id": id, "to": to, "category": "utility",
           "content": {"type": "template", "content_sid": sandbox::ORDER_UPDATE_SID, "variables": {"1": "Ava", "2": "1"}}})
}

/// A call to the sandbox's control API.
pub(crate) fn sandbox(method: reqwest::Method, path: &str, body: &Value) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let url = format!("{}{path}", Stack::from_env().unwrap().sandbox_url);
        let request = reqwest::Client::new().request(method, url);
        let answer = if body.is_null() { request } else { request.json(body) }.send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.json().await.unwrap_or_default()
    })
}

/// A person writes to the stack.
pub(crate) fn write(from: &str, body: &str) {
    sandbox(reqwest::Method::POST, "/sandbox/inbound", &json!({"from": format!("whatsapp:{from}"), "body": body}));
}

/// The messages that a person was sent.
pub(crate) fn sent_to(number: &str) -> Vec<Value> {
    let address = format!("whatsapp%3A%2B{}", number.trim_start_matches('+'));
    let messages = sandbox(reqwest::Method::GET, &format!("/sandbox/messages?address={address}"), &Value::Null);
    let messages = messages.as_array().unwrap().iter();
    messages.filter(|message| message["direction"] == "outbound-api").cloned().collect()
}
