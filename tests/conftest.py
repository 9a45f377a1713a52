"""A sandbox and a receiver of its own for each test: none sees what another did."""

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
