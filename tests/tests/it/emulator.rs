//! The emulator's additions to ministack, by their own tests in Python.

use std::{path::Path, process::Command};

#[test]
fn tests_of_the_emulator_in_python_pass() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let tests = Command::new(root.join(".tools/ministack/bin/python"))
        .args(["-B", "-m", "unittest", "discover", "--start-directory", "tools/stack/tests"])
        .env("PYTHONPATH", "tools/stack")
        .current_dir(root)
        .output()
        .unwrap();
    assert!(tests.status.success(), "{}", String::from_utf8_lossy(&tests.stderr));
}
