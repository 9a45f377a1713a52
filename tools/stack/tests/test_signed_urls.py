"""Signed URLs of CloudFront."""

import asyncio
import base64
import unittest
from types import SimpleNamespace

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from strict.signed_urls import problem_of, require_signatures

URL = "http://127.0.0.1:8070/uploads/a.jpg"
NOW = 1_800_000_000
DENIED = ("AccessDenied", "Access denied")
CURVE, RSA = ec.generate_private_key(ec.SECP256R1()), rsa.generate_private_key(65537, 2048)


def pem(key):
    public = key.public_key()
    return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


TRUSTED = {"KCURVE": pem(CURVE), "KRSA": pem(RSA)}


def signed(url=URL, expires=NOW + 60, key=CURVE, key_id="KCURVE", algorithm="SHA256", others=""):
    """The query of a signed URL."""
    resource = f"{url}?{others}" if others else url
    policy = f'{{"Statement":[{{"Resource":"{resource}","Condition":{{"DateLessThan":{{"AWS:EpochTime":{expires}}}}}}}]}}'.encode()
    digest = {"SHA256": hashes.SHA256(), "SHA1": hashes.SHA1()}[algorithm]
    signature = key.sign(policy, ec.ECDSA(digest)) if key is CURVE else key.sign(policy, padding.PKCS1v15(), digest)
    text = base64.b64encode(signature).decode().translate(str.maketrans("+=/", "-_~"))
    before = f"{others}&" if others else ""
    return f"{before}Expires={expires}&Signature={text}&Key-Pair-Id={key_id}&Hash-Algorithm={algorithm}"


class SignedUrls(unittest.TestCase):
    def problem(self, query, url=URL):
        return problem_of(url, query, TRUSTED, NOW)

    def test_signature_of_a_trusted_key_is_valid(self):
        self.assertIsNone(self.problem(signed()))
        self.assertIsNone(self.problem(signed(key=RSA, key_id="KRSA")))
        self.assertIsNone(self.problem(signed(algorithm="SHA1").replace("&Hash-Algorithm=SHA1", "")), "the default")
        self.assertIsNone(self.problem(signed(others="size=large")))

    def test_other_requests_are_refused(self):
        for query in (
            signed(expires=NOW), signed(url=URL + "x"), signed(key_id="KRSA"), signed(key_id="KOTHER"),
            signed().replace(f"Expires={NOW + 60}", f"Expires={NOW + 61}"), signed() + "&size=large",
            signed().replace("SHA256", "SHA1"), signed().replace("SHA256", "MD5"), signed().replace("Signature=", "Signature=A"),
            "Key-Pair-Id=KCURVE",
        ):
            self.assertEqual(self.problem(query), DENIED, query)
        self.assertEqual(self.problem("")[0], "MissingKey")

    def test_origin_gets_the_request_without_the_signature(self):
        seen = []

        async def handle_viewer_request(dist, method, path, raw_path, raw_query, headers, body, query_params, *more):
            seen.append((raw_query, query_params, more))
            return 200, {}, b"a file"

        cloudfront = SimpleNamespace(
            handle_viewer_request=handle_viewer_request,
            _trusted_key_group_ids=lambda dist: dist["groups"],
            _key_groups={"G": {"Config": {"Items": ["KCURVE"]}}},
            _public_keys={"KCURVE": {"Config": {"EncodedKey": TRUSTED["KCURVE"]}}},
        )
        require_signatures(cloudfront)

        def status(groups, query):
            names = {part.partition("=")[0]: [part.partition("=")[2]] for part in query.split("&") if part}
            request = ("GET", "/uploads/a.jpg", "/uploads/a.jpg", query, {"host": "127.0.0.1:8070"}, b"", names, "127.0.0.1")
            return asyncio.run(cloudfront.handle_viewer_request({"groups": groups}, *request))[0]

        far = 4_000_000_000
        self.assertEqual(status({"G"}, signed(expires=far, others="size=large")), 200)
        self.assertEqual(status({"G"}, "size=large"), 403)
        self.assertEqual(status(set(), "size=large"), 200, "a distribution without key groups")
        self.assertEqual(seen, [("size=large", {"size": ["large"]}, ("127.0.0.1",))] * 2)


if __name__ == "__main__":
    unittest.main()
