"""``gluetune list``, ``show``, ``trials`` and ``compare``: what they print, for people and for programs."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import gluetune
from gluetune.cli.commands import COMMANDS
from gluetune.storage.lock import lock_folder
from recorded_folders import write_pretraining, write_search
from sample_search import BEGIN, events


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a complete search, of one that was killed, and of a pre-training run; it is ``runs`` here."""
    root = tmp_path / "runs"
    write_search(root, "small", summary="complete")
    write_search(root, "killed", events()[:9], num_samples=6, algorithm="random")
    write_pretraining(root, "bert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    return root


def run(line: str, capfd: pytest.CaptureFixture[str], code: int = 0) -> str:
    """Run a command in this process and return what it prints."""
    name, *arguments = line.split()
    assert COMMANDS[name].load()[1](arguments) == code
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return err if code else out


def cells(table: str, first: str) -> list[str]:
    """The cells of the line of a table that begins with some text."""
    (line,) = [line for line in table.splitlines() if line.strip().startswith(first)]
    return line.split()


def test_the_list_shows_state_and_best_of_every_run(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown = run("list", capfd)
    assert [word for word in ("0.5000", "0.4500", "complete", "CoLA") if word not in cells(shown, "small")] == []
    assert [word for word in ("interrupted", "1/6") if word not in cells(shown, "killed")] == []
    assert "3.8750" in cells(shown, "bert")
    assert run(f"list --storage-path {root}", capfd) == shown
    assert "no runs" in run("list --storage-path elsewhere", capfd)


@pytest.mark.parametrize("columns", ["80", "100", "300"])
@pytest.mark.parametrize("line", ["list", "show killed", "trials small", "compare small killed"])
@pytest.mark.usefixtures("root")
def test_every_width_of_a_terminal_shows_the_run_and_the_best_score(
    line: str, columns: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    shown = run(line, capfd)
    assert "0.5000" in shown
    assert any(name in shown for name in ("small", "killed", "cola-0000"))


def test_json_of_the_list_is_that_of_python(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    found = json.loads(run("list --json", capfd))
    assert [each["name"] for each in found] == [each.name for each in gluetune.runs(root)]
    small = next(each for each in found if each["name"] == "small")
    assert (small["state"], small["started"], small["tasks"][0]["best"]) == ("complete", BEGIN, 0.5)


def test_show_says_how_to_resume(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shown = run("show killed", capfd)
    assert f"gluetune tune --resume killed --storage-path {root}" in shown
    assert cells(shown, "algorithm")[1:2] == ["random,"]
    assert "--resume" not in run("show small", capfd)
    assert f"{root}/small/winners/cola" in run("show small", capfd)


def test_show_has_the_trials_that_run(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_search(root, "now", events()[:6])
    unlock = lock_folder(root / "now")
    shown, found = run("show now", capfd), json.loads(run("show now --json", capfd))
    unlock()
    assert cells(shown, "state")[1:] == ["running"]
    assert cells(shown, "cola-0000")[1:4] == ["150/150", "3", "0.5000"]
    assert (found["state"], [each["name"] for each in found["running"]]) == ("running", ["cola-0000", "mnli-0001"])
    assert found["job"]["tasks"] == {"cola": 1.0, "mnli": 1.0}


@pytest.mark.usefixtures("root")
def test_show_of_a_pre_training_run(capfd: pytest.CaptureFixture[str]) -> None:
    shown = run("show bert", capfd)
    assert cells(shown, "run")[1:] == ["bert", "(pre-training)"]
    assert "3.8750" in shown


@pytest.mark.usefixtures("root")
def test_trials_are_shown_best_first(capfd: pytest.CaptureFixture[str]) -> None:
    shown = run("trials small", capfd)
    names = [line.split()[0] for line in shown.splitlines() if line.strip().startswith(("cola-", "mnli-"))]
    assert names == ["cola-0000", "cola-0002", "mnli-0001", "mnli-0003"]
    assert "diverged" in cells(shown, "mnli-0003")
    assert "mnli" not in run("trials small --task cola", capfd)


@pytest.mark.usefixtures("root")
def test_trials_as_csv_are_those_of_the_result(capfd: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.DictReader(io.StringIO(run("trials small --csv", capfd))))
    frame = gluetune.SearchResult.open("runs/small").to_pandas()
    assert list(rows[0]) == list(frame.columns)
    assert [row["name"] for row in rows] == list(frame["name"])
    assert [float(row["best_score"] or "nan") for row in rows] == pytest.approx(list(frame["best_score"]), nan_ok=True)
    assert [row["started"] for row in rows] == [time.isoformat() for time in frame["started"]]
    found = json.loads(run("trials small --json --task cola", capfd))
    assert [each["params"]["learning_rate"] for each in found] == [1e-4, 3e-4]


@pytest.mark.usefixtures("root")
def test_compare_shows_settings_and_results(capfd: pytest.CaptureFixture[str]) -> None:
    shown = run("compare small killed", capfd)
    assert cells(shown, "search.num_samples")[1:] == ["null", "6"]
    assert cells(shown, "CoLA")[2:5] == ["0.5000", "0.5000", "+0.0000"]
    found: dict[str, Any] = json.loads(run("compare small killed --json", capfd))
    assert found["names"] == ["small", "killed"]
    assert found["settings"]["search.num_samples"] == ["null", "6"]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("list small", ["'small'", "gluetune show"]),
        ("list --jso", ["--jso", "'--json'"]),
        ("show", ["NAME: "]),
        ("show smal", ["'smal'", "nearest: 'small'", "killed"]),
        ("show small killed", ["'killed'"]),
        ("show elsewhere/small --storage-path nothing", ["'elsewhere/small'", "none"]),
        ("trials small --task col", ["--task: ", "'col'", "nearest: 'cola'"]),
        ("trials small --csv --json", ["--csv: ", "--json"]),
        ("compare small", ["SECOND: "]),
        ("compare small kiled", ["'kiled'", "nearest: 'killed'"]),
        ("show s4://bucket/small", ["s4://bucket/small"]),
    ],
)
@pytest.mark.usefixtures("root")
def test_mistakes(line: str, expected: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    err = run(line, capfd, code=2)
    assert err.startswith("error: ")
    assert [part for part in expected if part not in err] == []


def test_a_damaged_run_is_listed_with_its_reason(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (root / "killed" / "journal" / "000000.jsonl").write_bytes(b"no json\n")
    shown = run("list", capfd)
    assert "unreadable" in cells(shown, "killed ")
    assert "000000.jsonl:1" in shown
    assert "0.5000" in shown
    assert "000000.jsonl:1" in run("show killed", capfd)
    assert "000000.jsonl:1" in run("trials killed", capfd, code=2)
    assert json.loads(run("show killed --json", capfd))["state"] == "unreadable"


def test_no_heavy_library_is_imported(root: Path) -> None:
    code = (
        "import sys; from gluetune.cli.commands import COMMANDS\n"
        "for line in ('list', 'show small', 'show bert', 'trials small --csv', 'compare small killed'):\n"
        "    name, *arguments = line.split()\n"
        "    assert COMMANDS[name].load()[1](arguments) == 0\n"
        "heavy = {'torch', 'ray', 'transformers', 'mlflow', 'datasets', 'pandas', 'optuna', 'scipy', 'matplotlib'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root.parent, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
