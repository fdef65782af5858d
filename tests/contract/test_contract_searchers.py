"""What every search algorithm must hold, with a fake objective in place of training."""

import math
from collections import deque
from itertools import pairwise
from statistics import mean
from typing import Any

import pytest

from gluetune.config import SearchSpace, TaskFacts, TrainingConfig
from gluetune.events import TrialRecord, TrialStatus
from gluetune.search.searchers import ALGORITHMS, TrialSampler, TrialSpec
from sample_search import evaluated

FINITE = SearchSpace.model_validate(
    {
        "name": "finite",
        "space": {
            "learning_rate": {"type": "choice", "values": [5e-5, 3e-5, 2e-5]},
            "weight_decay": {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1},
            "batch_size": {"type": "choice", "values": [16, 32]},
        },
    }
)
MIXED = SearchSpace.model_validate(
    {
        "name": "mixed",
        "space": {
            "learning_rate": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True},
            "batch_size": {"type": "int", "low": 8, "high": 64, "log": True},
            "lr_scheduler_type": {"type": "choice", "values": ["linear", "cosine"]},
            "num_train_epochs": {"type": "int", "low": 2, "high": 4},
        },
    }
)
CONTINUOUS = SearchSpace.model_validate(
    {
        "name": "continuous",
        "space": {
            "learning_rate": {"type": "float", "low": 1e-6, "high": 1e-3, "log": True},
            "weight_decay": {"type": "float", "low": 0.0, "high": 0.3},
        },
    }
)
SPACES = (FINITE, MIXED, CONTINUOUS)
SAMPLED = tuple(name for name in ALGORITHMS if name != "grid")
LEARNING = ("tpe", "gp", "cmaes")
COSTLY = {"gp": 6}  # trials, where others train more: fitting takes GP most of a second


def objective(params: Any) -> Any:
    rate = math.log10(params["learning_rate"])
    decay = params.get("weight_decay", 0.1)
    return 1.0 - 0.2 * (rate + 4.5) ** 2 - 5.0 * (decay - 0.1) ** 2


def make(algorithm: Any, space: Any, num_samples: Any = None, seed: int = 42, tasks: Any = ("cola",)) -> Any:
    return TrialSampler(dict.fromkeys(tasks, 1.0), space, algorithm, TrainingConfig(), seed, num_samples)


def finish(sampler: Any, spec: Any, score: Any) -> None:
    sampler.report(spec.number, 1)
    sampler.tell(spec.number, TrialStatus.FINISHED, score)


def run(sampler: Any, trials: Any = 10**6, lanes: Any = 1) -> Any:
    """Train up to ``trials`` trials, ``lanes`` at a time; return them in the order of their start."""
    specs, running = [], deque()  # type: ignore[var-annotated]
    while len(specs) < trials and (spec := sampler.ask()) is not None:
        specs.append(spec)
        running.append(spec)
        if len(running) == lanes:
            done = running.popleft()
            finish(sampler, done, objective(done.params))
    for done in running:
        finish(sampler, done, objective(done.params))
    return specs


def record(spec: Any, status: Any = TrialStatus.FINISHED) -> Any:
    trial = TrialRecord(spec.number, spec.task, spec.params, spec.training, spec.seed, 0.0, status)
    trial.evaluations.append(evaluated(spec.number, 1, objective(spec.params), total_steps=50))
    return trial


def keys(specs: Any) -> Any:
    return [tuple(spec.params.items()) for spec in specs]


@pytest.mark.parametrize(
    ("algorithm", "lanes", "num_samples"),
    [*((name, 3, 100) for name in ALGORITHMS), *((name, 1, None) for name in ALGORITHMS if name not in COSTLY)],
)
def test_finite_space_is_covered_exactly_once_and_ends(algorithm: Any, lanes: Any, num_samples: Any) -> None:
    sampler = make(algorithm, FINITE, num_samples)
    assert sampler.planned("cola") == 18
    specs = run(sampler, lanes=lanes)
    assert sorted(keys(specs)) == sorted(tuple(point.items()) for point in FINITE.grid())
    assert sampler.exhausted
    assert sampler.ask() is None


@pytest.mark.parametrize("space", [MIXED, CONTINUOUS], ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", SAMPLED)
def test_num_samples_ends_an_endless_space_without_a_duplicate(algorithm: Any, space: Any) -> None:
    trials = COSTLY.get(algorithm, 20)
    sampler = make(algorithm, space, num_samples=trials)
    specs = run(sampler, lanes=2)
    assert [spec.number for spec in specs] == list(range(trials))
    assert len(set(keys(specs))) == trials
    assert sampler.exhausted
    for spec in specs:
        for field, value in spec.params.items():
            spec = space.space[field]
            assert value in spec.values if spec.type == "choice" else spec.low <= value <= spec.high


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", SAMPLED)
def test_same_seed_same_trials(algorithm: Any, space: Any) -> None:
    trials = COSTLY.get(algorithm, 20)
    first, second = (run(make(algorithm, space, trials), trials, lanes=2) for _ in range(2))
    assert first == second
    assert keys(first[:3]) != keys(run(make(algorithm, space, trials, seed=7), 3))


@pytest.mark.parametrize("algorithm", SAMPLED)
def test_tasks_are_searched_independently(algorithm: Any) -> None:
    specs = run(make(algorithm, MIXED, 4, tasks=("cola", "rte")))
    cola, rte = ([spec.params for spec in specs if spec.task == task] for task in ("cola", "rte"))
    assert cola[0] != rte[0]
    assert cola == [spec.params for spec in run(make(algorithm, MIXED, 4, tasks=("cola",)))]


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", SAMPLED)
def test_points_are_tried_first_and_not_again(algorithm: Any, space: Any) -> None:
    point = run(make("random", space, 3, seed=99))[-1].params
    pointed = space.model_copy(update={"points": (point, point)})
    specs = run(make(algorithm, pointed, 8))
    assert specs[0].params == point
    assert len(set(keys(specs))) == 8


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_resumed_search_begins_with_unfinished_trials_and_repeats_no_finished_one(algorithm: Any, space: Any) -> None:
    if algorithm == "grid" and space is not FINITE:
        pytest.skip("a grid needs a finite space")
    before = make(algorithm, space, 8)
    specs = run(before, 4)
    unfinished = [before.ask(), before.ask()]
    stopped, running = record(unfinished[0], TrialStatus.STOPPED), record(unfinished[1], TrialStatus.RUNNING)
    after = make(algorithm, space, 8)
    after.replay([running, *map(record, reversed(specs)), stopped])
    resumed = run(after)
    assert resumed[:2] == unfinished
    assert [spec.number for spec in resumed] == list(range(4, 8))
    assert len(set(keys(specs + resumed))) == 8


@pytest.mark.parametrize("space", [MIXED, CONTINUOUS], ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", [name for name in SAMPLED if name != "nsga2"])  # its children repeat parents
def test_a_search_resumed_on_one_lane_has_the_same_trials_as_the_undisturbed_one(algorithm: Any, space: Any) -> None:
    trials = COSTLY.get(algorithm, 24)
    undisturbed = run(make(algorithm, space, trials))
    after = make(algorithm, space, trials)
    after.replay(map(record, undisturbed[: trials - 2]))
    assert run(after) == undisturbed[trials - 2 :]


@pytest.mark.parametrize("algorithm", ["grid", "random"])
def test_resumed_grid_and_random_search_of_a_finite_space_keep_their_order(algorithm: Any) -> None:
    undisturbed = run(make(algorithm, FINITE))
    after = make(algorithm, FINITE)
    after.replay(map(record, undisturbed[:7]))
    assert run(after, lanes=3) == undisturbed[7:]


@pytest.mark.parametrize("algorithm", LEARNING)
def test_learning_finds_better_configurations_than_chance(algorithm: Any) -> None:
    """Mean score of the last third of the trials; 0.80 is the expectation of a random configuration."""
    seeds, trials = (2, 15) if algorithm in COSTLY else (5, 24)
    late = [
        objective(spec.params)
        for seed in range(seeds)
        for spec in run(make(algorithm, CONTINUOUS, trials, seed))[2 * trials // 3 :]
    ]
    assert mean(late) > 0.87


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("status", [status for status in TrialStatus if status.final])
def test_trials_without_a_score_neither_stop_the_search_nor_come_again(algorithm: Any, status: Any) -> None:
    sampler, asked = make(algorithm, FINITE), []
    while (spec := sampler.ask()) is not None:
        asked.append(spec)
        sampler.tell(spec.number, status, float("nan") if spec.number % 2 else None)
    assert len(set(keys(asked))) == len(asked) == 18


@pytest.mark.parametrize("algorithm", ["tpe", "cmaes"])
def test_search_turns_back_from_a_region_that_diverges(algorithm: Any) -> None:
    """The score rises with the learning rate until training diverges; an accident there would teach nothing."""

    def share_beyond_the_edge(status: Any) -> Any:
        beyond = []
        for seed in range(3):
            sampler = make(algorithm, CONTINUOUS, 30, seed)
            while (spec := sampler.ask()) is not None:
                rate = spec.params["learning_rate"]
                beyond.append(rate > 1e-5)
                if beyond[-1]:
                    sampler.tell(spec.number, status, None)
                else:
                    finish(sampler, spec, math.log10(rate))
        return mean(beyond)

    assert share_beyond_the_edge(TrialStatus.DIVERGED) < share_beyond_the_edge(TrialStatus.FAILED) - 0.05


def test_tasks_get_trials_in_proportion_to_their_weights() -> None:
    sampler = TrialSampler({"cola": 1.0, "mnli": 2.0}, CONTINUOUS, "random", TrainingConfig(), 0, None)
    tasks = [sampler.ask().task for _ in range(9)]
    assert tasks[:3] == ["cola", "mnli", "mnli"]
    assert tasks.count("mnli") == 6
    assert all(pair != ("cola", "cola") for pair in pairwise(tasks))


TWINS = SearchSpace.model_validate(
    {
        "name": "twins",
        "space": {
            "learning_rate": {"type": "choice", "values": [1e-4, 1e-3]},
            "head": {"type": "choice", "values": ["linear", "mlp"]},
            "head_hidden_size": {"type": "choice", "values": [64, 128, 256]},
            "num_train_epochs": {"type": "choice", "values": [1, 2]},
        },
    }
)


def without_twins(specs: Any) -> Any:
    """Trials by what they train: a linear head has no hidden units, and the steps are fixed."""
    return {
        (
            spec.params["learning_rate"],
            spec.params["head"],
            spec.params["head_hidden_size"] if spec.params["head"] == "mlp" else None,
        )
        for spec in specs
    }


@pytest.mark.parametrize("num_samples", [None, 100])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_configurations_that_train_the_same_are_tried_once(algorithm: Any, num_samples: Any) -> None:
    sampler = TrialSampler({"cola": 1.0}, TWINS, algorithm, TrainingConfig(max_steps=30), 42, num_samples)
    assert sampler.planned("cola") == sampler.configurations("cola") == 2 * (1 + 3)
    specs = run(sampler, lanes=2)
    assert len(specs) == len(without_twins(specs)) == 8
    assert sampler.exhausted


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_that_has_trained_twins_already_goes_on_without_more(algorithm: Any) -> None:
    """Recorded before the twins were known to be such, one of them still running."""
    twins = [
        TrialSpec(
            number,
            "cola",
            {"learning_rate": 1e-4, "head": "linear", "head_hidden_size": size, "num_train_epochs": 1},
            {},
            42,
        )
        for number, size in enumerate((64, 128, 256))
    ]
    sampler = TrialSampler({"cola": 1.0}, TWINS, algorithm, TrainingConfig(max_steps=30), 42, None)
    sampler.replay([record(twins[0]), record(twins[1]), record(twins[2], TrialStatus.RUNNING)])
    specs = run(sampler)
    assert specs[0] == twins[2]
    assert len(specs) == 1 + 7


@pytest.mark.parametrize("algorithm", SAMPLED)
def test_an_endless_space_of_few_different_trials_ends(algorithm: Any) -> None:
    """Of 100 rows in batches of 50 any number of epochs up to three makes one to six steps."""
    space = SearchSpace.model_validate(
        {"name": "epochs", "space": {"num_train_epochs": {"type": "float", "low": 0.1, "high": 3.0}}}
    )
    sampler = TrialSampler(
        {"cola": 1.0}, space, algorithm, TrainingConfig(batch_size=50), 42, 10, {"cola": {"": TaskFacts(rows=100)}}
    )
    while (spec := sampler.ask()) is not None:
        finish(sampler, spec, 0.5 + 0.01 * spec.number)
    assert spec is None
    assert sampler.exhausted


OUTSIDE = {"finite": {"learning_rate": 1e-3}, "mixed": {"batch_size": 128}, "continuous": {"weight_decay": 0.5}}


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_an_added_configuration_is_next_and_comes_once(algorithm: Any, space: Any) -> None:
    if algorithm == "grid" and space is not FINITE:
        pytest.skip("a grid needs a finite space")
    added = run(make("random", space, 3, seed=99))[-1].params
    sampler = make(algorithm, space, 6)
    specs = run(sampler, 3)
    if added in [spec.params for spec in specs]:
        pytest.skip("it has been trained already")
    sampler.add("cola", added)
    sampler.add("cola", added)
    later = run(sampler)
    assert later[0].params == added
    assert len(set(keys(specs + later))) == len(specs + later) == 7  # beside the planned ones
    assert sampler.planned("cola") == 7


@pytest.mark.parametrize("space", SPACES, ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_configuration_outside_the_space_is_trained_and_leaves_the_algorithm_as_it_is(
    algorithm: Any, space: Any
) -> None:
    if algorithm == "grid" and space is not FINITE:
        pytest.skip("a grid needs a finite space")
    trials = COSTLY.get(algorithm, 12)
    undisturbed = run(make(algorithm, space, trials))
    sampler = make(algorithm, space, trials)
    specs = run(sampler, 3)
    outside = specs[0].params | OUTSIDE[space.name]
    sampler.add("cola", outside)
    later = run(sampler)
    assert later[0].params == outside
    assert later[0].training["learning_rate"] == outside["learning_rate"]
    assert keys(specs + later[1:]) == keys(undisturbed)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_resumed_search_trains_what_was_added_before_and_repeats_none(algorithm: Any) -> None:
    inside, outside = run(make("random", FINITE, 9, seed=99))[-1].params, run(make("random", FINITE, 1))[0].params
    added = [inside, outside | OUTSIDE["finite"]]
    before = make(algorithm, FINITE)
    specs = run(before, 2)
    for params in added:
        before.add("cola", params)
    started = [before.ask()]
    after = make(algorithm, FINITE)
    for params in added:
        after.add("cola", params)
    after.replay([*map(record, specs), record(started[0], TrialStatus.STOPPED)])
    resumed = run(after, lanes=2)
    assert resumed[0] == started[0]
    assert [spec.params for spec in specs + resumed].count(added[1]) == 1
    assert after.planned("cola") == len(specs + resumed) == len(set(keys(specs + resumed))) == 18 + 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_search_that_had_its_trials_continues_when_it_is_extended(algorithm: Any) -> None:
    sampler = make(algorithm, FINITE, 4)
    specs = run(sampler)
    assert sampler.exhausted
    sampler.extend(6)
    more = run(sampler)
    assert (len(specs), len(more)) == (4, 2)
    sampler.extend(100)
    assert len(set(keys(specs + more + run(sampler)))) == 18
    assert sampler.exhausted


def test_an_added_configuration_goes_before_the_share_of_the_other_tasks() -> None:
    sampler = make("random", CONTINUOUS, 3, tasks=("cola", "rte"))
    params = {"learning_rate": 1e-4, "weight_decay": 0.1}
    sampler.add("rte", params)
    specs = run(sampler)
    assert (specs[0].task, specs[0].params) == ("rte", params)
    assert [spec.task for spec in specs].count("rte") == 4
    assert [spec.task for spec in specs[1:]] == ["cola", "rte"] * 3
