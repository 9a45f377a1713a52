"""The sandbox as a process, and a receiver that records its webhooks in place of the system under test."""

import os
import re
import subprocess
import threading
import time
from dataclasses import dataclass
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Callable, Self
from urllib.parse import parse_qsl, urljoin

import requests

ROOT = Path(__file__).parents[2]
PROGRAM = Path(os.environ.get("SANDBOX", ROOT / "target/debug/sandbox"))
# The account of the sandbox's documentation.
ACCOUNT_SID = "AC00000000000000000000000000000001"
AUTH_TOKEN = "12345678901234567890123456789012"
API_KEY = "SK00000000000000000000000000000001"
API_KEY_SECRET = "sandbox-secret"
SENDER = "whatsapp:+14155238886"
SERVICE = "MG00000000000000000000000000000001"
ORDER_UPDATE = "HX00000000000000000000000000000001"
AVA = "whatsapp:+14155550123"
BEN = "whatsapp:+14155550124"
# In seconds; far longer than any step of these tests.
DEADLINE = 30.0
EMPTY_TWIML = "<?xml version='1.0' encoding='UTF-8'?><Response/>"


class Sandbox:
    """A running sandbox; `control` calls its `/sandbox/...` interface."""

    def __init__(self, url: str) -> None:
        self.url = url

    def control(self, method: str, path: str, body: object = None) -> requests.Response:
        response = requests.request(method, f"{self.url}/sandbox/{path}", json=body, timeout=DEADLINE)
        response.raise_for_status()
        return response

    def write(self, sender: str, body: str = "", **more: object) -> dict:
        """A person sends a message to the business. Returns the sandbox's report of it."""
        return self.control("POST", "inbound", {"from": sender, "body": body, **more}).json()

    def send(self, **parameters: str) -> str:
        """The business sends a message, from its usual sender if no other is given. Returns the SID."""
        url = f"{self.url}/2010-04-01/Accounts/{ACCOUNT_SID}/Messages.json"
        form = {"From": SENDER, **parameters}
        response = requests.post(url, data=form, auth=(API_KEY, API_KEY_SECRET), timeout=DEADLINE)
        response.raise_for_status()
        return response.json()["sid"]

    def misbehave(self, fault: dict, to: str | None = None, times: int | None = 1) -> None:
        self.control("POST", "faults", {"to": to, "times": times, "fault": fault})

    def advance(self, seconds: int) -> None:
        self.control("POST", "clock", {"advance_seconds": seconds})


class SandboxProcess(Sandbox):
    """`make sandbox`, on a free port."""

    def __init__(self, inbound_url: str, **variables: str) -> None:
        environment = {**os.environ, "PORT": "0", "INBOUND_URL": inbound_url, "NO_COLOR": "1", **variables}
        self._process = subprocess.Popen(
            [PROGRAM], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._output: list[str] = []
        super().__init__(self._address())
        # Output that is not read would fill the pipe and block the sandbox.
        threading.Thread(target=self._read_output, daemon=True).start()

    def _address(self) -> str:
        for line in self._process.stdout:
            self._output.append(line)
            address = re.search(r"http://127\.0\.0\.1:\d+", line)
            if address and "ready" in line:
                return address[0]
        raise AssertionError(f"{PROGRAM} ended before it was ready:\n{''.join(self._output)}")

    def _read_output(self) -> None:
        self._output.extend(self._process.stdout)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Call:
    """A webhook as it was received."""

    url: str
    path: str
    headers: Message
    pairs: list[tuple[str, str]]
    body: str = ""

    @property
    def form(self) -> dict[str, str]:
        return dict(self.pairs)


class Receiver:
    """A system under test that answers each webhook with an empty TwiML, or as `answer` says, and serves files."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.answer: Callable[[Call], str] = lambda _: EMPTY_TWIML
        self.status = 200
        self.files: dict[str, tuple[str, bytes]] = {}
        self._received = threading.Condition()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.inbound_url = f"{self.url}/twilio/inbound"
        self.status_url = f"{self.url}/twilio/status"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def _handler(receiver) -> type[BaseHTTPRequestHandler]:
        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                is_form = self.headers.get_content_type() == "application/x-www-form-urlencoded"
                pairs = parse_qsl(body, keep_blank_values=True, strict_parsing=True) if is_form and body else []
                call = Call(urljoin(receiver.url, self.path), self.path, self.headers, pairs, body)
                # Before the answer, because a test continues as soon as the sandbox has it.
                with receiver._received:
                    receiver.calls.append(call)
                    receiver._received.notify_all()
                self._respond(receiver.status, "text/xml", receiver.answer(call).encode())

            def do_GET(self) -> None:
                file = receiver.files.get(self.path)
                self._respond(*((200, *file) if file else (404, "text/plain", b"")))

            def do_HEAD(self) -> None:
                self.do_GET()

            def _respond(self, status: int, content_type: str, body: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        return Handler

    def serve(self, path: str, content_type: str, content: bytes) -> str:
        """Serves a file from now on. Returns its URL."""
        self.files[path] = (content_type, content)
        return self.url + path

    def expect(self, wanted: Callable[[Call], bool], what: str) -> Call:
        """Waits for the first webhook that matches."""
        end = time.monotonic() + DEADLINE
        with self._received:
            while True:
                for call in self.calls:
                    if wanted(call):
                        return call
                if not self._received.wait(end - time.monotonic()):
                    raise AssertionError(f"{what} was not received, only: {[call.form for call in self.calls]}")

    def expect_message(self, body: str) -> Call:
        return self.expect(
            lambda call: call.url == self.inbound_url and call.form.get("Body") == body, f"the message {body!r}"
        )

    def expect_status(self, message_sid: str, status: str) -> Call:
        return self.expect(
            lambda call: call.form.get("MessageSid") == message_sid and call.form.get("MessageStatus") == status,
            f"the status {status} of {message_sid}",
        )

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def eventually(look: Callable[[], object], what: str) -> object:
    """Waits until `look` returns a true value, and returns it."""
    end = time.monotonic() + DEADLINE
    while not (found := look()):
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true")
        time.sleep(0.05)
    return found
