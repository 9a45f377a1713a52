"""Runs ministack, an emulator of AWS, with the features that template.yaml needs and ministack does not have.

The local stack runs this file with the Python interpreter of ministack. The keys in its environment become those of the
account's administrator. Each function below changes one behaviour of ministack to that of AWS, so that the same template is
deployed to both. The limits of AWS that ministack does not have are in the package `strict`.
"""

import argparse
import asyncio
import gc
import json
import os
import secrets
import signal
import sys
import threading
from contextvars import ContextVar

import clock
import code_deploy
import strict
from access import Access
from faults import Faults, abandon_connections
from permissions import Permissions
from strict.objects import hide_missing_objects


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("aws_port", type=int)
    parser.add_argument("api_port", type=int)
    parser.add_argument("--public-base-url", help="the URL at which Twilio itself calls the API")
    parser.add_argument("--media-port", type=int, help="the port of CloudFront distributions")
    parser.add_argument("--permissions", help="the file of which permissions are used")
    parser.add_argument("--bridge", help="this machine's address in Docker's network, for functions in containers")
    return parser.parse_args()


ARGUMENTS = arguments()
ACCESS = Access(ARGUMENTS.api_port, ARGUMENTS.public_base_url, ARGUMENTS.bridge)
os.environ |= {
    "GATEWAY_PORT": str(ARGUMENTS.aws_port),
    # An address, because SDKs put a bucket's name in front of a host name, and not every system resolves bucket.localhost.
    "MINISTACK_HOST": "127.0.0.1",
    # IAM policies and signatures are enforced, so that a permission missing in the template fails here and not in production.
    "AUTH": "true",
    "IOT_MTLS_ENABLED": "0",
}

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.protocol import http_stream
from ministack import app as ministack, core, services
from ministack.core import iam_actions, iam_evaluator
# These modules become attributes of `services`, which the package `strict` changes.
from ministack.core import sigv4
from ministack.services import apigateway, cloudfront, cloudwatch, cloudwatch_logs, dynamodb, dynamodb_streams, eventbridge, iam
from ministack.services import lambda_svc, s3, scheduler, sqs
from ministack.services.cloudformation import changesets, engine, handlers
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as RESOURCES

at_front_door = ContextVar("at_front_door", default=False)
at_edge = ContextVar("at_edge", default=False)
FAULTS = Faults(dynamodb)
# Why functions answered with an error, by the id of the request.
REASONS = {}


def routes_from_openapi():
    """Creates the routes in the OpenAPI body of an HTTP API, which SAM writes; ministack only reads Integration and Route."""
    api = RESOURCES["AWS::ApiGatewayV2::Api"]
    create_api = api["create"]
    create_integration = RESOURCES["AWS::ApiGatewayV2::Integration"]["create"]
    create_route = RESOURCES["AWS::ApiGatewayV2::Route"]["create"]

    def create(logical_id, properties, stack):
        api_id, attributes = create_api(logical_id, properties, stack)
        for path, methods in properties.get("Body", {}).get("paths", {}).items():
            for method, operation in methods.items():
                target = operation["x-amazon-apigateway-integration"]
                integration, _ = create_integration(logical_id, {
                    "ApiId": api_id,
                    "IntegrationType": target["type"].upper(),
                    "IntegrationUri": target["uri"],
                    "PayloadFormatVersion": target["payloadFormatVersion"],
                }, stack)
                signed = any("AWS_IAM" in scheme for scheme in operation.get("security", []))
                create_route(logical_id, {
                    "ApiId": api_id,
                    "RouteKey": f"{method.upper()} {path}",
                    "AuthorizationType": "AWS_IAM" if signed else "NONE",
                    "Target": f"integrations/{integration}",
                }, stack)
        return api_id, attributes

    api["create"] = create


def access_keys():
    """Adds `AWS::IAM::AccessKey`, which ministack supports in its IAM API but not in CloudFormation."""

    def create(_logical_id, properties, _stack):
        before = set(iam._access_keys.keys())
        iam._create_access_key({"UserName": properties["UserName"]})
        (key,) = set(iam._access_keys.keys()) - before
        return key, {"SecretAccessKey": iam._access_keys[key]["SecretAccessKey"]}

    def delete(key, properties):
        iam._delete_access_key({"UserName": properties["UserName"], "AccessKeyId": key})

    RESOURCES["AWS::IAM::AccessKey"] = {"create": create, "delete": delete}


def media_keys():
    """Adds the public keys and key groups of CloudFront, which ministack supports in its API but not in CloudFormation."""

    def create_key(_logical_id, properties, _stack):
        key = cloudfront._pk_id()
        stored = {"Id": key, "ETag": key, "CreatedTime": cloudfront._now_iso(), "Config": properties["PublicKeyConfig"]}
        cloudfront._public_keys[key] = stored
        return key, {"Id": key}

    def update_key(key, old, new, _stack):
        # Amazon CloudFront API Reference, "UpdatePublicKey": only the comment can be changed.
        if {**old["PublicKeyConfig"], "Comment": ""} != {**new["PublicKeyConfig"], "Comment": ""}:
            raise ValueError("Invalid request provided: AWS::CloudFront::PublicKey")
        cloudfront._public_keys[key]["Config"] = new["PublicKeyConfig"]
        return key, {"Id": key}

    def delete_key(key, _properties):
        if cloudfront._public_keys_using(key):
            raise ValueError("The public key is attached to one or more key groups.")
        cloudfront._public_keys.pop(key, None)

    def create_group(_logical_id, properties, _stack):
        group = cloudfront._kg_id()
        update_group(group, None, properties, None)
        return group, {"Id": group}

    def update_group(group, _old, new, _stack):
        stored = {"Id": group, "ETag": group, "LastModifiedTime": cloudfront._now_iso(), "Config": new["KeyGroupConfig"]}
        cloudfront._key_groups[group] = stored
        return group, {"Id": group}

    def delete_group(group, _properties):
        cloudfront._key_groups.pop(group, None)

    RESOURCES["AWS::CloudFront::PublicKey"] = {"create": create_key, "update": update_key, "delete": delete_key}
    RESOURCES["AWS::CloudFront::KeyGroup"] = {"create": create_group, "update": update_group, "delete": delete_group}


def numbers_from_parameters():
    """Converts a mapping's concurrency to a number: a template's parameters are strings, which ministack does not convert."""
    mapping = RESOURCES["AWS::Lambda::EventSourceMapping"]
    create_mapping, update_mapping = mapping["create"], mapping["update"]

    def with_numbers(properties):
        scaling = {name: int(value) for name, value in properties.get("ScalingConfig", {}).items()}
        return {**properties, "ScalingConfig": scaling or None}

    mapping["create"] = lambda logical_id, properties, stack: create_mapping(logical_id, with_numbers(properties), stack)
    mapping["update"] = lambda mapping_id, old, new, *more, **named: update_mapping(mapping_id, old, with_numbers(new), *more, **named)


def administrator(access_key, secret_key):
    """Creates an administrator whose signatures are verified. ministack would permit everything to the key `test` and to
    every account number used as a key, without verifying the signature, and to callers of S3 without a key."""
    iam_evaluator.is_root_access_key = lambda _access_key: False
    name = {"UserName": "administrator"}
    everything = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}
    iam._create_user(name)
    iam._put_user_policy({**name, "PolicyName": "Everything", "PolicyDocument": json.dumps(everything)})
    key = {"AccessKeyId": access_key, "SecretAccessKey": secret_key, "Status": "Active", "CreateDate": iam._now()}
    iam._access_keys[access_key] = {**name, **key}


def secret_keys_of_roles():
    """Makes the keys of the functions' roles unpredictable. ministack derives them from the names of the function and the
    role, which contain the stack's name. A random path in the role's ARN changes the derived keys and has no other effect."""
    derive = lambda_svc.execution_credentials
    path = secrets.token_hex()

    def derive_with_path(config):
        account, _, name = config["Role"].rpartition("/")
        return derive({**config, "Role": f"{account}/{path}/{name}"})

    lambda_svc.execution_credentials = derive_with_path


def front_door():
    """Serves the only HTTP API at the root of a separate port, for any Host header, so that its URL is known before the
    deployment."""
    parse = ministack._parse_execute_api_url

    def parse_url(host, path):
        if not at_front_door.get():
            return parse(host, path)
        api_id = next((key[-1] for key, _ in apigateway._apis.all_items()), "none")
        first, _, rest = path.lstrip("/").partition("/")
        return api_id, first, "/" + rest

    ministack._parse_execute_api_url = parse_url
    # API Gateway answers 404 for a path without a route; ministack would require a signature first.
    authorization_type = ministack._execute_api_authorization_type
    ministack._execute_api_authorization_type = lambda *request: authorization_type(*request) or "NONE"


def edge():
    """Serves CloudFront distributions at a separate port by their alternate domain names, here an address and this port. ministack
    knows a distribution by its own domain name only."""
    parse = ministack._parse_cloudfront_dataplane_host
    ministack._parse_cloudfront_dataplane_host = lambda host: distribution_of(host) if at_edge.get() else parse(host)


def distribution_of(host):
    """The name of the distribution with this alternate domain name, or None."""
    for distribution in cloudfront._distributions.values():
        if f">{host}</CNAME>" in distribution["config_xml"]:
            return distribution["DomainName"].partition(".")[0]
    return None


def note_reasons():
    """Notes the errors in the functions' logs by the id that API Gateway gave the request. The newest are kept."""
    emit = lambda_svc._emit_lambda_logs

    def emit_and_note(function, request_id, log, *more, **named):
        REASONS.update(errors_in(log))
        while len(REASONS) > 1000:
            del REASONS[next(iter(REASONS))]
        return emit(function, request_id, log, *more, **named)

    lambda_svc._emit_lambda_logs = emit_and_note


def errors_in(log):
    """The errors of a function's JSON lines, by the id that API Gateway gave the request."""
    for line in log.splitlines():
        if "api_request_id" not in line:
            continue
        try:
            fields = json.loads(line)["fields"]
            yield fields["api_request_id"], fields["error"]
        except (ValueError, KeyError, TypeError):
            continue


def with_refusals_logged(scope, send):
    """Logs refused webhooks with the reason, from the function's log or else from its answer, so that the timeline can show them."""
    status, request_id = 0, ""

    async def send_and_log(message):
        nonlocal status, request_id
        if message["type"] == "http.response.start":
            status = message["status"]
            request_id = dict(message["headers"]).get(b"apigw-requestid", b"").decode()
        elif status >= 400 and scope["path"].startswith(("/twilio/", "/sendgrid/")):
            reason = REASONS.pop(request_id, None) or message.get("body", b"").decode(errors="replace")
            refused = {"path": scope["path"], "status": status, "reason": reason, "request_id": request_id}
            print("front door:", json.dumps(refused), flush=True)
        await send(message)

    return send_and_log


def is_denied(action, resource, headers, query_params):
    """Whether the caller of a request to S3 lacks a permission."""
    return ministack._enforce_data_plane("s3", action, headers, query_params, "", resource_arn=resource) is not None


def end_with_parent():
    """Kills this process and the functions it started when the parent process, which holds its standard input, has ended."""

    def wait():
        sys.stdin.buffer.read()
        os.killpg(0, signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def avoid_long_pauses():
    """Practically disables the collection of the garbage collector's oldest generation: with 20,000 items it repeatedly stops
    all requests for half a second."""
    gc.set_threshold(700, 10, 1_000_000)


async def app(scope, receive, send):
    """Passes allowed requests to ministack as if they used TLS, which the template's policies require. Requests to the API's
    port are for the HTTP API, and those to the media port for CloudFront."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    if scope["type"] == "http":
        scope = {**scope, "scheme": "https"}
        at_front_door.set(scope["server"][1] == ARGUMENTS.api_port)
        at_edge.set(scope["server"][1] == ARGUMENTS.media_port)
        if at_edge.get():
            if distribution_of(dict(scope["headers"]).get(b"host", b"").decode("latin-1")) is None:
                await refuse(send, 403, "No distribution has this alternate domain name")
                return
            scope = {**scope, "headers": [*scope["headers"], (b"x-forwarded-proto", b"https")]}
        send = without_cors(send)
        if at_front_door.get():
            send = with_refusals_logged(scope, send)
        if refusal := ACCESS.refusal(scope["server"], scope["path"], scope["headers"]):
            await refuse(send, *refusal)
            return
    await FAULTS.serve(ministack.app, scope, receive, send)


async def refuse(send, status, reason):
    headers = [(b"content-type", b"text/plain; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})


def without_cors(send):
    """Removes the headers with which ministack allows every web page to read its answers."""

    async def send_without(message):
        if message["type"] == "http.response.start":
            kept = [header for header in message["headers"] if not header[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return send_without


def main():
    routes_from_openapi()
    access_keys()
    media_keys()
    numbers_from_parameters()
    code_deploy.give_parameters_to_sam(engine, changesets, handlers)
    code_deploy.heed_update_policies(engine)
    code_deploy.add_deployments(RESOURCES, cloudwatch)
    administrator(os.environ.pop("AWS_ACCESS_KEY_ID"), os.environ.pop("AWS_SECRET_ACCESS_KEY"))
    secret_keys_of_roles()
    if ARGUMENTS.permissions:
        Permissions(ARGUMENTS.permissions).follow(iam_evaluator)
    caller = lambda: iam_evaluator.caller_arn().rpartition("/")[2]
    hide_missing_objects(s3, is_denied)
    front_door()
    edge()
    note_reasons()
    strict.apply(ministack, services, iam_actions, RESOURCES, caller)
    FAULTS.follow(ministack, iam_evaluator)
    abandon_connections(http_stream)
    avoid_long_pauses()
    clock.follow(core, services)
    end_with_parent()
    config = Config()
    config.bind = [f"127.0.0.1:{ARGUMENTS.aws_port}", f"127.0.0.1:{ARGUMENTS.api_port}"]
    if ARGUMENTS.media_port:
        config.bind.append(f"127.0.0.1:{ARGUMENTS.media_port}")
    if ARGUMENTS.bridge:
        config.bind.append(f"{ARGUMENTS.bridge}:{ARGUMENTS.aws_port}")
    config.loglevel = "WARNING"
    asyncio.run(serve(app, config))


if __name__ == "__main__":
    main()
