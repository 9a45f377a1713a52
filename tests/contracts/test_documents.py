"""The documents of docs/schema are what they claim to be, and describe all that the template has. Needs no system."""

import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from documents import ASYNCAPI, NOTIFICATION, OPENAPI, ROOT, SCHEMA, SCHEMAS, asyncapi_schema

METHODS = ("get", "put", "post", "delete", "patch", "head", "options")


class Template(yaml.SafeLoader):
    """A loader that ignores CloudFormation's tags."""


Template.add_multi_constructor("!", lambda *_: None)
RESOURCES = yaml.load((ROOT / "template.yaml").read_text(), Template)["Resources"]


def routes_of_template():
    """(method, path): whether IAM authorizes it."""
    functions = (each["Properties"] for each in RESOURCES.values() if each["Type"] == "AWS::Serverless::Function")
    events = [event["Properties"] for function in functions for event in function.get("Events", {}).values()]
    # OpenAPI has no greedy parameters.
    return {(each["Method"].lower(), each["Path"].replace("+}", "}")): "Auth" in each for each in events}


def operations():
    for path, item in OPENAPI["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def references(document):
    if isinstance(document, dict):
        if isinstance(document.get("$ref"), str):
            yield document["$ref"]
        for each in document.values():
            yield from references(each)
    elif isinstance(document, list):
        for each in document:
            yield from references(each)


def test_schemas_are_valid_by_the_draft():
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)


def test_openapi_document_is_valid():
    assert [error.message for error in OpenAPIV31SpecValidator(OPENAPI).iter_errors()] == []


def test_openapi_document_has_the_routes_of_the_template():
    security = lambda operation: operation.get("security", OPENAPI["security"]) == [{"iam": []}]
    assert {(method, path): security(operation) for method, path, operation in operations()} == routes_of_template()


def test_every_operation_names_its_errors():
    for method, path, operation in operations():
        missing = {"400", "403", "429", "500"} - operation["responses"].keys()
        assert not missing, (method, path, missing)


def test_asyncapi_document_is_valid():
    validator = Draft7Validator(asyncapi_schema())
    assert [error.message for error in validator.iter_errors(ASYNCAPI)] == []
    # The schema would find a mistake.
    wrong = ASYNCAPI | {"operations": {"x": {"action": "shout", "channel": {"$ref": "#/channels/eventsQueue"}}}}
    assert list(validator.iter_errors(wrong))


def test_asyncapi_references_lead_somewhere():
    for reference in references(ASYNCAPI):
        file, _, pointer = reference.partition("#")
        if file:
            assert (SCHEMA / file).is_file(), reference
            continue
        found = ASYNCAPI
        for name in pointer.strip("/").split("/"):
            assert name in found, reference
            found = found[name]


def test_asyncapi_channels_carry_every_schema():
    def schemas(channel):
        messages = ASYNCAPI["channels"][channel]["messages"].values()
        names = [message["$ref"].rpartition("/")[2] for message in messages]
        payloads = [ASYNCAPI["components"]["messages"][name]["payload"]["schema"] for name in names]
        files = [payload.get("$ref") or payload["properties"]["detail"]["$ref"] for payload in payloads]
        return {file.removeprefix("./").removesuffix(".schema.json") for file in files}

    events = SCHEMAS.keys() - {NOTIFICATION}
    assert schemas("eventsQueue") == schemas("eventBus") == events
    for queue in ("urgentQueue", "outboundQueue", "marketingQueue"):
        assert schemas(queue) == {NOTIFICATION}
    for name, message in ASYNCAPI["components"]["messages"].items():
        if name.endswith("OnBus"):
            properties = message["payload"]["schema"]["properties"]
            assert properties["detail"]["$ref"] == f"./{properties['detail-type']['const']}.schema.json"


def test_queues_of_the_document_are_outputs_of_the_template():
    outputs = (ROOT / "template.yaml").read_text().partition("\nOutputs:\n")[2]
    for name, channel in ASYNCAPI["channels"].items():
        if name != "eventBus":
            output = f"{name[0].upper()}{name[1:]}Url"
            assert f"\n  {output}:\n" in outputs and output in channel["description"], name
