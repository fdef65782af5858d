"""Adaptive algorithms: the results in the Optuna study, and TPE on finite spaces."""

from statistics import mean
from typing import Any

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from gluetune.config import SearchSpace
from gluetune.events import TrialStatus
from gluetune.search.searchers import ALGORITHMS, EncodedSpace, TrialResult
from gluetune.search.searchers.algorithms import TPE

SPACE = EncodedSpace(
    SearchSpace.model_validate(
        {
            "name": "s",
            "space": {
                "batch_size": {"type": "choice", "values": [8, 16]},
                "num_train_epochs": {"type": "choice", "values": [2, 3]},
            },
        }
    )
)
ADAPTIVE = ("tpe", "gp", "cmaes", "nsga2")


def make(algorithm: Any) -> Any:
    return ALGORITHMS[algorithm](SPACE, "cola", 0, None)


def states(sampler: Any) -> Any:
    return [trial.state for trial in sampler.study.trials]


def tell(sampler: Any, position: Any, status: Any, score: Any, evaluations: Any = 1) -> None:
    config = SPACE.grid_point(position)
    sampler.enqueue(config)
    sampler.tell(config, TrialResult(status, score, evaluations))


@pytest.mark.parametrize("algorithm", ADAPTIVE)
def test_every_suggestion_gets_a_score_and_duplicates_the_known_one(algorithm: Any) -> None:
    sampler, known, score = make(algorithm), set(), {}  # type: ignore[var-annotated]
    while (config := sampler.suggest(known)) is not None:  # all four run at the same time
        known.add(config)
        score[config] = len(known) / 10
    for config in known:
        sampler.tell(config, TrialResult(TrialStatus.FINISHED, score[config], 1))
    assert known == {SPACE.grid_point(i) for i in range(4)}
    assert sampler.suggest(known) is None
    assert len(sampler.study.trials) > 4
    for trial in sampler.study.trials:
        assert trial.value == score[tuple(trial.params.values())]


@pytest.mark.parametrize("algorithm", ADAPTIVE)
def test_a_pruned_trial_is_in_the_study_as_the_sampler_learns_from_it(algorithm: Any) -> None:
    sampler = make(algorithm)
    tell(sampler, 0, TrialStatus.PRUNED, 0.4, evaluations=3)
    trial = sampler.study.trials[0]
    if algorithm == "tpe":
        assert (trial.state, trial.intermediate_values) == (TrialState.PRUNED, {3: 0.4})
    else:
        assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.4)


@pytest.mark.parametrize("status", [TrialStatus.DIVERGED, TrialStatus.OUT_OF_MEMORY])
def test_a_trial_without_a_score_ranks_below_all_once_scores_differ(status: Any) -> None:
    sampler = make("cmaes")
    tell(sampler, 0, status, None)
    tell(sampler, 1, TrialStatus.FINISHED, 0.8)
    assert states(sampler) == [TrialState.RUNNING, TrialState.COMPLETE]
    tell(sampler, 2, TrialStatus.FINISHED, 0.9)
    assert sampler.study.trials[0].value == pytest.approx(0.7)
    tell(sampler, 3, status, None)
    assert sampler.study.trials[3].value == pytest.approx(0.7)


def test_a_failed_trial_has_no_value_in_the_study() -> None:
    sampler = make("tpe")
    tell(sampler, 0, TrialStatus.FAILED, None)
    assert states(sampler) == [TrialState.FAIL]


def test_optuna_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    sampler, known = make("cmaes"), set()  # type: ignore[var-annotated]
    while (config := sampler.suggest(known)) is not None:
        known.add(config)
        sampler.tell(config, TrialResult(TrialStatus.FINISHED, 0.5, 1))
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


REAL = EncodedSpace(
    SearchSpace.model_validate({"name": "r", "space": {"weight_decay": {"type": "float", "low": 0.0, "high": 0.3}}})
)


@pytest.mark.parametrize(
    ("algorithm", "space", "startups"),
    [("tpe", REAL, [10, 10, 4, 3]), ("tpe", SPACE, [4, 4, 4, 3]), ("gp", SPACE, [10, 10, 4, 3])],
)
def test_small_budgets_leave_trials_to_the_model(algorithm: Any, space: Any, startups: Any) -> None:
    assert [ALGORITHMS[algorithm](space, "cola", 0, budget).startup_trials for budget in (None, 100, 12, 4)] == startups


@pytest.mark.parametrize("fields", [{}, {"weight_decay": {"type": "choice", "values": [0.1]}}])
def test_tpe_suggests_the_same_as_optunas_own_sampler(fields: Any) -> None:
    """Optuna's infers the fields from the trials; gluetune's gets them. In one case a field has a single value."""
    space = EncodedSpace(
        SearchSpace.model_validate(
            {
                "name": "s",
                "space": {
                    "warmup_ratio": {"type": "float", "low": 0.0, "high": 0.3},
                    "batch_size": {"type": "choice", "values": [8, 16, 32]},
                    "lr_scheduler_type": {"type": "choice", "values": ["linear", "cosine"]},
                    **fields,
                },
            }
        )
    )
    gluetunes = TPE(space, "cola", 1, 24)
    optunas = TPE(space, "cola", 1, 24)
    optunas.build = lambda seed: TPESampler(  # type: ignore[method-assign]
        seed=seed, n_startup_trials=optunas.startup_trials, multivariate=True, constant_liar=True
    )
    suggested = []
    for sampler in (gluetunes, optunas):
        known = set()  # type: ignore[var-annotated]
        for number in range(24):
            config = sampler.suggest(known)  # type: ignore[arg-type]
            known.add(config)
            status = (TrialStatus.FINISHED, TrialStatus.PRUNED, TrialStatus.FAILED)[number % 3]
            sampler.tell(config, TrialResult(status, None if number % 3 == 2 else config[0], 1))  # type: ignore[arg-type]
        suggested.append(known)
    assert suggested[0] == suggested[1]


GRID = EncodedSpace(
    SearchSpace.model_validate(
        {
            "name": "grid",
            "space": {
                "learning_rate": {"type": "choice", "values": [1e-3, 5e-4, 3e-4, 1e-4, 5e-5, 3e-5]},
                "batch_size": {"type": "int", "low": 8, "high": 13, "log": True},
                "lr_scheduler_type": {"type": "choice", "values": ["linear", "cosine", "constant"]},
            },
        }
    )
)


def score(config: Any) -> Any:
    """Best at a middling rate, a small batch and one of the labels, neither the first nor the last."""
    rate, batch, label = config
    return 1 - 0.05 * (rate - 3) ** 2 - 0.01 * (batch - 8) ** 2 - (0 if label == 1 else 0.3)


def search(algorithm: Any, seed: int, trials: Any = 108, pruned: Any = lambda number: False) -> Any:
    """Configurations in the order in which one lane trains them, and the Optuna study."""
    sampler, configs = ALGORITHMS[algorithm](GRID, "cola", seed, None), []  # type: ignore[var-annotated]
    while len(configs) < trials and (config := sampler.suggest(set(configs))) is not None:
        configs.append(config)
        status = TrialStatus.PRUNED if pruned(len(configs)) else TrialStatus.FINISHED
        sampler.tell(config, TrialResult(status, score(config), 1))
    return configs, sampler.study if algorithm == "tpe" else None


def test_tpe_on_a_grid_never_suggests_a_known_configuration() -> None:
    configs, study = search("tpe", 0)
    assert len(set(configs)) == len(configs) == len(study.trials) == GRID.size


def test_tpe_finds_the_best_of_a_grid_in_a_third_of_the_trials_of_random_search() -> None:
    best = max((GRID.grid_point(place) for place in range(GRID.size)), key=score)  # type: ignore[arg-type]
    found = {name: mean(search(name, seed)[0].index(best) + 1 for seed in range(10)) for name in ("tpe", "random")}
    assert found["tpe"] < found["random"] / 3


def test_running_trials_are_not_crowded() -> None:
    """Ten suggestions before any of them has a score: no rate has more than half of them."""
    sampler, known = ALGORITHMS["tpe"](GRID, "cola", 0, None), set()
    for place in range(0, GRID.size, 9):  # type: ignore[arg-type]
        known.add(GRID.grid_point(place))
        sampler.enqueue(GRID.grid_point(place))
        sampler.tell(GRID.grid_point(place), TrialResult(TrialStatus.FINISHED, score(GRID.grid_point(place)), 1))
    suggested = []
    for _ in range(10):
        suggested.append(sampler.suggest(known))
        known.add(suggested[-1])  # type: ignore[arg-type]
    assert max(sum(config[0] == rate for config in suggested) for rate in range(6)) <= 5


def test_a_pruned_trial_is_worse_than_a_finished_one_of_any_score() -> None:
    """The pruned ones have the higher scores, and the next trial is beside a finished one."""
    sampler = ALGORITHMS["tpe"](GRID, "cola", 0, None)
    results = {(0, batch, 2): (0.9, TrialStatus.PRUNED) for batch in range(8, 14)}
    results[5, 8, 0] = (0.2, TrialStatus.FINISHED)
    for config, (value, status) in results.items():
        sampler.enqueue(config)
        sampler.tell(config, TrialResult(status, value, 1))
    rate, _, label = sampler.suggest(set(results))  # type: ignore[misc]
    assert rate >= 3
    assert label != 2


@pytest.mark.parametrize("seed", range(3))
def test_seed_decides(seed: int) -> None:
    assert search("tpe", seed, 30)[0] == search("tpe", seed, 30)[0] != search("tpe", seed + 1, 30)[0]
