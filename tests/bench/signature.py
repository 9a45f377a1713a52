"""How long Twilio's library for Python takes to verify the signature of a form with 17 parameters: prints microseconds.

The form is that of shared/twilio-webhook/examples/signature.rs. Parsing it is part of the time there and here. Run by
`make bench`.
"""

import pathlib
import re
import time
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

CHECKS = 20_000
URL = "https://wa.example.com/twilio/inbound"
SOURCE = pathlib.Path(__file__).parent.parent.parent / "shared/twilio-webhook/examples/signature.rs"
BODY = re.sub(r"\\\n\s*", "", re.search(r'BODY: &str = "([^"]*)"', SOURCE.read_text()).group(1))

validator = RequestValidator("12345678901234567890123456789012")
signature = validator.compute_signature(URL, dict(parse_qsl(BODY, keep_blank_values=True)))
start = time.perf_counter()
for _ in range(CHECKS):
    assert validator.validate(URL, dict(parse_qsl(BODY, keep_blank_values=True)), signature)
print(f"{(time.perf_counter() - start) / CHECKS * 1e6:.2f}")
