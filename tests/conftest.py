"""A separate sandbox and receiver for each test, so that no test sees the messages of another."""

import pytest

from play import Receiver, SandboxProcess


@pytest.fixture
def receiver():
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def sandbox(receiver):
    with SandboxProcess(receiver.inbound_url) as sandbox:
        yield sandbox
