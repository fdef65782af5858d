"""The conductor: what every event leads to. Real journal, dealer, pruners and checkpoints folder; no Ray."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gluetune.config import JobConfig, SchedulerConfig, SearchSpace
from gluetune.errors import AllTrialsFailedError, StorageError
from gluetune.events import Evaluated, Event, Journal, TrialEnded, TrialRecord
from gluetune.search.controller import SearchController
from gluetune.search.retention import CheckpointRetention
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage

SPACE = SearchSpace.model_validate(
    {"name": "s", "space": {"learning_rate": {"type": "choice", "values": [1e-5, 2e-5, 3e-5, 4e-5]}}}
)
JOB = JobConfig.model_validate({"tasks": {"cola": 1.0}, "training": {"num_train_epochs": 4}})


def conduct(
    folder: Path,
    scheduler: str = "none",
    keep: int = 1,
    algorithm: str = "grid",
    lanes: int = 1,
    space: SearchSpace = SPACE,
) -> tuple[SearchController, list[Event]]:
    heard: list[Event] = []

    class Ear:
        def on_event(self, event: Event, trial: TrialRecord) -> None:
            heard.append(event)

    storage = Storage(str(folder))
    journal = Journal(storage)
    dealer = TrialSampler(JOB.tasks, space, algorithm, JOB.training, 1, 12)  # type: ignore[arg-type]
    settings = {} if scheduler == "none" else {"min_trials": 1}
    pruners = TaskPruners(JOB.tasks, SchedulerConfig.model_validate({"name": scheduler, **settings}), 4, 1)
    retention = CheckpointRetention(storage, keep, journal.trials.values())
    return SearchController(journal, dealer, pruners, retention, [Ear()], lanes), heard


def evaluated(number: int, epoch: float, score: float) -> Evaluated:
    return Evaluated(
        time=0.0,
        number=number,
        index=int(epoch),
        step=int(10 * epoch),
        epoch=epoch,
        score=score,
        metrics={},
        eval_loss=0.0,
        train_loss=0.0,
        learning_rate=0.0,
    )


def ended(number: int, status: str = "finished", message: str = "") -> TrialEnded:
    return TrialEnded(time=0.0, number=number, status=status, message=message)  # type: ignore[arg-type]


def run_trial(conductor: SearchController, folder: Path, score: float) -> int:
    order = conductor.deal()
    assert order is not None
    (folder / order.folder).mkdir(parents=True)
    for epoch in range(1, 5):
        if not conductor.heard(evaluated(order.number, epoch, score)):
            return order.number
    conductor.heard(ended(order.number))
    return order.number


def test_a_finite_space_is_dealt_once_and_then_the_search_is_exhausted(tmp_path: Path) -> None:
    conductor, heard = conduct(tmp_path)
    for score in (0.1, 0.2, 0.3, 0.4):
        assert not conductor.exhausted
        run_trial(conductor, tmp_path, score)
    assert conductor.exhausted
    assert conductor.deal() is None
    assert [event.event for event in heard].count("ended") == 4


def test_only_the_best_checkpoints_stay(tmp_path: Path) -> None:
    conductor, _ = conduct(tmp_path, keep=2)
    for score in (0.3, 0.1, 0.4, 0.2):
        run_trial(conductor, tmp_path, score)
    assert sorted(path.name for path in (tmp_path / "trials").iterdir()) == ["cola-0000", "cola-0002"]


@pytest.mark.parametrize(("training", "epochs"), [({}, 1), ({"warmup_ratio": 0.25}, 2), ({"warmup_steps": 10}, 2)])
def test_a_bad_trial_is_pruned_once_most_of_its_training_was_no_warm_up(
    tmp_path: Path, training: dict[str, float], epochs: int
) -> None:
    """An epoch has ten steps, a trial four epochs."""
    space = SPACE.model_copy(update={"training": training})
    for session in range(2):  # the second one resumes the first one's search
        conductor, heard = conduct(tmp_path, "asha", space=space)
        if not session:
            run_trial(conductor, tmp_path, 0.9)
        order = conductor.deal()
        assert order is not None
        score = 0.1 - session / 20
        answers = [conductor.heard(evaluated(order.number, epoch, score)) for epoch in range(1, epochs + 1)]
        assert answers == [True] * (epochs - 1) + [False]
        assert [event.status for event in heard if isinstance(event, TrialEnded)][-1] == "pruned"


def test_a_bad_trial_is_pruned_and_its_late_reports_change_nothing(tmp_path: Path) -> None:
    conductor, heard = conduct(tmp_path, "asha")
    run_trial(conductor, tmp_path, 0.9)
    order = conductor.deal()
    assert order is not None
    assert not conductor.heard(evaluated(order.number, 1.504425, 0.1))
    assert isinstance(heard[-1], TrialEnded)
    assert heard[-1].message == "after 1.5 epochs"
    assert not conductor.heard(evaluated(order.number, 2, 0.95))
    assert heard[-1].event == "ended"


def test_a_trial_is_finished_with_its_last_evaluation_and_not_pruned(tmp_path: Path) -> None:
    conductor, heard = conduct(tmp_path, "asha")
    run_trial(conductor, tmp_path, 0.9)
    order = conductor.deal()
    assert order is not None
    assert not conductor.heard(evaluated(order.number, 4, 0.1))  # its lane is free for the next one
    assert [event.event for event in heard[-2:]] == ["evaluated", "ended"]
    assert not conductor.heard(ended(order.number))  # which the lane may yet say
    assert [event.status for event in heard if isinstance(event, TrialEnded)] == ["finished", "finished"]


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("num_train_epochs", 2.2, {25: 1.0, 50: 2.0, 55: 2.2, 56: 2.24}),  # 2.2 × 25 steps are 55.00000000000001: 56
        ("num_train_epochs", 0.5, {10: 0.4, 13: 0.52}),
        ("max_steps", 30, {25: 1.0, 30: 1.2}),
    ],
)
def test_the_last_evaluation_is_that_of_the_last_step(
    tmp_path: Path, field: str, value: float, told: dict[int, float]
) -> None:
    space = {"name": "s", "space": {field: {"type": "choice", "values": [value]}}}
    conductor, _ = conduct(tmp_path, space=SearchSpace.model_validate(space))
    order = conductor.deal()
    assert order is not None
    goes_on = [
        conductor.heard(evaluated(order.number, epoch, 0.1).model_copy(update={"step": step}))
        for step, epoch in told.items()
    ]
    assert goes_on == [True] * (len(told) - 1) + [False]


def test_a_resumed_search_deals_what_was_unfinished_first_and_nothing_twice(tmp_path: Path) -> None:
    before, _ = conduct(tmp_path)
    run_trial(before, tmp_path, 0.5)
    first, second = before.deal(), before.deal()
    assert first is not None
    assert second is not None
    before.heard(evaluated(first.number, 1, 0.2))
    before.stop("interrupted")  # as by Ctrl-C
    after, _ = conduct(tmp_path)
    again = [after.deal(), after.deal(), after.deal()]
    assert [order.number for order in again if order] == [first.number, second.number, 3]
    assert [order.reported for order in again if order] == [1, 0, 0]
    assert [order.training for order in again if order][:2] == [first.training, second.training]
    assert after.exhausted


def test_a_search_whose_first_trials_all_fail_is_given_up(tmp_path: Path) -> None:
    conductor, _ = conduct(tmp_path)
    for _ in range(3):
        order = conductor.deal()
        assert order is not None
        conductor.heard(ended(order.number, "failed", "no such file"))
    assert conductor.exhausted
    assert isinstance(conductor.broken, AllTrialsFailedError)  # for which no resume is offered
    assert "no such file" in str(conductor.broken)


def test_a_trial_that_is_given_up_says_first_why_its_first_lane_died(tmp_path: Path) -> None:
    conductor, heard = conduct(tmp_path)
    order = conductor.deal()
    assert order is not None
    for reason in ("node 10.0.0.7 does not reach the bucket", "its actor died", "its actor died"):
        conductor.lane_died(order.number, reason)
    conductor.give_up(order.number)
    (end,) = (event for event in heard if event.event == "ended")
    assert end.status == "failed"
    assert end.message.index("3 times") < end.message.index("10.0.0.7") < end.message.index("its actor died")


def test_a_search_ends_resumably_where_a_lane_cannot_write(tmp_path: Path) -> None:
    conductor, _ = conduct(tmp_path)
    first, second = conductor.deal(), conductor.deal()
    assert first is not None
    assert second is not None
    conductor.heard(ended(first.number, "stopped", "cannot write trials/cola-0000/state.pt: disk full"))
    assert isinstance(conductor.broken, StorageError)
    assert conductor.exhausted
    assert conductor.deal() is None
    conductor.heard(ended(second.number))  # what runs may end
    again = conduct(tmp_path)[0].deal()
    assert again is not None
    assert again.number == first.number


def test_a_search_whose_journal_cannot_be_written_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conductor, heard = conduct(tmp_path)
    order = conductor.deal()
    assert order is not None
    monkeypatch.setattr(Journal, "_write", _full)
    with pytest.raises(StorageError):
        conductor.heard(evaluated(order.number, 1, 0.5))
    assert str(conductor.broken) == "disk full"
    assert [event.event for event in heard] == ["started"]


def _full(journal: Journal, line: bytes) -> None:
    raise StorageError("disk full")


@pytest.mark.parametrize("status", ["diverged", "out_of_memory", "failed"])
def test_a_trial_that_comes_to_nothing_is_a_result(tmp_path: Path, status: str) -> None:
    conductor, heard = conduct(tmp_path)
    order = conductor.deal()
    assert order is not None
    conductor.heard(ended(order.number, status, "why"))
    assert heard[-1].event == "ended"
    assert conductor.deal() is not None


REAL = SearchSpace.model_validate(
    {"name": "r", "space": {"learning_rate": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True}}}
)


def search(folder: Path, lanes: int, *, look_ahead: bool) -> list[object]:
    """All that TPE deals; the lane that has worked longest ends its trial first."""
    conductor, heard = conduct(folder, algorithm="tpe", lanes=lanes, space=REAL)
    working: list[int] = []
    while not conductor.exhausted or working:
        while len(working) < lanes and (order := conductor.deal()) is not None:
            working.append(order.number)
        if look_ahead:
            conductor.look_ahead()
        number = working.pop(0)
        conductor.heard(evaluated(number, 4, float(np.sin(7.0 * number))))
        conductor.heard(ended(number))
    return [event.params for event in heard if event.event == "started"]


@pytest.fixture
def slow_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gluetune.search.controller.AHEAD_FROM_S", 0.0)


@pytest.mark.usefixtures("slow_choices")
def test_a_search_on_one_lane_is_the_same_whether_it_could_look_ahead_or_not(tmp_path: Path) -> None:
    ahead, plain = (search(tmp_path / str(look), 1, look_ahead=look) for look in (True, False))
    assert ahead == plain
    assert len(ahead) == 12


@pytest.mark.usefixtures("slow_choices")
def test_on_two_lanes_the_next_trial_is_chosen_while_both_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conductor, heard = conduct(tmp_path, algorithm="tpe", lanes=2, space=REAL)
    conductor.deal()
    conductor.look_ahead()  # a lane is free: what it gets is chosen when it asks
    assert conductor.deal() is not None
    conductor.look_ahead()
    conductor.heard(ended(0))
    monkeypatch.setattr(TrialSampler, "_choose", _not_now)
    assert conductor.deal() is not None
    assert [event.event for event in heard] == ["started", "started", "ended", "started"]


def _not_now(dealer: TrialSampler) -> None:
    raise AssertionError("chosen while a lane waits")


def test_a_choice_that_takes_no_time_waits_for_the_last_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gluetune.search.controller.AHEAD_FROM_S", 60.0)  # longer than any here
    ahead, plain = (search(tmp_path / str(look), 2, look_ahead=look) for look in (True, False))
    assert ahead == plain


@pytest.mark.usefixtures("slow_choices")
def test_a_search_that_looks_ahead_deals_as_many_and_none_twice(tmp_path: Path) -> None:
    dealt = search(tmp_path / "ahead", 3, look_ahead=True)
    assert len(dealt) == len({str(params) for params in dealt}) == 12
    assert dealt != search(tmp_path / "plain", 3, look_ahead=False)
