"""A hook is used with verified versions whose probe succeeds; else the fallback runs, and the log says why, once."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from gluetune.errors import UserError
from gluetune.internals.guard import VARIABLE, Hook, ProbeError, internals_off, require, require_use


@pytest.fixture(autouse=True)
def _no_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


def fine() -> None:
    pass


def hook(probe: Callable[[], None] = fine, distribution: str = "pytest", verified: str = ">=1") -> Hook:
    return Hook("the fast way", distribution, verified, probe, "the slow way")


class Library:
    """A class of another library, as a probe sees it."""

    def start(self) -> None:
        self.prepare()

    def prepare(self) -> None: ...


def test_a_hook_is_used_with_a_verified_version_whose_probe_succeeds(caplog: pytest.LogCaptureFixture) -> None:
    assert hook().usable()
    assert caplog.records == []


def missing_name() -> None:
    require(Library, "prepare", "stop")


def unused_name() -> None:
    require_use(Library.start, "prepare", "finish")


def other_behaviour() -> None:
    assert len(Library.__name__) == 0


def failing_import() -> None:
    import gluetune.no_such_module  # type: ignore[import-not-found]  # noqa: F401


@pytest.mark.parametrize(
    ("unusable", "reason"),
    [
        (hook(verified="<1"), "pytest <1"),
        (hook(distribution="no-such-library"), "no-such-library is not installed"),
        (hook(missing_name), "Library has no stop"),
        (hook(unused_name), "start does not use finish"),
        (hook(failing_import), "no_such_module"),
        (hook(other_behaviour), "AssertionError"),
    ],
    ids=["wrong version", "not installed", "missing name", "unused name", "failing import", "other behaviour"],
)
def test_an_unusable_hook_gives_way_to_its_fallback_with_one_line(
    unusable: Hook, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert [unusable.usable() for _ in range(3)] == [False] * 3
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert reason in record.getMessage()
    assert "the slow way instead of the fast way" in record.getMessage()


def test_a_probe_runs_once_per_process() -> None:
    calls: list[None] = []
    counted = hook(lambda: calls.append(None))
    assert counted.usable()
    assert counted.usable()
    assert len(calls) == 1


def test_all_hooks_can_be_turned_off(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    usable = hook(lambda: None)
    assert usable.usable()
    monkeypatch.setenv(VARIABLE, "off")
    assert internals_off()
    assert [usable.usable() for _ in range(3)] == [False] * 3
    assert [(record.levelno, VARIABLE in record.getMessage()) for record in caplog.records] == [(logging.INFO, True)]
    monkeypatch.setenv(VARIABLE, "auto")
    assert usable.usable()


def test_other_values_of_the_variable_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "never")
    with pytest.raises(UserError, match=r"auto or off.*'never'"):
        hook().usable()


def test_require_accepts_what_is_there() -> None:
    require(Library, "start", "prepare")
    require_use(Library.start, "prepare")
    with pytest.raises(ProbeError):
        require_use(Library.prepare, "start")
