"""Words that code, documentation and messages do not use, because a reader from the field would have to guess them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
# What to write instead stands in docs/reference/glossary.md and CONTRIBUTING.md.
BANNED = (
    r"house|rooms?|dealer|deals?|dealt|dealing|conductor|conducted|keeper|holder|quicken(?:s|ed)?|unsearched"
    r"|pretend(?:s|ed)|carv(?:e|es|ed|ing)|hears?|heard|told|tells|ours|theirs|whoever|nobody|somebody|everybody"
    r"|embedded|ticket|ledgers?|(?:go|goes|going|went)[ _]on[ _]with"
)
SUFFIXES = {".py", ".md", ".yaml", ".yml", ".toml", ".sh", ".service"}
# This file contains the list itself.
EXCEPT = ("tests/unit/architecture/test_architecture_words.py",)
QUOTED = {  # words of generated sentences and of texts that tests read, and a column's name after a tab
    "platform/gluetune/synthetic/single_sentence.py": {"nobody", "everybody"},
    "tests/unit/data/test_data_files.py": {"nobody"},
    "tests/unit/data/test_data_folder.py": {"nobody", "told"},
    "tests/unit/pretraining/test_pretraining_text.py": {"nobody"},
}
WORD = re.compile(rf"(?<![A-Za-z])({BANNED})(?![A-Za-z])", re.IGNORECASE)


def tracked_files() -> list[str]:
    """Text files of the repository; a copy without git is read as a whole."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("needs the git repository")
    files = [name for name in listed.stdout.splitlines() if Path(name).suffix in SUFFIXES or name == "Makefile"]
    return [name for name in files if not name.startswith(EXCEPT) and (ROOT / name).exists()]


def found_in(name: str) -> list[str]:
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return [
        f"{name}:{number}: {word}"
        for number, line in enumerate(lines, 1)
        for word in WORD.findall(line)
        if word.lower() not in QUOTED.get(name, ())
    ]


def test_no_banned_word_is_used() -> None:
    assert [place for name in tracked_files() for place in found_in(name)] == []


@pytest.mark.parametrize("text", ["the dealer deals", "kept_by_nobody", "Somebody", "a room."])
def test_a_banned_word_is_found_in_prose_and_in_names(text: str) -> None:
    assert WORD.search(text)


@pytest.mark.parametrize("text", ["ideal", "hourly courses", "embeddings", "shareholders"])
def test_other_words_that_contain_one_are_not(text: str) -> None:
    assert not WORD.search(text)
