"""The commands in a Bash block, split as a shell splits them, and the check of gluetune's by their own parsers."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from gluetune.cli.commands import COMMANDS
from gluetune.cli.flags import parse

_HEREDOC = re.compile(r"<<-?\s*['\"]?(\w+)['\"]?")
_OPERATORS = frozenset("();<>|&")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*=")
_PREFIXES = ("watch", "nohup", "time", "sudo", "exec", "env", "nice", "do", "then")
_TOP_LEVEL = ("--help", "-h", "--version", "--print-completion", "help")


def commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """Split a Bash block into its simple commands, without redirections and comments.

    Args:
        text: the block.

    Yields:
        The number of the command's line in the block, from 0, and its words.
    """
    for number, line in _logical_lines(text):
        words: list[str] = []
        redirected = False
        for word in [*_words(line), ";"]:
            if set(word) <= _OPERATORS:
                redirected = set(word) <= {"<", ">", "&"} and word not in ("&", "&&")
                if words and not redirected:
                    yield number, words
                    words = []
            elif redirected:
                redirected = False
            else:
                words.append(word)


def gluetune_commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """Return the gluetune commands of a Bash block, each with its line in the block, without the word ``gluetune``.

    Args:
        text: the block.
    """
    for number, words in commands(text):
        while words and (_ASSIGNMENT.match(words[0]) or words[0] in _PREFIXES):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "gluetune":
            yield number, words[1:]


def make_targets(text: str) -> Iterator[tuple[int, str]]:
    """Return the targets of the Makefile that a Bash block makes, each with its line in the block.

    Args:
        text: the block.
    """
    for number, words in commands(text):
        if words[0] == "make":
            yield from ((number, word) for word in words[1:] if "=" not in word and not word.startswith("-"))


def check_command(arguments: list[str]) -> None:
    """Parse a command line as gluetune does.

    Args:
        arguments: the words after ``gluetune``.

    Raises:
        ConfigError: unknown flags, values that a flag does not take, missing arguments.
        AssertionError: there is no such command.
    """
    assert arguments, "gluetune without a command"
    name, *flags = arguments
    if name in _TOP_LEVEL:
        return
    assert name in COMMANDS, f"gluetune {name}: no such command"
    if any(flag in ("--help", "-h") for flag in flags):
        return
    if name == "submit" and "--" in flags:
        check_command(flags[flags.index("--") + 1 :])
        flags = flags[: flags.index("--")]
    program, _ = COMMANDS[name].load()
    if program is not None:  # the comparisons of `gluetune benchmark` have a parser of their own
        parse(flags, program)


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join lines that end in a backslash, and leave out here-documents."""
    end, joined, first = None, "", 0
    for number, line in enumerate(text.splitlines()):
        if end is not None:
            end = None if line.strip() == end else end
            continue
        first = first if joined else number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        joined += line
        document = _HEREDOC.search(joined)
        end = document[1] if document else None
        if joined.strip():
            yield first, joined[: document.start()] if document else joined
        joined = ""


def _words(line: str) -> list[str]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    return list(lexer)
