"""The send function's job with Twilio's library and boto3, for comparison: for each notification of a batch it reads the
opt-out, claims the notification by a conditional put, creates the message, and writes the message's SID.

It has no consent, no service window, no cap, no rate, no retry and no search for a lost answer.
"""

import json
import os
import time
import urllib.request
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

RUNTIME = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2018-06-01/runtime/invocation"
ACCOUNT_SID = os.environ["TWILIO_ACCOUNT_SID"]


class Redirected(TwilioHttpClient):
    """Sends the library's requests to TWILIO_API_BASE_URL."""

    def request(self, method, url, params=None, data=None, headers=None, *more, **options):
        host = urlsplit(url).netloc
        url = url.replace(f"https://{host}", os.environ["TWILIO_API_BASE_URL"])
        return super().request(method, url, params, data, {**headers, "Host": host}, *more, **options)


def twilio():
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=os.environ["TWILIO_SECRET_ID"])
    account = json.loads(secret["SecretString"])["accounts"][ACCOUNT_SID]
    return Client(account["api_key_sid"], account["api_key_secret"], ACCOUNT_SID, http_client=Redirected())


CLIENT = twilio()
DYNAMODB = boto3.resource("dynamodb")
CONTACTS = DYNAMODB.Table(os.environ["CONTACTS_TABLE"])
NOTIFICATIONS = DYNAMODB.Table(os.environ["NOTIFICATIONS_TABLE"])


def has_opted_out(to):
    key = {"contact": f"{ACCOUNT_SID}#{to}", "facet": "person"}
    person = CONTACTS.get_item(Key=key, ConsistentRead=True).get("Item", {})
    return any(name.startswith("stop#") for name in person)


def claim(key, notification, body):
    item = {
        **key, "state": "claimed", "recipient": notification["to"], "notification_json": body,
        "metadata": notification.get("metadata", {}), "lease_until": int(time.time()) + 60,
        "expires_at": int(time.time()) + 45 * 86400,
    }
    try:
        NOTIFICATIONS.put_item(Item=item, ConditionExpression="attribute_not_exists(notification)")
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def send(body):
    notification = json.loads(body)
    key = {"notification": f"{ACCOUNT_SID}#{notification['id']}"}
    if has_opted_out(notification["to"]) or not claim(key, notification, body):
        return
    content = notification["content"]
    message = CLIENT.messages.create(
        to=f"whatsapp:{notification['to']}",
        from_=notification["from"],
        content_sid=content["content_sid"],
        content_variables=json.dumps(content["variables"]),
        status_callback=f"{os.environ['PUBLIC_BASE_URL']}/twilio/status?notification={notification['id']}",
        validity_period=900,
    )
    NOTIFICATIONS.update_item(
        Key=key,
        UpdateExpression="SET #state = :accepted, message_sid = :sid REMOVE lease_until",
        ExpressionAttributeNames={"#state": "state"},
        ExpressionAttributeValues={":accepted": "accepted", ":sid": message.sid},
    )


while True:
    with urllib.request.urlopen(f"{RUNTIME}/next") as request:
        request_id = request.headers["lambda-runtime-aws-request-id"]
        for record in json.load(request)["Records"]:
            send(record["body"])
    answer = json.dumps({"batchItemFailures": []}).encode()
    urllib.request.urlopen(f"{RUNTIME}/{request_id}/response", data=answer).close()
