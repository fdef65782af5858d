"""``gluetune evaluate`` and ``gluetune predict``: which trained models they take, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gluetune.cli.evaluate import evaluate_main
from gluetune.cli.predict import predict_main
from hand_made_runs import write_run

Main = Callable[[Sequence[str]], int]


@pytest.mark.parametrize("main", [evaluate_main, predict_main])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("", ["--run: ", "--config", "--checkpoint"]),
        ("--run mine --config job.yaml --checkpoint folder", ["--config", "--checkpoint"]),
        ("--run mine --resume other", ["--resume: no such flag"]),
        ("--run mine --chekpoint x", ["'--checkpoint'"]),
        ("folder --run mine", ["MODEL: ", "--run"]),
        ("folder --config job.yaml", ["MODEL: ", "--config"]),
        ("nofolder", ["MODEL", "'nofolder'"]),
        ("folder other", ["'other'"]),
    ],
)
def test_mistakes(main: Main, line: str, expected: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    assert main(line.split()) == 2
    err = capfd.readouterr().err
    assert [part for part in expected if part not in err] == []


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("first", ["cola, rte", "first/cola"]),
        ("first/rta", ["'rte'"]),
        ("first/cola --output found.xlsx", ["--output", ".csv, .tsv, .jsonl, .parquet"]),
    ],
)
def test_the_model_of_a_run_is_found_and_checked_before_ray_starts(
    name: str, expected: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write_run(tmp_path, "first", {"cola": 0.5, "rte": 0.5})
    (tmp_path / "rows.csv").write_text('sentence\n"a, b"\nc\n')
    line = [*name.split(), "--input", str(tmp_path / "rows.csv"), "--storage-path", str(tmp_path)]
    assert predict_main(line) == 2
    err = capfd.readouterr().err
    assert [part for part in expected if part not in err] == []


@pytest.mark.parametrize("main", [evaluate_main, predict_main])
def test_a_run_that_is_not_there_names_the_nearest(
    main: Main, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "job.yaml").write_text("tasks: cola\n")
    assert main(["--run", "frist", "--storage-path", str(tmp_path)]) == 2
    assert "'first'" in capfd.readouterr().err


@pytest.mark.parametrize("main", [evaluate_main, predict_main])
def test_a_run_without_trained_models_is_refused(main: Main, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "first" / "job.yaml").write_text("tasks: cola\nsearch: {space: compact_bert}\n")
    assert main(["--run", "first", "--storage-path", str(tmp_path)]) == 2
    said = capfd.readouterr().err
    assert "no run 'first' with a trained model for cola" in said
    for form in ("gluetune finetune", "--run", "--checkpoint"):
        assert form in said
    assert "--mode" not in said
