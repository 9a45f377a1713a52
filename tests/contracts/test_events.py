"""Every event that the running system has published, against its schema: those of all tests before this one are in the archive."""

import json
import os
import time

import boto3
import pytest

from documents import NOTIFICATION, SCHEMAS, problems
from play import DEADLINE

pytestmark = pytest.mark.skipif("STACK_SANDBOX_URL" not in os.environ, reason="make test starts the system that this needs")


def archived(outputs):
    """Every event in the archive."""
    s3, bucket = boto3.client("s3"), outputs["ArchiveBucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/")
    for key in (entry["Key"] for page in pages for entry in page.get("Contents", [])):
        for line in s3.get_object(Bucket=bucket, Key=key)["Body"].iter_lines():
            yield json.loads(line)


def test_every_published_event_is_valid_by_its_schema(story, outputs):
    expected, end = SCHEMAS.keys() - {NOTIFICATION}, time.monotonic() + 4 * DEADLINE
    while missing := expected - (seen := {event["schema"] for event in archived(outputs)}):
        assert time.monotonic() < end, f"no event with the schemas {missing}, only {seen}"
        time.sleep(1)
    wrong = {}
    for event in archived(outputs):
        if found := problems(event):
            wrong[event["event_id"]] = found
    assert not wrong
