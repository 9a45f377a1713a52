//! The command of the system under test that sends a notification: `wa send` of the local stack, or another one with the same
//! options and answers.

use std::{
    ffi::{OsStr, OsString},
    process::{Output, Stdio},
    time::Duration,
};

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::BusinessError;

/// Longer than the command itself waits for AWS.
pub(super) const TIMEOUT: Duration = Duration::from_secs(45);

/// A command that reads a notification from its standard input and puts it on the queue. It gets the options `--file -` and
/// `--output json`, and for a preview `--dry-run`.
#[derive(Debug, Clone)]
pub struct BusinessCommand {
    program: OsString,
    arguments: Vec<OsString>,
    /// The whole environment of the command; none for that of the sandbox.
    environment: Option<Vec<(String, SecretString)>>,
}

impl BusinessCommand {
    /// A program and its first arguments, as in `wa` and `send`. It has the environment of the sandbox.
    pub fn new(program: impl Into<OsString>, arguments: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        Self { program: program.into(), arguments: arguments.into_iter().map(Into::into).collect(), environment: None }
    }

    /// The same command with this environment only, and with the `PATH` of the sandbox.
    #[must_use]
    pub fn with_environment(self, environment: impl IntoIterator<Item = (String, SecretString)>) -> Self {
        Self { environment: Some(environment.into_iter().collect()), ..self }
    }

    /// The decision about a notification. The exit code says that it would not be sent, and the answer says why.
    pub(super) async fn preview(&self, notification: &Value) -> Result<Value, BusinessError> {
        let output = self.run(notification, &["--file", "-", "--dry-run", "--output", "json"]).await?;
        answer(&output).ok_or_else(|| refusal(&output))
    }

    pub(super) async fn send(&self, notification: &Value) -> Result<Value, BusinessError> {
        let output = self.run(notification, &["--file", "-", "--output", "json"]).await?;
        answer(&output).filter(|_| output.status.success()).ok_or_else(|| refusal(&output))
    }

    async fn run(&self, notification: &Value, options: &[&str]) -> Result<Output, BusinessError> {
        let not_run = |error: std::io::Error| BusinessError::NotRun(error.to_string());
        let mut child = self.command(options).spawn().map_err(not_run)?;
        let (input, stdin) = (notification.to_string(), child.stdin.take());
        let ended = async {
            let writing = async {
                if let Some(mut stdin) = stdin {
                    // A command that ends without reading says why in its output.
                    let _ = stdin.write_all(input.as_bytes()).await;
                }
            };
            tokio::join!(writing, child.wait_with_output()).1
        };
        tokio::time::timeout(TIMEOUT, ended).await.map_err(|_| BusinessError::NoAnswer)?.map_err(not_run)
    }

    fn command(&self, options: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).args(options.iter().map(OsStr::new));
        if let Some(environment) = &self.environment {
            command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
            command.envs(environment.iter().map(|(name, value)| (name, value.expose_secret())));
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// The JSON that the command printed, of the first notification.
fn answer(output: &Output) -> Option<Value> {
    match serde_json::from_slice(&output.stdout).ok()? {
        Value::Array(answers) => answers.into_iter().next(),
        answer => Some(answer),
    }
}

/// What the command says on the standard error.
fn refusal(output: &Output) -> BusinessError {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.trim();
    BusinessError::Refused(match said.strip_prefix("error: ").unwrap_or(said) {
        "" => format!("the command ended without an answer ({})", output.status),
        said => said.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn script(text: &str) -> BusinessCommand {
        BusinessCommand::new("sh", ["-c", text, "send"])
    }

    #[tokio::test]
    async fn command_gets_the_notification_and_its_options() {
        let notification = json!({"id": "order-1"});
        let echo = script(r#"printf '[{"got": %s, "options": "%s"}]' "$(cat)" "$*""#);
        let sent = echo.send(&notification).await.unwrap();
        assert_eq!(sent, json!({"got": notification, "options": "--file - --output json"}));
        let shown = echo.preview(&notification).await.unwrap();
        assert_eq!(shown["options"], "--file - --dry-run --output json");
    }

    #[tokio::test]
    async fn decision_against_sending_is_an_answer() {
        let refuse = script(r#"echo '{"decision": "refuse"}'; echo 'error: it would not be sent' >&2; exit 1"#);
        assert_eq!(refuse.preview(&json!({})).await, Ok(json!({"decision": "refuse"})));
        let error = refuse.send(&json!({})).await;
        assert_eq!(error, Err(BusinessError::Refused("it would not be sent".to_owned())));
    }

    #[tokio::test]
    async fn command_that_cannot_be_run_is_named_as_the_reason() {
        let error = BusinessCommand::new("/no/such/program", ["send"]).send(&json!({})).await.unwrap_err();
        assert!(error.to_string().starts_with("the command that sends as the business cannot be run: "), "{error}");
        let silent = script("exit 3").preview(&json!({})).await.unwrap_err();
        assert!(silent.to_string().contains("without an answer"), "{silent}");
    }

    #[tokio::test]
    async fn environment_replaces_that_of_the_sandbox_and_is_not_shown() {
        let secret = [("SANDBOX_TEST".to_owned(), SecretString::from("hidden"))];
        let command = script(r#"printf '"%s%s"' "$SANDBOX_TEST" "$CARGO_MANIFEST_DIR""#).with_environment(secret);
        assert_eq!(command.send(&json!({})).await, Ok(json!("hidden")));
        assert!(!format!("{command:?}").contains("hidden"));
    }
}
