"""The sampler of a search: settings, seeds and errors of its trials, and choices made ahead."""

from typing import Any

import pytest

from gluetune.config import SearchSpace, TrainingConfig
from gluetune.errors import ConfigError
from gluetune.events import TrialRecord, TrialStatus
from gluetune.search.searchers import TrialSampler
from gluetune.search.searchers.sampler import derive_seed
from sample_search import evaluated

CHOICES = {
    "batch_size": {"type": "choice", "values": [16, 32]},
    "lr_scheduler_type": {"type": "choice", "values": ["linear", "cosine"]},
}
REAL = {"weight_decay": {"type": "float", "low": 0.0, "high": 0.3}}


def make(
    fields: Any = CHOICES,
    algorithm: Any = "grid",
    training: Any = None,
    tasks: Any = None,
    num_samples: Any = None,
    **rest: Any,
) -> Any:
    space = SearchSpace.model_validate({"name": "s", "space": fields, **rest})
    return TrialSampler(tasks or {"cola": 1.0}, space, algorithm, TrainingConfig(**training or {}), 42, num_samples)


def test_searched_fields_go_over_the_jobs_and_those_over_the_spaces() -> None:
    space = SearchSpace.model_validate(
        {"name": "s", "space": CHOICES, "training": {"weight_decay": 0.1, "adam_epsilon": 1e-6}}
    )
    spec = TrialSampler({"cola": 1.0}, space, "grid", TrainingConfig(weight_decay=0.2), 42, None).ask()
    assert spec.params == {"batch_size": 16, "lr_scheduler_type": "linear"}
    assert spec.training == TrainingConfig(weight_decay=0.2, adam_epsilon=1e-6, batch_size=16).model_dump()


def test_trial_seed_is_the_jobs_unless_training_sets_or_searches_it() -> None:
    assert make().ask().seed == 42
    assert make(training={"seed": 7}).ask().seed == 7
    seeds = make({"seed": {"type": "choice", "values": [3, 1, 2]}})
    assert [seeds.ask().seed for _ in range(3)] == [3, 1, 2]


def test_a_grid_begins_with_the_points_to_try_first() -> None:
    sampler = make(points=({"batch_size": 32, "lr_scheduler_type": "linear"},))
    asked = [tuple(sampler.ask().params.values()) for _ in range(4)]
    assert asked == [(32, "linear"), (16, "linear"), (16, "cosine"), (32, "cosine")]
    assert sampler.ask() is None


def test_a_task_that_ended_leaves_its_share_to_the_others() -> None:
    sampler = make(tasks={"cola": 1.0, "rte": 3.0})
    tasks = [sampler.ask().task for _ in range(8)]
    assert tasks.count("cola") == tasks.count("rte") == 4
    assert tasks[-2:] == ["cola", "cola"]
    assert sampler.exhausted


def test_planned_is_the_smaller_of_budget_and_space() -> None:
    assert make().planned("cola") == 4
    assert make(num_samples=3).planned("cola") == 3
    assert make(num_samples=9).planned("cola") == 4
    assert make(REAL, "random", num_samples=9).planned("cola") == 9
    assert make(REAL, "random").planned("cola") is None
    assert not make(REAL, "random").exhausted


def test_a_second_end_of_a_trial_changes_nothing() -> None:
    sampler = make(algorithm="tpe")
    spec = sampler.ask()
    for _ in range(2):
        sampler.tell(spec.number, TrialStatus.FINISHED, 0.5)
    assert sum(sampler.ask() is not None for _ in range(5)) == 3


def next_trial_after(*ends: Any) -> Any:
    """The trial after four others, the last of which ended with a status and a score, or is still running."""
    sampler = make(REAL, "tpe", num_samples=9)
    for score in (0.1, 0.5, 0.9):
        sampler.tell(sampler.ask().number, TrialStatus.FINISHED, score)
    last = sampler.ask()
    for status, score in ends:
        sampler.tell(last.number, status, score)
    return sampler.ask()


def test_stopped_trial_counts_as_running() -> None:
    assert next_trial_after((TrialStatus.STOPPED, 5.0)) == next_trial_after()
    finished = (TrialStatus.FINISHED, 5.0)
    assert next_trial_after((TrialStatus.STOPPED, 5.0), finished) == next_trial_after(finished) != next_trial_after()


def test_nan_is_no_score() -> None:
    for status in (TrialStatus.DIVERGED, TrialStatus.FAILED):
        assert next_trial_after((status, float("nan"))) == next_trial_after((status, None))


def test_points_that_an_earlier_session_has_tried_are_not_tried_again() -> None:
    points = ({"batch_size": 32, "lr_scheduler_type": "linear"}, {"batch_size": 32, "lr_scheduler_type": "cosine"})
    spec = make(points=points).ask()
    resumed = make(points=points)
    resumed.replay([TrialRecord(spec.number, spec.task, spec.params, spec.training, 42, 0.0, TrialStatus.FAILED)])
    assert resumed.ask().params == points[1]
    assert len({tuple(resumed.ask().params.values()) for _ in range(2)}) == 2
    assert resumed.ask() is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": {"cola": 1.0, "rte": 0.0}}, r"tasks\.rte: `weight > 0` must hold, but got 0\.0"),
        ({"fields": REAL}, r"space\.weight_decay: a grid needs finitely"),
        ({"points": ({"batch_size": 64, "lr_scheduler_type": "linear"},)}, r"space\.batch_size: .* but got 64"),
        (
            {"fields": {"lr_scheduler_type": CHOICES["lr_scheduler_type"]}, "algorithm": "cmaes"},
            r"search\.algorithm: cmaes needs a numeric field, but got \(lr_scheduler_type\); use 'tpe'",
        ),
    ],
)
def test_unusable_settings_are_errors_at_once(change: Any, message: Any) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**change)


def test_seeds_are_the_same_in_every_process() -> None:
    seeds = [derive_seed(42, "cola"), derive_seed(42, "cola", 1), derive_seed(42, "rte"), derive_seed(43, "cola")]
    assert seeds == [2011152981, 2095299208, 3792302289, 2702610285]


def test_a_prefetched_trial_is_the_next_one_and_comes_once() -> None:
    ahead, plain = make(tasks={"cola": 1.0, "rte": 3.0}), make(tasks={"cola": 1.0, "rte": 3.0})
    asked = []
    while not ahead.exhausted:
        ahead.prefetch()
        ahead.prefetch()
        asked.append(ahead.ask())
    assert asked == [plain.ask() for _ in range(8)]
    ahead.prefetch()
    assert ahead.ask() is None


def test_a_prefetched_trial_does_not_use_later_results() -> None:
    def third(*, ahead: Any) -> Any:
        sampler = make(REAL, "tpe", num_samples=9)
        for score in (0.1, 0.9, 0.5, 0.2):
            sampler.tell(sampler.ask().number, TrialStatus.FINISHED, score)
        last = sampler.ask()
        if ahead:
            sampler.prefetch()
        sampler.tell(last.number, TrialStatus.FINISHED, 5.0)
        return sampler.ask()

    assert third(ahead=True) != third(ahead=False)
    assert third(ahead=True) == third(ahead=True)


def test_a_prefetched_trial_that_was_not_started_leaves_no_trace_in_a_resumed_search() -> None:
    ended = []
    sampler = make(REAL, "tpe", num_samples=9)
    for score in (0.1, 0.9, 0.5, 0.2):
        spec = sampler.ask()
        sampler.tell(spec.number, TrialStatus.FINISHED, score)
        trial = TrialRecord(spec.number, spec.task, spec.params, spec.training, 42, 0.0, TrialStatus.FINISHED)
        trial.evaluations.append(evaluated(spec.number, 1, score))
        ended.append(trial)
    sampler.prefetch()  # and here the driver dies
    resumed = make(REAL, "tpe", num_samples=9)
    resumed.replay(ended)
    assert resumed.ask() == sampler.ask()


def test_the_points_of_several_encoders_are_tried_in_turn() -> None:
    parts = {
        encoder: {"space": {"batch_size": sizes}, "points": [{"batch_size": size} for size in sizes]}
        for encoder, sizes in {"a": [16, 32, 64], "b": [8]}.items()
    }
    space = SearchSpace.model_validate({"encoders": parts})
    sampler = TrialSampler({"cola": 1.0}, space, "grid", TrainingConfig(), 42, None)
    asked = [tuple(spec.params.values()) for _ in range(4) if (spec := sampler.ask())]
    assert asked == [("a", 16), ("b", 8), ("a", 32), ("a", 64)]
