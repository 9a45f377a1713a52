"""docs/schema/openapi.yaml against the running system, by Schemathesis: it makes requests from the document, valid ones and others, and
checks that each answer is one that the document describes, and that the others are refused."""

import os
import re

import boto3
import pytest
import requests
import schemathesis
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from hypothesis import HealthCheck, settings
from requests.auth import AuthBase
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance, negative_data_rejection, response_schema_conformance, status_code_conformance,
)

from documents import OPENAPI
from play import DEADLINE, Sandbox

pytestmark = pytest.mark.skipif("STACK_API_URL" not in os.environ, reason="make test starts the system that this needs")



def without_security(document):
    """Schemathesis would make up headers for the signatures, of which it knows nothing."""
    paths = {
        path: {
            name: {**part, "security": []} if isinstance(part, dict) and "responses" in part else part
            for name, part in item.items()
        }
        for path, item in document["paths"].items()
    }
    return {**document, "security": [], "paths": paths}


API = schemathesis.openapi.from_dict(without_security(OPENAPI))
# For each operation. More of them, and others in each run, with this variable.
REQUESTS = os.environ.get("CONTRACT_REQUESTS")
CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance, negative_data_rejection,
]


class Signature(AuthBase):
    """The signature of the stack's administrator, whom IAM allows everything."""

    def __call__(self, request):
        # In a signed query a space is %20.
        path, separator, query = request.url.partition("?")
        request.url = path + separator + query.replace("+", "%20")
        headers = {name: value for name, value in request.headers.items() if name.lower() == "content-type"}
        signed = AWSRequest(request.method, request.url, headers, request.body or b"")
        SigV4Auth(boto3.Session().get_credentials(), "execute-api", os.environ["AWS_REGION"]).add_auth(signed)
        request.headers.update(dict(signed.headers))
        return request


def is_webhook(path):
    return path.startswith(("/twilio/", "/sendgrid/"))


@API.parametrize()
@settings(
    max_examples=int(REQUESTS or 10), derandomize=not REQUESTS, deadline=None, suppress_health_check=list(HealthCheck), database=None,
)
def test_every_answer_is_described(case):
    # The webhooks are Twilio's and SendGrid's: without their signatures nothing is stored.
    auth = None if is_webhook(case.path) else Signature()
    response = case.call(base_url=os.environ["STACK_API_URL"], auth=auth)
    case.validate_response(response, checks=CHECKS)


@API.parametrize()
@settings(max_examples=1, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck), database=None)
def test_request_without_a_signature_is_refused(case):
    response = case.call(base_url=os.environ["STACK_API_URL"])
    # API Gateway cannot read every path (400) and has no route for other methods (404), and a form may have no account (400).
    assert response.status_code in (400, 403, 404)


def call(status, method, path, body=None, **parameters):
    """Calls a route and checks the answer. Path and query parameters are by name."""
    operation = API[path][method]
    in_path = {name: value for name, value in parameters.items() if f"{{{name}}}" in path}
    query = {name: value for name, value in parameters.items() if name not in in_path}
    more = {} if body is None else {"body": body, "media_type": "application/json"}
    case = operation.Case(path_parameters=in_path, query=query, **more)
    response = case.call(base_url=os.environ["STACK_API_URL"], auth=Signature())
    assert response.status_code == status, response.text
    case.validate_response(response, checks=CHECKS)
    return response.json()


def test_answers_about_what_is_stored_are_described(story):
    consent = {"category": "marketing", "source": "checkout-form", "text": "Yes", "text_version": "1", "locale": "en", "ip": "::1"}
    call(201, "PUT", "/contacts/{contact}/consent", consent, contact=story.number)
    call(200, "PUT", "/contacts/{contact}/suppression", {"reason": "asked by letter", "scope": "marketing"}, contact=story.number)
    call(200, "DELETE", "/contacts/{contact}/suppression", contact=story.number, reason="a mistake", scope="marketing")
    contact = call(200, "GET", "/contacts/{contact}", contact=story.number)
    assert all(contact[part] for part in ("suppressions", "history", "consents", "windows"))
    for notification in (story.delivered, story.expired, story.suppressed, story.emailed):
        call(200, "GET", "/notifications/{id}", id=notification)
    shown = call(200, "GET", "/notifications", id=story.delivered)
    assert shown["attempts"][0]["statuses"]
    by_email = call(200, "GET", "/notifications", id=story.emailed)["attempts"][1]
    assert (by_email["channel"], by_email["current_status"]) == ("email", "delivered") and by_email["external_id"]
    call(409, "DELETE", "/notifications/{id}", id=story.delivered)
    assert call(200, "GET", "/notifications/{id}", id=story.waiting)["waits_for"] == "send_at"
    assert call(200, "DELETE", "/notifications", id=story.waiting)["outcome"] == "cancelled"


def test_answers_about_files_are_described():
    upload = call(201, "POST", "/media", {"content_type": "image/png", "content_length": 4})
    requests.put(upload["upload_url"], data=b"\x89PNG", headers=upload["headers"], timeout=DEADLINE).raise_for_status()
    assert call(200, "GET", "/media", key=upload["key"], expires_in=600)["content_length"] == 4
    call(200, "GET", "/media/{key}", key=upload["key"])
    call(413, "POST", "/media", {"content_type": "image/png", "content_length": 6_000_000})
    call(415, "POST", "/media", {"content_type": "image/gif", "content_length": 4})
    call(404, "GET", "/media", key="there/is/none.png")


def test_answers_about_codes_and_typing_are_described(story):
    sandbox, path = Sandbox(os.environ["STACK_SANDBOX_URL"]), "/verifications/check"
    wanted = {"id": f"code-{story.written}", "to": story.number}
    sent = call(201, "POST", "/verifications", wanted)
    received = [message for message in sandbox.control("GET", "state").json()["messages"] if message["to"] == f"whatsapp:{story.number}"]
    code = re.search(r"\b\d{6}\b", received[-1]["body"])[0]
    call(409, "POST", "/verifications", wanted | {"locale": "de"})
    wrong = f"{(int(code) + 1) % 1_000_000:06}"
    assert call(200, "POST", path, {"sid": sent["sid"], "code": wrong})["valid"] is False
    assert call(200, "POST", path, {"id": wanted["id"], "code": f" {code[:3]} {code[3:]}"})["status"] == "approved"
    call(404, "POST", path, {"to": story.number, "code": code})
    sandbox.misbehave({"kind": "refuse", "status": 403, "code": 60410}, to=f"whatsapp:{story.number}")
    assert call(403, "POST", "/verifications", wanted | {"id": f"blocked-{story.written}"})["error"]["retry_at"]
    typing = "/messages/{message_sid}/typing"
    assert call(200, "POST", typing, message_sid=story.written)["read"]
    call(404, "POST", typing, message_sid=f"SM{0:032}")
    call(404, "POST", typing, message_sid=story.written, account_sid=f"AC{9:032}")
