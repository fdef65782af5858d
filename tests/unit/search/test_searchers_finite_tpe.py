"""TPE on spaces that can be listed."""

from statistics import mean

import pytest

from gluetune.config import SearchSpace
from gluetune.events import TrialStatus
from gluetune.search.searchers import ALGORITHMS, EncodedSpace, Outcome

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


def score(key):
    """Best at a middling rate, a small batch and one of the labels, neither the first nor the last."""
    rate, batch, label = key
    return 1 - 0.05 * (rate - 3) ** 2 - 0.01 * (batch - 8) ** 2 - (0 if label == 1 else 0.3)


def search(algorithm, seed, trials=108, pruned=lambda number: False):
    """Keys in the order in which one lane trains them, and the Optuna study."""
    sampler, keys = ALGORITHMS[algorithm](GRID, "cola", seed, None), []
    while len(keys) < trials and (key := sampler.suggest(set(keys))) is not None:
        keys.append(key)
        status = TrialStatus.PRUNED if pruned(len(keys)) else TrialStatus.FINISHED
        sampler.end(key, Outcome(status, score(key), 1))
    return keys, sampler.study if algorithm == "tpe" else None


def test_no_suggestion_is_spent_on_what_is_known():
    keys, study = search("tpe", 0)
    assert len(set(keys)) == len(keys) == len(study.trials) == GRID.size


def test_the_best_of_a_grid_is_found_in_a_third_of_the_trials_that_chance_needs():
    best = max((GRID.at(place) for place in range(GRID.size)), key=score)
    found = {name: mean(search(name, seed)[0].index(best) + 1 for seed in range(10)) for name in ("tpe", "random")}
    assert found["tpe"] < found["random"] / 3


def test_running_trials_are_not_crowded():
    """Ten suggestions before any of them has a score: no rate has more than half of them."""
    sampler, known = ALGORITHMS["tpe"](GRID, "cola", 0, None), set()
    for place in range(0, GRID.size, 9):
        known.add(GRID.at(place))
        sampler.begin(GRID.at(place))
        sampler.end(GRID.at(place), Outcome(TrialStatus.FINISHED, score(GRID.at(place)), 1))
    suggested = []
    for _ in range(10):
        suggested.append(sampler.suggest(known))
        known.add(suggested[-1])
    assert max(sum(key[0] == rate for key in suggested) for rate in range(6)) <= 5


def test_a_pruned_trial_is_worse_than_a_finished_one_of_any_score():
    """The pruned ones have the higher scores, and the next trial is beside a finished one."""
    sampler = ALGORITHMS["tpe"](GRID, "cola", 0, None)
    told = {(0, batch, 2): (0.9, TrialStatus.PRUNED) for batch in range(8, 14)}
    told[5, 8, 0] = (0.2, TrialStatus.FINISHED)
    for key, (value, status) in told.items():
        sampler.begin(key)
        sampler.end(key, Outcome(status, value, 1))
    rate, _, label = sampler.suggest(set(told))
    assert rate >= 3
    assert label != 2


@pytest.mark.parametrize("seed", range(3))
def test_seed_decides(seed):
    assert search("tpe", seed, 30)[0] == search("tpe", seed, 30)[0] != search("tpe", seed + 1, 30)[0]
