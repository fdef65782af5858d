"""What the driver itself does on a stop signal, without a parent process: as in a notebook."""

from __future__ import annotations

import os
import signal

import pytest

from gluetune.supervisor import deferred_stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_stop_is_noted_and_a_later_one_raises(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gluetune.supervisor.driver.DUPLICATE_STOP_S", 0.0)
    before = signal.getsignal(number)
    with deferred_stop() as stop:
        assert not stop.asked
        os.kill(os.getpid(), number)
        assert stop.asked
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_stop_that_comes_twice_counts_once() -> None:
    with deferred_stop() as stop:
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.asked
