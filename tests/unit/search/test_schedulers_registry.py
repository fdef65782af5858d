"""The longest trial, which bounds the rungs."""

import pytest

from gluetune.config import SearchSpace, TrainingConfig
from gluetune.search.schedulers import max_epochs


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"type": "choice", "values": [2, 4, 3]}, 4.0),
        ({"type": "int", "low": 1, "high": 6}, 6.0),
        ({"type": "float", "low": 0.5, "high": 2.5}, 2.5),
    ],
)
def test_longest_searched_trial(spec, expected):
    space = SearchSpace.model_validate({"name": "s", "space": {"num_train_epochs": spec}})
    assert max_epochs(TrainingConfig(num_train_epochs=9), space) == expected


def test_fixed_length_is_the_jobs_before_the_spaces():
    space = SearchSpace.model_validate(
        {"name": "s", "training": {"num_train_epochs": 10}, "space": {"batch_size": {"type": "choice", "values": [16]}}}
    )
    assert max_epochs(TrainingConfig(num_train_epochs=5), space) == 5.0
    assert max_epochs(TrainingConfig(), space) == 10.0
