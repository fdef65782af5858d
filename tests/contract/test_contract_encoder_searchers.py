"""What every search algorithm must hold where a search chooses among encoders, with a fake objective."""

import math
from collections import Counter
from typing import Any

import pytest

from gluetune.config import SearchSpace, TaskFacts, TrainingConfig
from gluetune.events import Evaluated, TrialRecord, TrialStatus
from gluetune.search.searchers import ALGORITHMS, TrialSampler, TrialSpec

RATES = [5e-5, 3e-5, 2e-5]
SHARED = SearchSpace.model_validate(
    {"name": "shared", "space": {"model": ["small", "large"], "learning_rate": RATES, "batch_size": [16, 32]}}
)
OWN = SearchSpace.model_validate(
    {
        "name": "own",
        "encoders": {
            "small": {"space": {"learning_rate": [1e-3, 1e-4], "batch_size": [16, 32]}},
            "large": {
                "training": {"num_train_epochs": 10},
                "space": {"learning_rate": RATES, "batch_size": [16, 32], "weight_decay": [0.0, 0.1]},
            },
            "fixed": {"training": {"learning_rate": 4e-5}, "space": {}},
        },
    }
)
ENDLESS = SearchSpace.model_validate(
    {
        "name": "endless",
        "encoders": {
            "small": {"space": {"learning_rate": {"type": "float", "low": 1e-5, "high": 1e-3, "log": True}}},
            "large": {
                "space": {
                    "learning_rate": {"type": "float", "low": 1e-6, "high": 1e-4, "log": True},
                    "num_train_epochs": [2, 3],
                }
            },
        },
    }
)
SAMPLED = tuple(name for name in ALGORITHMS if name != "grid")
COSTLY = {"gp": 6}  # trials, where others train more: fitting takes GP most of a second


def make(algorithm: Any, space: SearchSpace, trials: int | None = None, **settings: Any) -> TrialSampler:
    return TrialSampler({"cola": 1.0}, space, algorithm, TrainingConfig(), 42, trials, **settings)


def score(spec: TrialSpec) -> float:
    best = {"small": 0.6, "large": 0.8, "fixed": 0.5}[str(spec.params["model"])]
    return best - 0.1 * (math.log10(float(spec.training["learning_rate"] or 0)) + 4.5) ** 2


def run(sampler: TrialSampler, trials: int = 10**6) -> list[TrialSpec]:
    specs: list[TrialSpec] = []
    while len(specs) < trials and (spec := sampler.ask()) is not None:
        specs.append(spec)
        sampler.report(spec.number, 1)
        sampler.tell(spec.number, TrialStatus.FINISHED, score(spec), {"small": 1.0, "large": 9.0}.get(model(spec)))
    return specs


def model(spec: TrialSpec) -> str:
    return str(spec.params["model"])


def keys(specs: list[TrialSpec]) -> list[tuple[tuple[str, Any], ...]]:
    return [tuple(spec.params.items()) for spec in specs]


def record(spec: TrialSpec) -> TrialRecord:
    trial = TrialRecord(spec.number, spec.task, spec.params, spec.training, spec.seed, 0.0, TrialStatus.FINISHED)
    steps = {"index": 1, "step": 10, "total_steps": 10, "epoch": 1.0, "steps_per_epoch": 10, "learning_rate": 0.0}
    values = {"score": score(spec), "metrics": {}, "eval_loss": 0.0, "train_loss": 0.0}
    trial.evaluations.append(Evaluated(time=0.0, number=spec.number, **steps, **values))  # type: ignore[arg-type]
    return trial


@pytest.mark.parametrize("space", [SHARED, OWN], ids=lambda space: space.name)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_configuration_of_each_encoder_is_trained_once(algorithm: Any, space: SearchSpace) -> None:
    sampler = make(algorithm, space)
    specs = run(sampler)
    assert sorted(map(str, keys(specs))) == sorted(str(tuple(point.items())) for point in space.grid())
    assert len(specs) == sampler.planned("cola") == space.size
    assert sampler.exhausted


@pytest.mark.parametrize("algorithm", SAMPLED)
def test_trials_have_the_fields_and_the_settings_of_their_encoder(algorithm: Any) -> None:
    for spec in run(make(algorithm, ENDLESS, COSTLY.get(algorithm, 20))):
        part = ENDLESS.encoders[model(spec)]
        assert list(spec.params) == ["model", *part.space]
        rate = part.space["learning_rate"]
        assert rate.low <= spec.params["learning_rate"] <= rate.high
    for spec in run(make(algorithm, OWN, COSTLY.get(algorithm, 20))):
        assert spec.training["num_train_epochs"] == (10 if model(spec) == "large" else 3)
        if model(spec) == "fixed":
            assert (spec.params, spec.training["learning_rate"]) == ({"model": "fixed"}, 4e-5)


@pytest.mark.parametrize(
    ("algorithm", "space"),
    [
        *((algorithm, space) for algorithm in ("grid", "random") for space in (SHARED, OWN)),
        *((algorithm, ENDLESS) for algorithm in SAMPLED if algorithm != "nsga2"),  # its children repeat parents
    ],
    ids=lambda value: getattr(value, "name", value),
)
def test_a_resumed_search_has_the_trials_of_the_undisturbed_one(algorithm: Any, space: SearchSpace) -> None:
    trials = COSTLY.get(algorithm, 9)
    undisturbed = run(make(algorithm, space, trials))
    assert undisturbed == run(make(algorithm, space, trials))
    after = make(algorithm, space, trials)
    after.replay(map(record, undisturbed[: trials - 3]))
    assert run(after) == undisturbed[trials - 3 :]


def test_points_of_each_encoder_are_tried_first() -> None:
    space = SearchSpace.model_validate(
        {
            "space": {"model": ["small", "large"], "learning_rate": RATES},
            "points": [{"model": "large", "learning_rate": 2e-5}, {"model": "small", "learning_rate": 5e-5}],
        }
    )
    tried = [spec.params for spec in run(make("tpe", space, 3))]
    assert {(point["model"], point["learning_rate"]) for point in tried[:2]} == {("large", 2e-5), ("small", 5e-5)}


@pytest.mark.parametrize("space", [OWN, ENDLESS], ids=lambda space: space.name)
def test_tpe_learns_which_encoder_is_better(space: SearchSpace) -> None:
    specs = run(make("tpe", space, 16 if space is ENDLESS else None), 16)
    assert Counter(map(model, specs[8:])).most_common(1)[0][0] == "large"


def test_a_grid_trains_the_longest_configurations_of_all_encoders_first() -> None:
    space = SearchSpace.model_validate(
        {
            "name": "epochs",
            "encoders": {
                "small": {"space": {"num_train_epochs": [1, 3]}},
                "large": {"space": {"num_train_epochs": [2, 4], "batch_size": [8, 16]}},
            },
        }
    )
    assert [spec.params["num_train_epochs"] for spec in run(make("grid", space))] == [4, 4, 3, 2, 2, 1]


def test_encoders_take_turns_in_a_grid() -> None:
    assert [model(spec) for spec in run(make("grid", SHARED, 4))] == ["small", "large", "small", "large"]


def test_a_head_that_is_the_default_of_one_encoder_only_is_another_configuration_of_the_other() -> None:
    space = SearchSpace.model_validate({"space": {"model": ["bert", "roberta"], "head": ["default", "nsp"]}})
    facts = {"cola": {"bert": TaskFacts(100, nsp_is_default=True), "roberta": TaskFacts(100)}}
    sampler = make("grid", space, facts=facts)
    specs = list(iter(sampler.ask, None))
    assert sampler.planned("cola") == 3
    assert Counter(map(model, specs)) == {"bert": 1, "roberta": 2}


@pytest.mark.parametrize("algorithm", ["nsga2", "tpe"])
def test_algorithms_for_score_and_time_keep_both_encoders(algorithm: Any) -> None:
    """The small encoder is faster and the large one better."""
    sampler = make(algorithm, ENDLESS, 24, objectives=2)
    specs = run(sampler, 24)
    later = Counter(map(model, specs[len(specs) // 2 :]))
    assert min(later["small"], later["large"]) >= 2


@pytest.mark.parametrize("algorithm", ["nsga2", "tpe"])
def test_a_trial_without_a_score_counts_as_bad_and_slow(algorithm: Any) -> None:
    sampler = make(algorithm, ENDLESS, 30, objectives=2)
    for status, value, time in [
        (TrialStatus.FINISHED, 0.5, 2.0),
        (TrialStatus.DIVERGED, None, None),
        (TrialStatus.FAILED, None, None),
        (TrialStatus.FINISHED, 0.7, None),
        (TrialStatus.PRUNED, 0.6, 1.0),
    ]:
        spec = sampler.ask()
        assert spec is not None
        sampler.tell(spec.number, status, value, time)
    assert len(run(sampler, 25)) == 25
