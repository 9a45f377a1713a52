"""`make deploy`: what it asks for and refuses, and a whole deployment to the emulator of AWS with the documented permissions."""

import json
import os
import pty
import re
import subprocess
import threading
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from aws import ACCOUNT, REGION, Aws, filled_in
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
    return kept | nothing | aws.user("deploy", STACK) | {"AWS_ENDPOINT_URL": aws.endpoint, "AWS_REGION": REGION}


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


# What CloudFormation does to create, update and delete the resources of each type of the template, with an example of a resource.
# SAM's functions and API are several resources each.
NAMED = f"{REGION}:{ACCOUNT}"
NEEDED = {
    "AWS::Serverless::Function": {
        f"arn:aws:lambda:{NAMED}:function:{STACK}-SendFunction-1": [
            "lambda:CreateFunction", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration", "lambda:DeleteFunction",
            "lambda:GetFunction", "lambda:PutFunctionEventInvokeConfig", "lambda:TagResource", "lambda:PublishVersion",
            "lambda:CreateAlias", "lambda:UpdateAlias", "lambda:DeleteAlias",
        ],
        f"arn:aws:lambda:{NAMED}:function:{STACK}-SendFunction-1:1": ["lambda:GetFunctionConfiguration", "lambda:DeleteFunction"],
        # With DeploymentType.
        f"arn:aws:codedeploy:{NAMED}:application:{STACK}-ServerlessDeploymentApplication-1": [
            "codedeploy:CreateApplication", "codedeploy:DeleteApplication", "codedeploy:GetApplication",
            "codedeploy:RegisterApplicationRevision", "codedeploy:GetApplicationRevision",
        ],
        f"arn:aws:codedeploy:{NAMED}:deploymentgroup:{STACK}-ServerlessDeploymentApplication-1/{STACK}-SendFunctionDeploymentGroup-1": [
            "codedeploy:CreateDeploymentGroup", "codedeploy:UpdateDeploymentGroup", "codedeploy:DeleteDeploymentGroup",
            "codedeploy:GetDeploymentGroup", "codedeploy:CreateDeployment", "codedeploy:GetDeployment", "codedeploy:StopDeployment",
        ],
        f"arn:aws:codedeploy:{NAMED}:deploymentconfig:CodeDeployDefault.LambdaAllAtOnce": ["codedeploy:GetDeploymentConfig"],
        f"arn:aws:iam::{ACCOUNT}:role/{STACK}-DeploymentRole-1": ["iam:PassRole"],
        f"arn:aws:iam::{ACCOUNT}:role/{STACK}-SendFunctionRole-1": [
            "iam:CreateRole", "iam:DeleteRole", "iam:GetRole", "iam:PassRole", "iam:AttachRolePolicy", "iam:DetachRolePolicy",
            "iam:PutRolePolicy", "iam:DeleteRolePolicy", "iam:TagRole",
        ],
        f"arn:aws:s3:::aws-sam-cli-managed-default-samclisourcebucket-1/{STACK}/1": ["s3:GetObject", "s3:PutObject"],
    },
    "AWS::AppConfig::Application": {
        "*": ["appconfig:CreateApplication"],
        f"arn:aws:appconfig:{NAMED}:application/1": [
            "appconfig:GetApplication", "appconfig:UpdateApplication", "appconfig:DeleteApplication", "appconfig:TagResource",
        ],
    },
    "AWS::AppConfig::ConfigurationProfile": {
        f"arn:aws:appconfig:{NAMED}:application/1": ["appconfig:CreateConfigurationProfile"],
        f"arn:aws:appconfig:{NAMED}:application/1/configurationprofile/1": [
            "appconfig:GetConfigurationProfile", "appconfig:UpdateConfigurationProfile", "appconfig:DeleteConfigurationProfile",
        ],
    },
    "AWS::AppConfig::HostedConfigurationVersion": {
        f"arn:aws:appconfig:{NAMED}:application/1/configurationprofile/1": ["appconfig:CreateHostedConfigurationVersion"],
        f"arn:aws:appconfig:{NAMED}:application/1/configurationprofile/1/hostedconfigurationversion/1": [
            "appconfig:GetHostedConfigurationVersion", "appconfig:DeleteHostedConfigurationVersion",
        ],
    },
    "AWS::Lambda::Permission": {
        f"arn:aws:lambda:{NAMED}:function:{STACK}-SendFunction-1": ["lambda:AddPermission", "lambda:RemovePermission"],
    },
    "AWS::Lambda::EventSourceMapping": {
        f"arn:aws:lambda:{NAMED}:event-source-mapping:1": [
            "lambda:CreateEventSourceMapping", "lambda:UpdateEventSourceMapping", "lambda:DeleteEventSourceMapping",
            "lambda:GetEventSourceMapping",
        ],
    },
    "AWS::Serverless::HttpApi": {
        f"arn:aws:apigateway:{REGION}::/apis": ["apigateway:POST"],
        f"arn:aws:apigateway:{REGION}::/apis/1/stages": ["apigateway:POST", "apigateway:PATCH", "apigateway:DELETE"],
        "*": ["logs:CreateLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:GetLogDelivery",
              "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups"],
    },
    "AWS::DynamoDB::Table": {
        f"arn:aws:dynamodb:{NAMED}:table/{STACK}-MessagesTable-1": [
            "dynamodb:CreateTable", "dynamodb:UpdateTable", "dynamodb:DeleteTable", "dynamodb:DescribeTable",
            "dynamodb:UpdateTimeToLive", "dynamodb:DescribeTimeToLive", "dynamodb:UpdateContinuousBackups",
            "dynamodb:DescribeContinuousBackups",
        ],
    },
    "AWS::SQS::Queue": {
        f"arn:aws:sqs:{NAMED}:{STACK}-EventsQueue-1.fifo": [
            "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:GetQueueAttributes", "sqs:ListQueueTags",
        ],
    },
    "AWS::SQS::QueuePolicy": {f"arn:aws:sqs:{NAMED}:{STACK}-EventsQueue-1.fifo": ["sqs:SetQueueAttributes"]},
    "AWS::S3::Bucket": {
        f"arn:aws:s3:::{STACK}-mediabucket-1": [
            "s3:CreateBucket", "s3:DeleteBucket", "s3:PutBucketPublicAccessBlock", "s3:PutBucketOwnershipControls",
            "s3:PutEncryptionConfiguration", "s3:PutLifecycleConfiguration", "s3:PutBucketCORS", "s3:PutBucketTagging",
        ],
    },
    "AWS::S3::BucketPolicy": {
        f"arn:aws:s3:::{STACK}-mediabucket-1": ["s3:PutBucketPolicy", "s3:GetBucketPolicy", "s3:DeleteBucketPolicy"],
    },
    "AWS::SecretsManager::Secret": {
        f"arn:aws:secretsmanager:{NAMED}:secret:TwilioSecret-1": [
            "secretsmanager:CreateSecret", "secretsmanager:UpdateSecret", "secretsmanager:DeleteSecret",
            "secretsmanager:DescribeSecret", "secretsmanager:TagResource",
        ],
        f"arn:aws:secretsmanager:{NAMED}:secret:ErasureKeySecret-1": ["secretsmanager:CreateSecret"],
        "*": ["secretsmanager:GetRandomPassword"],
    },
    "AWS::IAM::Role": {f"arn:aws:iam::{ACCOUNT}:role/{STACK}-MediaReaderRole-1": ["iam:CreateRole", "iam:UpdateRole"]},
    "AWS::IAM::Policy": {f"arn:aws:iam::{ACCOUNT}:role/{STACK}-SendFunctionRole-1": ["iam:PutRolePolicy"]},
    "AWS::IAM::User": {f"arn:aws:iam::{ACCOUNT}:user/{STACK}-MediaSignerUser-1": ["iam:CreateUser", "iam:PutUserPolicy"]},
    "AWS::IAM::AccessKey": {f"arn:aws:iam::{ACCOUNT}:user/{STACK}-MediaSignerUser-1": ["iam:CreateAccessKey"]},
    "AWS::CloudFront::Distribution": {
        f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1": [
            "cloudfront:CreateDistribution", "cloudfront:UpdateDistribution", "cloudfront:DeleteDistribution",
            "cloudfront:GetDistribution", "cloudfront:GetDistributionConfig", "cloudfront:TagResource",
        ],
    },
    "AWS::CloudFront::OriginAccessControl": {
        f"arn:aws:cloudfront::{ACCOUNT}:origin-access-control/E1": [
            "cloudfront:CreateOriginAccessControl", "cloudfront:UpdateOriginAccessControl",
            "cloudfront:DeleteOriginAccessControl", "cloudfront:GetOriginAccessControl",
        ],
    },
    "AWS::CloudFront::ResponseHeadersPolicy": {
        f"arn:aws:cloudfront::{ACCOUNT}:response-headers-policy/1": [
            "cloudfront:CreateResponseHeadersPolicy", "cloudfront:UpdateResponseHeadersPolicy",
            "cloudfront:DeleteResponseHeadersPolicy", "cloudfront:GetResponseHeadersPolicy",
        ],
    },
    "AWS::CloudFront::PublicKey": {
        "*": ["cloudfront:CreatePublicKey", "cloudfront:UpdatePublicKey", "cloudfront:DeletePublicKey", "cloudfront:GetPublicKey"],
    },
    "AWS::CloudFront::KeyGroup": {
        "*": ["cloudfront:CreateKeyGroup", "cloudfront:UpdateKeyGroup", "cloudfront:DeleteKeyGroup", "cloudfront:GetKeyGroup"],
    },
    "AWS::Events::Rule": {
        f"arn:aws:events:{NAMED}:rule/{STACK}-ReleaseSchedule-1": [
            "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:DeleteRule", "events:DescribeRule",
        ],
    },
    "AWS::Logs::LogGroup": {
        f"arn:aws:logs:{NAMED}:log-group:{group}": ["logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup"]
        for group in (f"{STACK}-SendLogGroup-1", f"/aws/vendedlogs/{STACK}/api")
    },
    "AWS::Logs::MetricFilter": {
        f"arn:aws:logs:{NAMED}:log-group:{group}": ["logs:PutMetricFilter", "logs:DeleteMetricFilter", "logs:DescribeMetricFilters"]
        for group in (f"{STACK}-SendLogGroup-1", f"/aws/vendedlogs/{STACK}/api")
    },
    "AWS::CloudWatch::Alarm": {
        f"arn:aws:cloudwatch:{NAMED}:alarm:{STACK}-SendFailsAlarm-1": [
            "cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms", "cloudwatch:DescribeAlarms",
        ],
    },
    "AWS::CloudWatch::Dashboard": {
        f"arn:aws:cloudwatch::{ACCOUNT}:dashboard/{STACK}-{REGION}": [
            "cloudwatch:PutDashboard", "cloudwatch:GetDashboard", "cloudwatch:DeleteDashboards",
        ],
    },
}


def permits(policies, action, resource):
    as_list = lambda value: value if isinstance(value, list) else [value]
    for policy in policies:
        for statement in json.loads(filled_in(policy, STACK))["Statement"]:
            if any(fnmatchcase(action, pattern) for pattern in as_list(statement["Action"])) and any(
                fnmatchcase(resource, pattern) for pattern in as_list(statement["Resource"])
            ):
                return True
    return False


def test_policy_permits_every_resource_type_of_the_template():
    template = (ROOT / "template.yaml").read_text().partition("\nResources:\n")[2]
    types = set(re.findall(r"^    Type: (AWS::\S+)$", template, re.MULTILINE))
    assert types == set(NEEDED), "each type needs its actions here, and in samples/iam"
    policies = ("deploy", "deploy-gradual", "deploy-media-user", "deploy-media-domain")
    refused = [
        (action, resource) for needed in NEEDED.values() for resource, actions in needed.items() for action in actions
        if not permits(policies, action, resource)
    ]
    assert refused == []


@pytest.mark.parametrize(("action", "resource"), [
    ("sqs:DeleteQueue", f"arn:aws:sqs:{NAMED}:other-queue"), ("dynamodb:GetItem", f"arn:aws:dynamodb:{NAMED}:table/{STACK}-1"),
    ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin"), ("s3:GetObject", "arn:aws:s3:::other/1"),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/{STACK}-MediaSignerUser-1"),
    ("cloudfront:UpdateDistribution", f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"),
])
def test_policy_does_not_permit_what_belongs_to_others(action, resource):
    assert not permits(["deploy"], action, resource)


def test_policy_fits_into_a_managed_policy():
    # IAM User Guide, "IAM and AWS STS quotas": 6,144 characters, white space is not counted.
    characters = "".join(filled_in("deploy", STACK).split())
    assert len(characters) + 8 * len("ap-southeast-2") < 6144


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
