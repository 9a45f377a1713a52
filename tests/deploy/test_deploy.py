"""`make deploy`: what it asks for and refuses, and a whole deployment to the emulator of AWS with the documented permissions."""

import json
import os
import pty
import re
import subprocess
import threading
from pathlib import Path

import pytest

from aws import DEPLOYER, REGION, Aws
from play import ACCOUNT_SID, AUTH_TOKEN, DEADLINE, ROOT, SERVICE

STACK = "whatsapp-production"
EMAIL = "ops@example.com"
DEPLOY = [ROOT / ".tools/sam/bin/python", "-B", ROOT / "tools/deploy.py"]


@pytest.fixture(scope="module")
def aws(tmp_path_factory):
    aws = Aws(tmp_path_factory.mktemp("aws"))
    yield aws
    aws.close()


@pytest.fixture(scope="module")
def deployer(aws):
    """The environment of a person who may deploy and nothing else."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    nothing = {"AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", "SAM_CLI_TELEMETRY": "0"}
    return kept | nothing | aws.user(DEPLOYER, STACK) | {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_REGION": REGION}


def refusal(environment, *arguments):
    run = subprocess.run([*DEPLOY, *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert run.returncode == 1, run.stdout
    return run.stderr.strip()


@pytest.mark.parametrize("stage", [[], [""], ["prod"], ["local"]])
def test_unknown_stage_is_refused_with_the_known_ones(deployer, stage):
    assert "expected one of default, production, staging" in refusal(deployer, *stage)


def test_missing_region_is_refused(deployer):
    environment = {name: value for name, value in deployer.items() if name != "AWS_REGION"}
    assert refusal(environment, "production").startswith("make deploy: AWS_REGION: is missing")


def test_everything_missing_is_named_at_once_without_a_terminal(deployer):
    error = refusal(deployer, "production")
    for variable in ("TwilioAccountSid", "MessagingServiceSid", "ALARM_EMAIL", "YES=1"):
        assert variable in error


@pytest.mark.parametrize(("variables", "reason"), [
    ({"TwilioAccountSid": "AC1"}, "TwilioAccountSid: is the account's SID"),
    ({"Architecture": "mips"}, "Architecture: is one of arm64, x86_64"),
    ({"SendConcurrency": "1"}, "SendConcurrency: is a number from 2 to 1000"),
    ({"MediaPublicKeyA": "A" * 64 + ",key"}, "MediaPublicKeyA: is what wa media-key create prints"),
    ({"MediaCorsOrigins": "https://a.example.com,https://b.example.com/"}, "MediaCorsOrigins: has to match"),
    ({"ALARM_EMAIL": "ops"}, "ALARM_EMAIL: ops: expected an e-mail address"),
    ({"ALARM_EMAIL": "none", "TWILIO_API_KEY_SID": "SK1"}, "TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET: set both or neither"),
    ({"ALARM_EMAIL": "none", "TWILIO_API_KEY_SID": "SK1", "TWILIO_API_KEY_SECRET": "x"}, "TWILIO_AUTH_TOKEN: is missing"),
])
def test_invalid_value_is_refused_by_name_before_the_build(deployer, variables, reason):
    complete = {"TwilioAccountSid": ACCOUNT_SID, "MessagingServiceSid": "", "YES": "1"}
    assert reason in refusal(deployer | complete | variables, "production")


def test_deployment_without_a_topic_or_credentials_says_so_first():
    script = """
import sys
from types import SimpleNamespace

sys.path.insert(0, "tools")
import deploy

outputs = dict.fromkeys(("ApiUrl", "OutboundQueueUrl", "EventsQueueUrl"), "URL")
deployment = SimpleNamespace(
    stack="whatsapp", stage="default", region="eu-central-1", session=SimpleNamespace(profile_name="shop"),
    deployed={"outputs": outputs}, previous=lambda name: "",
)
print(deploy.next_steps(deployment, "AC1", "none", has_secret=False))
"""
    run = subprocess.run([DEPLOY[0], "-B", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "1. Alarms have NO topic: no person receives them." in run.stdout
    assert "2. The secret has no credentials of AC1, so every webhook is refused." in run.stdout
    assert "export WA_STACK=whatsapp AWS_REGION=eu-central-1 AWS_PROFILE=shop\n" in run.stdout


@pytest.mark.parametrize(("code", "printed"), [
    (0, "made"), (1, "make rollback STAGE=production"),
])
def test_smoke_test_that_fails_says_how_to_go_back(tmp_path, code, printed):
    wa = tmp_path / "wa"
    expected = '[ "$AWS_REGION $*" = "eu-central-1 --stack whatsapp smoke --to +15550100" ]'
    wa.write_text(f"#!/bin/sh\n{expected} && exit {code}\nexit 2\n")
    wa.chmod(0o755)
    script = """
import sys
from types import SimpleNamespace

sys.path.insert(0, "tools")
import deploy

deployment = SimpleNamespace(stack="whatsapp", stage="production", region="eu-central-1")
try:
    deploy.smoke(deployment, "+15550100")
    print("made")
except deploy.Problem as problem:
    print(problem)
"""
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    run = subprocess.run([DEPLOY[0], "-B", "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    assert printed in run.stdout and "5550100" not in run.stdout


def test_empty_parameter_replaces_a_value_of_the_stack():
    script = """
import sys

sys.path.insert(0, "tools")
import deploy

definitions = {name: {"Type": "String"} for name in ("MediaPublicKeyA", "MediaPublicKeyB", "SendPolicy")}
deployed = {"parameters": {"MediaPublicKeyA": "old,key"}}
deployment = deploy.Deployment("production", {}, None, definitions, "123456789012", deployed)
given = deployment.parameters(None, {"MediaPublicKeyA": "", "MediaPublicKeyB": ""})
print(given, [deploy.override(*pair) for pair in given.items()])
"""
    run = subprocess.run([DEPLOY[0], "-B", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str({"MediaPublicKeyA": ""}) + " " + str(['MediaPublicKeyA=""'])


@pytest.mark.parametrize(("name", "value"), [
    ("MediaPublicKeyA", "A" * 64 + "," + "B" * 58 + "=="), ("MediaCorsOrigins", "https://a.example.com,https://b.example.com"),
])
def test_parameter_with_several_values_has_the_pattern(name, value):
    template = (ROOT / "template.yaml").read_text().partition(f"\n  {name}:\n")[2]
    kind, pattern = (re.search(rf"^    {each}: (.*)$", template, re.MULTILINE)[1] for each in ("Type", "AllowedPattern"))
    script = f"""
import sys

sys.path.insert(0, "tools")
import deploy

print(deploy.invalid({{"Type": {kind!r}, "AllowedPattern": {pattern!r}}}, {value!r}))
"""
    run = subprocess.run([DEPLOY[0], "-B", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "None"


@pytest.mark.parametrize(("processor", "options"), [("x86_64", ["--parameter-overrides", "Architecture=x86_64"]), ("", [])])
def test_functions_are_compiled_for_the_processor_of_the_stack(processor, options):
    script = f"""
import sys

sys.path.insert(0, "tools")
import deploy

deploy.sam = lambda *arguments: print(arguments)
deploy.build({processor!r})
"""
    run = subprocess.run([DEPLOY[0], "-B", "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == str(("build", *options))


def in_terminal(command, environment, answers):
    """Runs a command in a terminal and types an answer to each question. Returns its exit code and what it printed."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(command, env=environment, stdin=follower, stdout=follower, stderr=follower, start_new_session=True)
    os.close(follower)
    printed, waiting = "", dict(answers)
    timer = threading.Timer(6 * DEADLINE, process.kill)
    timer.start()
    try:
        while True:
            try:
                text = os.read(leader, 4096).decode(errors="replace")
            except OSError:
                # The end of a terminal whose program has ended.
                break
            printed += text
            for question in [question for question in waiting if question in printed]:
                os.write(leader, f"{waiting.pop(question)}\n".encode())
    finally:
        timer.cancel()
        os.close(leader)
    return process.wait(), printed.replace("\r\n", "\n")


@pytest.mark.skipif("STACK_FOLDER" not in os.environ, reason="make test builds the functions that this needs")
def test_deployment_asks_deploys_and_names_the_next_steps(aws, deployer):
    built = Path(os.environ["STACK_FOLDER"]) / "build/template.yaml"
    processor = {"Architecture": "arm64" if os.uname().machine == "aarch64" else "x86_64", "AwsEndpointUrl": aws.endpoint}
    answers = {
        "Twilio account SID": ACCOUNT_SID, "Messaging Service SID": SERVICE, "Who receives the alarms?": EMAIL,
        "Auth token of": AUTH_TOKEN, "Deploy this changeset?": "y",
    }
    code, printed = in_terminal([*DEPLOY, "production", built], deployer | processor, answers)
    assert code == 0, printed
    assert f"AWS account 000000000000, region {REGION}, stack {STACK}: a new stack" in printed
    assert AUTH_TOKEN not in printed
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    assert (parameters["TwilioAccountSid"], parameters["MessagingServiceSid"]) == (ACCOUNT_SID, SERVICE)
    # Every alarm reaches a person.
    topic = parameters["AlarmTopicArn"]
    (subscription,) = aws.client("sns").list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (subscription["Protocol"], subscription["Endpoint"]) == ("email", EMAIL)
    alarms = aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
    assert alarms and all(alarm["AlarmActions"] == [topic] for alarm in alarms)
    secret = aws.client("secretsmanager").get_secret_value(SecretId=outputs["TwilioSecretArn"])["SecretString"]
    assert json.loads(secret) == {"accounts": {ACCOUNT_SID: {"auth_tokens": [AUTH_TOKEN]}}}
    # The next steps have the values of the stack, ready to paste.
    for step in (
        f"Confirm the subscription in the e-mail to {EMAIL}",
        f"export WA_STACK={STACK} AWS_REGION={REGION}\n",
        f"{outputs['ApiUrl']}/twilio/inbound",
        f"export OUTBOUND_QUEUE_URL={outputs['OutboundQueueUrl']}\n",
        f"export EVENTS_QUEUE_URL={outputs['EventsQueueUrl']}",
    ):
        assert step in printed
    update_keeps_what_is_not_given(aws, deployer, built, topic, secret)


def update_keeps_what_is_not_given(aws, deployer, built, topic, secret):
    aws.client("events").create_event_bus(Name="messaging")
    changed = {"YES": "1", "SendConcurrency": "10", "EventBusName": "messaging"}
    again = subprocess.run(
        [*DEPLOY, "production", built], env=deployer | changed, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )
    assert again.returncode == 0, again.stdout + again.stderr
    assert f"stack {STACK}: an update" in again.stdout
    assert "Confirm the subscription" not in again.stdout and "NO topic" not in again.stdout
    (stack,) = aws.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    parameters = {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}
    kept = (parameters["SendConcurrency"], parameters["AlarmTopicArn"], parameters["MessagingServiceSid"])
    assert kept == ("10", topic, SERVICE)
    (output,) = (each for each in stack["Outputs"] if each["OutputKey"] == "TwilioSecretArn")
    assert aws.client("secretsmanager").get_secret_value(SecretId=output["OutputValue"])["SecretString"] == secret
    # The rule that keeps the event bus.
    (rule,) = aws.client("events").list_rules(EventBusName="messaging")["Rules"]
    assert rule["Name"].startswith(f"{STACK}-EventBusRule")
