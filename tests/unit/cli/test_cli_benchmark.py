"""``jobs/benchmark.py``: mistakes are told before anything is measured."""

from __future__ import annotations

import pytest

from gluetune.cli.benchmark import NUMBERS, main


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--only 12", "--only: must name comparisons from 1 to 11, such as 1,4, but got '12'"),
        ("--only 1,x", "--only: must name comparisons from 1 to 11, such as 1,4, but got '1,x'"),
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
    from gluetune.benchmark.registry import COMPARISONS

    assert tuple(sorted(COMPARISONS)) == NUMBERS
    for comparison in COMPARISONS.values():
        names = {figure.name for figure in comparison.figures}
        assert {goal.figure for goal in comparison.goals} <= names
        assert comparison.goals
        assert len(names) == len(comparison.figures)
