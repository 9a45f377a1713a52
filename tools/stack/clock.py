"""What the emulator does for a stack whose clock can be moved: the sandbox moves it, and `clock.c` shows it to this process and
to the functions."""

import asyncio
import fcntl
import os
import struct
import threading
import time
from datetime import datetime, timedelta, timezone
from math import inf
from pathlib import Path

# How long a clock that was set back may go unnoticed where no function is invoked.
NOTICED_WITHIN_SECONDS = 0.05


def follow(core, services):
    """Makes the emulator follow a clock that is moved while it runs. Does nothing for a clock that is never moved."""
    path = os.environ.get("STACK_CLOCK_FILE")
    if path is None:
        return
    moving = MovingClock(path, services)
    moving.watch()
    hold_during_invocations(services.lambda_svc, Path(path), moving)
    accept_this_machines_time(core.sigv4, moving)
    keep_streams(services)
    never_wait_longer(services.sqs)


class MovingClock:
    """Notices that the clock was set back, and sets the emulator's own timers back with it."""

    def __init__(self, path, services):
        self.file = os.open(path, os.O_RDONLY)
        self.services = services
        self.lock = threading.Lock()
        self.seen = self.seconds_ahead()

    def seconds_ahead(self):
        """How far the clock is ahead of this machine's."""
        return struct.unpack("=q", os.pread(self.file, 8, 0))[0]

    def watch(self):
        def notice():
            while True:
                time.sleep(NOTICED_WITHIN_SECONDS)
                self.notice()

        threading.Thread(target=notice, daemon=True).start()

    def notice(self):
        with self.lock:
            now = self.seconds_ahead()
            back, self.seen = self.seen - now, now
            if back > 0:
                set_back(self.services, back)


def set_back(services, seconds):
    """Sets the timers of queues and schedules back. They are absolute times, and would not run out for as many seconds."""
    now = time.time()
    for _, queue in services.sqs._queues.all_items():
        for message in queue["messages"]:
            for name in ("sent_at", "enqueued_at", "visible_at", "first_receive_at", "received_at"):
                at = message.get(name)
                if at is not None and at > now:
                    message[name] = at - seconds
            sent = message.get("sys", {}).get("SentTimestamp")
            if sent is not None and int(sent) > now * 1000:
                message["sys"] = {**message["sys"], "SentTimestamp": str(int(sent) - seconds * 1000)}
        for sent in queue["dedup_cache"].values():
            if sent["expire"] > now + services.sqs._DEDUP_WINDOW_S:
                sent["expire"] -= seconds
    for fired in (services.eventbridge._rule_last_fired, services.scheduler._schedule_last_fired):
        fired.update({key: now for key, at in fired.items() if at > now})
    services.lambda_svc._esm_backoff_until.clear()


def hold_during_invocations(lambda_svc, path, moving):
    """Lets the clock move only while no function runs: to a running function it would seem that it was stopped for hours."""
    execute = lambda_svc._execute_function_dispatch
    turnstile = path.with_suffix(".turnstile")

    def execute_with_clock_held(*arguments):
        # The sandbox holds the turnstile while it waits, so that functions that overlap each other let it in.
        with open(turnstile) as gate:
            fcntl.flock(gate, fcntl.LOCK_SH)
        with open(path) as clock:
            fcntl.flock(clock, fcntl.LOCK_SH)
            moving.notice()
            return execute(*arguments)

    lambda_svc._execute_function_dispatch = execute_with_clock_held


def accept_this_machines_time(sigv4, moving):
    """Accepts requests that are signed with this machine's time, too: those of the AWS CLI, of SDKs and of functions that a
    person runs beside the stack. Presigned links keep their lifetime by the stack's clock."""
    failure = sigv4.request_time_failure

    def failure_by_both_clocks(signature, *, now=None):
        machine = datetime.now(timezone.utc) - timedelta(seconds=moving.seconds_ahead())
        return failure(signature, now=now) and failure(signature, now=machine)

    sigv4.request_time_failure = failure_by_both_clocks


def keep_streams(services):
    """Keeps the records and the iterators of streams, however far the clock is moved: their readers had no time to read them.
    Sequence numbers increase, also after the clock was set back."""
    services.dynamodb._STREAM_RETENTION_SECONDS = inf
    services.dynamodb_streams._ITERATOR_TTL_SECONDS = inf
    next_number = services.dynamodb._next_stream_seq
    highest = "0" * 20

    def next_increasing():
        nonlocal highest
        number = next_number()
        # The first 20 digits are the time, the others are a counter.
        with services.dynamodb._stream_seq_lock:
            highest = max(highest, number[:20])
            return highest + number[20:]

    services.dynamodb._next_stream_seq = next_increasing


def never_wait_longer(sqs):
    """Ends long polling after its seconds, also where the clock was set back meanwhile."""
    receive = sqs._act_receive_message
    longest = 20

    async def receive_in_time(data, url):
        try:
            return await asyncio.wait_for(receive(data, url), longest + 1)
        except asyncio.TimeoutError:
            return {}

    sqs._act_receive_message = sqs._HANDLERS["ReceiveMessage"] = receive_in_time
