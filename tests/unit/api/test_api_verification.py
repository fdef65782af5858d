"""Verification: what counts as reproduced, and which records are refused, without training."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

import gluetune
from gluetune.api.verification import compared_winner
from gluetune.cli.commands import COMMANDS
from gluetune.cli.verify import as_values, describe
from gluetune.config import JobConfig, SearchSpace, TrainingConfig
from gluetune.events import TrialRecord
from gluetune.events.environment import ENVIRONMENT_FILE, Environment
from gluetune.reporting.run_files import RunFiles
from gluetune.search.verification import Difference, contradictions, first_difference
from gluetune.storage import Storage
from recorded_folders import write_pretraining, write_search
from sample_search import ended, evaluated, events, folded, started

SPACE = SearchSpace.model_validate({"name": "s", "space": {"learning_rate": [1e-4, 3e-4], "batch_size": [16, 32]}})
NEXT = math.nextafter(0.5, 1.0)  # another number in its last bit


def trial(*scores: float, **changes: Any) -> TrialRecord:
    """Trial 0 with an evaluation for each score; ``changes`` are those of the last one."""
    last = len(scores)
    evaluations = [
        evaluated(0, index, score, **(changes if index == last else {})) for index, score in enumerate(scores, 1)
    ]
    return folded([started(0, "cola"), *evaluations, ended(0)])[0]


@pytest.mark.parametrize(
    ("again", "difference"),
    [
        (trial(0.3, 0.5), None),
        (trial(0.3, 0.5, train_seconds=99.0, lane="other", time=5.0), None),
        (trial(0.3, NEXT), Difference(2, "score", 0.5, NEXT)),
        (trial(0.2, 0.5), Difference(1, "score", 0.3, 0.2)),
        (trial(0.3, 0.5, eval_loss=0.25), Difference(2, "eval_loss", 0.5, 0.25)),
        (trial(0.3, 0.5, train_loss=0.25), Difference(2, "train_loss", 0.6000000000000001, 0.25)),
        (trial(0.3, 0.5, step=60), Difference(2, "step", 100, 60)),
        (trial(0.3), Difference(2, "end", 2, 1)),
    ],
    ids=["equal", "other times", "score", "first score", "loss", "training loss", "step", "fewer"],
)
def test_a_trial_is_the_same_where_steps_scores_and_losses_are_equal_to_the_bit(
    again: TrialRecord, difference: Difference | None
) -> None:
    assert first_difference(trial(0.3, 0.5), again) == difference


def test_undefined_losses_are_equal() -> None:
    nan = float("nan")
    assert first_difference(trial(0.3, eval_loss=nan), trial(0.3, eval_loss=nan)) is None
    assert first_difference(trial(0.3, eval_loss=nan), trial(0.3)) is not None


def test_settings_that_do_not_follow_from_job_and_space_are_named() -> None:
    job = JobConfig.model_validate({"seed": 100, "training": {"weight_decay": 0.1}})
    training = TrainingConfig(learning_rate=1e-4, batch_size=16, weight_decay=0.1).model_dump()
    sound = trial(0.3)
    sound.training = dict(training)
    assert list(contradictions(job, SPACE, sound)) == []
    del sound.training["speedups"]  # of a version that did not have it
    assert list(contradictions(job, SPACE, sound)) == []
    sound.training |= {"learning_rate": 2e-4}
    sound.seed = 7
    named = list(contradictions(job, SPACE, sound))
    assert ["7" in named[0], "learning_rate" in named[1], "0.0002" in named[1]] == [True] * 3


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "runs"
    write_search(root, "small", summary="complete", space=SPACE)
    write_search(root, "new", events()[:2], space=SPACE)
    write_pretraining(root, "bert")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return root


def seeds(root: Path, *values: float) -> RunFiles:
    """The search, confirmed with fresh seeds that have these scores on the selection rows."""
    storage = Storage(str(root / "small"))
    summary = json.loads((root / "small" / "summary.json").read_text())
    configuration = {"trial": "cola-0000", "seeds": [{"selection": value} for value in [*values, None]]}
    summary["confirmation"] = {"tasks": [{"task": "cola", "configurations": [{"trial": None}, configuration]}]}
    storage.write("summary.json", json.dumps(summary).encode())
    return RunFiles(storage, "small")


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.42, 0.55), "within the seeds"),
        ((0.40, 0.44), "within the seeds"),
        ((0.46, 0.55), "different"),
        ((0.45,), "different"),
        ((), "different"),
    ],
    ids=["among them", "between them and the search's", "below all", "one seed", "not confirmed"],
)
def test_another_score_is_reproduced_among_those_of_fresh_seeds(
    root: Path, values: tuple[float, ...], verdict: str
) -> None:
    found = compared_winner(seeds(root, *values), trial(0.3, 0.5), trial(0.3, 0.45))
    assert (found.verdict, found.recorded, found.now) == (verdict, 0.5, 0.45)
    assert found.reproduced == (verdict == "within the seeds")
    assert "0.4500 now" in describe(found)


def test_the_same_scores_are_reproduced_where_losses_differ_also_outside_the_range_of_fresh_seeds(root: Path) -> None:
    found = compared_winner(seeds(root, 0.42, 0.46), trial(0.3, 0.5), trial(0.3, 0.5, eval_loss=0.25))
    assert (found.verdict, found.reproduced) == ("same scores", True)
    assert "eval loss" in describe(found)


@pytest.mark.parametrize("again", [trial(0.5), trial(0.5, 0.2)], ids=["ends before", "another score later"])
def test_the_same_best_score_alone_is_not_reproduced(root: Path, again: TrialRecord) -> None:
    found = compared_winner(seeds(root), trial(0.5, 0.3), again)
    assert (found.verdict, found.reproduced) == ("different", False)


def test_the_same_trial_is_reproduced_to_the_bit(root: Path) -> None:
    found = compared_winner(seeds(root), trial(0.3, 0.5), trial(0.3, 0.5))
    assert (found.verdict, found.reproduced, found.evaluations) == ("to the bit", True, 2)
    assert describe(found).startswith("cola: cola-0000")
    whole = gluetune.Verification("small", "runs/small", (found,))
    assert json.loads(json.dumps(as_values(whole)))["tasks"][0]["reproduced"] is True


def run(line: str, capfd: pytest.CaptureFixture[str], code: int) -> str:
    assert COMMANDS["verify"].load()[1](line.split()) == code
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return out + err


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("", "NAME"),
        ("smal", "nearest: 'small'"),
        ("small --task colla", "nearest: 'cola'"),
        ("bert", "pre-training"),
        ("new", "no trial"),
    ],
)
def test_what_cannot_be_verified_is_one_message(line: str, shown: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert shown in run(line, capfd, 2)


def test_a_record_that_contradicts_itself_is_not_trained(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The trials of this record have seeds that do not follow from the job's."""
    said = run("small --task cola", capfd, 1)
    assert "contradicts" in said
    assert "seed is 100" in said
    found = json.loads(run("small --json", capfd, 1))
    assert [task["verdict"] for task in found["tasks"]] == ["contradicted", "contradicted"]
    assert found["environment"] == []


def test_other_versions_than_those_of_the_search_are_named(root: Path, capfd: pytest.CaptureFixture[str]) -> None:
    packages = Environment.current().packages | {"torch": "1.0"}
    other = Environment.current().model_copy(update={"packages": packages, "python": "3.1"})
    sessions = [each.model_dump() for each in (Environment.current(), other)]
    Storage(str(root / "small")).write(ENVIRONMENT_FILE, json.dumps(sessions).encode())
    said = run("small", capfd, 1)
    assert "torch 1.0 then" in said
    assert "Python 3.1 then" in said
    assert "numpy" not in said
