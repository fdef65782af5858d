"""The limits of a search: those of its job, as requests and the flags of resumes have changed them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from gluetune.config import SearchConfig, Value
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.events.search_events import JournalEvent
from gluetune.events.search_requests import ExtendRequest, RequestHandled


@dataclass(frozen=True, slots=True)
class SearchLimits:
    """How far a search goes.

    Attributes:
        num_samples: number of trials per task that the algorithm chooses; ``None`` for all of a finite space, and for
            no limit in others. Configurations that requests have added are not counted.
        time_budget_s: seconds from the start of a session to its end; ``None`` for no limit.
    """

    num_samples: int | None
    time_budget_s: float | None

    @classmethod
    def of(cls, search: SearchConfig, events: Iterable[JournalEvent] = ()) -> SearchLimits:
        """Return the limits that hold now. Every reader of a search's limits takes them from here.

        Args:
            search: the job's ``search`` section, as ``job.yaml`` has it.
            events: all events of the journal; the last change of each limit counts.
        """
        limits = cls(search.num_samples, search.time_budget_s)
        for event in events:
            if isinstance(event, RequestHandled) and event.limits:
                limits = limits.changed(event.limits)
        return limits

    def changed(self, values: Mapping[str, int | float | None]) -> SearchLimits:
        """Return these limits with some of them replaced, by name; unknown names are those of a newer version."""
        known = {name: value for name, value in values.items() if name in SearchLimits.__slots__}
        return replace(self, **known)  # type: ignore[arg-type]

    def extension(self, request: ExtendRequest) -> dict[str, int | float | None]:
        """Return the new values of the limits that a request raises, by name.

        Raises:
            ConfigError: a limit would not be higher, or there is none.
        """
        found: dict[str, int | float | None] = {}
        if request.num_samples is not None or request.more_samples is not None:
            found["num_samples"] = _higher(
                "num_samples", self.num_samples, request.num_samples, request.more_samples, "all configurations"
            )
        if request.time_budget_s is not None or request.more_seconds is not None:
            found["time_budget_s"] = _higher(
                "time_budget_s", self.time_budget_s, request.time_budget_s, request.more_seconds, "no limit"
            )
        return found


def _higher(name: str, now: float | None, value: float | None, more: float | None, unlimited: str) -> int | float:
    if now is None:
        raise ConfigError([ConfigIssue(name, f"cannot be raised: the search has no such limit ({unlimited})")])
    new = now + more if more is not None else value
    if new is None or new <= now:
        raise ConfigError([ConfigIssue(name, f"must be more than {now:g}, as it is now, but got {new:g}")])
    return new


def budget_rule(trials: int) -> str:
    """Return why no configuration can be added to a search that has started all trials of its budget.

    Args:
        trials: the job's ``search.budget.trials``.
    """
    return (
        f"all {trials} trials of search.budget.trials have been started; a resume with a larger one "
        "(--budget-trials) has more"
    )


def added_configurations(events: Iterable[JournalEvent]) -> list[tuple[str, dict[str, Value]]]:
    """Return the configurations that requests have added to a search: task and values, the earliest first."""
    return [
        (task, configuration)
        for event in events
        if isinstance(event, RequestHandled)
        for task, configurations in event.added.items()
        for configuration in configurations
    ]
