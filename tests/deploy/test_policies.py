"""The policies of samples/iam for who deploys: they permit what CloudFormation does for the template, and fit into managed policies."""

import json
import re
import tomllib
from fnmatch import fnmatchcase

import pytest

from aws import ACCOUNT, DEPLOYER, REGION, filled_in
from play import ROOT

STACK = "whatsapp-production"
# Those that some parameters need besides.
OF_PARAMETERS = ("deploy-gradual", "deploy-media-user", "deploy-media-domain")
TEMPLATE = (ROOT / "template.yaml").read_text().partition("\nResources:\n")[2]

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
            "lambda:UpdateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:GetEventSourceMapping",
        ],
        # It has no resource type (Service Authorization Reference, "Actions, resources, and condition keys for AWS Lambda").
        "*": ["lambda:CreateEventSourceMapping"],
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
    # CloudFormation names a secret without the name of the stack.
    "AWS::SecretsManager::Secret": {
        f"arn:aws:secretsmanager:{NAMED}:secret:{secret}-1": [
            "secretsmanager:CreateSecret", "secretsmanager:UpdateSecret", "secretsmanager:DeleteSecret",
            "secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue", "secretsmanager:TagResource",
        ]
        for secret in re.findall(r"^  (\w+):\n    Type: AWS::SecretsManager::Secret$", TEMPLATE, re.MULTILINE)
    } | {"*": ["secretsmanager:GetRandomPassword"]},
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
        f"arn:aws:logs:{NAMED}:log-group:{group}": [
            "logs:CreateLogGroup", "logs:PutRetentionPolicy", "logs:DeleteLogGroup",
            # When KmsKeyArn is given to a stack, changed, or removed.
            "logs:AssociateKmsKey", "logs:DisassociateKmsKey",
        ]
        for group in (f"{STACK}-SendLogGroup-1", f"/aws/vendedlogs/{STACK}/api")
    },
    "AWS::Logs::MetricFilter": {
        f"arn:aws:logs:{NAMED}:log-group:{group}": ["logs:PutMetricFilter", "logs:DeleteMetricFilter", "logs:DescribeMetricFilters"]
        for group in (f"{STACK}-SendLogGroup-1", f"/aws/vendedlogs/{STACK}/api")
    },
    "AWS::CloudWatch::Alarm": {
        f"arn:aws:cloudwatch:{NAMED}:alarm:{STACK}-SendFailsAlarm-1": ["cloudwatch:PutMetricAlarm", "cloudwatch:DeleteAlarms"],
        # A request that lists alarms may be refused by this name.
        f"arn:aws:cloudwatch:{NAMED}:alarm:*": ["cloudwatch:DescribeAlarms"],
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
    types = set(re.findall(r"^    Type: (AWS::\S+)$", TEMPLATE, re.MULTILINE))
    assert types == set(NEEDED), "each type needs its actions here, and in samples/iam"
    refused = [
        (action, resource) for needed in NEEDED.values() for resource, actions in needed.items() for action in actions
        if not permits(DEPLOYER + OF_PARAMETERS, action, resource)
    ]
    assert refused == []


@pytest.mark.parametrize(("action", "resource"), [
    ("sqs:DeleteQueue", f"arn:aws:sqs:{NAMED}:other-queue"), ("dynamodb:GetItem", f"arn:aws:dynamodb:{NAMED}:table/{STACK}-1"),
    ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin"), ("s3:GetObject", "arn:aws:s3:::other/1"),
    ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/{STACK}-MediaSignerUser-1"),
    ("cloudfront:UpdateDistribution", f"arn:aws:cloudfront::{ACCOUNT}:distribution/E1"),
])
def test_policy_does_not_permit_what_belongs_to_others(action, resource):
    assert not permits(DEPLOYER, action, resource)


# IAM User Guide, "IAM and AWS STS quotas": 6,144 characters, white space is not counted. The longest name that CloudFormation allows has
# 128 characters, and the longest name of a region 14.
@pytest.mark.parametrize("policy", DEPLOYER + OF_PARAMETERS)
def test_policy_of_the_longest_stack_name_fits(policy):
    text = "".join(filled_in(policy, "s" * 128).split())
    assert len(text) + text.count(REGION) * (14 - len(REGION)) <= 6144


# The policies, and the role of gradual deployments, permit what begins with the name of the stack.
def test_stack_of_each_stage_has_a_name_that_aws_keeps():
    sections = [section for section in tomllib.loads((ROOT / "samconfig.toml").read_text()).values() if isinstance(section, dict)]
    names = [section["deploy"]["parameters"]["stack_name"] for section in sections if "deploy" in section]
    assert names and all(re.fullmatch("[a-z][a-z0-9-]{0,24}", name) for name in names)
