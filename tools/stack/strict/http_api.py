"""What API Gateway decides about a request before a function sees it: the path, the throttle, the request id, and the line in the
access log.

ministack decodes the path once and keeps `%25`, has no throttle for an HTTP API, writes no access log, and has one request id for the
function and another one for the answer. Sources: Amazon API Gateway Developer Guide, "Throttle requests to your HTTP APIs" (token
bucket; the settings of a stage and of a route, 429), "Configure logging for HTTP APIs" and "Customize HTTP API access logs" (the
variables; a missing value is a hyphen); and, for a stage whose settings name an unknown route, the error that the API returns. AWS
does not document how a path is decoded. The rules here are those of requests to live HTTP APIs that were published with the Go
library hotsock/voker (pull request 8) and with the tests of middleapi/standard-server (`packages/aws-lambda/src/url.test.ts`).

AWS does not document either whether a throttled request is authorized first. Here the throttle decides first.
"""

import base64
import json
import os
import re
import time
from contextvars import ContextVar
from urllib.parse import quote, unquote_to_bytes

from ministack.core.responses import request_scope

MALFORMED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
VARIABLE = re.compile(r"\$context((?:\.\w+)+)")
NO_VALUE = "-"


# The status of the function's answer to the request that is handled.
integration_status = ContextVar("integration_status", default=None)
# The id of the request that is handled: `requestContext.requestId` of the event, `$context.requestId` and `apigw-requestid`.
request_id = ContextVar("request_id", default=None)


def apply(app, apigateway, cloudwatch_logs, cloudwatch, resources):
    """Applies the rules to every request to an HTTP API."""
    handle = app._handle_execute_api_request
    throttles = Throttles()

    async def handle_request(host, path, method, headers, body, query_params, raw_path=None, raw_query_string=None):
        decoded = api_path(quote(path) if raw_path is None else raw_path)
        found = target(app, host, decoded or path)
        scope = found and apigateway.find_api_scope(found[0])
        if not scope:
            return await handle(host, path, method, headers, body, query_params, raw_path, raw_query_string)
        began = time.monotonic()
        integration_status.set(None)
        # As AWS's: 15 characters and a padding.
        request_id.set(base64.b64encode(os.urandom(11)).decode())
        api_id, stage_name, inner = found
        with request_scope(*scope):
            stage = apigateway._stages.get(api_id, {}).get(stage_name, {})
            route = apigateway._match_route(api_id, method, "/" + inner.lstrip("/")) if decoded else None
        if decoded is None:
            response = refusal(400, "Bad Request")
        elif not throttles.allow((api_id, stage_name), stage, route):
            response = refusal(429, "Too Many Requests")
        else:
            # Without the path as it was sent, ministack uses the decoded one.
            response = await handle(host, decoded, method, headers, body, query_params, None, raw_query_string)
        context = context_of(method, decoded, route, response, began)
        with request_scope(*scope):
            write_access_log(cloudwatch_logs, stage.get("accessLogSettings"), context)
            record_server_errors(cloudwatch, api_id, context)
        response[1]["apigw-requestid"] = request_id.get()
        return response

    app._handle_execute_api_request = handle_request
    note_integration_status(apigateway)
    use_one_request_id(apigateway)
    check_route_settings(resources, apigateway)


def target(app, host, path):
    """The API of a request, its stage, and the path there. The mapping key of a custom domain is not part of that path."""
    if parsed := app._parse_execute_api_url(host, path):
        api_id, first, rest = parsed
        return api_id, *app._resolve_stage_and_path(api_id, first, rest)
    mapped = app._resolve_custom_domain_request(host, path)
    return mapped if mapped and mapped[1] else None


def note_integration_status(apigateway):
    invoke = apigateway._invoke_lambda_proxy

    async def invoke_and_note(*arguments, **named):
        response = await invoke(*arguments, **named)
        integration_status.set(response[0])
        return response

    apigateway._invoke_lambda_proxy = invoke_and_note


def use_one_request_id(apigateway):
    """ministack makes a new id for each event of an HTTP API, and for nothing else while a request is handled."""
    new_uuid = apigateway.new_uuid
    apigateway.new_uuid = lambda: request_id.get() or new_uuid()


def api_path(raw_path):
    """The path that reaches the routes and the function, or None if API Gateway answers 400.

    The path is decoded twice. After the first time a question mark ends it, and a percent sign that is not followed by two
    hexadecimal digits is an error: `%25` is refused, `%2525` arrives as `%`, `%252F` as `/`, `%3F` truncates, `%253F` is `?`."""
    once = decode(raw_path)
    if once is None or MALFORMED_ESCAPE.search(once):
        return None
    return decode(once.partition("?")[0])


def decode(text):
    if MALFORMED_ESCAPE.search(text):
        return None
    try:
        return unquote_to_bytes(text).decode()
    except UnicodeDecodeError:
        return None


def refusal(status, message):
    return status, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode()


def throttle_of(stage, route):
    """The rate and the burst of a route, from its settings or else from the stage's default, or None without a limit."""
    own = (stage.get("routeSettings") or {}).get(route["routeKey"], {})
    settings = {**(stage.get("defaultRouteSettings") or {}), **own}
    # CloudFormation writes the names with a capital letter, and UpdateStage without.
    settings = {name[:1].upper() + name[1:]: value for name, value in settings.items()}
    limits = [settings.get(name) for name in ("ThrottlingRateLimit", "ThrottlingBurstLimit")]
    return None if None in limits else [float(limit) for limit in limits]


class Throttles:
    """A token bucket for each route, also for those with the stage's default settings. A token is a request."""

    def __init__(self, now=time.monotonic):
        self.now = now
        self.buckets = {}

    def allow(self, stage_key, stage, route):
        """Uses a token of the route. Returns whether there was one, or no limit."""
        limits = route and throttle_of(stage, route)
        if not limits:
            return True
        rate, burst = limits
        key, now = (*stage_key, route["routeKey"]), self.now()
        tokens, since = self.buckets.get(key, (burst, now))
        tokens = min(burst, tokens + (now - since) * rate)
        has_token = tokens >= 1
        self.buckets[key] = (tokens - 1 if has_token else tokens, now)
        return has_token


def context_of(method, path, route, response, began):
    """The variables of the access log. API Gateway's own errors have a message, and no status of an integration."""
    status, _, body = response
    answered_by_function = integration_status.get() is not None
    return {
        "requestId": request_id.get(),
        "requestTimeEpoch": int(time.time() * 1000),
        "httpMethod": method,
        "path": path,
        "routeKey": route["routeKey"] if route else None,
        "status": status,
        "integrationStatus": integration_status.get(),
        "error.message": None if answered_by_function else json.loads(body or b"{}").get("message"),
        "identity.sourceIp": "127.0.0.1",
        "responseLatency": round((time.monotonic() - began) * 1000),
    }


def write_access_log(cloudwatch_logs, settings, context):
    """Writes a line to the log group of a stage, if the stage has one."""
    if not settings:
        return
    # CloudFormation's ARN of a log group ends in `:*`.
    group = settings["destinationArn"].partition(":log-group:")[2].removesuffix(":*")
    value = lambda match: NO_VALUE if (found := context.get(match[1].lstrip("."))) is None else str(found)
    event = {"timestamp": int(time.time() * 1000), "message": VARIABLE.sub(value, settings["format"])}
    stream = {"logGroupName": group, "logStreamName": "access"}
    # The stream exists from the first line on; creating it again is refused without an effect.
    cloudwatch_logs._create_log_stream(stream)
    status, _, body = cloudwatch_logs._put_log_events({**stream, "logEvents": [event]})
    if status != 200:
        raise ValueError(f"the access log cannot be written: {body!r}")


def record_server_errors(cloudwatch, api_id, context):
    """Only the metric that an alarm of the template is for. Source: Amazon API Gateway Developer Guide, "Monitor CloudWatch metrics
    for HTTP APIs"."""
    cloudwatch.record_metric("AWS/ApiGateway", "5xx", int(context["status"] >= 500), "Count", {"ApiId": api_id})


def check_route_settings(resources, apigateway):
    """Refuses a stage with settings for a route that the API does not have. AWS refuses it too, also in an update that removes
    the route together with its settings, because the routes change first."""
    stage = resources["AWS::ApiGatewayV2::Stage"]
    create, update = stage["create"], stage["update"]

    def check(properties):
        routes = {route["routeKey"] for route in apigateway._routes.get(properties["ApiId"], {}).values()}
        for key in properties.get("RouteSettings") or {}:
            if key not in routes:
                raise ValueError(f"Unable to find Route by key {key} within the provided RouteSettings")

    def create_stage(logical_id, properties, stack):
        check(properties)
        return create(logical_id, properties, stack)

    def update_stage(physical_id, old, new, stack, *rest, **named):
        check(new)
        return update(physical_id, old, new, stack, *rest, **named)

    stage["create"], stage["update"] = create_stage, update_stage
