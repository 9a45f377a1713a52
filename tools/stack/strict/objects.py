"""Missing and locked objects of S3.

Sources: Amazon S3 API Reference, "HeadObject" and "GetObject": whether a missing object is answered with 404 "depends on whether you
also have the s3:ListBucket permission"; without it the answer is 403. ministack always answers 404. "PutObject": the header `Content-MD5` or a checksum "is required for any
request to upload an object with a retention period configured using Amazon S3 Object Lock". AWS CloudFormation Template Reference,
"AWS::S3::Bucket": `ObjectLockConfiguration` needs `ObjectLockEnabled`, which a bucket has from its creation on; ministack reads neither.
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


def require_checksums_of_locked_objects(s3):
    """Refuses an object without a checksum for a bucket that locks its objects by default."""
    put_object = s3._put_object

    def put(bucket, key, body, headers, *arguments, **options):
        lock = s3._bucket_object_lock.get(bucket)
        has_checksum = any(name == "content-md5" or name.startswith("x-amz-checksum-") or name == "x-amz-trailer" for name in headers)
        if lock and lock["default_retention"] and not has_checksum:
            message = "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Object requests with Object Lock parameters"
            return s3._error("InvalidRequest", message, 400, f"/{bucket}/{key}")
        return put_object(bucket, key, body, headers, *arguments, **options)

    s3._put_object = put


def lock_by_template(resources, s3):
    """Locks the objects of a bucket as its template says."""
    bucket = resources["AWS::S3::Bucket"]
    create, update = bucket["create"], bucket["update"]

    def lock(name, properties):
        configuration = properties.get("ObjectLockConfiguration")
        if not configuration:
            return
        if str(properties.get("ObjectLockEnabled")).lower() != "true" or s3._bucket_versioning.get(name) != "Enabled":
            raise ValueError("Object Lock configuration cannot be enabled on existing buckets")
        retention = dict(configuration["Rule"]["DefaultRetention"])
        for unit in {"Days", "Years"} & retention.keys():
            # A template's parameters are strings.
            retention[unit] = int(retention[unit])
        s3._bucket_object_lock[name] = {"enabled": True, "default_retention": retention}

    def create_locked(logical_id, properties, stack):
        name, attributes = create(logical_id, properties, stack)
        lock(name, properties)
        return name, attributes

    def update_locked(name, old, new, stack):
        updated, attributes = update(name, old, new, stack)
        lock(updated, new)
        return updated, attributes

    bucket["create"], bucket["update"] = create_locked, update_locked
