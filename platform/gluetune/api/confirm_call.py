"""The function of the Python API that confirms an earlier search, and the session in which that is done."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gluetune.api.calls import shown
from gluetune.api.results import SearchResult
from gluetune.api.session import Session, resumed_session, storage_path
from gluetune.api.settings import read_resume
from gluetune.config import ConfirmConfig, JobConfig, Override
from gluetune.errors import StorageError
from gluetune.events import TrialStatus
from gluetune.reporting.recorded_runs import find_run

_RESUME = "gluetune.confirm("


def confirm(
    name: str,
    /,
    *,
    top: int | None = None,
    seeds: int | None = None,
    address: str | None = None,
    progress: bool = True,
    **settings: Any,
) -> SearchResult:
    """Train the best configurations of an earlier search again with fresh seeds, and the default of its search space.

    The search itself stays as it is: no further trial is run. A confirmation that was stopped is continued, and one
    with more seeds trains only those that are missing.

    Args:
        name: the search's name, its folder in ``storage.path``.
        top: number of configurations of each task; ``None`` for that of the search's job, else 3.
        seeds: number of seeds of each of them; ``None`` for that of the search's job, else 5.
        address: a Ray cluster's address, as that of `tune`.
        progress: whether progress is printed, as that of `tune`.
        settings: what may change, as that of `resume`.

    Returns:
        The result of the search, with its ``confirmation``.

    Raises:
        ConfigError: a number is not positive, or other settings were given.
        StorageError: there is no such search, another process runs it, or none of its trials has been evaluated.
        DataError: the rows or the encoder have changed.

    Example:
        >>> result = gluetune.confirm("first", top=2, seeds=5)  # doctest: +SKIP
        >>> result.confirmation.sentences  # doctest: +SKIP
        ['CoLA: the best configuration is better than the default: MCC +0.0312 (95% interval …, p = 0.0041)']
    """
    from gluetune.api.runs import SearchViews, search_session

    with shown(progress, _RESUME) as frontend:
        overrides = read_resume(JobConfig, settings)
        numbers = {key: value for key, value in (("top", top), ("seeds", seeds)) if value is not None}
        session = confirmation_session(name, storage_path(overrides), overrides, numbers)
        return SearchResult(search_session(session, address, frontend, SearchViews(), confirm_only=True).summary)


def confirmation_session(name: str, path: str, overrides: Sequence[Override], confirm: Mapping[str, int]) -> Session:
    """Open an earlier search to confirm it, without running further trials.

    Args:
        name: its name, or its folder by path or URI.
        path: the storage path it lies in.
        overrides: what may be different this time.
        confirm: how many configurations (``top``) and ``seeds``; what is missing is as in the search's job, or the
            default.

    Raises:
        ConfigError: a number is not positive.
        StorageError: there is no such search, another driver runs it, or no trial of it has been evaluated.
    """
    files = find_run(name, path)
    if files.kind == "pre-training":
        raise StorageError(f"a search must be confirmed, but {name!r} is a pre-training run")
    if not any(trial.best and trial.status is not TrialStatus.RUNNING for trial in files.trials):
        raise StorageError(
            f"a search must have an evaluated trial that has ended before it is confirmed, but {name!r} has none"
        )
    numbers = ConfirmConfig().model_dump() | (files.job.get("confirm") or {}) | dict(confirm)
    changed = [Override(f"confirm.{key}", value, f"--{key}") for key, value in numbers.items()]
    root = files.folder.uri().rstrip("/").rpartition("/")[0]
    return resumed_session(files.name, root, [*overrides, *changed])
