//! The command `sandbox`.

use std::{
    io::{BufRead, BufReader, Read},
    process::{Child, Command, Stdio},
};

use rustix::process::{Pid, Signal, kill_process};

fn sandbox(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandbox"));
    for name in ["PORT", "INBOUND_URL", "SEED", "SCENARIO", "SEND_COMMAND", "ALLOWED_HOSTS"] {
        command.env_remove(name);
    }
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The error message of a command that does not start.
fn refused(arguments: &[&str]) -> String {
    let output = sandbox(arguments).wait_with_output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn command_stops_at_a_signal_while_a_stream_is_open() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut child = sandbox(&["--port", "0"]);
        let mut first = String::new();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        output.read_line(&mut first).unwrap();
        let url = first.trim().rsplit(' ').next().unwrap();
        let mut stream = reqwest::get(format!("{url}/sandbox/stream")).await.unwrap();
        assert!(stream.chunk().await.unwrap().unwrap().starts_with(b"event: snapshot"), "{first}");
        kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
        assert!(child.wait().unwrap().success(), "{signal:?}");
    }
}

#[test]
fn invalid_arguments_are_reported_in_one_line() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let error = refused(&["--port", &port]);
    assert!(error.contains(&port) && error.contains("PORT=") && error.lines().count() == 1, "{error}");
    let error = refused(&["--scenario", "no-such.json"]);
    assert!(error.contains("SCENARIO no-such.json") && error.lines().count() == 1, "{error}");
    assert!(refused(&["--inbound-url", "localhost"]).contains("http://"));
    let mut help = String::new();
    sandbox(&["--help"]).stdout.unwrap().read_to_string(&mut help).unwrap();
    let error = refused(&["--allowed-hosts", "http://a"]);
    assert!(error.contains("172.17.0.1"), "{error}");
    assert!(
        ["PORT", "INBOUND_URL", "SEED", "SCENARIO", "SEND_COMMAND", "ALLOWED_HOSTS", "Examples"]
            .iter()
            .all(|word| help.contains(word)),
        "{help}"
    );
}
