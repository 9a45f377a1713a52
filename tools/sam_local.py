"""Invokes each function with each file of events/ and compares the answer with events/answers.json.

With Docker by `sam local invoke`. Without it, or with `--emulated`, in the runtime interface emulator that SAM CLI brings
along, which is what `sam local` runs inside its container. Run by `make sam-local` and `make test`, in the local stack.
"""

import json
import pathlib
import platform
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
EVENTS = ROOT / "events"
READY_WITHIN = 20


def has_docker():
    return shutil.which("docker") and subprocess.run(["docker", "info"], capture_output=True).returncode == 0


def invoke_with_sam(function, event, env_file):
    command = [
        "sam", "local", "invoke", function, "--event", event, "--env-vars", env_file,
        # The emulator of AWS listens on this machine's loopback address only.
        "--docker-network", "host",
    ]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = run.stdout.strip().splitlines()
    if run.returncode or not lines:
        sys.exit(f"sam local invoke {function} failed:\n{run.stderr}")
    return json.loads(lines[-1])


class Emulated:
    """A function in the runtime interface emulator."""

    def __init__(self, function, environment):
        machine = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
        (emulator,) = ROOT.glob(f".tools/sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{machine}")
        bootstrap = ROOT / "target/lambda" / function.removesuffix("Function").lower() / "bootstrap"
        self.port, runtime_port = free_port(), free_port()
        self.process = subprocess.Popen(
            [emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{self.port}",
             "--runtime-api-address", f"127.0.0.1:{runtime_port}", bootstrap],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        )

    def invoke(self, event):
        url = f"http://127.0.0.1:{self.port}/2015-03-31/functions/function/invocations"
        deadline = time.monotonic() + READY_WITHIN
        while True:
            try:
                with urllib.request.urlopen(url, data=event.read_bytes(), timeout=READY_WITHIN) as answer:
                    return json.load(answer)
            except urllib.error.URLError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def stop(self):
        subprocess.run(["pkill", "--session", str(self.process.pid)], check=False)
        self.process.wait()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def differences(expected, answer):
    """What is documented must be there; an answer may say more."""
    for name, value in expected.items():
        found = (answer or {}).get(name)
        if isinstance(value, dict):
            yield from differences(value, found)
        elif found != value:
            yield f"{name}: expected {value!r}, got {found!r}"


def main(emulate):
    answers = json.loads((EVENTS / "answers.json").read_text())
    env_file = EVENTS / "env.json"
    environments = json.loads(env_file.read_text())
    docker = not emulate and has_docker()
    print("with sam local invoke" if docker else "without Docker, in SAM's runtime interface emulator")
    failed = 0
    for function in sorted({entry["function"] for entry in answers.values()}):
        emulated = None if docker else Emulated(function, environments[function])
        for name, entry in answers.items():
            if entry["function"] != function:
                continue
            event = EVENTS / f"{name}.json"
            answer = invoke_with_sam(function, event, env_file) if docker else emulated.invoke(event)
            wrong = list(differences(entry["answer"], answer))
            failed += bool(wrong)
            print(f"{'FAILED' if wrong else 'ok    '} {name}", *wrong, sep="\n         " if wrong else "")
        if emulated:
            emulated.stop()
    print(f"{len(answers) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(emulate="--emulated" in sys.argv[1:]))
