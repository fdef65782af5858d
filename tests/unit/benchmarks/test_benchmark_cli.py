"""The benchmark command: mistakes in its flags are reported before anything is measured."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.cli import NUMBERS, all_comparisons, main
from gluetune.cli.commands import benchmark_main


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--only 13", "--only: must name comparisons from 1 to 12, such as 1,4, but got '13'"),
        ("--only 1,x", "--only: must name comparisons from 1 to 12, such as 1,4, but got '1,x'"),
        ("--repeat 0", "--repeat: must be a whole number of at least 1, but got '0'"),
        ("--max-train-samples 3", "--max-train-samples: must be a whole number of at least 32, but got '3'"),
        ("--trials none", "--trials: must be a whole number of at least 1, but got 'none'"),
        ("--ony 1", "--ony: no such flag; nearest: '--only'"),
        ("--data-dir /no/such/folder", "--data-dir must be the official GLUE folder, but /no/such/folder is no folder"),
        ("--json /no/such/folder/figures.json", "--json must be a file that can be written"),
        ("--scratch /proc/none/here", "--scratch must be a folder that can be written, but /proc/none/here is not"),
    ],
)
def test_mistakes(line: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    said = capsys.readouterr().err
    assert message in " ".join(said.split())
    assert "Traceback" not in said


def test_every_comparison_is_there() -> None:
    comparisons = all_comparisons()
    assert tuple(sorted(comparisons)) == NUMBERS
    for comparison in comparisons.values():
        names = {figure.name for figure in comparison.figures}
        assert {target.figure for target in comparison.targets} <= names
        assert comparison.targets
        assert len(names) == len(comparison.figures)


def test_outside_a_checkout_one_line_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark_main(["--only", "10"], checkout=tmp_path) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ")
    assert str(tmp_path) in line
    assert "checkout" in line
