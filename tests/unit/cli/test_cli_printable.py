"""Nothing unprintable reaches the terminal, whatever stands in files, flags and errors."""

from __future__ import annotations

from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

from gluetune.cli.main import main
from gluetune.cli.terminal import Terminal, printable

BAD = (
    "red \x1b[31m bell \x07 erase \x1b[2J C1 \x9b2J back \b return \r right-to-left \u202e half \ud800 line \u2028 \x00"
)


def unprintable(text: str) -> set[str]:
    return {character for character in text if character not in "\n\t\u00a0" and not character.isprintable()}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, naïve 中文 🙂\n\tand \u00a0spaces", "plain text, naïve 中文 🙂\n\tand \u00a0spaces"),
        ("\x1b[31m\x07\x9b", "\\x1b[31m\\x07\\x9b"),
        ("\u202e\ud800\U000e0001", "\\u202e\\ud800\\U000e0001"),
    ],
)
def test_unprintable_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_no_way_to_print_lets_them_through(capfd: pytest.CaptureFixture[str]) -> None:
    terminal = Terminal()
    terminal.error(BAD)
    terminal.note(BAD)
    terminal.out.print(Text(BAD), soft_wrap=True)
    terminal.out.print(BAD, markup=False)
    terminal.out.print(BAD, style="bold", markup=False, emoji=False, highlight=False)
    table = Table()
    table.add_column(BAD)
    table.add_row(Text(BAD))
    terminal.out.print(table)
    terminal.close()
    captured = capfd.readouterr()
    assert not unprintable(captured.out + captured.err)
    assert "\\x1b[31m" in captured.err
    assert "\\u202e" in captured.out


def test_a_file_that_is_no_text_does_not_reach_the_terminal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "gl\x1b[2Jue"
    (folder / "CoLA").mkdir(parents=True)
    (folder / "CoLA" / "train.tsv").write_bytes(b"gj04\t\x1b]0;title\x07\t\tText.\n")
    (folder / "CoLA" / "dev.tsv").write_bytes(b"gj04\t1\t\tText.\n")
    assert (
        main(
            [
                "--tasks",
                "cola",
                "--data-dir",
                str(folder),
                "--data",
                "dir",
                "--dry-run",
                "--storage-path",
                str(tmp_path / "runs"),
                "--model-name-or-path",
                str(tmp_path / "no\x07where"),
            ]
        )
        == 2
    )
    captured = capfd.readouterr()
    assert not unprintable(captured.out + captured.err)
    assert "no\\x07where" in captured.err
