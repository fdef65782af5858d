"""A search that is killed, or loses power, before any of its writes: nothing that was acted on is lost, and it goes on.

Controller, journal, checkpoints, retention and the winners' folders are real. Only the training is replaced: a trial's
scores follow from its number, and its weights are the number of the trial and of the evaluation.
"""

from __future__ import annotations

import itertools
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from gluetune.config import SchedulerConfig, SearchSpace, TrainingConfig
from gluetune.events import (
    Evaluated,
    Event,
    Journal,
    JournalReader,
    TrialRecord,
    TrialStatus,
    WinnerEvaluated,
    trial_folder,
    winner_folder,
    winners,
)
from gluetune.lanes import TrialAssignment
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage
from gluetune.storage.durable import recover_folder
from gluetune.training import Checkpoints, DistributedContext
from gluetune.training.checkpoints import AsyncCheckpointer
from power_cut import Disk, Failure
from sample_search import evaluated

TASK, EVALUATIONS, KEPT = "cola", 2, 1
SPACE = SearchSpace.model_validate(
    {"name": "s", "space": {"learning_rate": {"type": "choice", "values": [1e-5, 2e-5, 3e-5, 4e-5]}}}
)
SCORES = ((0.2, 0.4), (0.1, 0.3), (0.3, 0.5), (0.7, 0.6))  # by trial; the second is pruned, the fourth wins
FAILURES: tuple[Failure, ...] = ("kill", "power cut", "torn write")


def weights(number: int, index: int) -> dict[str, torch.Tensor]:
    return {"weight": torch.tensor([number, index])}


@dataclass
class Recorder:
    """A listener that, like MLflow's, acts on each event."""

    seen: list[Event] = field(default_factory=list)

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        self.seen.append(event)


@dataclass
class Session:
    """One process that runs a search in a folder.

    Attributes:
        folder: the search's folder.
        recorder: receives the events.
    """

    folder: Path
    recorder: Recorder = field(default_factory=Recorder)

    def run(self, stop_after: int | None = None) -> None:
        """Run the search, which a stop signal ends after so many steps, and save the winner."""
        recover_folder(self.folder)
        storage = Storage(str(self.folder))
        journal = Journal(storage)
        controller = SearchController(
            journal,
            TrialSampler({TASK: 1.0}, SPACE, "grid", TrainingConfig(), 1, None),
            TaskPruners([TASK], SchedulerConfig(name="asha", min_trials=1), EVALUATIONS, 1),
            CheckpointRetention(storage, KEPT, journal.trials.values()),
            [self.recorder],
        )
        left = iter(range(stop_after if stop_after is not None else 10**6))
        while next(left, None) is not None and (assignment := controller.next_trial()) is not None:
            self._train(controller, Checkpoints(storage, assignment.folder), assignment, left)
        controller.stop("interrupted")
        for trial in winners(journal.trials.values(), [TASK]):
            if trial.winner is None:
                self._save_winner(controller, storage, trial)

    def _train(
        self, controller: SearchController, checkpoints: Checkpoints, assignment: TrialAssignment, left: Iterator[int]
    ) -> None:
        def report(event: Evaluated) -> bool:
            return event.index <= assignment.reported or controller.handle_event(event)

        state = checkpoints.load() or {"index": 0, "best": -1.0}
        best = state["best"]
        if state["index"] and not report(event_of(assignment.number, state["index"])):
            return
        with AsyncCheckpointer(report, DistributedContext()) as checkpointer:
            for index in range(state["index"] + 1, EVALUATIONS + 1):
                event = event_of(assignment.number, index)
                better, best = event.score > best, max(event.score, best)

                def save(index: int = index, better: bool = better, best: float = best) -> None:
                    if better:
                        checkpoints.save_best(weights(assignment.number, index))
                    if index < EVALUATIONS:
                        checkpoints.save({"index": index, "best": best})

                checkpointer.submit(event, index, save, index)
                if not checkpointer.flush() or next(left, None) is None:
                    return

    def _save_winner(self, controller: SearchController, storage: Storage, trial: TrialRecord) -> None:
        best = Checkpoints(storage, trial_folder(trial)).load_best()
        assert best is not None
        local = self.folder.parent / f"model-{time.monotonic_ns()}"
        local.mkdir()
        safetensors.torch.save_file(best, local / "model.safetensors")
        storage.upload(local, winner_folder(TASK))
        folder = storage.uri(winner_folder(TASK))
        controller.record(WinnerEvaluated(time=0.0, number=trial.number, task=TASK, scores={}, folder=folder))


def event_of(number: int, index: int) -> Evaluated:
    score = SCORES[number][index - 1]
    return evaluated(number, index, score, time=float(number), total_steps=50 * EVALUATIONS)


@dataclass
class Moment:
    """The disk before a write, and the events that were acted on by then."""

    left: Path
    failure: Failure
    acted_on: list[Event]


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> list[Moment]:
    """Every moment of a search of two sessions, the first of which is stopped in the middle of a trial."""
    root = tmp_path_factory.mktemp("disk")
    kept = tmp_path_factory.mktemp("left")
    found: list[Moment] = []
    recorder = Recorder()
    with pytest.MonkeyPatch.context() as patch:
        disk = Disk(root, patch)

        known: set[tuple[object, ...]] = set()
        count = itertools.count()

        def before_write() -> None:
            for failure in FAILURES:
                left = disk.left_after(failure, kept / f"{next(count)} {failure}")
                state = (len(recorder.seen), *content(left))
                if state not in known:
                    known.add(state)
                    found.append(Moment(left, failure, list(recorder.seen)))

        delete = Storage.delete

        def observed_delete(storage: Storage, path: str) -> None:
            before_write()
            delete(storage, path)

        patch.setattr(Storage, "delete", observed_delete)  # it deletes outside of Python
        disk.before_write = before_write
        Session(root / "search", recorder).run(stop_after=4)  # the first trial wins
        Session(root / "search", recorder).run()
        disk.before_write = lambda: None
        disk.close()
    return found


def content(folder: Path) -> Iterator[tuple[str, bytes]]:
    """The files below a folder: their paths, without the random parts of drafts' names, and their bytes."""
    for path in sorted(folder.rglob("*")):
        name = re.sub(r"\.[0-9a-f]{8}\.", ".", str(path.relative_to(folder)))
        yield name, path.read_bytes() if path.is_file() else b""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Any]:
    session = Session(tmp_path_factory.mktemp("undisturbed") / "search")
    session.run()
    return results(session.folder)


def results(folder: Path) -> dict[int, Any]:
    """What a search has found: each trial's configuration and scores, how it ended, and the winner."""
    return {
        trial.number: (
            trial.params,
            trial.seed,
            trial.status,
            [(evaluation.index, evaluation.score) for evaluation in trial.evaluations],
            trial.winner is not None,
        )
        for trial in JournalReader(Storage(str(folder))).trials.values()
    }


def check_checkpoints(folder: Path) -> None:
    """Check that each checkpoint that the journal refers to is there."""
    storage = Storage(str(folder))
    trials = JournalReader(storage).trials
    for trial in trials.values():
        checkpoints = Checkpoints(storage, trial_folder(trial))
        if not trial.status.final and trial.evaluations:
            last = trial.evaluations[-1].index
            state = checkpoints.load()
            assert last == EVALUATIONS or (state is not None and state["index"] >= last)
            assert checkpoints.load_best() is not None
    best = winners((trial for trial in trials.values() if trial.status.final), [TASK])
    for trial in best[:KEPT]:
        assert trial.best is not None
        saved = Checkpoints(storage, trial_folder(trial)).load_best()
        assert saved is not None
        assert torch.equal(saved["weight"], weights(trial.number, trial.best.index)["weight"])


def check_winner(folder: Path) -> None:
    """Check that the winner that the journal refers to is whole; a better one may have replaced it already."""
    storage = Storage(str(folder))
    for trial in JournalReader(storage).trials.values():
        if trial.winner is not None and trial.best is not None:
            data = storage.read(f"{winner_folder(TASK)}/model.safetensors")
            assert data is not None
            assert safetensors.torch.load(data)["weight"][0] >= trial.number


def test_there_are_moments_of_every_kind(moments: list[Moment]) -> None:
    assert {moment.failure for moment in moments} == set(FAILURES)
    events = moments[-1].acted_on
    assert {event.event for event in events} == {"started", "evaluated", "ended", "winner"}
    assert {event.status for event in events if event.event == "ended"} == {"finished", "pruned", "stopped"}


def test_no_event_that_was_acted_on_is_lost(moments: list[Moment]) -> None:
    for moment in moments:
        events = JournalReader(Storage(str(moment.left / "search"))).events
        assert events[: len(moment.acted_on)] == moment.acted_on, moment


def test_every_checkpoint_that_an_event_refers_to_is_there(moments: list[Moment]) -> None:
    for moment in moments:
        check_checkpoints(moment.left / "search")


def test_the_winner_is_whole_once_a_driver_has_opened_the_folder(moments: list[Moment], tmp_path: Path) -> None:
    for number, moment in enumerate(moments):
        folder = tmp_path / str(number)
        shutil.copytree(moment.left, folder)
        recover_folder(folder)
        check_winner(folder / "search")


def test_a_resume_goes_on_to_the_same_results(
    moments: list[Moment], undisturbed: dict[int, Any], tmp_path: Path
) -> None:
    assert undisturbed[1][2] is TrialStatus.PRUNED
    for number, moment in enumerate(moments):
        shutil.copytree(moment.left, tmp_path / str(number))
        session = Session(tmp_path / str(number) / "search")
        session.run()
        assert results(session.folder) == undisturbed, moment
        check_winner(session.folder)
        assert not list(session.folder.glob("**/*.part")), moment
