"""Codes of configurations: exact equality, exact values."""

import json

import numpy as np
import pytest

from gluetune.config import SearchSpace
from gluetune.errors import ConfigError
from gluetune.search.searchers import EncodedSpace


def space(**fields):
    return EncodedSpace(SearchSpace.model_validate({"name": "s", "space": fields}))


STEPPED = {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1}
REAL = {"type": "float", "low": -0.5, "high": 0.5}
LOG_INT = {"type": "int", "low": 1, "high": 64, "log": True}
LONG = {"type": "int", "low": 1, "high": 10**9, "step": 3}


def test_grid_is_in_file_order_with_the_last_field_fastest():
    coded = space(a={"type": "choice", "values": [5e-5, 2e-5, 3e-5]}, b={"type": "choice", "values": [32, 16]})
    rows = [tuple(coded.decode(coded.at(i)).values()) for i in range(coded.size)]
    assert rows == [(5e-5, 32), (5e-5, 16), (2e-5, 32), (2e-5, 16), (3e-5, 32), (3e-5, 16)]


def test_numeric_choices_are_ordered_by_value_and_others_are_not():
    numbers, words = space(a={"type": "choice", "values": [5, 2, 3]}), space(a={"type": "choice", "values": ["b", "a"]})
    assert numbers.dimensions[0].ordered
    assert not words.dimensions[0].ordered
    assert [numbers.encode({"a": value}) for value in (2, 3, 5)] == [(0,), (1,), (2,)]


def test_same_number_in_other_spelling_is_one_configuration():
    coded = space(a={"type": "choice", "values": [16, 32]}, b=REAL)
    assert coded.encode({"a": 16.0, "b": -0.0}) == coded.encode({"a": 16, "b": 0})
    assert str(coded.decode(coded.encode({"a": 16, "b": -0.0}))["b"]) == "0.0"


def test_truth_values_are_labels_and_stay_truth_values():
    coded = space(a={"type": "choice", "values": ["auto", True, False]})
    assert not coded.dimensions[0].ordered
    assert [coded.decode(coded.at(i))["a"] for i in range(3)] == ["auto", True, False]


def test_stepped_float_is_the_number_one_would_write():
    coded = space(a=STEPPED)
    assert [coded.decode(coded.at(i))["a"] for i in range(coded.size)] == [0.1, 0.2, 0.3]


def test_every_draw_survives_the_journal():
    coded = space(a=STEPPED, b=REAL, c=LOG_INT, d={"type": "choice", "values": ["x", True, 3]}, e=LONG)
    rng = np.random.default_rng(0)
    for _ in range(200):
        key = coded.draw(rng)
        assert coded.encode(json.loads(json.dumps(coded.decode(key)))) == key


def test_draws_on_a_log_scale_favour_no_decade():
    coded, rng = space(a={"type": "float", "low": 1e-6, "high": 1e-2, "log": True}, b=LOG_INT), np.random.default_rng(0)
    draws = [coded.decode(coded.draw(rng)) for _ in range(2000)]
    assert 0.45 < np.mean([draw["a"] < 1e-4 for draw in draws]) < 0.55
    assert 0.45 < np.mean([draw["b"] <= 8 for draw in draws]) < 0.6
    assert {draw["b"] for draw in draws} >= {1, 2, 3, 64}


def test_size_is_known_where_values_are_finitely_many():
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
def test_value_outside_the_space_is_named(spec, value):
    with pytest.raises(ConfigError, match=rf"space\.a: a point must lie in the space, but got {value!r}"):
        space(a=spec).encode({"a": value})
