"""``docs/reference/exit-codes.md``: exit codes and messages, with examples from the tests of messages."""

from __future__ import annotations

import re
from pathlib import Path

from gluetune.cli.process import FAILED, OK, USER_ERROR
from gluetune.supervisor import INTERRUPTED
from markup import first_lines, table

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "tests" / "contract"
INTRODUCTION = "The exit codes of `gluetune COMMAND`, and what it prints to standard error where a command cannot run."
CODES = {
    str(OK): "done",
    str(FAILED): "a single run diverged, ran out of memory or failed; or `verify` found a score that is not reproduced",
    f"{FAILED}, with a traceback": "a bug",
    f"{FAILED}, or 128 + the number of a signal": (
        "Ray or the kernel has ended the driver; the message names the log and, where there is one, the resume command"
    ),
    str(USER_ERROR): "a mistake that you can correct, with one message",
    str(INTERRUPTED): "interrupted; the command that resumes the run is printed",
}
MESSAGES = """
## Messages

A message says where the mistake is, the rule, the value that breaks it, and the nearest valid name. All mistakes of a
job file and of the flags are in one message. These are examples of each kind; the line with `>` says what was given:
"""
# Title of each kind: the file with its messages, and the beginnings of those that the page shows.
KINDS = {
    "Job files and search spaces": (
        "messages.golden.txt",
        (
            "job.yaml:1: serach: no such key",
            "job.yaml:1: data.source: must be one of",
            "job.yaml:1: data.max_seq_length: must be a whole number >= 8 and <= 8192, but got 4",
        ),
    ),
    "Flags": (
        "messages.golden.txt",
        (
            "--tsks: no such flag",
            "--learning-rate: no such flag",
            "--num-samples: must be a whole number",
            "--tasks: must be one of",
            "--data: dir needs",
            "--resume: a run is resumed as it was started",
        ),
    ),
    "GLUE's files": ("data_messages.golden.txt", ("FOLDER/RTE/train.tsv:3: a row must have 4",)),
    "Your own files": ("table_messages.golden.txt", ("FOLDER/trian.csv: must be a file", "FOLDER/train.xlsx:")),
}


def exit_codes_page() -> str:
    """Return the page in Markdown."""
    codes = table(("code", "meaning"), CODES.items())
    parts = [first_lines("Exit codes and messages", "`tests/contract`", INTRODUCTION), f"\n{codes}", MESSAGES]
    for title, (file, beginnings) in KINDS.items():
        blocks = "\n\n".join(_message(file, beginning) for beginning in beginnings)
        parts.append(f"\n**{title}**\n\n```text\n{blocks}\n```\n")
    return "".join(parts)


def _message(file: str, beginning: str) -> str:
    """Return a message and what it is about."""
    blocks = re.split(r"\n\n+(?=> )", (CONTRACT / file).read_text(encoding="utf-8").strip())
    (found, *_) = [block for block in blocks if any(line.startswith(beginning) for line in block.splitlines())]
    return found.strip()
