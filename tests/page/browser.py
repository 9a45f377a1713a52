"""The browser of the tests: the pinned Chromium, or an installed one where that does not run."""

import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from play import ROOT

DESKTOP = {"width": 1440, "height": 900}
PINNED = ROOT / ".tools/chromium"
# The browser must reach only this machine, and use no profile.
FLAGS = [
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
]
NAMES = ["chromium", "chromium-browser", "google-chrome"]


def program() -> tuple[str, dict[str, str]]:
    """The browser's program, and additional environment variables for it."""
    if (PINNED / "chromium").exists():
        # Libraries and a font that this machine may lack.
        return str(PINNED / "chromium"), {
            "LD_LIBRARY_PATH": str(PINNED / "al2023/lib"),
            "FONTCONFIG_FILE": str(PINNED / "fonts.conf"),
        }
    installed = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not installed:
        raise RuntimeError("no Chromium: the pinned one is for Linux on x86-64; install one, or set CHROMIUM to its path")
    print(f"The pinned Chromium is for Linux on x86-64: using {installed}", file=sys.stderr)
    return installed, {}


@contextmanager
def launch() -> Iterator[Browser]:
    path, environment = program()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS, env={**os.environ, **environment})
        yield browser
        browser.close()
