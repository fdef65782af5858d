"""Which configurations of a search are confirmed, what makes two trials one configuration, and the outputs' files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gluetune.config import SearchSpace, TrainingConfig
from gluetune.errors import StorageError
from gluetune.events import (
    Event,
    RowOutputs,
    TrialRecord,
    confirmed_configurations,
    load_outputs,
    outputs_file,
    replay_events,
    save_outputs,
)
from gluetune.storage import Storage
from sample_search import ended, evaluated, started

FIELDS = {"learning_rate": [3e-4, 1e-4, 5e-5], "batch_size": [16, 32]}
SPACE = SearchSpace.model_validate(
    {"name": "two", "space": FIELDS, "points": [{"learning_rate": 1e-4, "batch_size": 16}]}
)


def search(*scores: tuple[float, int, float | None], running: bool = False) -> list[TrialRecord]:
    """Trials of CoLA by learning rate, batch size and score, ``None`` for one that diverged before an evaluation."""
    events: list[Event] = []
    for number, (rate, batch, score) in enumerate(scores):
        events.append(started(number, "cola", rate, batch))
        events += [] if score is None else [evaluated(number, 1, score)]
        events += [] if running else [ended(number, "finished" if score is not None else "diverged")]
    return list(replay_events(events).values())


def chosen(
    trials: list[TrialRecord], top: int = 2, space: SearchSpace = SPACE, **training: Any
) -> list[tuple[Any, ...]]:
    found = confirmed_configurations(trials, "cola", space, TrainingConfig(**training), top)
    return [(each.trial, each.rank, each.is_default) for each in found]


def test_the_best_are_chosen_and_the_default_comes_last() -> None:
    trials = search((1e-4, 16, 0.1), (3e-4, 16, 0.5), (3e-4, 32, 0.4), (5e-5, 16, 0.2))
    assert chosen(trials) == [(1, 1, False), (2, 2, False), (0, 4, True)]


def test_a_default_among_the_best_is_not_trained_twice() -> None:
    assert chosen(search((1e-4, 16, 0.5), (3e-4, 16, 0.4), (3e-4, 32, 0.3))) == [(0, 1, True), (1, 2, False)]


def test_a_default_that_diverged_or_was_never_tried_is_trained_all_the_same() -> None:
    assert chosen(search((1e-4, 16, None), (3e-4, 16, 0.4)), top=1) == [(1, 1, False), (0, None, True)]
    assert chosen(search((3e-4, 16, 0.4)), top=1) == [(0, 1, False), (None, None, True)]


def test_without_points_the_first_trial_is_the_default() -> None:
    space = SearchSpace.model_validate({"space": FIELDS})
    assert chosen(search((3e-4, 16, 0.1), (1e-4, 16, 0.5)), top=1, space=space) == [(1, 1, False), (0, 2, True)]


def test_a_space_that_varies_nothing_has_no_default() -> None:
    assert chosen(search((3e-5, 32, 0.4)), space=SearchSpace(space={})) == [(0, 1, False)]


def test_trials_that_still_run_are_not_chosen() -> None:
    assert chosen(search((3e-4, 16, 0.5), running=True)) == []


def test_trials_that_differ_in_their_seed_alone_are_one_configuration() -> None:
    trials = search((3e-4, 16, 0.5), (3e-4, 16, 0.6), (3e-4, 32, 0.4))
    for number, trial in enumerate(trials):
        trial.params["seed"] = trial.training["seed"] = number
    found = confirmed_configurations(trials, "cola", SPACE, TrainingConfig(), 2)
    assert [each.trial for each in found if not each.is_default] == [1, 2]
    assert all("seed" not in each.params and each.training["seed"] is None for each in found)


def test_a_trial_of_a_version_without_a_field_is_the_configuration_with_its_default() -> None:
    trials = search((1e-4, 16, 0.5), (3e-4, 16, 0.4))
    for trial in trials:
        del trial.training["speedups"]
    assert chosen(trials) == [(0, 1, True), (1, 2, False)]


def test_outputs_are_read_as_they_were_written(tmp_path: Path) -> None:
    rng, storage = np.random.default_rng(0), Storage(str(tmp_path))
    selection = RowOutputs(rng.random((5, 2), np.float32), np.arange(5) % 2)
    dev = RowOutputs(rng.random((7, 2), np.float32), np.arange(7) % 2, np.array([0.7, 0.3]))
    file = outputs_file("cola", 3)
    save_outputs(storage, file, {"selection": selection, "validation": dev})
    found = load_outputs(storage, file)
    assert list(found) == ["selection", "validation"]
    np.testing.assert_array_equal(found["validation"].logits, dev.logits)
    np.testing.assert_array_equal(found["selection"].labels, selection.labels)
    assert found["selection"].thresholds is None
    assert found["validation"].thresholds is not None
    assert found["validation"].thresholds.tolist() == [0.7, 0.3]


@pytest.mark.parametrize("content", [None, b"", b"no archive"])
def test_outputs_that_are_missing_or_damaged_are_named(tmp_path: Path, content: bytes | None) -> None:
    storage, file = Storage(str(tmp_path)), outputs_file("cola", 3)
    if content is not None:
        storage.write(file, content)
    with pytest.raises(StorageError, match="cola-0003"):
        load_outputs(storage, file)
