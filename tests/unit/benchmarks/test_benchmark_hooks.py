"""The measurement of what each hook gains: the same steps, with one hook left out at a time."""

from __future__ import annotations

from benchmarks.comparison import compact_encoder
from benchmarks.hooks import HOOKS, WARM_UP, measure, without


def test_each_hook_is_left_out_in_turn() -> None:
    seconds = measure("cola", compact_encoder(), rows=32, steps=WARM_UP + 2, glue_dir=None)
    assert set(seconds) == {"nothing", *HOOKS, "all"}
    assert all(len(values) == 2 and min(values) > 0 for values in seconds.values())


def test_a_hook_is_used_again_after_the_block() -> None:
    hook = HOOKS["last layer"]
    with without([hook]):
        assert not hook.usable()
    assert hook.usable()
