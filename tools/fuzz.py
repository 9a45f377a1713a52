"""Runs the fuzz tests with many inputs, and ends with the number of inputs of each: `make fuzz`.

`make test` runs the same tests with few inputs. See tests/fuzz/src/lib.rs.
"""

import os
import re
import subprocess
import sys

# The packages with fuzz tests: those that depend on `fuzz`.
PACKAGES = ["contacts", "fuzz", "presign", "publish", "schemas", "send", "verify"]
# For each test. All tests together then read more than 10 million forms, signatures and notifications.
INPUTS = "1500000"
LINE = re.compile(r"^fuzz: (\S+): (\d+) inputs, (\d+) understood, (\d+) s")


def main(only: list[str]) -> int:
    environment = {"FUZZ_INPUTS": INPUTS, "RUST_BACKTRACE": "0", **os.environ}
    packages = [word for package in PACKAGES for word in ("--package", package)]
    command = ["cargo", "test", "--profile", "fuzz", *packages, "--lib", "--test", "parsers", "--no-fail-fast", "--"]
    filters = only or ["fuzz_tests", "json::", "twilio_answers::", "webhooks::"]
    process = subprocess.Popen([*command, "--nocapture", *filters], env=environment, stderr=subprocess.STDOUT, stdout=subprocess.PIPE)
    counts = []
    for line in process.stdout:
        text = line.decode(errors="replace")
        print(text, end="", flush=True)
        if found := LINE.match(text):
            counts.append((found[1], *map(int, found.groups()[1:])))
    code = process.wait()
    print(f"\n{'test':<75} {'inputs':>12} {'understood':>12} {'seconds':>8}")
    for test, inputs, understood, seconds in sorted(counts):
        print(f"{test:<75} {inputs:>12,} {understood:>12,} {seconds:>8,}")
    print(f"fuzz: {sum(inputs for _, inputs, *_ in counts):,} inputs, {'no failure' if code == 0 else 'FAILED'}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
