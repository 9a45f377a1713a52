"""Missing objects of S3."""

import asyncio
import unittest
from types import SimpleNamespace

from strict.objects import hide_missing_objects


def s3_with(status):
    async def handle_request(method, path, headers, body, query_params):
        return status, {}, b"answer"

    return SimpleNamespace(
        handle_request=handle_request,
        _parse_bucket_key=lambda path, headers: tuple(path.lstrip("/").split("/", 1)),
        _error=lambda code, message, status, resource: (status, {}, code.encode()),
    )


def answer(status, method, path, may_list):
    asked = []

    def is_denied(action, resource, headers, query_params):
        asked.append((action, resource))
        return not may_list

    s3 = s3_with(status)
    hide_missing_objects(s3, is_denied)
    status, _, body = asyncio.run(s3.handle_request(method, path, {}, b"", {}))
    return status, body, asked


class MissingObjects(unittest.TestCase):
    def test_missing_object_is_404_to_those_who_may_list_the_bucket(self):
        self.assertEqual(answer(404, "GET", "/media/a.jpg", True), (404, b"answer", [("s3:ListBucket", "arn:aws:s3:::media")]))

    def test_missing_object_is_403_to_all_others(self):
        self.assertEqual(answer(404, "GET", "/media/a.jpg", False)[:2], (403, b"AccessDenied"))
        self.assertEqual(answer(404, "HEAD", "/media/a.jpg", False)[:2], (403, b""))

    def test_other_answers_stay_as_they_are(self):
        for status, method in ((200, "GET"), (403, "HEAD"), (404, "PUT")):
            self.assertEqual(answer(status, method, "/media/a.jpg", False), (status, b"answer", []))


if __name__ == "__main__":
    unittest.main()
