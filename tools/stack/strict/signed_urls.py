"""Signed URLs of CloudFront.

ministack answers every request to a distribution, also where its cache behavior trusts key groups. Sources: Amazon CloudFront, "Use
signed URLs" (a request without a valid signature is answered with 403), "Create a signed URL using a canned policy" (the policy, the
parameters, and the characters that replace those of base64), and "Specify signers that can create signed URLs and signed cookies" (keys
of RSA with 2,048 bits and of ECDSA with P-256). Custom policies and signed cookies are refused.
"""

import base64
import time

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

OWN = ("Expires", "Signature", "Key-Pair-Id", "Hash-Algorithm")
HASHES = {"SHA1": hashes.SHA1, "SHA256": hashes.SHA256}


def require_signatures(cloudfront):
    """Answers 403 to requests without a valid signature, where a distribution trusts key groups. The URL of a link to this machine
    begins with http."""
    serve = cloudfront.handle_viewer_request

    async def handle_viewer_request(dist, method, path, raw_path, raw_query, headers, body, query_params, *more):
        if groups := cloudfront._trusted_key_group_ids(dist):
            keys = {key for group in groups for key in cloudfront._key_groups[group]["Config"]["Items"]}
            trusted = {key: cloudfront._public_keys[key]["Config"]["EncodedKey"] for key in keys}
            if problem := problem_of(f"http://{headers.get('host', '')}{raw_path}", raw_query or "", trusted, time.time()):
                return refused(*problem)
            # The origin does not get these parameters.
            raw_query = "&".join(part for part in parts(raw_query) if part.partition("=")[0] not in OWN)
            query_params = {name: values for name, values in query_params.items() if name not in OWN}
        return await serve(dist, method, path, raw_path, raw_query, headers, body, query_params, *more)

    cloudfront.handle_viewer_request = handle_viewer_request


def parts(query):
    return [part for part in (query or "").split("&") if part]


def problem_of(url, query, trusted, now):
    """What is wrong with a request, as the code and the message of the answer; None for a valid one. `trusted` has the public keys in
    PEM by their ids."""
    own = {name: value for name, _, value in (part.partition("=") for part in parts(query)) if name in OWN}
    others = "&".join(part for part in parts(query) if part.partition("=")[0] not in OWN)
    if "Key-Pair-Id" not in own:
        return "MissingKey", "Missing Key-Pair-Id query parameter or cookie value"
    expires, key = own.get("Expires", ""), trusted.get(own["Key-Pair-Id"])
    algorithm = HASHES.get(own.get("Hash-Algorithm", "SHA1"))
    if not expires.isdigit() or key is None or algorithm is None:
        return "AccessDenied", "Access denied"
    resource = f"{url}?{others}" if others else url
    policy = f'{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}'
    if not is_signature_of(policy.encode(), own.get("Signature", ""), key, algorithm()):
        return "AccessDenied", "Access denied"
    # After the signature, so that an expired link is known as one.
    return ("AccessDenied", "Access denied") if int(expires) <= now else None


def is_signature_of(policy, signature, pem, algorithm):
    try:
        signature = base64.b64decode(signature.translate(str.maketrans("-_~", "+=/")), validate=True)
        key = serialization.load_pem_public_key(pem.encode())
        if isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1):
            key.verify(signature, policy, ec.ECDSA(algorithm))
        elif isinstance(key, rsa.RSAPublicKey) and key.key_size == 2048:
            key.verify(signature, policy, padding.PKCS1v15(), algorithm)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True


def refused(code, message):
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return 403, {"Content-Type": "text/xml", "X-Cache": "Error from cloudfront"}, body.encode()
