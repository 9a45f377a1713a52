"""Whether Twilio's library for Python accepts requests: reads each as a line of JSON, and prints true or false for each.

Run by tests/tests/signature. A form is what web frameworks give: a name with all its values.
"""

import json
import logging
import sys

from twilio.request_validator import HMAC_SHA1, RequestValidator, get_signature_algorithm


class Form:
    """The part of Django's QueryDict that the library uses."""

    def __init__(self, params: list[tuple[str, str]]) -> None:
        self._values: dict[str, list[str]] = {}
        for name, value in params:
            self._values.setdefault(name, []).append(value)

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self):
        return iter(self._values)

    def getlist(self, name: str) -> list[str]:
        return self._values[name]


def secrets(request: dict, algorithm: str) -> list[str]:
    """What a careful application verifies with. The library leaves it to the application which key a request names."""
    if algorithm.upper() == HMAC_SHA1:
        return request["tokens"]
    settings = [part.partition("=") for part in (request["settings"] or "").split(",")]
    named = [value.strip() for name, _, value in settings if name.strip() == "key"]
    return [request["shared_keys"][key] for key in named[:1] if key in request["shared_keys"]]


def accepts(request: dict) -> bool:
    algorithm = get_signature_algorithm(request["settings"])
    params = request["body"] if request["params"] is None else Form(request["params"])
    signature = request["signature"] or ""
    try:
        return any(
            RequestValidator(secret).validate(request["url"], params, signature, algorithm)
            for secret in secrets(request, algorithm)
        )
    except (TypeError, ValueError):
        return False


logging.disable()
for line in sys.stdin:
    print("true" if accepts(json.loads(line)) else "false")
