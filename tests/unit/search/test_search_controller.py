"""The controller: what every event leads to, with real journal, sampler, pruners and checkpoints, without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sample_search
from gluetune.config import JobConfig, SchedulerConfig, SearchSpace
from gluetune.errors import AllTrialsFailedError, StorageError
from gluetune.events import Evaluated, Event, Journal, TrialEnded, TrialRecord
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage
from limits import files_of_at_most

SPACE = SearchSpace.model_validate(
    {"name": "s", "space": {"learning_rate": {"type": "choice", "values": [1e-5, 2e-5, 3e-5, 4e-5]}}}
)
JOB = JobConfig.model_validate({"tasks": {"cola": 1.0}, "training": {"num_train_epochs": 4}})


def make(
    folder: Path,
    scheduler: str = "none",
    keep: int = 1,
    algorithm: str = "grid",
    lanes: int = 1,
    space: SearchSpace = SPACE,
    sampler: TrialSampler | None = None,
) -> tuple[SearchController, list[Event]]:
    recorded: list[Event] = []

    class Recorder:
        def on_event(self, event: Event, trial: TrialRecord) -> None:
            recorded.append(event)

    storage = Storage(str(folder))
    journal = Journal(storage)
    sampler = sampler or make_sampler(algorithm, space)
    settings = {} if scheduler == "none" else {"min_trials": 1}
    pruners = TaskPruners(JOB.tasks, SchedulerConfig.model_validate({"name": scheduler, **settings}), 4, 1)
    retention = CheckpointRetention(storage, keep, journal.trials.values())
    return SearchController(journal, sampler, pruners, retention, [Recorder()], lanes), recorded


def make_sampler(algorithm: str, space: SearchSpace) -> TrialSampler:
    return TrialSampler(JOB.tasks, space, algorithm, JOB.training, 1, 12)  # type: ignore[arg-type]


def evaluated(number: int, epoch: float, score: float) -> Evaluated:
    """An evaluation of a trial of four epochs of ten steps."""
    figures: dict[str, Any] = {"step": int(10 * epoch), "total_steps": 40, "steps_per_epoch": 10, "epoch": epoch}
    return sample_search.evaluated(number, int(epoch), score, **figures)


def ended(number: int, status: str = "finished", message: str = "") -> TrialEnded:
    return TrialEnded(time=0.0, number=number, status=status, message=message)  # type: ignore[arg-type]


def run_trial(controller: SearchController, folder: Path, score: float) -> int:
    assignment = controller.next_trial()
    assert assignment is not None
    (folder / assignment.folder).mkdir(parents=True)
    for epoch in range(1, 5):
        if not controller.handle_event(evaluated(assignment.number, epoch, score)):
            return assignment.number
    controller.handle_event(ended(assignment.number))
    return assignment.number


def test_a_finite_space_is_trained_once_and_then_the_search_is_exhausted(tmp_path: Path) -> None:
    controller, recorded = make(tmp_path)
    for score in (0.1, 0.2, 0.3, 0.4):
        assert not controller.exhausted
        run_trial(controller, tmp_path, score)
    assert controller.exhausted
    assert controller.next_trial() is None
    assert [event.event for event in recorded].count("ended") == 4


def test_only_the_best_checkpoints_stay(tmp_path: Path) -> None:
    controller, _ = make(tmp_path, keep=2)
    for score in (0.3, 0.1, 0.4, 0.2):
        run_trial(controller, tmp_path, score)
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == ["cola-0000", "cola-0002"]


@pytest.mark.parametrize(("training", "epochs"), [({}, 1), ({"warmup_ratio": 0.25}, 2), ({"warmup_steps": 10}, 2)])
def test_a_bad_trial_is_pruned_once_half_of_its_training_was_no_warm_up(
    tmp_path: Path, training: dict[str, float], epochs: int
) -> None:
    """An epoch has ten steps, a trial four epochs."""
    space = SPACE.model_copy(update={"training": training})
    for session in range(2):  # the second one resumes the first one's search
        controller, recorded = make(tmp_path, "asha", space=space)
        if not session:
            run_trial(controller, tmp_path, 0.9)
        assignment = controller.next_trial()
        assert assignment is not None
        score = 0.1 - session / 20
        answers = [
            controller.handle_event(evaluated(assignment.number, epoch, score)) for epoch in range(1, epochs + 1)
        ]
        assert answers == [True] * (epochs - 1) + [False]
        assert [event.status for event in recorded if isinstance(event, TrialEnded)][-1] == "pruned"


def test_a_bad_trial_is_pruned_and_its_late_reports_change_nothing(tmp_path: Path) -> None:
    controller, recorded = make(tmp_path, "asha")
    run_trial(controller, tmp_path, 0.9)
    assignment = controller.next_trial()
    assert assignment is not None
    assert not controller.handle_event(evaluated(assignment.number, 1.504425, 0.1))
    assert isinstance(recorded[-1], TrialEnded)
    assert recorded[-1].message == "after 1.5 epochs"
    assert not controller.handle_event(evaluated(assignment.number, 2, 0.95))
    assert recorded[-1].event == "ended"


def test_a_trial_is_finished_with_its_last_evaluation_and_not_pruned(tmp_path: Path) -> None:
    controller, recorded = make(tmp_path, "asha")
    run_trial(controller, tmp_path, 0.9)
    assignment = controller.next_trial()
    assert assignment is not None
    assert not controller.handle_event(evaluated(assignment.number, 4, 0.1))  # its lane is free for the next one
    assert [event.event for event in recorded[-2:]] == ["evaluated", "ended"]
    assert not controller.handle_event(ended(assignment.number))  # which the lane may report too
    assert [event.status for event in recorded if isinstance(event, TrialEnded)] == ["finished", "finished"]


def test_the_last_evaluation_is_that_of_the_last_planned_step(tmp_path: Path) -> None:
    controller, recorded = make(tmp_path)
    assignment = controller.next_trial()
    assert assignment is not None
    planned = {"total_steps": 56, "steps_per_epoch": 25}
    continues = [
        controller.handle_event(
            evaluated(assignment.number, index, 0.1).model_copy(update=planned | {"step": step, "epoch": step / 25})
        )
        for index, step in enumerate((25, 50, 55, 56), 1)
    ]
    assert continues == [True, True, True, False]
    assert isinstance(recorded[-1], TrialEnded)


def test_a_resumed_search_begins_with_unfinished_trials_and_repeats_none(tmp_path: Path) -> None:
    before, _ = make(tmp_path)
    run_trial(before, tmp_path, 0.5)
    first, second = before.next_trial(), before.next_trial()
    assert first is not None
    assert second is not None
    before.handle_event(evaluated(first.number, 1, 0.2))
    before.stop("interrupted")  # as by Ctrl-C
    after, _ = make(tmp_path)
    again = [after.next_trial(), after.next_trial(), after.next_trial()]
    assert [assignment.number for assignment in again if assignment] == [first.number, second.number, 3]
    assert [assignment.reported for assignment in again if assignment] == [1, 0, 0]
    assert [assignment.training for assignment in again if assignment][:2] == [first.training, second.training]
    assert after.exhausted


def test_a_search_whose_first_trials_all_fail_is_given_up(tmp_path: Path) -> None:
    controller, _ = make(tmp_path)
    for _ in range(3):
        assignment = controller.next_trial()
        assert assignment is not None
        controller.handle_event(ended(assignment.number, "failed", "no such file"))
    assert controller.exhausted
    assert isinstance(controller.fatal_error, AllTrialsFailedError)  # for which no resume is offered
    assert "no such file" in str(controller.fatal_error)


def test_the_message_of_a_trial_that_lost_its_lanes_begins_with_the_first_reason(tmp_path: Path) -> None:
    controller, recorded = make(tmp_path)
    assignment = controller.next_trial()
    assert assignment is not None
    for reason in ("node 10.0.0.7 does not reach the bucket", "its actor died", "its actor died"):
        controller.record_lane_death(assignment.number, reason)
    controller.fail_trial(assignment.number)
    (end,) = (event for event in recorded if event.event == "ended")
    assert end.status == "failed"
    assert end.message.index("3 times") < end.message.index("10.0.0.7") < end.message.index("its actor died")


def test_a_search_whose_lane_cannot_write_ends_and_can_be_resumed(tmp_path: Path) -> None:
    controller, _ = make(tmp_path)
    first, second = controller.next_trial(), controller.next_trial()
    assert first is not None
    assert second is not None
    controller.handle_event(ended(first.number, "stopped", "cannot write trials/cola-0000/state.pt: disk full"))
    assert isinstance(controller.fatal_error, StorageError)
    assert controller.exhausted
    assert controller.next_trial() is None
    controller.handle_event(ended(second.number))  # running trials may end
    again = make(tmp_path)[0].next_trial()
    assert again is not None
    assert again.number == first.number


def test_a_search_whose_journal_cannot_be_written_has_a_fatal_error(tmp_path: Path) -> None:
    controller, recorded = make(tmp_path)
    assignment = controller.next_trial()
    assert assignment is not None
    size = (tmp_path / "journal" / "000000.jsonl").stat().st_size
    with files_of_at_most(size + 20), pytest.raises(StorageError):
        controller.handle_event(evaluated(assignment.number, 1, 0.5))
    assert isinstance(controller.fatal_error, StorageError)
    assert controller.exhausted
    assert [event.event for event in recorded] == ["started"]


@pytest.mark.parametrize("status", ["diverged", "out_of_memory", "failed"])
def test_a_trial_without_a_score_is_a_result(tmp_path: Path, status: str) -> None:
    controller, recorded = make(tmp_path)
    assignment = controller.next_trial()
    assert assignment is not None
    controller.handle_event(ended(assignment.number, status, "why"))
    assert recorded[-1].event == "ended"
    assert controller.next_trial() is not None


REAL = SearchSpace.model_validate(
    {"name": "r", "space": {"learning_rate": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True}}}
)


def search(folder: Path, lanes: int, *, prefetch: bool) -> list[object]:
    """All trials of TPE, in order; the lane that has worked longest ends its trial first."""
    controller, recorded = make(folder, algorithm="tpe", lanes=lanes, space=REAL)
    working: list[int] = []
    while not controller.exhausted or working:
        while len(working) < lanes and (assignment := controller.next_trial()) is not None:
            working.append(assignment.number)
        if prefetch:
            controller.prefetch()
        number = working.pop(0)
        controller.handle_event(evaluated(number, 4, float(np.sin(7.0 * number))))
        controller.handle_event(ended(number))
    return [event.params for event in recorded if event.event == "started"]


@pytest.fixture
def slow_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gluetune.search.controller.PREFETCH_THRESHOLD_S", 0.0)


@pytest.mark.usefixtures("slow_choices")
def test_a_search_on_one_lane_never_prefetches(tmp_path: Path) -> None:
    ahead, plain = (search(tmp_path / str(prefetch), 1, prefetch=prefetch) for prefetch in (True, False))
    assert ahead == plain
    assert len(ahead) == 12


def test_on_two_lanes_the_next_trial_is_chosen_while_both_work(tmp_path: Path) -> None:
    """Each choice overwrites the time of the last one, which is set to one that makes choosing ahead worthwhile."""
    sampler, slow = make_sampler("tpe", REAL), 100.0
    controller, recorded = make(tmp_path, lanes=2, sampler=sampler)
    controller.next_trial()
    sampler.last_ask_seconds = slow
    controller.prefetch()
    assert sampler.last_ask_seconds == slow  # nothing is chosen while a lane is free
    assert controller.next_trial() is not None
    sampler.last_ask_seconds = slow
    controller.prefetch()
    assert sampler.last_ask_seconds < slow
    controller.handle_event(ended(0))
    sampler.last_ask_seconds = slow
    assert controller.next_trial() is not None
    assert sampler.last_ask_seconds == slow  # it had been chosen before
    assert [event.event for event in recorded] == ["started", "started", "ended", "started"]


def test_quick_choices_are_not_prefetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gluetune.search.controller.PREFETCH_THRESHOLD_S", 60.0)  # longer than any choice
    ahead, plain = (search(tmp_path / str(prefetch), 2, prefetch=prefetch) for prefetch in (True, False))
    assert ahead == plain


@pytest.mark.usefixtures("slow_choices")
def test_a_search_that_prefetches_has_as_many_trials_and_repeats_none(tmp_path: Path) -> None:
    ahead = search(tmp_path / "ahead", 3, prefetch=True)
    assert len(ahead) == len({str(params) for params in ahead}) == 12
    assert ahead != search(tmp_path / "plain", 3, prefetch=False)
