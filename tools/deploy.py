"""Builds and deploys the system to AWS, and prints what is to be done next: `make deploy STAGE=production`.

STAGE is a section of samconfig.toml. Every parameter of template.yaml can be set as a variable of the same name; those of a
deployed stack keep their values. What is missing is asked for on a terminal. Without a terminal it is an error that names every
missing variable, and YES=1 confirms the deployment.
"""

import getpass
import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import versions
from botocore.exceptions import BotoCoreError, ClientError
from samcli.yamlhelper import yaml_parse

ROOT = Path(__file__).resolve().parent.parent
SAM = Path(sys.executable).with_name("sam")
# What the local stack deploys with, to the emulator.
LOCAL = "local"
TWILIO_KEYS = ("TWILIO_AUTH_TOKEN", "TWILIO_API_KEY_SID", "TWILIO_API_KEY_SECRET")
EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
TOPIC = re.compile(r"arn:aws[\w-]*:sns:[\w-]+:\d{12}:[\w-]+")
NO_TOPIC = "none"
# The value of DeploymentType with which CloudFormation moves the aliases itself.
AT_ONCE = "AllAtOnce"


class Problem(Exception):
    """What prevents the deployment, for the person who deploys."""


def stages(samconfig):
    return {name: section["deploy"]["parameters"] for name, section in samconfig.items()
            if isinstance(section, dict) and "deploy" in section and name != LOCAL}


def invalid(definition, value):
    """Why a value is not allowed for a parameter of the template, or None."""
    allowed, pattern = definition.get("AllowedValues"), definition.get("AllowedPattern")
    if allowed and value not in map(str, allowed):
        return f"is one of {', '.join(map(str, allowed))}"
    # The pattern of a list is that of each value (AWS CloudFormation, "Parameters", "AllowedPattern").
    values = value.split(",") if definition["Type"] == "CommaDelimitedList" else [value]
    if pattern and not all(re.fullmatch(pattern, each) for each in values):
        return definition.get("ConstraintDescription", f"has to match {pattern}").rstrip(".")
    if definition["Type"] == "Number":
        least, most = definition.get("MinValue"), definition.get("MaxValue")
        if not value.isdecimal() or (least and int(value) < least) or (most and int(value) > most):
            return f"is a number from {least}" + (f" to {most}" if most else "")
    return None


def read_overrides(overrides):
    """The parameters of a section of samconfig.toml."""
    return dict(override.split("=", 1) for override in overrides)


def override(name, value):
    """A parameter in SAM's form, which splits values at spaces and removes quotes that are not escaped."""
    escaped = value.replace('"', '\\"')
    return f'{name}="{escaped}"' if not value or re.search(r'[\s"]', value) else f"{name}={value}"


@dataclass
class Terminal:
    """Asks a person, if there is one."""

    interactive: bool
    missing: list[str] = field(default_factory=list)

    def ask(self, variable, question, problem=lambda answer: None, secret=False):
        """The answer to a question, or None if no person can answer. `variable` is the one that answers it without a person."""
        if not self.interactive:
            self.missing.append(variable)
            return None
        while True:
            answer = (getpass.getpass if secret else input)(f"{question}: ").strip()
            if not (reason := problem(answer)):
                return answer
            print(f"  {reason}")


@dataclass
class Deployment:
    """A stage, the stack that it deploys, and the account in which it is."""

    stage: str
    settings: dict
    session: boto3.Session
    definitions: dict
    account: str
    deployed: dict | None

    @property
    def stack(self):
        return self.settings["stack_name"]

    @property
    def region(self):
        return self.session.region_name

    @classmethod
    def read(cls, stage, template):
        sections = stages(tomllib.loads((ROOT / "samconfig.toml").read_text()))
        if stage not in sections:
            raise Problem(f"STAGE: {stage or 'is missing'}; expected one of {', '.join(sorted(sections))}, as in "
                          "make deploy STAGE=production")
        settings = sections["default"] | sections[stage]
        session = boto3.Session(region_name=os.environ.get("AWS_REGION") or settings.get("region"))
        if not session.region_name:
            raise Problem("AWS_REGION: is missing; name the region to deploy to, as in AWS_REGION=eu-central-1")
        account = session.client("sts").get_caller_identity()["Account"]
        definitions = yaml_parse(template.read_text())["Parameters"]
        return cls(stage, settings, session, definitions, account, describe(session, settings["stack_name"]))

    def parameters(self, terminal, variables):
        """The parameters that are given, asked for, or of the stage; the others keep their value or have their default. An empty
        one replaces a value."""
        given = read_overrides(self.settings.get("parameter_overrides", []))
        named = {name: variables[name] for name in self.definitions if name in variables and name != "AlarmTopicArn"}
        given |= {name: value for name, value in named.items() if value or self.previous(name)}
        problems = [f"{name}: {reason}" for name, value in given.items() if (reason := invalid(self.definitions[name], value))]
        if problems:
            raise Problem("\n".join(problems))
        if self.deployed is None:
            for name, question in QUESTIONS.items():
                if name not in given and variables.get(name) is None:
                    definition = self.definitions[name]
                    given[name] = terminal.ask(name, question, lambda answer: invalid(definition, answer))
        return given

    def previous(self, name):
        return (self.deployed or {}).get("parameters", {}).get(name, "")


# Asked for in a first deployment. An answer may be empty where the template allows it.
QUESTIONS = {
    "TwilioAccountSid": "Twilio account SID (Twilio Console > Account > API keys & tokens)",
    "MessagingServiceSid": "Messaging Service SID of your WhatsApp sender (empty: each notification names its sender)",
}


def describe(session, stack):
    """The parameters and outputs of a deployed stack, or None."""
    try:
        (found,) = session.client("cloudformation").describe_stacks(StackName=stack)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    if found["StackStatus"] == "ROLLBACK_COMPLETE":
        raise Problem(f"the first deployment of {stack} failed. Remove what is left of it, and deploy again: "
                      f"{SAM.relative_to(ROOT)} delete --stack-name {stack} --region {session.region_name}")
    # A change set of a first deployment was not executed.
    if found["StackStatus"] in ("REVIEW_IN_PROGRESS", "DELETE_COMPLETE"):
        return None
    return {
        "parameters": {each["ParameterKey"]: each["ParameterValue"] for each in found.get("Parameters", [])},
        "outputs": {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])},
    }


def alarm_recipient(deployment, terminal, variables):
    """Who receives the alarms: an e-mail address, the ARN of a topic, NO_TOPIC, or None for what is deployed."""
    given = variables.get("AlarmTopicArn") or variables.get("ALARM_EMAIL")
    if given is None and deployment.deployed is None:
        question = f"Who receives the alarms? An e-mail address, the ARN of an SNS topic, or {NO_TOPIC}"
        wrong = lambda answer: None if is_recipient(answer) else "expected an e-mail address, an ARN, or none"
        given = terminal.ask("ALARM_EMAIL=ops@example.com, AlarmTopicArn=arn:aws:sns:... or ALARM_EMAIL=none", question, wrong)
    if given and not is_recipient(given):
        raise Problem(f"ALARM_EMAIL: {given}: expected an e-mail address, or none")
    return given


def is_recipient(text):
    return text == NO_TOPIC or bool(EMAIL.fullmatch(text) or TOPIC.fullmatch(text))


def make_topic(deployment, address):
    """A topic of this stack, which is kept when the stack is deleted. Creating it again gives the same one."""
    sns = deployment.session.client("sns")
    topic = sns.create_topic(Name=f"{deployment.stack}-alarms")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint=address)
    return topic


def twilio_keys(deployment, terminal, variables, sid):
    """The credentials for the secret, or None if they are to be put into it later."""
    given = {name: variables[name] for name in TWILIO_KEYS if variables.get(name)}
    if ("TWILIO_API_KEY_SID" in given) != ("TWILIO_API_KEY_SECRET" in given):
        raise Problem("TWILIO_API_KEY_SID, TWILIO_API_KEY_SECRET: set both or neither")
    if not given and deployment.deployed is None and terminal.interactive:
        token = terminal.ask("", f"Auth token of {sid} (not shown; empty: you put it into the secret later)", secret=True)
        given = {"TWILIO_AUTH_TOKEN": token} if token else {}
    if given and "TWILIO_AUTH_TOKEN" not in given:
        raise Problem("TWILIO_AUTH_TOKEN: is missing; webhooks are signed with it")
    return given


def put_keys(deployment, secret, sid, keys):
    """Puts the credentials of an account into the secret, beside those of other accounts."""
    manager = deployment.session.client("secretsmanager")
    content = json.loads(manager.get_secret_value(SecretId=secret)["SecretString"])
    account = content.setdefault("accounts", {}).setdefault(sid, {})
    tokens = [keys["TWILIO_AUTH_TOKEN"], *account.get("auth_tokens", [])]
    account["auth_tokens"] = list(dict.fromkeys(tokens))[:2]
    if "TWILIO_API_KEY_SID" in keys:
        account |= {"api_key_sid": keys["TWILIO_API_KEY_SID"], "api_key_secret": keys["TWILIO_API_KEY_SECRET"]}
    manager.put_secret_value(SecretId=secret, SecretString=json.dumps(content))


def has_keys(deployment, secret, sid):
    content = deployment.session.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    return sid in json.loads(content).get("accounts", {})


def sam(*arguments):
    ran = subprocess.run([SAM, *arguments], cwd=ROOT)
    if ran.returncode:
        raise Problem(f"sam {arguments[0]} failed; nothing after it was done")


def build(processor):
    print("\nCompiling the functions: some minutes the first time, without output", flush=True)
    sam("build", *(["--parameter-overrides", override("Architecture", processor)] if processor else []))
    return ROOT / ".aws-sam/build/template.yaml"


def confirmed(deployment, terminal, variables):
    """Whether SAM is to ask a person before it changes anything."""
    if variables.get("YES"):
        return False
    asks = deployment.settings.get("confirm_changeset", False)
    if asks and not terminal.interactive:
        terminal.missing.append("YES=1, which confirms the changes")
    return asks


def refuse_shift_after_rollback(deployment, parameters):
    """CloudFormation has CodeDeploy move the calls away from the version that the stack has, and CodeDeploy refuses to if the alias calls
    another one ("The Lambda function alias version does not match the current version in AppSpec file")."""
    kind = parameters.get("DeploymentType") or deployment.previous("DeploymentType") or AT_ONCE
    if deployment.deployed is None or kind == AT_ONCE or not versions.is_complete(deployment.session, deployment.stack):
        return
    if back := versions.rolled_back(deployment.session, deployment.stack):
        names = ", ".join(function.name for function in back)
        raise Problem(f"DeploymentType: calls of {names} went back by make rollback, and a gradual deployment would fail. Deploy the "
                      f"correction with DeploymentType={AT_ONCE}, and the next one with DeploymentType={kind} again")


def main(stage="", built=None):
    variables, terminal = os.environ, Terminal(sys.stdin.isatty())
    deployment = Deployment.read(stage, ROOT / "template.yaml")
    kind = "a new stack" if deployment.deployed is None else "an update"
    print(f"AWS account {deployment.account}, region {deployment.region}, stack {deployment.stack}: {kind}", flush=True)
    parameters = deployment.parameters(terminal, variables)
    recipient = alarm_recipient(deployment, terminal, variables)
    asks = confirmed(deployment, terminal, variables)
    if terminal.missing:
        raise Problem("there is no terminal to ask for: " + "; ".join(terminal.missing))
    refuse_shift_after_rollback(deployment, parameters)
    sid = parameters.get("TwilioAccountSid") or deployment.previous("TwilioAccountSid")
    keys = twilio_keys(deployment, terminal, variables, sid)
    # The functions are compiled for the processor that they run on.
    processor = parameters.get("Architecture") or deployment.previous("Architecture")
    template = Path(built) if built else build(processor)
    if recipient and EMAIL.fullmatch(recipient):
        parameters["AlarmTopicArn"] = make_topic(deployment, recipient)
    elif recipient and recipient != NO_TOPIC:
        parameters["AlarmTopicArn"] = recipient
    if deployment.deployed is not None:
        versions.delete_left_over(deployment.session, deployment.stack)
    given = {name: value for name, value in parameters.items() if value or deployment.previous(name)}
    overrides = ["--parameter-overrides", *(override(*pair) for pair in given.items())] if given else []
    sam("deploy", "--config-env", stage, "--config-file", ROOT / "samconfig.toml", "--template-file", template,
        "--region", deployment.region, "--confirm-changeset" if asks else "--no-confirm-changeset", *overrides)
    deployment.deployed = describe(deployment.session, deployment.stack)
    if deployment.deployed is None or not deployment.deployed["outputs"]:
        raise Problem("the stack was not deployed")
    forward = versions.move_to_deployed(deployment.session, deployment.stack)
    if forward:
        print(f"\nForward from a rollback: {', '.join(forward)}")
    versions.delete_obsolete(deployment.session, deployment.stack)
    secret = deployment.deployed["outputs"]["TwilioSecretArn"]
    if keys:
        put_keys(deployment, secret, sid, keys)
    print(next_steps(deployment, sid, recipient, has_keys(deployment, secret, sid)))
    if variables.get("SMOKE_TO"):
        smoke(deployment, variables["SMOKE_TO"])


def smoke(deployment, phone):
    """Tries the deployed stack with a phone, whose owner is at hand."""
    wa = shutil.which("wa")
    if wa is None:
        raise Problem("SMOKE_TO: wa is not installed: cargo install --path tools/wa --locked, then wa smoke")
    print(f"\nTrying {deployment.stack} with {phone[:4]}...", flush=True)
    region = {"AWS_REGION": deployment.region}
    if subprocess.run([wa, "--stack", deployment.stack, "smoke", "--to", phone], env=os.environ | region).returncode:
        raise Problem(f"{deployment.stack} is deployed, and wa smoke failed. Back to the functions from before within seconds: "
                      f"make rollback STAGE={deployment.stage}")


def next_steps(deployment, sid, recipient, has_secret):
    """What a person does after a deployment, as commands with the values of the stack."""
    outputs = deployment.deployed["outputs"]
    topic = deployment.previous("AlarmTopicArn")
    of_stack = f"WA_STACK={deployment.stack} AWS_REGION={deployment.region}"
    if deployment.session.profile_name != "default":
        of_stack += f" AWS_PROFILE={deployment.session.profile_name}"
    steps = []
    if not topic:
        steps.append("Alarms have NO topic: no person receives them. Deploy again with ALARM_EMAIL=you@example.com.")
    elif recipient and EMAIL.fullmatch(recipient):
        steps.append(f"Confirm the subscription in the e-mail to {recipient}. Until then no alarm arrives.")
    if not has_secret:
        steps.append(f"The secret has no credentials of {sid}, so every webhook is refused. Deploy again with its auth token:\n"
                     f"       read -rs TWILIO_AUTH_TOKEN && export TWILIO_AUTH_TOKEN && make deploy STAGE={deployment.stage}")
    steps += [
        f"Install wa, and name the stack to it:\n       cargo install --path tools/wa --locked\n       export {of_stack}",
        "Set the webhooks of the Messaging Service, and check everything:\n       wa doctor --fix\n"
        f"     By hand in the Twilio Console: {outputs['ApiUrl']}/twilio/inbound as the request URL and the fallback URL,\n"
        f"     {outputs['ApiUrl']}/twilio/status as the delivery status callback URL, all by POST.",
        "Try it with your phone: the command asks you to write to your sender, and sends you the first message.\n"
        "       wa smoke --to +YOUR_NUMBER",
        "Give your systems these queues (samples/):\n"
        f"       export OUTBOUND_QUEUE_URL={outputs['OutboundQueueUrl']}\n"
        f"       export EVENTS_QUEUE_URL={outputs['EventsQueueUrl']}",
    ]
    numbered = [f"  {number}. {step}" for number, step in enumerate(steps, 1)]
    return "\n".join(["", f"{deployment.stack} is deployed. Next (docs/deploy.md explains each step):", "", *numbered])


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except (Problem, BotoCoreError, ClientError) as error:
        sys.exit(f"make deploy: {error}")
    except (KeyboardInterrupt, EOFError):
        sys.exit("\nmake deploy: interrupted")
