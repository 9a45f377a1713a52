"""The commands of the documents exist: those of `wa` with their options, and the targets of `make`."""

import re
import subprocess
from functools import cache

import pytest

from play import ROOT

DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / ".github").glob("*.md"))]
OPTION = re.compile(r"--[a-z][a-z-]*")


@cache
def help_of(*command):
    """The help of a command of `wa`; none if there is no such command."""
    run = subprocess.run([ROOT / "target/debug/wa", *command, "--help"], capture_output=True, text=True)
    return run.stdout if run.returncode == 0 else None


def subcommands(*command):
    """Also those of a second level, whose names are in the help of their command."""
    lines = help_of(*command).partition("\nCommands:\n")[2].partition("\n\n")[0].split("\n")
    return {line.split()[0] for line in lines if re.match(r"  [a-z]", line)}


def in_code(text):
    """The lines of the blocks of commands, and the code in sentences and tables."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", "", block).split("\n")]
    return lines + re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))


def uses_of(program, text):
    """The arguments of each use of a program in a piece of code, which may be one of several commands."""
    for part in re.split(r"\|\||&&|[|;()#]", text):
        words = part.split()
        if program in words[:1]:
            yield words[1:]


def wrong_in(arguments):
    """What does not exist of a use of `wa`."""
    command, is_value = [], False
    for word in arguments:
        if is_value:
            is_value = False
        elif OPTION.match(word):
            # The options before the command have a value.
            is_value = not command
        elif word in subcommands(*command):
            command.append(word)
        elif "<COMMAND>" in help_of(*command).partition("Usage:")[2].partition("\n")[0]:
            return [word]
        else:
            break
    options = [word.partition("=")[0] for word in arguments if OPTION.match(word)]
    known = set(OPTION.findall(help_of(*command)))
    return sorted({option for option in options if option not in known})


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_of_a_document_exist(document):
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for code in in_code(document.read_text()):
        for arguments in uses_of("wa", code):
            assert wrong_in(arguments) == [], code
        for arguments in uses_of("make", code):
            assert {word for word in arguments[:1] if re.fullmatch("[a-z0-9-]+", word)} <= targets, code
