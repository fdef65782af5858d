"""``gluetune export`` as a user types it."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from gluetune.cli.export import main
from gluetune.inference import FILES, check_submission
from gluetune.inference.submission import MODEL_TASKS
from hand_made_runs import write_run

Run = Callable[..., str]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command in this process and return what it printed."""
    monkeypatch.setenv("COLUMNS", "140")

    def call(*arguments: str | Path, code: int = 0) -> str:
        capfd.readouterr()
        assert main([str(argument) for argument in arguments]) == code
        return "".join(capfd.readouterr())

    return call


def lines(said: str) -> dict[str, str]:
    """The table's lines by file name."""
    rows = (line.split() for line in said.splitlines() if not line.rstrip().endswith("…"))
    return {cells[0]: " ".join(cells[1:]) for cells in rows if cells and cells[0].endswith(".tsv")}


def test_two_runs_make_a_whole_submission(tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = dict(zip(MODEL_TASKS, range(1, 10), strict=True))
    write_run(tmp_path / "runs", "all", {task: score / 10 for task, score in scores.items()})
    write_run(tmp_path / "runs", "more", {"rte": 0.95, "cola": 0.05})
    monkeypatch.chdir(tmp_path)
    said = run("--run", "all", "--run", "more", "--storage_path", tmp_path / "runs", "--output", "out.zip")
    table = lines(said)
    assert list(table) == [file.name for file in FILES]
    assert table["CoLA.tsv"].startswith("300 all/cola-0000 0.1000 0 ")
    assert table["RTE.tsv"].startswith("300 more/rte-0000 0.9500 entailment ")
    assert table["AX.tsv"].startswith("500 all/mnli-0004 0.5000 entailment ")
    assert table["STS-B.tsv"].startswith("300 all/stsb-0003 0.4000 mean ")
    assert f"{tmp_path}/out.zip: 11 files, 3,346 rows, read back and checked" in said
    assert "predictions for generated data: the zip has the format of a submission and is none" in said
    assert "Constant predictions" not in said
    assert sum(check_submission(tmp_path / "out.zip", official=False).values()) == 3346
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["out.zip"]


def test_filled_files_are_named(tmp_path: Path, run: Run) -> None:
    write_run(tmp_path, "one", {"cola": 0.4})
    said = run("--run=one", "--storage-path", tmp_path, "--output", tmp_path / "s.zip", "--fill-missing")
    assert lines(said)["MRPC.tsv"].startswith("300 constant: majority of train – 0 ")
    assert (
        "Constant predictions, by --fill-missing: SST-2.tsv, MRPC.tsv, STS-B.tsv, MNLI-m.tsv, MNLI-mm.tsv, "
        "QNLI.tsv, RTE.tsv, WNLI.tsv, QQP.tsv, AX.tsv."
    ) in said


@pytest.mark.skipif("GLUETUNE_GLUE_DIR" not in os.environ, reason="GLUETUNE_GLUE_DIR names no GLUE folder")
def test_a_run_on_generated_data_can_answer_the_official_rows(tmp_path: Path, run: Run) -> None:
    write_run(tmp_path, "one", {"mrpc": 0.4})
    where = ("--run", "one", "--storage-path", tmp_path, "--output", tmp_path / "s.zip", "--fill-missing")
    said = run(*where, "--data-dir", os.environ["GLUETUNE_GLUE_DIR"])
    table = lines(said)
    assert table["MRPC.tsv"].startswith("1,725 one/mrpc-0000 0.4000 ")
    assert table["CoLA.tsv"] == "1,063 constant: majority of train – 0 0%, 1 100%"
    assert "generated data" not in said
    assert check_submission(tmp_path / "s.zip") == {file.name: file.rows for file in FILES}
    assert len(set(answers(tmp_path / "s.zip", "MRPC.tsv"))) == 2


def answers(path: Path, name: str) -> list[str]:
    """The predictions of one file."""
    with zipfile.ZipFile(path) as archive:
        return [line.split("\t")[1] for line in archive.read(name).decode().splitlines()[1:]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--run: must name a run with winners, a folder in runs"),
        (["--run", "on"], "no run 'on' in {}; there are: one"),
        (["--run", "one", "--fil-missing"], "--fil-missing: no such flag; nearest: '--fill-missing'"),
        (["--run", "one", "--tasks", "cola"], "--tasks: no such flag; --help lists them"),
        (["--run"], "--run: must have a value"),
        (["--run", "one", "--fill-missing=yes"], "--fill-missing: takes no value"),
        (["one"], "MODEL: goes with --onnx only, but got 'one'"),
        (
            ["--run", "one", "--batch-size", "many"],
            "--batch-size: must be a whole number of at least 1, but got 'many'",
        ),
        (["--run", "one", "--output", "answers"], "--output: must be a file that ends in .zip, but got 'answers'"),
        (["--run", "one", "--data", "glue"], "--data: "),
        (["--run", "one", "--data", "dir"], "dir needs data.dir (--data-dir), the official GLUE folder"),
        (["--run", "one", "--data-dir", "/nowhere"], "--data-dir: must be an existing folder, but got '/nowhere'"),
        (["--run", "one"], "--run: a submission takes a winner of every task, but there is none of sst2, "),
        (
            ["--run", "one", "--fill-missing", "--data-dir", "{}"],
            "cola's test rows must stand in CoLA/test.tsv, but there is no such file",
        ),
    ],
)
def test_a_mistake_is_one_message_and_writes_nothing(
    arguments: list[str], message: str, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = tmp_path / "runs"
    write_run(runs, "one", {"cola": 0.4})
    monkeypatch.chdir(tmp_path)
    where = ["--storage-path", str(runs)] if arguments else []
    said = run(*(argument.format(runs) for argument in arguments), *where, code=2)
    assert message.format(runs) in said
    assert said.startswith("error: ")
    assert said.count("error: ") == 1
    assert "Traceback" not in said
    assert not list(tmp_path.glob("*.zip"))


def test_help_says_where_it_runs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    assert "no Ray is started" in " ".join(capsys.readouterr().out.split())
