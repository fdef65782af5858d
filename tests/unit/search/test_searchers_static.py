"""Grid and random order."""

from itertools import islice

from gluetune.config import SearchSpace
from gluetune.search.searchers import EncodedSpace
from gluetune.search.searchers.static import grid, random


def coded(**fields):
    return EncodedSpace(SearchSpace.model_validate({"name": "s", "space": fields}))


HUGE = coded(a={"type": "int", "low": 0, "high": 10**6}, b={"type": "int", "low": 0, "high": 10**6})


def deals(sampler, count=None):
    return list(islice(iter(lambda: sampler.suggest(()), None), count))


def test_random_order_is_a_shuffle_of_a_finite_grid():
    space = coded(a={"type": "int", "low": 1, "high": 5}, b={"type": "choice", "values": ["x", "y"]})
    drawn, listed = deals(random(space, 0)), deals(grid(space))
    assert drawn != listed == [(a, b) for a in range(5) for b in range(2)]
    assert sorted(drawn) == listed


def test_a_grid_begins_with_the_longest_trials():
    fields = {"batch_size": [16, 32], "num_train_epochs": [2, 4, 3], "warmup_ratio": [0.1, 0.0]}
    space = coded(**{name: {"type": "choice", "values": values} for name, values in fields.items()})
    dealt = [tuple(space.decode(key).values()) for key in deals(grid(space))]
    assert len(set(dealt)) == 12
    assert [epochs for _, epochs, _ in dealt] == [4] * 4 + [3] * 4 + [2] * 4
    assert dealt[:4] == [(16, 4, 0.1), (16, 4, 0.0), (32, 4, 0.1), (32, 4, 0.0)]  # else in file order


def test_a_huge_grid_begins_at_once():
    space = coded(
        num_train_epochs={"type": "choice", "values": [2, 3]},
        seed={"type": "int", "low": 0, "high": 10**6},
        **{"logging_steps": {"type": "int", "low": 1, "high": 10**6}},
    )
    assert deals(grid(space), 2) == [(1, 0, 0), (1, 0, 1)]


def test_known_configurations_are_passed_over():
    space = coded(a={"type": "int", "low": 1, "high": 5})
    assert grid(space).suggest({(0,), (1,)}) == (2,)
    assert random(space, 0).suggest({(i,) for i in range(5)}) is None


def test_huge_finite_space_is_drawn_from_without_listing_it():
    drawn = deals(random(HUGE, 3), 50)
    assert drawn == deals(random(HUGE, 3), 50) != deals(random(HUGE, 4), 50)
    assert len(set(drawn)) == 50
