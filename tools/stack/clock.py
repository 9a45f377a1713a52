"""What the emulator does for a stack whose clock can be moved: `src/clock.rs` moves it, and `clock.c` shows it to this process
and to the functions."""

import fcntl
import os


def hold_during_invocations(lambda_svc):
    """Lets the clock move only while no function runs: to a running function it would seem that it was stopped for hours."""
    path = os.environ.get("STACK_CLOCK_FILE")
    if path is None:
        return
    execute = lambda_svc._execute_function_dispatch

    def execute_with_clock_held(*arguments):
        with open(path) as clock:
            fcntl.flock(clock, fcntl.LOCK_SH)
            return execute(*arguments)

    lambda_svc._execute_function_dispatch = execute_with_clock_held
