"""Numbers in few characters."""

from __future__ import annotations

import traceback
from collections.abc import Callable

import pytest

from gluetune.reporting import formatting


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"learning_rate": 3e-5, "batch_size": 16, "num_train_epochs": 3}, "lr 3e-5 · batch 16 · epochs 3"),
        ({"learning_rate": 1.2345e-4, "warmup_ratio": 0.06}, "lr 1.23e-4 · warmup 0.06"),
        (
            {"weight_decay": 0.0, "lr_scheduler_type": "cosine", "adam_beta2": 0.98},
            "decay 0 · schedule cosine · adam_beta2 0.98",
        ),
        ({}, ""),
    ],
)
def test_configuration(params: dict[str, object], expected: str) -> None:
    assert formatting.format_params(params) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0.4, "0 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (200, "3 min 20 s"), (7500, "2 h 05 min")],
)
def test_duration(seconds: float | None, expected: str) -> None:
    assert formatting.duration(seconds) == expected


def test_counts() -> None:
    assert (formatting.count(1, "trial"), formatting.count(2000, "trial")) == ("1 trial", "2,000 trials")
    assert [formatting.millions(n) for n in (12, 12_345, 109_482_240)] == ["12", "12k", "109.5M"]
    assert formatting.score(None) == "–"


def trace_of(work: Callable[[], object]) -> str:
    try:
        work()
    except Exception:
        return traceback.format_exc()
    raise AssertionError


def chained() -> None:
    try:
        [][0]
    except IndexError as error:
        raise RuntimeError("CUDA error: device-side assert\nFor debugging consider a flag") from error


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("", ""),
        ("after 2 epochs", "after 2 epochs"),
        ("disk full\nwrite again", "disk full"),
        (trace_of(lambda: {}["bear"]), "KeyError: 'bear'"),
        (trace_of(chained), "RuntimeError: CUDA error: device-side assert"),
        (
            f"its workers died 3 times: {trace_of(lambda: 1 / 0)}",
            "its workers died 3 times: ZeroDivisionError: division by zero",
        ),
        ('ray::Trial.train() (pid=1)\n  File "a.py", line 1\n    x\nLaneError: no such GPU', "LaneError: no such GPU"),
    ],
)
def test_the_reason_of_a_failure_is_the_error_and_no_part_of_its_traceback(message: str, expected: str) -> None:
    assert formatting.error_line(message) == expected
