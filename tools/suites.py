"""Runs suites of tests one after the other, and ends with a line for each: one that fails does not hide the others.

Run by make as `suites.py NAME COMMAND [NAME COMMAND]...`; a command is a line for the shell.
"""

import subprocess
import sys
import time


def run(name, command):
    print(f"\n=== {name}", flush=True)
    begin = time.monotonic()
    code = subprocess.run(["bash", "-c", command]).returncode
    return name, code, time.monotonic() - begin


def main(words):
    if not words or len(words) % 2:
        sys.exit("suites.py: expected NAME COMMAND, as often as there are suites")
    results = [run(name, command) for name, command in zip(words[::2], words[1::2])]
    print(flush=True)
    for name, code, seconds in results:
        print(f"{'passed' if code == 0 else 'FAILED'}  {name} ({seconds:.0f} s)")
    failed = sum(code != 0 for _, code, _ in results)
    print(f"suites: {len(results) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
