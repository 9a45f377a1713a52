"""Decides which requests the emulator answers.

Every web page in a browser on this machine can call the emulator's ports, and a tunnel opens the API's port to the Internet.
A browser sends the calling page's origin in the Origin header, and the host name that the page used in the Host header.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

LOCAL = frozenset({"127.0.0.1", "localhost"})
WEBHOOKS = frozenset({"/twilio/inbound", "/twilio/status", "/twilio/events", "/sendgrid/events"})
SIGNED_ROUTES = ("/media/", "/contacts/", "/notifications/", "/messages/")
# The same without a path variable, or with an id in the query.
SIGNED_PATHS = frozenset({"/media", "/notifications", "/verifications", "/verifications/check"})
# Paths that the emulator serves to callers without a signature.
UNSIGNED = ("/_", "/health", "/v2/")


@dataclass(frozen=True)
class Access:
    """The rules of one run. `public_base_url` is the URL that Twilio calls, or None without a Twilio account. `bridge` is
    this machine's address in Docker's network, which containers call, or None without Docker."""

    api_port: int
    public_base_url: str | None
    bridge: str | None

    def refusal(self, server: tuple[str, int], path: str, headers: list[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        """Returns the status and the reason of a refusal, or None if the request is allowed. `server` is the address and the
        port that were called; header names are in lower case."""
        address, port = server
        if any(name == b"origin" for name, _ in headers):
            return 403, "Origin: the local stack answers no web page"
        expected = self.hosts(address, port)
        hosts = [value.decode("latin-1") for name, value in headers if name == b"host"]
        if not hosts or not all(is_one_of(expected, host) for host in hosts):
            reason = f"Host: expected {' or '.join(sorted(expected))}"
            if self.public_base_url and port == self.api_port:
                reason += "; if the tunnel has another name, set PUBLIC_BASE_URL to its URL"
            return 403, reason
        if address == self.bridge and path.startswith(UNSIGNED):
            return 404, "Containers are served AWS alone"
        if port == self.api_port and path not in WEBHOOKS:
            # The tunnel is only for Twilio, so the port does not serve the routes that systems on this machine call.
            if self.public_base_url:
                return 404, f"With a Twilio account this port serves {', '.join(sorted(WEBHOOKS))} alone"
            if path not in SIGNED_PATHS and not path.startswith(SIGNED_ROUTES):
                return 404, "The API has no such route"
        return None

    def hosts(self, address: str, port: int) -> frozenset[str]:
        if address == self.bridge:
            return frozenset({address})
        if self.public_base_url and port == self.api_port:
            return LOCAL | {urlsplit(self.public_base_url).hostname}
        return LOCAL


def is_one_of(expected: frozenset[str], host: str) -> bool:
    """Whether a Host header has one of these names. The port is ignored, because port forwarding may change it."""
    name = host.partition(":")[0].lower()
    # AWS SDKs put a bucket's name in front of localhost. Browsers resolve such names to this machine only.
    return name in expected or (name.endswith(".localhost") and "localhost" in expected)
