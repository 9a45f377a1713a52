"""The documents of docs/schema."""

import json
import os
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator, FormatChecker

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs/schema"
NOTIFICATION = "notification.v1"

OPENAPI = yaml.safe_load((SCHEMA / "openapi.yaml").read_text())
ASYNCAPI = yaml.safe_load((SCHEMA / "asyncapi.yaml").read_text())
SCHEMAS = {path.name.removesuffix(".schema.json"): json.loads(path.read_text()) for path in SCHEMA.glob("*.schema.json")}


def asyncapi_schema():
    """AsyncAPI's own description of its documents."""
    packages = Path(os.environ.get("NODE_PATH", ROOT / ".tools/npm/node_modules"))
    return json.loads((packages / "@asyncapi/specs/schemas/3.0.0.json").read_text())


def closed(schema):
    """A schema that allows no field which it does not describe: a consumer must allow more, and a test must not."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: closed(value) for name, value in schema.items()}
    if schema.get("type") == "object" and "properties" in schema:
        kept.setdefault("additionalProperties", False)
    return kept


VALIDATORS = {
    name: Draft202012Validator(closed(schema), format_checker=FormatChecker(["date-time"])) for name, schema in SCHEMAS.items()
}


def problems(event):
    """What is wrong with an event, by the schema that it names. Without the values, which people wrote."""
    validator = VALIDATORS.get(event.get("schema"))
    if validator is None:
        return [f"there is no schema {event.get('schema')!r}"]
    return [f"{error.json_path}: {error.validator}" for error in validator.iter_errors(event)]
