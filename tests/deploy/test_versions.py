"""Versions of the functions, in an emulator to which template.yaml is deployed with functions that do nothing."""

import io
import json
import os
import subprocess
import time
import zipfile

import pytest

from aws import REGION, Aws
from play import ACCOUNT_SID, DEADLINE, ROOT

# The stack of a stage, for tools/rollback.py.
STAGE, STACK, BUCKET = "staging", "whatsapp-staging", "functions"
PYTHON = [ROOT / ".tools/sam/bin/python", "-B"]
# SAM's reader knows CloudFormation's tags.
TO_JSON = "import json, sys; from samcli.yamlhelper import yaml_parse; print(json.dumps(yaml_parse(sys.stdin.read())))"


class Deployed:
    """The stack, with the parameters of its last update."""

    def __init__(self, aws):
        self.aws, self.cloudformation, self.functions = aws, aws.client("cloudformation"), aws.client("lambda")
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("bootstrap", "#!/bin/sh\n")
        s3 = aws.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket=BUCKET, Key="function.zip", Body=packed.getvalue())
        read = subprocess.run(
            [*PYTHON, "-c", TO_JSON], input=(ROOT / "template.yaml").read_text(), capture_output=True, text=True, check=True,
        )
        template = json.loads(read.stdout)
        for resource in template["Resources"].values():
            if resource["Type"] == "AWS::Serverless::Function":
                resource["Properties"]["CodeUri"] = f"s3://{BUCKET}/function.zip"
            # A run of a function that does nothing fails, and rings an alarm.
            if resource["Type"] == "AWS::Events::Rule":
                resource["Properties"]["State"] = "DISABLED"
        s3.put_object(Bucket=BUCKET, Key="template.json", Body=json.dumps(template).encode())
        self.parameters = {"TwilioAccountSid": ACCOUNT_SID, "AwsEndpointUrl": aws.endpoint}
        assert self.update("CREATE") == "CREATE_COMPLETE"

    def update(self, kind="UPDATE", **changed):
        """Deploys with changed parameters. Returns the state of the stack."""
        self.parameters |= changed
        name = f"change-{time.monotonic_ns()}"
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in self.parameters.items()]
        self.cloudformation.create_change_set(
            StackName=STACK, ChangeSetName=name, ChangeSetType=kind, Parameters=given, Capabilities=["CAPABILITY_IAM"],
            TemplateURL=f"{self.aws.endpoint}/{BUCKET}/template.json",
        )
        end = time.monotonic() + 4 * DEADLINE
        while self.cloudformation.describe_change_set(StackName=STACK, ChangeSetName=name)["Status"] != "CREATE_COMPLETE":
            assert time.monotonic() < end, "the change set is not complete"
            time.sleep(0.1)
        self.cloudformation.execute_change_set(StackName=STACK, ChangeSetName=name)
        while (state := self.state()).endswith("IN_PROGRESS"):
            assert time.monotonic() < end, state
            time.sleep(0.1)
        return state

    def state(self):
        return self.cloudformation.describe_stacks(StackName=STACK)["Stacks"][0]["StackStatus"]

    def name(self, function):
        return self.cloudformation.describe_stack_resource(StackName=STACK, LogicalResourceId=function)[
            "StackResourceDetail"]["PhysicalResourceId"]

    def called(self, function):
        """The environment that the callers of a function get."""
        found = self.functions.get_function_configuration(FunctionName=self.name(function), Qualifier="live")
        return found["Environment"]["Variables"]

    def versions(self, function):
        found = self.functions.list_versions_by_function(FunctionName=self.name(function))["Versions"]
        return [version["Version"] for version in found if version["Version"] != "$LATEST"]

    def python(self, *arguments, **variables):
        """Runs Python with the keys of the emulator's administrator."""
        of_aws = {"AWS_ENDPOINT_URL": self.aws.endpoint, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, **self.aws.keys}
        return subprocess.run(
            [*PYTHON, *arguments], cwd=ROOT, env={"PATH": os.environ["PATH"], **of_aws, **variables}, stdin=subprocess.DEVNULL,
            capture_output=True, text=True,
        )

    def run(self, function):
        """Runs a function of tools/versions.py for the stack."""
        code = f"import sys; sys.path.insert(0, 'tools'); import boto3, versions; print(versions.{function}(boto3.Session(), '{STACK}'))"
        return self.python("-c", code)

    def deploy(self, **variables):
        """What tools/deploy.py does before SAM, which gets no template and fails. Returns the error."""
        return self.python("tools/deploy.py", STAGE, "nothing.yaml", YES="1", **variables).stderr

    def roll_back(self, **variables):
        return self.python("tools/rollback.py", STAGE, **variables)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory):
    aws = Aws(tmp_path_factory.mktemp("aws"))
    yield Deployed(aws)
    aws.close()


def test_changed_parameter_reaches_the_callers_of_each_function(deployed):
    assert deployed.called("InboundFunction")["MESSAGE_RETENTION_DAYS"] == "30"
    assert deployed.update(MessageRetentionDays="20") == "UPDATE_COMPLETE"
    for function in ("InboundFunction", "SendFunction", "PublishFunction"):
        assert deployed.called(function)["MESSAGE_RETENTION_DAYS"] == "20", function
        assert deployed.versions(function) == ["1", "2"], "the version before is kept"


def test_parameter_of_no_function_publishes_nothing(deployed):
    before = deployed.versions("SendFunction")
    assert deployed.update(SendConcurrency="10") == "UPDATE_COMPLETE"
    assert deployed.versions("SendFunction") == before


def test_gradual_update_stops_while_an_alarm_rings(deployed):
    assert deployed.update(DeploymentType="Canary10Percent10Minutes", MessageRetentionDays="21") == "UPDATE_COMPLETE"
    assert deployed.called("InboundFunction")["MESSAGE_RETENTION_DAYS"] == "21"
    set_alarm = lambda state: deployed.aws.client("cloudwatch").set_alarm_state(
        AlarmName=f"{STACK}-WebhooksFailAlarm", StateValue=state, StateReason="a test",
    )
    set_alarm("ALARM")
    assert deployed.update(MessageRetentionDays="22") == "UPDATE_ROLLBACK_COMPLETE"
    events = deployed.cloudformation.describe_stack_events(StackName=STACK)["StackEvents"]
    assert any("One or more alarms have been activated" in event.get("ResourceStatusReason", "") for event in events)
    assert deployed.called("InboundFunction")["MESSAGE_RETENTION_DAYS"] == "21"
    set_alarm("OK")


def test_versions_of_a_failed_update_are_deleted_alone(deployed):
    """Lambda would publish nothing in the next attempt. The update that failed is that of the test before."""
    name = deployed.name("PublishFunction")
    live = deployed.functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    before = deployed.versions("PublishFunction")
    (left_over,) = before[before.index(live) + 1:]
    # Published by a person, after the update.
    deployed.functions.update_function_configuration(FunctionName=name, Description="by hand")
    by_hand = deployed.functions.publish_version(FunctionName=name)["Version"]
    # Called by an alias of a person, and by a share of another one.
    shared = deployed.name("InboundFunction")
    (share,) = deployed.versions("InboundFunction")[-1:]
    deployed.functions.create_alias(
        FunctionName=shared, Name="trial", FunctionVersion="1", RoutingConfig={"AdditionalVersionWeights": {share: 0.1}},
    )
    assert "sam deploy failed" in deployed.deploy(DeploymentType="AllAtOnce")
    kept = deployed.versions("PublishFunction")
    assert kept == [version for version in [*before, by_hand] if version != left_over] and live in kept
    assert share in deployed.versions("InboundFunction")
    deployed.functions.delete_alias(FunctionName=shared, Name="trial")


def test_rollback_moves_calls_until_the_next_deployment(deployed):
    assert deployed.update(MessageRetentionDays="23") == "UPDATE_COMPLETE"
    days = lambda: deployed.called("InboundFunction")["MESSAGE_RETENTION_DAYS"]
    assert "YES=1 confirms it" in deployed.roll_back().stderr and days() == "23"
    back = deployed.roll_back(YES="1")
    assert (back.returncode, days()) == (0, "21"), back.stdout + back.stderr
    assert "there is nothing to go back from" in deployed.roll_back(YES="1").stderr
    gradual_deployment_is_refused(deployed)
    forward = deployed.run("move_to_deployed")
    assert (forward.returncode, days()) == (0, "23"), forward.stderr
    assert "InboundFunction" in forward.stdout


def gradual_deployment_is_refused(deployed):
    """The stack has a DeploymentType that moves calls gradually."""
    refused = deployed.deploy()
    assert "would fail. Deploy the correction with DeploymentType=AllAtOnce" in refused
    assert "DeploymentType=Canary10Percent10Minutes again" in refused and deployed.name("InboundFunction") in refused
    assert "sam deploy failed" in deployed.deploy(DeploymentType="AllAtOnce")


def test_older_versions_are_deleted_but_the_called_one(deployed):
    name = deployed.name("TypingFunction")
    live = deployed.functions.get_alias(FunctionName=name, Name="live")["FunctionVersion"]
    for number in range(12):
        deployed.functions.update_function_configuration(FunctionName=name, Description=f"change {number}")
        deployed.functions.publish_version(FunctionName=name)
    pruned = deployed.run("delete_obsolete")
    assert pruned.returncode == 0, pruned.stderr
    kept = deployed.versions("TypingFunction")
    assert live in kept and len(kept) == 11


def test_version_that_an_update_replaced_is_not_deployed(deployed):
    code = """
import sys
from types import SimpleNamespace

sys.path.insert(0, "tools")
import versions

ARN = "arn:aws:lambda:eu-central-1:123456789012:function:send:"
row = lambda kind, status, name: {"ResourceType": f"AWS::Lambda::{kind}", "ResourceStatus": status, "PhysicalResourceId": name}
rows = [
    row("Function", "UPDATE_COMPLETE", "send"), row("Version", "CREATE_COMPLETE", ARN + "7"), row("Version", "DELETE_SKIPPED", ARN + "6"),
    {"ResourceType": "AWS::Lambda::Version", "ResourceStatus": "CREATE_FAILED"}, row("Function", "UPDATE_COMPLETE", "without-a-version"),
]
pages = SimpleNamespace(paginate=lambda StackName: [{"StackResourceSummaries": rows}])
session = SimpleNamespace(client=lambda name: SimpleNamespace(get_paginator=lambda operation: pages))
versions.read = lambda client, name, deployed: (name, deployed)
print(versions.functions(session, "whatsapp"))
"""
    run = deployed.python("-c", code)
    assert run.stdout.strip() == "[('send', 7)]", run.stderr


@pytest.mark.parametrize(("status", "deletes"), [
    ("UPDATE_ROLLBACK_COMPLETE", True), ("UPDATE_IN_PROGRESS", False), ("UPDATE_ROLLBACK_FAILED", False),
    ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", False),
])
def test_versions_are_kept_while_an_update_needs_them(deployed, status, deletes):
    code = f"""
import sys
from types import SimpleNamespace

sys.path.insert(0, "tools")
import versions

client = SimpleNamespace(describe_stacks=lambda StackName: {{"Stacks": [{{"StackStatus": "{status}"}}]}})
versions.updates_of = lambda session, stack: [versions.Update("1", "3", failed=True)]
versions.functions = lambda session, stack: [versions.Function("send", 3, 3, {{2: "2", 3: "4", 4: "2"}}, {{3}})]
versions.delete = lambda session, found: found
print(versions.delete_left_over(SimpleNamespace(client=lambda name: client), "whatsapp"))
"""
    run = deployed.python("-c", code)
    assert run.stdout.strip() == ("[('send', 4)]" if deletes else "0"), run.stderr
