"""``gluetune evaluate MODEL --input``: what it refuses before Ray starts."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.cli.evaluate import evaluate_main
from gluetune.config import TaskFiles
from gluetune.data import open_own_task
from gluetune.inference import TextSettings
from hand_made_runs import write_run
from tiny_classifiers import write_classifier

ROWS = "label,sentence\nacceptable,a b\nunacceptable,c d\n"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    write_run(root, "first", {"cola": 0.5, "rte": 0.5})
    return root


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("text,verdit\na b,fine\n", ["rows.csv", "'verdict'", "nearest: 'verdit'"]),
        ("txt,verdict\na b,fine\n", ["rows.csv", "'text'", "nearest: 'txt'"]),
        ("text,verdict\na b,fine\nc d,brokn\n", ["rows.csv:3", "'brokn'", "nearest: 'broken'"]),
        ("text,verdict\na b,\n", ["rows.csv", "verdict"]),
    ],
)
def test_mistakes_in_rows_of_an_own_task(
    rows: str, expected: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    train, file = tmp_path / "train.csv", tmp_path / "rows.csv"
    train.write_text("text,verdict\n" + "a,fine\nb,broken\n" * 5)
    task = open_own_task("mine", TaskFiles(train=str(train), text="text", label="verdict")).task
    model = write_classifier(tmp_path / "model", task)
    TextSettings(max_seq_length=16, truncation="longest_first").of_task(task).write(model)
    file.write_text(rows)
    assert evaluate_main([str(model), "--input", str(file)]) == 2
    said = capfd.readouterr().err
    assert [part for part in expected if part not in said] == []


@pytest.mark.parametrize(
    ("line", "rows", "expected"),
    [
        ("first/cola --input rows.csv --output found.csv", ROWS, ["--output", ".json", "found.csv"]),
        ("first/cola --input none.csv", ROWS, ["none.csv"]),
        ("--run first --input rows.csv", ROWS, ["--input", "cola, rte", "--tasks"]),
        ("first/cola --input rows.csv", "sentence\na b\n", ["rows.csv", "'label'"]),
        ("first/cola --input rows.csv", "label,sentense\nacceptable,a b\n", ["'sentence'", "'sentense'"]),
        ("first/cola --input rows.csv", ROWS + "aceptable,e f\n", ["rows.csv:4", "'aceptable'", "'acceptable'"]),
        ("first/cola --input rows.csv", ROWS + ",e f\n", ["rows.csv:4", "''"]),
    ],
)
def test_mistakes(
    line: str,
    rows: str,
    expected: list[str],
    runs: Path,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("rows.csv").write_text(rows)
    assert evaluate_main([*line.split(), "--storage-path", str(runs)]) == 2
    said = capfd.readouterr().err
    assert [part for part in expected if part not in said] == []
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
