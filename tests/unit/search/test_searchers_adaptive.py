"""What the Optuna study is told."""

import optuna
import pytest
from optuna.samplers import TPESampler
from optuna.trial import TrialState

from gluetune.config import SearchSpace
from gluetune.events import TrialStatus
from gluetune.search.searchers import ALGORITHMS, EncodedSpace, Outcome
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


def make(algorithm):
    return ALGORITHMS[algorithm](SPACE, "cola", 0, None)


def states(sampler):
    return [trial.state for trial in sampler.study.trials]


def end(sampler, position, status, score, evaluations=1):
    key = SPACE.at(position)
    sampler.begin(key)
    sampler.end(key, Outcome(status, score, evaluations))


@pytest.mark.parametrize("algorithm", ADAPTIVE)
def test_every_suggestion_is_answered_in_the_end_duplicates_with_the_known_score(algorithm):
    sampler, known, score = make(algorithm), set(), {}
    while (key := sampler.suggest(known)) is not None:  # all four run at the same moment
        known.add(key)
        score[key] = len(known) / 10
    for key in known:
        sampler.end(key, Outcome(TrialStatus.FINISHED, score[key], 1))
    assert known == {SPACE.at(i) for i in range(4)}
    assert sampler.suggest(known) is None
    assert len(sampler.study.trials) > 4
    for trial in sampler.study.trials:
        assert trial.value == score[tuple(trial.params.values())]


@pytest.mark.parametrize("algorithm", ADAPTIVE)
def test_pruned_trial_is_told_so_that_the_sampler_learns_from_it(algorithm):
    sampler = make(algorithm)
    end(sampler, 0, TrialStatus.PRUNED, 0.4, evaluations=3)
    trial = sampler.study.trials[0]
    if algorithm == "tpe":
        assert (trial.state, trial.intermediate_values) == (TrialState.PRUNED, {3: 0.4})
    else:
        assert (trial.state, trial.value) == (TrialState.COMPLETE, 0.4)


@pytest.mark.parametrize("status", [TrialStatus.DIVERGED, TrialStatus.OUT_OF_MEMORY])
def test_trial_without_a_score_is_reported_as_worse_than_all_once_scores_differ(status):
    sampler = make("cmaes")
    end(sampler, 0, status, None)
    end(sampler, 1, TrialStatus.FINISHED, 0.8)
    assert states(sampler) == [TrialState.RUNNING, TrialState.COMPLETE]
    end(sampler, 2, TrialStatus.FINISHED, 0.9)
    assert sampler.study.trials[0].value == pytest.approx(0.7)
    end(sampler, 3, status, None)
    assert sampler.study.trials[3].value == pytest.approx(0.7)


def test_accident_teaches_nothing():
    sampler = make("tpe")
    end(sampler, 0, TrialStatus.FAILED, None)
    assert states(sampler) == [TrialState.FAIL]


def test_optuna_is_silent(capfd):
    sampler, known = make("cmaes"), set()
    while (key := sampler.suggest(known)) is not None:
        known.add(key)
        sampler.end(key, Outcome(TrialStatus.FINISHED, 0.5, 1))
    assert capfd.readouterr() == ("", "")
    assert optuna.logging.get_verbosity() == optuna.logging.ERROR


REAL = EncodedSpace(
    SearchSpace.model_validate({"name": "r", "space": {"weight_decay": {"type": "float", "low": 0.0, "high": 0.3}}})
)


@pytest.mark.parametrize(
    ("algorithm", "space", "startups"),
    [("tpe", REAL, [10, 10, 4, 3]), ("tpe", SPACE, [4, 4, 4, 3]), ("gp", SPACE, [10, 10, 4, 3])],
)
def test_small_budgets_leave_trials_to_the_model(algorithm, space, startups):
    assert [ALGORITHMS[algorithm](space, "cola", 0, budget).startup for budget in (None, 100, 12, 4)] == startups


@pytest.mark.parametrize("fields", [{}, {"weight_decay": {"type": "choice", "values": [0.1]}}])
def test_tpe_suggests_what_optunas_own_sampler_does(fields):
    """Ours is told the fields; Optuna's finds them out from the trials. One field has a single value."""
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
    ours = TPE(space, "cola", 1, 24)
    theirs = TPE(space, "cola", 1, 24)
    theirs.build = lambda seed: TPESampler(
        seed=seed, n_startup_trials=theirs.startup, multivariate=True, constant_liar=True
    )
    suggested = []
    for sampler in (ours, theirs):
        known = set()
        for number in range(24):
            key = sampler.suggest(known)
            known.add(key)
            status = (TrialStatus.FINISHED, TrialStatus.PRUNED, TrialStatus.FAILED)[number % 3]
            sampler.end(key, Outcome(status, None if number % 3 == 2 else key[0], 1))
        suggested.append(known)
    assert suggested[0] == suggested[1]
