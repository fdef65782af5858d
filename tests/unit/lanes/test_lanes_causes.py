"""What is told of an error in another process."""

from __future__ import annotations

import pytest
from ray.exceptions import RayTaskError

from gluetune.lanes import LaneError, describe_deaths, root_cause


def brought(cause: Exception) -> RayTaskError:
    """The error as Ray brings it."""
    return RayTaskError("train", f"Traceback (most recent call last):\n  File ...\n{cause!r}", cause)


def test_our_own_errors_stand_for_themselves_and_others_keep_their_traceback() -> None:
    assert root_cause(brought(LaneError("no such GPU"))) == "no such GPU"
    told = root_cause(brought(KeyError("bear")))
    assert told.splitlines()[-2:] == ["  File ...", "KeyError('bear')"]
    assert "\x1b" not in told
    assert root_cause(TimeoutError()) == "TimeoutError"


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([], "its lane died"),
        ([""], "its lane died"),
        (["a"], "its lane died: a"),
        (["a", "a", "a"], "its lane died 3 times: a"),
        (["a", "b", "a"], "its lane died 3 times: a\nlater: b"),
        (["", "b"], "its lane died 2 times: b"),
    ],
)
def test_the_first_reason_comes_first(reasons: list[str], expected: str) -> None:
    assert describe_deaths("its lane", reasons) == expected
