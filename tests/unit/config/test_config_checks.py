"""What fits together, and what a trial trains with in the end."""

from __future__ import annotations

import pytest

from gluetune.config import JobConfig, SearchSpace, check_fit, parse_job, parse_space, resolve_training
from gluetune.errors import ConfigError

FINITE = "space: {learning_rate: [1e-4, 3e-5], batch_size: [8]}\ntraining: {num_train_epochs: 4, weight_decay: 0.1}\n"
ENDLESS = "space: {learning_rate: {type: float, low: 1e-6, high: 1e-3, log: true}}\n"


def job(text: str) -> JobConfig:
    return parse_job(text.encode(), "job.yaml")


def space(text: str) -> SearchSpace:
    return parse_space(text.encode(), "mine.yaml")


def test_a_trial_takes_the_spaces_fixed_fields() -> None:
    training = resolve_training(job(""), space(FINITE), {"learning_rate": 3e-5, "batch_size": 16})
    assert (training.num_train_epochs, training.weight_decay) == (4.0, 0.1)
    assert (training.learning_rate, training.batch_size) == (3e-5, 16)


def test_what_a_job_sets_itself_wins_over_the_spaces_fixed_fields() -> None:
    training = resolve_training(job("training: {num_train_epochs: 1}"), space(FINITE))
    assert (training.num_train_epochs, training.weight_decay) == (1.0, 0.1)


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("search: {algorithm: grid, num_samples: 99}", FINITE),
        ("search: {algorithm: cmaes}", FINITE),
        ("search: {algorithm: tpe}", FINITE),
        ("search: {algorithm: gp, num_samples: 5}", ENDLESS),
        ("search: {algorithm: nsga2, time_budget_s: 60}", ENDLESS),
        ("search: {scheduler: asha}", FINITE),
        ("training: {max_steps: 50, num_train_epochs: 1}", FINITE),
        (
            "search: {scheduler: {name: hyperband, grace_epochs: 0.5}}\n"
            "training: {num_train_epochs: 1, evals_per_epoch: 4}",
            FINITE,
        ),
        ("search: {scheduler: median}", "space: {num_train_epochs: [1, 2, 3]}"),
        ("search: {scheduler: none}\ntraining: {num_train_epochs: 1}", FINITE),
    ],
)
def test_what_fits(text: str, searched: str) -> None:
    check_fit(job(text), space(searched))


@pytest.mark.parametrize(
    ("text", "searched", "paths"),
    [
        ("search: {algorithm: grid}", ENDLESS, ["search.algorithm"]),
        ("search: {algorithm: random}", ENDLESS, ["search.num_samples"]),
        ("search: {scheduler: median}", "space: {num_train_epochs: [1]}", ["search.scheduler.grace_epochs"]),
        ("search: {scheduler: asha}\ntraining: {num_train_epochs: 1}", FINITE, ["search.scheduler.grace_epochs"]),
        ("search: {scheduler: asha}\ntraining: {max_steps: 50}", FINITE, ["search.scheduler.name"]),
        ("search: {scheduler: median}", "space: {max_steps: [50, 100]}", ["search.scheduler.name"]),
        ("training: {batch_size: 8, learning_rate: 1e-4}", FINITE, ["training.learning_rate", "training.batch_size"]),
    ],
)
def test_what_does_not_fit(text: str, searched: str, paths: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        check_fit(job(text), space(searched))
    assert [issue.path for issue in caught.value.issues] == paths
