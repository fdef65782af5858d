"""Guards of the hooks into private names: verified versions, a probe, and the switch ``GLUETUNE_INTERNALS``."""

from __future__ import annotations

import functools
import importlib.metadata
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet

from gluetune.errors import UserError

VARIABLE = "GLUETUNE_INTERNALS"
"""Environment variable: ``off`` turns all hooks off; ``auto``, the default, uses those that the guards accept."""

logger = logging.getLogger(__name__)


class ProbeError(Exception):
    """A library does not have, or do, what a hook relies on."""


@dataclass(frozen=True)
class Hook:
    """A use of names that a library does not document as public.

    Attributes:
        name: what the hook does, for the log.
        distribution: the library's name on PyPI, such as ``ray``.
        verified: versions that the hook was tested with, such as ``>=2.60,<2.61``.
        probe: raises where the library lacks what the hook relies on, or behaves in another way.
        fallback: what runs instead, for the log.
    """

    name: str
    distribution: str
    verified: str
    probe: Callable[[], None]
    fallback: str

    def usable(self) -> bool:
        """Return whether to use the hook in this process.

        The version is compared and the probe is run once per process. The first call that finds the hook unusable logs
        one line.

        Raises:
            UserError: the value of ``GLUETUNE_INTERNALS`` is not allowed.
        """
        return not _turned_off(self) if internals_off() else _problem(self) is None

    def accepts_version(self) -> bool:
        """Return whether hooks are switched on and this one was verified with the installed version; runs no probe."""
        return not internals_off() and _version_problem(self) is None


def internals_off() -> bool:
    """Return whether ``GLUETUNE_INTERNALS`` turns all hooks off.

    Raises:
        UserError: its value is not allowed.
    """
    value = os.environ.get(VARIABLE) or "auto"
    if value not in ("auto", "off"):
        raise UserError(f"{VARIABLE} must be auto or off, but got {value!r}")
    return value == "off"


def require(owner: object, *names: str) -> None:
    """Check in a probe that a module or class has attributes.

    Raises:
        ProbeError: one is missing.
    """
    for name in names:
        if not hasattr(owner, name):
            raise ProbeError(f"{getattr(owner, '__name__', owner)} has no {name}")


def require_use(function: Callable[..., object], *names: str) -> None:
    """Check in a probe that a function's code refers to names, such as that of a method that a hook overrides.

    Raises:
        ProbeError: the function does not refer to one of them.
    """
    code = function.__code__
    for name in names:
        if name not in (*code.co_names, *code.co_freevars):
            raise ProbeError(f"{function.__qualname__} does not use {name}")


@functools.cache
def _turned_off(hook: Hook) -> bool:
    logger.info("%s=off: %s instead of %s", VARIABLE, hook.fallback, hook.name)
    return True


@functools.cache
def _problem(hook: Hook) -> str | None:
    """Why the hook cannot be used, which is logged; ``None`` where it can."""
    problem = _version_problem(hook) or _probe_problem(hook)
    if problem is not None:
        logger.warning("%s instead of %s, which is faster: %s", hook.fallback, hook.name, problem)
    return problem


def _version_problem(hook: Hook) -> str | None:
    try:
        version = importlib.metadata.version(hook.distribution)
    except importlib.metadata.PackageNotFoundError:
        return f"{hook.distribution} is not installed"
    if SpecifierSet(hook.verified, prereleases=True).contains(version):
        return None
    return f"it was verified with {hook.distribution} {hook.verified}, but {version} is installed"


def _probe_problem(hook: Hook) -> str | None:
    try:
        hook.probe()
    except Exception as error:  # whatever another version of the library raises
        return f"{type(error).__name__}: {error}"
    return None
