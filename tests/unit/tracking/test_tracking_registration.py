"""Which version of a registered model is champion: the better one where two can be compared."""

from __future__ import annotations

import pytest

from gluetune.tracking.registration import promotes


def tags(
    score: float = 0.5,
    fingerprint: str | None = "a",
    metric: str = "accuracy",
    synthetic: bool = False,
) -> dict[str, str]:
    """A version's tags."""
    found = {"gluetune.score": f"{score:.6f}", "gluetune.metric": metric, "gluetune.synthetic": str(synthetic).lower()}
    return found if fingerprint is None else found | {"gluetune.selection_fingerprint": fingerprint}


@pytest.mark.parametrize(
    ("new", "champion", "promoted", "why"),
    [
        (tags(), None, True, "first"),
        (tags(fingerprint=None), None, True, "first"),
        (tags(synthetic=True), None, False, "synthetic"),
        (tags(0.9, synthetic=True), tags(0.5, synthetic=True), False, "synthetic"),
        (tags(0.9, synthetic=True), tags(0.5), False, "synthetic"),
        (tags(0.1), tags(0.5, synthetic=True), True, "synthetic"),
        (tags(0.6), tags(0.5), True, "0.6000.*0.5000"),
        (tags(0.5), tags(0.5), False, "0.5000.*0.5000"),
        (tags(0.4), tags(0.5), False, "0.4000.*0.5000"),
        (tags(-0.1), tags(-0.2), True, "-0.1000"),
        (tags(0.9, fingerprint="b"), tags(0.5), False, "other selection rows"),
        (tags(0.9, fingerprint=None), tags(0.5), False, "other selection rows"),
        (tags(0.9), tags(0.5, fingerprint=None), False, "not recorded"),
        (tags(0.9, fingerprint=None), tags(0.5, fingerprint=None), False, "not recorded"),
        (tags(0.9), tags(0.5, metric="f1"), False, "f1"),
        (tags(0.9), {"gluetune.selection_fingerprint": "a", "gluetune.metric": "accuracy"}, False, "nan"),
    ],
)
def test_only_a_better_model_of_the_same_data_becomes_champion(
    new: dict[str, str], champion: dict[str, str] | None, promoted: bool, why: str
) -> None:
    import re

    found, reason = promotes(new, champion)
    assert found is promoted
    assert re.search(why, reason)
