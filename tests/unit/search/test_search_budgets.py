"""Budgets and the rule that ends tasks: with real journal, sampler and controller, a clock of its own, without Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sample_search
from gluetune.cluster import Resources
from gluetune.config import BudgetConfig, LanesConfig, SchedulerConfig, SearchSpace, StopRuleConfig, TrainingConfig
from gluetune.events import Journal, TaskEnded, TrialEnded, TrialStarted
from gluetune.lanes import LanePool
from gluetune.search.controller import CheckpointRetention, SearchController
from gluetune.search.planned_work import planned_work
from gluetune.search.schedulers import TaskPruners
from gluetune.search.searchers import TrialSampler
from gluetune.search.session_meter import SessionMeter
from gluetune.search.stop_rule import StopRule
from gluetune.search.trials import SearchEnd, SearchStatus
from gluetune.storage import Storage
from gluetune.supervisor import DeferredStop

RATES = [1e-5 * (1 + number) for number in range(40)]
SPACE = SearchSpace.model_validate({"name": "rates", "space": {"learning_rate": RATES}})
TASKS = {"cola": 1.0, "rte": 1.0}
NO_LIMIT, NO_RULE = BudgetConfig(), StopRuleConfig()
RULE = StopRuleConfig(expected_gain_below=0.001, patience=3)


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Search:
    """One session of a search in a folder, whose trials end with scores that the test gives.

    Args:
        folder: the search's folder; one with a journal is resumed.
        budget: its budget.
        rule: its stopping rule.
        clock: the current time.
        lanes: number of lanes, each of two workers with 1.5 CPU cores and half a GPU.
        weights: of its tasks.
    """

    def __init__(
        self,
        folder: Path,
        budget: BudgetConfig = NO_LIMIT,
        rule: StopRuleConfig = NO_RULE,
        clock: Clock | None = None,
        lanes: int = 1,
        weights: dict[str, float] = TASKS,
    ) -> None:
        storage, self.clock = Storage(str(folder)), clock or Clock()
        self.journal = Journal(storage)
        self.sampler = TrialSampler(
            weights, SPACE, "grid", TrainingConfig(), 1, None, max_trials=budget.trials, by_time=budget.limits_time
        )
        lane_settings = LanesConfig(max_concurrent_trials=lanes, workers_per_lane=2)
        self.meter = SessionMeter(budget, lane_settings, Resources(1.5, 0.5), self.journal.history, clock=self.clock)
        self.controller = SearchController(
            self.journal,
            self.sampler,
            TaskPruners(weights, SchedulerConfig(), 4, 1),
            CheckpointRetention(storage, 1, self.journal.trials.values()),
            [],
            lanes,
            StopRule(rule, {task: self.sampler.configurations(task) for task in weights}, self.clock),
            self.meter,
            clock=self.clock,
        )

    def run_trial(
        self, scores: dict[str, float], seconds: float = 10.0, slower: dict[str, float] | None = None
    ) -> str | None:
        """Run the next trial to its end; return its task, ``None`` where there is no trial.

        Args:
            scores: by task.
            seconds: that it trains.
            slower: factors of that by task.
        """
        assignment = self.controller.next_trial()
        if assignment is None:
            return None
        seconds *= (slower or {}).get(assignment.task, 1.0)
        self.clock.now += seconds
        figures: dict[str, Any] = {"step": 40, "total_steps": 40, "steps_per_epoch": 40}
        figures |= {"time": self.clock.now, "train_seconds": seconds, "eval_seconds": 0.0, "lane": "a"}
        score = scores[assignment.task]
        self.controller.handle_event(sample_search.evaluated(assignment.number, 1, score, **figures))
        return assignment.task

    def run(self, scores: dict[str, float]) -> list[str]:
        """Run trials until there are no more; return their tasks."""
        return list(iter(lambda: self.run_trial(scores), None))

    def ends(self) -> list[TaskEnded]:
        return [event for event in self.journal.history if isinstance(event, TaskEnded)]


def test_a_budget_of_trials_is_shared_by_weight(tmp_path: Path) -> None:
    search = Search(tmp_path, BudgetConfig(trials=9), weights={"cola": 2.0, "rte": 1.0})
    assert [search.sampler.planned(task) for task in ("cola", "rte")] == [6, 3]
    tasks = search.run({"cola": 0.5, "rte": 0.5})
    assert (tasks.count("cola"), tasks.count("rte")) == (6, 3)
    assert search.controller.exhausted


def test_a_resumed_search_counts_the_trials_of_earlier_sessions(tmp_path: Path) -> None:
    first = Search(tmp_path, BudgetConfig(trials=5))
    for _ in range(3):
        first.run_trial({"cola": 0.5, "rte": 0.5})
    first.controller.next_trial()  # a fourth, over which the driver is killed
    assert len(Search(tmp_path, BudgetConfig(trials=5)).run({"cola": 0.5, "rte": 0.5})) == 2


def test_a_task_that_is_not_expected_to_gain_ends_and_its_trials_go_to_the_others(tmp_path: Path) -> None:
    """CoLA's scores are equal, so that nothing is gained from the tenth trial on; RTE's rise."""
    search = Search(tmp_path, BudgetConfig(trials=50), RULE)
    tasks: list[str] = []
    while (task := search.run_trial({"cola": 0.5, "rte": 0.5 + len(tasks) / 100})) is not None:
        tasks.append(task)
    assert (tasks.count("cola"), tasks.count("rte")) == (12, 38)
    (end,) = search.ends()
    assert (end.task, end.trials, end.further_trials, end.expected_gain) == ("cola", 12, 10, 0.0)
    numbers = [event.number for event in search.journal.events if isinstance(event, TrialStarted)]
    assert numbers == list(range(50))


@pytest.mark.parametrize("trials", [23, 24, 25, 31])
def test_a_resumed_search_ends_a_task_after_the_same_trial(tmp_path: Path, trials: int) -> None:
    scores = {"cola": 0.5, "rte": 0.6}
    whole = Search(tmp_path / "whole", rule=RULE).run(scores)
    first = Search(tmp_path / "parts", rule=RULE)
    began = [task for _ in range(trials) if (task := first.run_trial(scores)) is not None]
    second = Search(tmp_path / "parts", rule=RULE)
    assert began + second.run(scores) == whole
    assert {end.task for end in second.ends()} == {"cola", "rte"}
    assert len(second.ends()) == 2


def test_an_end_that_the_driver_was_killed_before_recording_is_recorded_by_the_resume(tmp_path: Path) -> None:
    scores = {"cola": 0.5, "rte": 0.6}
    unruled = Search(tmp_path)  # leaves the journal that a kill after CoLA's twelfth trial leaves
    for _ in range(23):
        unruled.run_trial(scores)
    resumed = Search(tmp_path, rule=RULE)
    assert resumed.run(scores) == ["rte"], "it has ended then, too"
    assert [(end.task, end.trials) for end in resumed.ends()] == [("cola", 12), ("rte", 12)]


def test_a_trial_that_was_chosen_ahead_is_dropped_with_its_task() -> None:
    sampler = TrialSampler(TASKS, SPACE, "grid", TrainingConfig(), 1, None)
    first = sampler.ask()
    sampler.prefetch()
    assert sampler.has_further("rte")
    sampler.end_task("rte")
    assert not sampler.has_further("rte")
    second = sampler.ask()
    assert first is not None
    assert second is not None
    assert [(first.number, first.task), (second.number, second.task)] == [(0, "cola"), (1, "cola")]
    sampler.end_task("cola")
    assert sampler.exhausted


@pytest.mark.parametrize(
    ("budget", "seconds"),
    [
        (BudgetConfig(seconds=95), 95),
        (BudgetConfig(cpu_hours=0.5), 0.5 * 3600 / (2 * 2 * 1.5)),
        (BudgetConfig(gpu_hours=0.05), 0.05 * 3600 / (2 * 2 * 0.5)),
        (BudgetConfig(gpu_hours=1, seconds=50), 50),
    ],
)
def test_no_trial_starts_and_running_ones_stop_once_the_budget_is_spent(
    tmp_path: Path, budget: BudgetConfig, seconds: float
) -> None:
    search = Search(tmp_path, budget, lanes=2)
    running = search.controller.next_trial()
    assert running is not None
    end = SearchEnd(search.controller, LanePool(), DeferredStop())
    while not end.reached():
        assert search.clock.now <= 1000 + seconds
        search.clock.now += 0.25
        if search.clock.now % 10 == 0:
            search.run_trial({"cola": 0.5, "rte": 0.5}, seconds=0.0)
    assert search.clock.now <= 1000 + seconds + 0.25
    assert (end.status, search.controller.next_trial()) == (SearchStatus.OUT_OF_BUDGET, None)
    (stopped,) = [
        event for event in search.journal.events if isinstance(event, TrialEnded) and event.status == "stopped"
    ]
    assert (stopped.number, stopped.message) == (running.number, "out of budget")
    assert not search.controller.exhausted, "a resume with a larger budget continues"


def test_a_budget_of_time_gives_each_task_equal_time_by_weight(tmp_path: Path) -> None:
    """RTE's trials take four times as long; half-way, the search is resumed."""
    clock, weights = Clock(), {"cola": 2.0, "rte": 1.0}
    tasks: list[str] = []
    for _ in range(2):
        search = Search(tmp_path, BudgetConfig(seconds=10_000), clock=clock, weights=weights)
        for _ in range(12):
            task = search.run_trial({"cola": 0.5, "rte": 0.5}, slower={"rte": 4.0})
            assert task is not None
            tasks.append(task)
    seconds = {"cola": 10.0 * tasks.count("cola"), "rte": 40.0 * tasks.count("rte")}
    assert abs(seconds["cola"] / 2 - seconds["rte"]) <= 40


def test_a_resumed_search_counts_what_earlier_sessions_spent(tmp_path: Path) -> None:
    clock = Clock()
    first = Search(tmp_path, BudgetConfig(seconds=100), clock=clock)
    for _ in range(6):
        first.run_trial({"cola": 0.5, "rte": 0.5})
    clock.now += 5
    first.controller.end_session("interrupted")
    spent = first.meter.spent
    assert spent.seconds == 65
    clock.now += 10_000  # nothing runs
    second = Search(tmp_path, BudgetConfig(seconds=100), clock=clock)
    assert second.meter.spent == spent
    assert len(second.run({"cola": 0.5, "rte": 0.5})) == 4, "35 seconds are left, and each trial takes ten"
    assert Search(tmp_path, BudgetConfig(seconds=100), clock=clock).run_trial({}) is None
    assert Search(tmp_path, BudgetConfig(seconds=200), clock=clock).run_trial({"cola": 0.5, "rte": 0.5}) is not None


def test_of_a_killed_session_the_time_up_to_its_last_event_counts(tmp_path: Path) -> None:
    clock = Clock()
    first = Search(tmp_path, clock=clock)
    first.run_trial({"cola": 0.5, "rte": 0.5}, seconds=30)
    clock.now += 500
    again = Search(tmp_path, clock=clock)
    assert again.meter.spent.seconds == pytest.approx(30)
    assert again.meter.spent.cpu_hours == pytest.approx(30 * 2 * 1.5 / 3600)


@pytest.mark.parametrize(
    ("space", "training", "rows", "evaluations"),
    [
        ({"num_train_epochs": [2, 4]}, {}, 3000, 3),
        ({"learning_rate": [1e-4, 1e-5]}, {"num_train_epochs": 2, "evals_per_epoch": 4}, 2000, 8),
        ({"batch_size": [16, 32]}, {"max_steps": 50}, 1200, 1.2),
        ({"max_steps": {"type": "int", "low": 10, "high": 90}}, {"batch_size": 4}, 200, 1),
        ({"model": ["a", "b"], "num_train_epochs": [1, 3]}, {}, 2000, 2),
    ],
)
def test_the_mean_work_of_a_trial(
    space: dict[str, Any], training: dict[str, Any], rows: float, evaluations: float
) -> None:
    work = planned_work(SearchSpace.model_validate({"space": space}), TrainingConfig(**training), 1000)
    assert (work.rows, work.evaluations) == (pytest.approx(rows), pytest.approx(evaluations))


def test_what_a_confirmation_spent_counts(tmp_path: Path) -> None:
    clock = Clock()
    search = Search(tmp_path, clock=clock)
    search.run_trial({"cola": 0.5, "rte": 0.5}, seconds=30)
    search.controller.end_session("complete")
    spent = search.meter.spent
    meter = SessionMeter(
        BudgetConfig(seconds=50), LanesConfig(max_concurrent_trials=1), Resources(1, 0), clock=clock, before=spent
    )
    assert meter.begin() is not None
    clock.now += 19
    assert not meter.spent_limit
    clock.now += 1
    assert meter.spent_limit == "seconds"
    assert meter.end("out_of_budget") is not None
    assert (meter.spent.seconds, meter.end("out_of_budget")) == (50, None)


def test_a_trial_that_was_stopped_after_some_folds_counts_as_one_without_a_score() -> None:
    """The means of its easy folds would look like scores that vary, from which further trials could gain."""

    def end_of(easy: float) -> int | None:
        rule = StopRule(RULE, {"cola": None})
        for number in range(40):
            cut = number % 2 == 1
            folds = [[easy + number / 100]] if cut else [[0.5], [0.5]]
            begun = sample_search.started(number, "cola").model_copy(update={"folds": 2})
            end = sample_search.ended(number, "pruned" if cut else "finished")
            recorded = sample_search.folded([begun, *sample_search.fold_evaluations(folds, number), end])
            if (event := rule.trial_ended(recorded[number])) is not None:
                return event.trials
        return None

    assert end_of(easy=0.9) == end_of(easy=0.1) is not None
