"""Encoded search spaces, with exact equality and values; grid and random search on them."""

import json
from itertools import islice
from typing import Any

import numpy as np
import pytest

from gluetune.config import SearchSpace
from gluetune.errors import ConfigError
from gluetune.search.searchers import EncodedSpace
from gluetune.search.searchers.sampler import grid_sampler, random_sampler


def space(**fields: Any) -> Any:
    return EncodedSpace(SearchSpace.model_validate({"name": "s", "space": fields}))


STEPPED = {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1}
REAL = {"type": "float", "low": -0.5, "high": 0.5}
LOG_INT = {"type": "int", "low": 1, "high": 64, "log": True}
LONG = {"type": "int", "low": 1, "high": 10**9, "step": 3}


def test_grid_is_in_file_order_with_the_last_field_fastest() -> None:
    encoded = space(a={"type": "choice", "values": [5e-5, 2e-5, 3e-5]}, b={"type": "choice", "values": [32, 16]})
    rows = [tuple(encoded.decode(encoded.grid_point(i)).values()) for i in range(encoded.size)]
    assert rows == [(5e-5, 32), (5e-5, 16), (2e-5, 32), (2e-5, 16), (3e-5, 32), (3e-5, 16)]


def test_numeric_choices_are_ordered_by_value_and_others_are_not() -> None:
    numbers, words = space(a={"type": "choice", "values": [5, 2, 3]}), space(a={"type": "choice", "values": ["b", "a"]})
    assert numbers.dimensions[0].ordered
    assert not words.dimensions[0].ordered
    assert [numbers.encode({"a": value}) for value in (2, 3, 5)] == [(0,), (1,), (2,)]


def test_a_number_in_two_spellings_is_one_configuration() -> None:
    encoded = space(a={"type": "choice", "values": [16, 32]}, b=REAL)
    assert encoded.encode({"a": 16.0, "b": -0.0}) == encoded.encode({"a": 16, "b": 0})
    assert str(encoded.decode(encoded.encode({"a": 16, "b": -0.0}))["b"]) == "0.0"


def test_truth_values_are_labels_and_stay_truth_values() -> None:
    encoded = space(a={"type": "choice", "values": ["auto", True, False]})
    assert not encoded.dimensions[0].ordered
    assert [encoded.decode(encoded.grid_point(i))["a"] for i in range(3)] == ["auto", True, False]


def test_stepped_floats_are_the_decimal_numbers() -> None:
    encoded = space(a=STEPPED)
    assert [encoded.decode(encoded.grid_point(i))["a"] for i in range(encoded.size)] == [0.1, 0.2, 0.3]


def test_every_draw_survives_the_journal() -> None:
    encoded = space(a=STEPPED, b=REAL, c=LOG_INT, d={"type": "choice", "values": ["x", True, 3]}, e=LONG)
    rng = np.random.default_rng(0)
    for _ in range(200):
        key = encoded.draw(rng)
        assert encoded.encode(json.loads(json.dumps(encoded.decode(key)))) == key


def test_draws_on_a_log_scale_favour_no_decade() -> None:
    encoded, rng = (
        space(a={"type": "float", "low": 1e-6, "high": 1e-2, "log": True}, b=LOG_INT),
        np.random.default_rng(0),
    )
    draws = [encoded.decode(encoded.draw(rng)) for _ in range(2000)]
    assert 0.45 < np.mean([draw["a"] < 1e-4 for draw in draws]) < 0.55
    assert 0.45 < np.mean([draw["b"] <= 8 for draw in draws]) < 0.6
    assert {draw["b"] for draw in draws} >= {1, 2, 3, 64}


def test_size_is_known_where_values_are_finitely_many() -> None:
    assert space(a=STEPPED, c=LOG_INT).size == 3 * 64
    assert space(e=LONG).size == (10**9 - 1) // 3 + 1
    assert space(a={"type": "float", "low": 0.1, "high": 0.1}).size == 1
    assert space(a=STEPPED, b=REAL).size is None


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        (STEPPED, 0.15),
        (STEPPED, 0.4),
        (REAL, 0.6),
        (REAL, "0.1"),
        (LOG_INT, 65),
        (LONG, 2),
        ({"type": "choice", "values": ["linear"]}, "cosine"),
    ],
)
def test_value_outside_the_space_is_named(spec: Any, value: Any) -> None:
    with pytest.raises(ConfigError, match=rf"space\.a: a point must lie in the space, but got {value!r}"):
        space(a=spec).encode({"a": value})


HUGE = space(a={"type": "int", "low": 0, "high": 10**6}, b={"type": "int", "low": 0, "high": 10**6})


def suggestions(sampler: Any, count: Any = None) -> Any:
    return list(islice(iter(lambda: sampler.suggest(()), None), count))


def test_random_order_is_a_shuffle_of_a_finite_grid() -> None:
    finite = space(a={"type": "int", "low": 1, "high": 5}, b={"type": "choice", "values": ["x", "y"]})
    drawn, listed = suggestions(random_sampler(finite, 0)), suggestions(grid_sampler(finite))
    assert drawn != listed == [(a, b) for a in range(5) for b in range(2)]
    assert sorted(drawn) == listed


def test_a_grid_begins_with_the_longest_trials() -> None:
    fields = {"batch_size": [16, 32], "num_train_epochs": [2, 4, 3], "warmup_ratio": [0.1, 0.0]}
    finite = space(**{name: {"type": "choice", "values": values} for name, values in fields.items()})
    suggested = [tuple(finite.decode(key).values()) for key in suggestions(grid_sampler(finite))]
    assert len(set(suggested)) == 12
    assert [epochs for _, epochs, _ in suggested] == [4] * 4 + [3] * 4 + [2] * 4
    assert suggested[:4] == [(16, 4, 0.1), (16, 4, 0.0), (32, 4, 0.1), (32, 4, 0.0)]  # else in file order


def test_a_huge_grid_begins_at_once() -> None:
    finite = space(
        num_train_epochs={"type": "choice", "values": [2, 3]},
        seed={"type": "int", "low": 0, "high": 10**6},
        **{"logging_steps": {"type": "int", "low": 1, "high": 10**6}},
    )
    assert suggestions(grid_sampler(finite), 2) == [(1, 0, 0), (1, 0, 1)]


def test_known_configurations_are_skipped() -> None:
    finite = space(a={"type": "int", "low": 1, "high": 5})
    assert grid_sampler(finite).suggest({(0,), (1,)}) == (2,)
    assert random_sampler(finite, 0).suggest({(i,) for i in range(5)}) is None


def test_huge_finite_space_is_drawn_from_without_listing_it() -> None:
    drawn = suggestions(random_sampler(HUGE, 3), 50)
    assert drawn == suggestions(random_sampler(HUGE, 3), 50) != suggestions(random_sampler(HUGE, 4), 50)
    assert len(set(drawn)) == 50
