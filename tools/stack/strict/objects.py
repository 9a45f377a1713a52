"""Missing objects of S3.

Source: Amazon S3 API Reference, "HeadObject" and "GetObject": whether a missing object is answered with 404 "depends on whether you
also have the s3:ListBucket permission"; without it the answer is 403. ministack always answers 404.
"""


def hide_missing_objects(s3, is_denied):
    """Answers 403 for a missing object to callers who may not list its bucket. `is_denied` tells whether the caller of a request
    with these headers and this query lacks a permission for a resource."""
    handle = s3.handle_request

    async def handle_request(method, path, headers, body, query_params, *arguments, **options):
        response = await handle(method, path, headers, body, query_params, *arguments, **options)
        bucket, key = s3._parse_bucket_key(path, headers)
        is_missing = method in ("GET", "HEAD") and key and response[0] == 404
        if is_missing and is_denied("s3:ListBucket", f"arn:aws:s3:::{bucket}", headers, query_params):
            status, response_headers, response_body = s3._error("AccessDenied", "Access Denied", 403, f"/{bucket}/{key}")
            return status, response_headers, b"" if method == "HEAD" else response_body
        return response

    s3.handle_request = handle_request
