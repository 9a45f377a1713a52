"""The commands of the tour in docs/sandbox.md, run as they are written there."""

import os
import re
import subprocess

import pytest

from play import AVA, DEADLINE, ROOT, Sandbox

pytestmark = pytest.mark.skipif("STACK_SANDBOX_URL" not in os.environ, reason="make test starts the system that this needs")

_, TOUR = (ROOT / "docs/sandbox.md").read_text().split("## The page, in seven steps\n")
TOUR, _ = TOUR.split("\n## ", 1)


def test_tour_sends_a_template_whose_button_can_be_pressed():
    (command,) = re.findall(r"```sh\n\s*(.*)\n\s*```", TOUR)
    # The tour names the folder of `make run`.
    environment = f"{os.environ['STACK_FOLDER']}/env"
    sandbox = Sandbox(os.environ["STACK_SANDBOX_URL"])
    run = subprocess.run(["bash", "-euc", f". {environment}; {command}"], capture_output=True, text=True, timeout=4 * DEADLINE)
    assert run.returncode == 0, run.stdout + run.stderr
    messages = sandbox.control("GET", f"messages?address={AVA.replace('+', '%2B')}").json()
    received = [message for message in messages if "Friday" in (message["body"] or "") and "10:30" in message["body"]]
    assert received and received[-1]["status"] in ("delivered", "read")
    (template,) = (each for each in sandbox.control("GET", "state").json()["templates"] if each["name"] == "appointment_reminder")
    assert len(template["buttons"]) == 2
    button = {name: template["buttons"][0][name] for name in ("title", "id")}
    pressed = sandbox.write(AVA, button["title"], button=button)
    assert pressed["status"] == 200
