"""Twilio's signature of a form, without Twilio's library, which the tools for OpenAPI are not installed beside."""

import base64
import hashlib
import hmac


def signature(token: str, url: str, form: dict[str, str]) -> str:
    """Source: Twilio, "Security", "Validating Signatures from Twilio"."""
    text = url + "".join(name + form[name] for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()
