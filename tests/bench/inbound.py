"""The inbound function's job with Twilio's library and boto3, for comparison: check, store once, answer."""

import json
import os
import time
import urllib.request
from urllib.parse import parse_qsl

import boto3
from botocore.exceptions import ClientError
from twilio.request_validator import RequestValidator
from werkzeug.datastructures import MultiDict

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["TWILIO_SECRET_ID"])
ACCOUNTS = json.loads(secret["SecretString"])["accounts"]
TABLE = boto3.resource("dynamodb").Table(os.environ["MESSAGES_TABLE"])


def handle(event):
    form = MultiDict(parse_qsl(event["body"], keep_blank_values=True))
    url = os.environ["PUBLIC_BASE_URL"] + event["rawPath"]
    signature = event["headers"].get("x-twilio-signature", "")
    tokens = ACCOUNTS.get(form.get("AccountSid"), {}).get("auth_tokens", [])
    if not any(RequestValidator(token).validate(url, form, signature) for token in tokens):
        return {"statusCode": 403}
    item = {
        "subject": f"{form['AccountSid']}#{form['MessageSid']}", "event": "inbound", "account_sid": form["AccountSid"],
        "received_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "expires_at": int(time.time()) + 30 * 86400, "raw": form.to_dict(),
    }
    try:
        TABLE.put_item(Item=item, ConditionExpression="attribute_not_exists(subject)")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
    return {"statusCode": 200, "headers": {"content-type": "text/xml"}, "body": "<Response/>"}


while True:
    with urllib.request.urlopen(f"{RUNTIME}/next") as request:
        request_id = request.headers["lambda-runtime-aws-request-id"]
        answer = json.dumps(handle(json.load(request))).encode()
    urllib.request.urlopen(f"{RUNTIME}/{request_id}/response", data=answer).close()
