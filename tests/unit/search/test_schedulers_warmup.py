"""How long a trial's learning rate rises."""

import pytest

from gluetune.search.schedulers import warmup_epochs


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({}, 0.3),
        ({"warmup_ratio": 0.3, "num_train_epochs": 5}, 1.5),
        ({"warmup_ratio": 0.0}, 0.0),
        ({"warmup_steps": 50, "warmup_ratio": 0.9}, 0.5),
        ({"warmup_steps": 0}, 0.0),
        ({"max_steps": 400, "num_train_epochs": 50}, 0.4),
        ({"lr_scheduler_type": "constant"}, 0.0),
        ({"lr_scheduler_type": "constant_with_warmup"}, 0.3),
    ],
)
def test_warm_up_in_epochs_of_a_hundred_steps(training, expected):
    assert warmup_epochs(training, 100) == pytest.approx(expected)
