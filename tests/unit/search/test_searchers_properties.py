"""What holds of any search space: a configuration and its key lead to one another, draws lie inside."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from gluetune.config import Choice, Float, Int, SearchSpace
from gluetune.config.space import Distribution, contains
from gluetune.search.searchers.space import EncodedSpace

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)
POSITIVE = st.floats(1e-8, 1e6)


def bounds(draw: st.DrawFn, numbers: st.SearchStrategy[Any]) -> tuple[Any, Any]:
    low, high = sorted(draw(st.lists(numbers, min_size=2, max_size=2, unique=True)))
    return low, high


@st.composite
def distributions(draw: st.DrawFn) -> Distribution:
    kind = draw(st.sampled_from(["numbers", "names", "float", "log float", "stepped float", "int", "log int"]))
    if kind == "numbers":
        return Choice(values=tuple(draw(st.lists(NUMBERS, min_size=1, max_size=6, unique=True))))
    if kind == "names":
        return Choice(values=tuple(draw(st.lists(st.text("abc", min_size=1), min_size=1, max_size=4, unique=True))))
    if kind.endswith("int"):
        low, high = bounds(draw, st.integers(1, 10_000))
        return (
            Int(low=low, high=high, log=True)
            if kind == "log int"
            else Int(low=low, high=high, step=draw(st.integers(1, 50)))
        )
    if kind == "stepped float":  # of hundreds of values, where a million are allowed
        low, step = draw(NUMBERS), draw(st.floats(0.01, 1e3))
        return Float(low=low, high=low + step * draw(st.floats(0, 500)), step=step)
    low, high = bounds(draw, POSITIVE if kind == "log float" else NUMBERS)
    return Float(low=low, high=high, log=kind == "log float")


@st.composite
def spaces(draw: st.DrawFn) -> SearchSpace:
    """Up to four fields; their names say nothing, since no trial is trained."""
    fields = {f"field_{number}": draw(distributions()) for number in range(draw(st.integers(1, 4)))}
    return SearchSpace(name="generated", space=fields)


@given(space=spaces(), seed=st.integers(0, 2**31))
def test_a_drawn_key_and_its_configuration_lead_to_one_another(space: SearchSpace, seed: int) -> None:
    encoded = EncodedSpace(space)
    key = encoded.draw(np.random.default_rng(seed))
    params = encoded.decode(key)
    assert encoded.encode(params) == key
    assert list(params) == list(space.space)
    assert all(contains(space.space[name], value) for name, value in params.items())


@given(space=spaces(), data=st.data())
def test_a_finite_spaces_positions_are_its_grid(space: SearchSpace, data: st.DataObject) -> None:
    encoded = EncodedSpace(space)
    if space.size is None or encoded.grid_size is None:
        return
    assert encoded.size == space.size
    position = data.draw(st.integers(0, encoded.grid_size - 1))
    key = encoded.grid_point(position)
    assert encoded.encode(encoded.decode(key)) == key
    if space.size <= 200:
        grid = [encoded.encode(params) for params in space.grid()]
        assert grid == [encoded.grid_point(place) for place in range(len(grid))]
        assert len(set(grid)) == space.size
