"""An emulator of AWS to which nothing is deployed, and users of it."""

import os
import re
import socket
import subprocess
import time
import urllib.request
import uuid

import boto3

from play import DEADLINE, ROOT

ACCOUNT = "000000000000"
REGION = "eu-central-1"
# The policies of samples/iam that everybody who deploys needs.
DEPLOYER = ("deploy", "deploy-observability")


class Aws:
    def __init__(self, folder) -> None:
        with socket.socket() as first, socket.socket() as second:
            for each in (first, second):
                each.bind(("127.0.0.1", 0))
            ports = [each.getsockname()[1] for each in (first, second)]
        self.endpoint, self.api = (f"http://127.0.0.1:{port}" for port in ports)
        self.keys = {"AWS_ACCESS_KEY_ID": "ADMINISTRATOR", "AWS_SECRET_ACCESS_KEY": uuid.uuid4().hex}
        environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "TMPDIR": str(folder), **self.keys}
        command = [ROOT / ".tools/ministack/bin/python", ROOT / "tools/stack/emulator.py", *map(str, ports)]
        # The emulator ends when its standard input is closed.
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, start_new_session=True,
            stdout=(folder / "emulator.log").open("w"), stderr=subprocess.STDOUT,
        )
        self._wait_until_ready()

    def _wait_until_ready(self) -> None:
        end = time.monotonic() + DEADLINE
        while True:
            try:
                urllib.request.urlopen(f"{self.endpoint}/_ministack/ready", timeout=DEADLINE).close()
                return
            except OSError:
                assert time.monotonic() < end and self._process.poll() is None, "the emulator does not answer"
                time.sleep(0.1)

    def client(self, service: str, keys: dict | None = None):
        keys = keys or self.keys
        return boto3.client(
            service, region_name=REGION, endpoint_url=self.endpoint,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"], aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
        )

    def user(self, policies, stack: str) -> dict:
        """A user with some of the policies of samples/iam. Returns the keys."""
        iam, name = self.client("iam"), f"user-{uuid.uuid4().hex[:8]}"
        iam.create_user(UserName=name)
        for policy in policies:
            iam.put_user_policy(UserName=name, PolicyName=policy, PolicyDocument=filled_in(policy, stack))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}

    def close(self) -> None:
        self._process.stdin.close()
        self._process.wait()


def filled_in(policy: str, stack: str) -> str:
    """A policy of samples/iam for a stack in the emulator."""
    values = {"STACK": stack, "ACCOUNT": ACCOUNT, "REGION": REGION}
    return re.sub("|".join(values), lambda name: values[name[0]], (ROOT / f"samples/iam/{policy}.json").read_text())
