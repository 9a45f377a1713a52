//! Runs of the command with an AWS that notes who called.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpListener,
    path::PathBuf,
    process::{Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::Duration,
};

const CONFIG: &str = "\
[default]
region = us-east-1
[profile stg]
region = eu-central-1
aws_access_key_id = AKIDOFSTG
aws_secret_access_key = secret-of-stg
";

/// CloudFormation's answer about a stack that does not exist.
pub(crate) const NO_SUCH_STACK: (u16, &str) = (
    400,
    "<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>Stack with id whatsapp does not exist\
     </Message></Error><RequestId>r-1</RequestId></ErrorResponse>",
);

/// A run of the command that has ended.
#[derive(Debug)]
pub(crate) struct ProgramRun {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// The `Authorization` header of each request to AWS.
    pub(crate) calls: Vec<String>,
}

/// The command in a separate environment: a folder with the AWS CLI's files, and a stand-in for AWS.
pub(crate) struct Program {
    pub(crate) command: Command,
    folder: PathBuf,
    calls: Receiver<String>,
}

impl Program {
    pub(crate) fn new(arguments: &[&str]) -> Self {
        Self::with_answer(arguments, NO_SUCH_STACK)
    }

    /// The command, whose every request to AWS has this answer.
    pub(crate) fn with_answer(arguments: &[&str], answer: (u16, &'static str)) -> Self {
        let folder = std::env::temp_dir().join(format!("wa-{}", uuid::Uuid::new_v4().simple()));
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("config"), CONFIG).unwrap();
        let (url, calls) = listen(answer);
        let mut command = Command::new(env!("CARGO_BIN_EXE_wa"));
        command.args(arguments).stdin(Stdio::null()).env_clear().env("AWS_ENDPOINT_URL", url);
        command.env("PATH", std::env::var_os("PATH").unwrap()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.env("AWS_CONFIG_FILE", folder.join("config")).env("AWS_SHARED_CREDENTIALS_FILE", folder.join("none"));
        Self { command, folder, calls }
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    pub(crate) fn run(mut self) -> ProgramRun {
        let output = self.command.output().unwrap();
        fs::remove_dir_all(&self.folder).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        ProgramRun {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
            calls: self.calls.try_iter().collect(),
        }
    }
}

/// Answers every request, and gives the `Authorization` header of each.
fn listen((status, body): (u16, &'static str)) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (sender, calls) = channel();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut request = Vec::new();
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let mut buffer = [0; 4096];
            while !is_whole(&request) {
                match stream.read(&mut buffer) {
                    Ok(read) if read > 0 => request.extend(&buffer[..read]),
                    _ => break,
                }
            }
            let request = String::from_utf8_lossy(&request).into_owned();
            let header = request.lines().find(|line| line.to_lowercase().starts_with("authorization:"));
            let _ = sender.send(header.unwrap_or_default().to_owned());
            let length = body.len();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-type: text/xml\r\ncontent-length: {length}\r\n");
            let _ = write!(stream, "{head}x-amzn-requestid: r-1\r\nconnection: close\r\n\r\n{body}");
        }
    });
    (url, calls)
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
}
