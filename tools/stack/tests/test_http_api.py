"""How requests reach an HTTP API: their paths, the throttles of the routes, and the access log with its metrics and alarms."""

import asyncio
import json
import unittest
from pathlib import Path
from types import SimpleNamespace

import yaml
from ministack import app
from ministack.services import apigateway, apigateway_v1, cloudwatch, cloudwatch_logs, sqs
from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as RESOURCES

from strict import alarms, http_api, metric_filters
from support import restore_after

ROUTES = ("GET /things/{id+}", "POST /twilio/status", "PUT /things/{id}")


class HttpApiTest(unittest.TestCase):
    def setUp(self):
        for module in (app, apigateway, cloudwatch, cloudwatch_logs):
            restore_after(self, module)
        restore_after(self, http_api, RESOURCES["AWS::ApiGatewayV2::Stage"])
        for service in (apigateway, cloudwatch, cloudwatch_logs):
            self.addCleanup(service.reset)
        self.paths, self.clock = [], SimpleNamespace(now=0.0)
        apigateway._invoke_lambda_proxy = self.function
        app._enforce_execute_api = lambda *_arguments, **_named: None
        throttles = http_api.Throttles
        http_api.Throttles = lambda: throttles(lambda: self.clock.now)
        alarms.apply(cloudwatch, sqs)
        http_api.apply(app, apigateway, cloudwatch_logs, cloudwatch, RESOURCES)
        metric_filters.apply(cloudwatch_logs, cloudwatch)
        self.api_id = json.loads(apigateway._create_api({})[2])["apiId"]
        integration = json.loads(apigateway._create_integration(self.api_id, {})[2])["integrationId"]
        for key in ROUTES:
            apigateway._create_route(self.api_id, {"routeKey": key, "target": f"integrations/{integration}"})

    async def function(self, _integration, _api_id, _stage, path, *_rest, **_named):
        """The function behind every route."""
        self.paths.append(path)
        return 200, {}, b"{}"

    def stage(self, **properties):
        RESOURCES["AWS::ApiGatewayV2::Stage"]["create"]("Stage", {"ApiId": self.api_id, **properties}, "stack")

    def call(self, method, path, host=None):
        """The status of the answer to a request."""
        host = host or f"{self.api_id}.execute-api.localhost"
        return asyncio.run(app._handle_execute_api_request(host, path, method, {}, b"", {}, raw_path=path))[0]

    def test_path_is_decoded_as_by_live_apis(self):
        self.stage()
        for path, expected in [
            ("a", "a"), ("space%20value", "space value"), ("hash%23value", "hash#value"), ("a%2Fb", "a/b"),
            ("unicode-%CE%BB", "unicode-λ"), ("slash%252Fvalue", "slash/value"), ("literal%2525value", "literal%value"),
            ("literal%253Fvalue", "literal?value"), ("question%3Fvalue", "question"), ("50%252525", "50%25"),
        ]:
            self.assertEqual(self.call("GET", f"/things/{path}"), 200, path)
            self.assertEqual(self.paths.pop(), f"/things/{expected}")

    def test_path_with_an_escaped_percent_sign_is_refused(self):
        self.stage()
        for path in ("50%25", "50%25%20off", "50%", "%zz", "%FF"):
            self.assertEqual(self.call("GET", f"/things/{path}"), 400, path)
        self.assertEqual(self.paths, [])

    def test_requests_beyond_the_burst_are_refused_until_time_passes(self):
        self.stage(DefaultRouteSettings={"ThrottlingRateLimit": "2", "ThrottlingBurstLimit": "3"})
        self.assertEqual([self.call("GET", "/things/1") for _ in range(5)], [200, 200, 200, 429, 429])
        self.clock.now += 1.1
        self.assertEqual([self.call("GET", "/things/1") for _ in range(3)], [200, 200, 429])
        # As full as the burst, however long nothing was requested.
        self.clock.now += 3600
        self.assertEqual([self.call("GET", "/things/1") for _ in range(4)], [200, 200, 200, 429])

    def test_each_route_has_a_throttle(self):
        one = {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}
        two = {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 2}
        self.stage(DefaultRouteSettings=one, RouteSettings={"POST /twilio/status": two})
        self.assertEqual([self.call("GET", "/things/1") for _ in range(2)], [200, 429])
        self.assertEqual([self.call("PUT", "/things/1") for _ in range(2)], [200, 429])
        self.assertEqual([self.call("POST", "/twilio/status") for _ in range(3)], [200, 200, 429])

    def test_throttle_of_an_updated_stage_counts(self):
        self.stage()
        one = {"throttlingRateLimit": 1, "throttlingBurstLimit": 1}
        self.assertEqual(apigateway._update_stage(self.api_id, "$default", {"defaultRouteSettings": one})[0], 200)
        self.assertEqual([self.call("GET", "/things/1") for _ in range(2)], [200, 429])

    def test_mapping_key_of_a_domain_is_not_in_the_path(self):
        self.stage(DefaultRouteSettings={"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 2})
        self.addCleanup(apigateway_v1.reset)
        apigateway._create_domain_name({"domainName": "api.example.com", "domainNameConfigurations": [{}]})
        mapping = {"apiId": self.api_id, "stage": "$default", "apiMappingKey": "wa"}
        self.assertEqual(apigateway._create_api_mapping("api.example.com", mapping)[0], 201)
        self.assertEqual(self.call("POST", "/wa/twilio/status", "api.example.com"), 200)
        self.assertEqual(self.paths.pop(), "/twilio/status")
        self.assertEqual(self.call("GET", "/wa/things/a%252Fb", "api.example.com"), 200)
        self.assertEqual(self.paths.pop(), "/things/a/b")
        self.assertEqual(self.call("GET", "/wa/things/50%25", "api.example.com"), 400)
        # The limit is the stage's, by whichever name it is called.
        self.assertEqual([self.call("POST", "/twilio/status") for _ in range(2)], [200, 429])

    def test_path_without_a_route_is_not_throttled(self):
        self.stage(DefaultRouteSettings={"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1})
        self.assertEqual([self.call("GET", "/unknown") for _ in range(3)], [404, 404, 404])

    def test_settings_of_an_unknown_route_are_refused(self):
        with self.assertRaisesRegex(ValueError, "Unable to find Route by key POST /typo"):
            self.stage(RouteSettings={"POST /typo": {"ThrottlingRateLimit": 1}})
        self.stage()
        properties = {"ApiId": self.api_id, "RouteSettings": {"DELETE /things/{id}": {}}}
        with self.assertRaisesRegex(ValueError, "Unable to find Route by key DELETE"):
            RESOURCES["AWS::ApiGatewayV2::Stage"]["update"]("$default", {"ApiId": self.api_id}, properties, "stack")

    def logged(self):
        streams = cloudwatch_logs._log_groups["access"]["streams"]
        return [event["message"] for event in streams["access"]["events"]]

    def log_to(self, form, **properties):
        cloudwatch_logs._create_log_group({"logGroupName": "access"})
        arn = cloudwatch_logs._log_groups["access"]["arn"]
        self.stage(AccessLogSettings={"DestinationArn": arn, "Format": form}, **properties)

    def test_access_log_has_a_line_for_each_request(self):
        form = "$context.httpMethod $context.routeKey $context.status $context.integrationStatus $context.error.message"
        once = {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}
        self.log_to(f"{form} $context.unknown", DefaultRouteSettings=once)
        for path in ("/things/1", "/things/2", "/unknown", "/things/%25"):
            self.call("GET", path)
        self.assertEqual(self.logged(), [
            "GET GET /things/{id+} 200 200 - -",
            "GET GET /things/{id+} 429 - Too Many Requests -",
            "GET - 404 - Not Found -",
            "GET - 400 - Bad Request -",
        ])

    def alarm_rings(self, name):
        return cloudwatch._alarms[name]["StateValue"] == "ALARM"

    def test_refused_webhook_rings_the_alarm_of_the_template(self):
        template = project_template()
        api, resources = template["HttpApi"]["Properties"], template
        once = {"ThrottlingRateLimit": 1, "ThrottlingBurstLimit": 1}
        self.log_to(api["AccessLogSettings"]["Format"], DefaultRouteSettings=once)
        for name in ("WebhooksThrottled", "RequestsThrottled"):
            properties = {**resources[name]["Properties"], "LogGroupName": "access"}
            RESOURCES["AWS::Logs::MetricFilter"]["create"](name, properties, "stack")
            alarm = {**resources[f"{name}Alarm"]["Properties"], "AlarmName": name, "AlarmActions": []}
            RESOURCES["AWS::CloudWatch::Alarm"]["create"](name, alarm, "stack")
        for path in ("/twilio/status", "/twilio/inbound"):
            self.assertIn(f"POST {path}", api["RouteSettings"])
        self.call("POST", "/twilio/status")
        self.assertFalse(self.alarm_rings("WebhooksThrottled"), "one request is allowed")
        self.assertEqual(self.call("POST", "/twilio/status"), 429)
        self.assertTrue(self.alarm_rings("WebhooksThrottled"))
        self.assertFalse(self.alarm_rings("RequestsThrottled"))
        self.assertEqual([self.call("GET", "/things/whatsapp-14155550123") for _ in range(2)], [200, 429])
        self.assertTrue(self.alarm_rings("RequestsThrottled"))
        lines = [json.loads(line) for line in self.logged()]
        self.assertEqual([line["status"] for line in lines], ["200", "429", "200", "429"])
        self.assertEqual(lines[0]["integration_status"], "200")
        self.assertNotIn("14155550123", "".join(self.logged()))


    def alarm_of_server_errors(self, resources):
        alarm = {**resources["WebhooksFailAlarm"]["Properties"], "AlarmName": "fails", "AlarmActions": []}
        alarm["Dimensions"] = [{"Name": "ApiId", "Value": self.api_id}]
        RESOURCES["AWS::CloudWatch::Alarm"]["create"]("fails", alarm, "stack")

    def test_server_error_rings_the_alarm_of_the_template(self):
        self.stage()
        self.alarm_of_server_errors(project_template())

        async def failing(*_request, **_named):
            return 500, {}, b"{}"

        self.call("POST", "/twilio/status")
        self.assertFalse(self.alarm_rings("fails"))
        apigateway._invoke_lambda_proxy = failing
        self.assertEqual(self.call("POST", "/twilio/status"), 500)
        self.assertTrue(self.alarm_rings("fails"))


def project_template():
    """The resources of template.yaml, in which `!Ref` and its like are their texts."""

    class Loader(yaml.SafeLoader):
        pass

    def construct(loader, _suffix, node):
        if isinstance(node, yaml.ScalarNode):
            return node.value
        construct_node = loader.construct_sequence if isinstance(node, yaml.SequenceNode) else loader.construct_mapping
        return construct_node(node, deep=True)

    Loader.add_multi_constructor("!", construct)
    template = Path(__file__).parents[3] / "template.yaml"
    return yaml.load(template.read_text(), Loader)["Resources"]


if __name__ == "__main__":
    unittest.main()
