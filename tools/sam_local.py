"""Invokes each function with each file of events/ and compares the answer with events/answers.json.

The functions run with `sam local invoke` if Docker is available. Otherwise, or with `--emulated`, they run in the runtime
interface emulator of the SAM CLI, which `sam local` also runs inside its container. `make sam-local` and `make test` run
this file in the local stack; the folder STACK_FOLDER has the files that the stack wrote for `sam local` and the deployed
functions.
"""

import json
import os
import pathlib
import platform
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager, nullcontext
from functools import partial
from urllib.parse import urlsplit

ROOT = pathlib.Path(__file__).resolve().parent.parent
EVENTS = ROOT / "events"
FOLDER = pathlib.Path(os.environ["STACK_FOLDER"])
MACHINE = {"x86_64": "x86_64", "aarch64": "arm64"}[platform.machine()]
# The base image of the functions' runtime, under the tag that SAM gives it.
IMAGE = f"public.ecr.aws/lambda/provided:al2023-{MACHINE}"
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION")
READY_WITHIN = 20


class Failure(Exception):
    """An invocation without an answer."""


def succeeds(*command):
    try:
        return subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def reason_against_containers(environments):
    if not succeeds("docker", "info"):
        return "the Docker engine does not answer"
    endpoint = environments["InboundFunction"]["AWS_ENDPOINT_URL"]
    if urlsplit(endpoint).hostname == "127.0.0.1":
        return "this machine has no address on Docker's bridge at which containers could reach the stack"
    return None


def invoke_in_container(function, event):
    command = ["sam", "local", "invoke", function, "--event", event, "--config-file", FOLDER / "samconfig.toml"]
    # By default SAM asks the registry for a newer image each time, and fails if the registry cannot be reached.
    if succeeds("docker", "image", "inspect", IMAGE):
        command.append("--skip-pull-image")
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    lines = run.stdout.strip().splitlines()
    if run.returncode or not lines:
        raise Failure(run.stderr)
    return json.loads(lines[-1])


@contextmanager
def emulated(function, environment):
    """Runs a function in the runtime interface emulator and yields a callable that invokes it."""
    (emulator,) = ROOT.glob(f".tools/sam/lib/python*/site-packages/samcli/local/rapid/aws-lambda-rie-{MACHINE}")
    port, runtime_port = free_port(), free_port()
    process = subprocess.Popen(
        [emulator, "--runtime-interface-emulator-address", f"127.0.0.1:{port}",
         "--runtime-api-address", f"127.0.0.1:{runtime_port}", FOLDER / "build" / function / "bootstrap"],
        env={name: os.environ[name] for name in KEYS} | environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )
    try:
        yield partial(invoke_emulated, f"http://127.0.0.1:{port}/2015-03-31/functions/function/invocations")
    finally:
        subprocess.run(["pkill", "--session", str(process.pid)], check=False)
        process.wait()


def invoke_emulated(url, event):
    deadline = time.monotonic() + READY_WITHIN
    while True:
        try:
            with urllib.request.urlopen(url, data=event.read_bytes(), timeout=READY_WITHIN) as answer:
                return json.load(answer)
        except urllib.error.URLError as error:
            if time.monotonic() > deadline:
                raise Failure(error) from error
            time.sleep(0.1)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def differences(expected, answer):
    """Yields the fields of the expected answer that differ; an answer may have more fields."""
    for name, value in expected.items():
        found = (answer or {}).get(name)
        if isinstance(value, dict):
            yield from differences(value, found)
        elif found != value:
            yield f"{name}: expected {value!r}, got {found!r}"


def errors_of(invoke, event, expected):
    try:
        return list(differences(expected, invoke(event)))
    except Failure as failure:
        return str(failure).strip().splitlines()


def main(emulate):
    answers = json.loads((EVENTS / "answers.json").read_text())
    environments = json.loads((FOLDER / "env.json").read_text())
    reason = "--emulated" if emulate else reason_against_containers(environments)
    print(f"in SAM's runtime interface emulator: {reason}" if reason else "in containers, by sam local invoke", flush=True)
    failed = 0
    for function in sorted({entry["function"] for entry in answers.values()}):
        in_container = nullcontext(partial(invoke_in_container, function))
        with emulated(function, environments[function]) if reason else in_container as invoke:
            for name, entry in answers.items():
                if entry["function"] == function:
                    errors = errors_of(invoke, EVENTS / f"{name}.json", entry["answer"])
                    failed += bool(errors)
                    print("\n         ".join([f"{'FAILED' if errors else 'ok    '} {name}", *errors]), flush=True)
    print(f"{len(answers) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(emulate="--emulated" in sys.argv[1:]))
