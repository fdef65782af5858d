"""Maps the events of a confirmation to updates of MLflow runs of the level *seed*, below the trials that they confirm.

A configuration's trial in the search is the parent of its seeds; seeds of a default that the search has not tried are
children of the task's run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gluetune.events import (
    CONFIRMATION_FOLDER,
    SELECTION,
    Event,
    SearchPlan,
    SeedScored,
    TrialRecord,
    apply_event,
    seed_name,
)
from gluetune.tracking.run_updates import MetricPoint, Run, RunUpdate
from gluetune.tracking.updates import EventMapper
from gluetune.tracking.writer import Writer

_LEVEL = "gluetune.level"


class SeedMapper(EventMapper):
    """Maps events of a confirmation, in the order of its journal, to updates of MLflow runs.

    Args:
        plan: the search.
        started: when the search began, in seconds since the epoch.
        trials: the search's trials, by number.
    """

    def __init__(self, plan: SearchPlan, started: float, trials: Mapping[int, TrialRecord]) -> None:
        super().__init__(plan, started)
        self._trials = trials

    def trial_run(self, trial: TrialRecord) -> Run:
        """Return the run of a confirmation's trial."""
        confirmed = None if trial.confirms is None else self._trials.get(trial.confirms)
        parent = self.task_run(trial.task) if confirmed is None else super().trial_run(confirmed)
        return Run(f"seed:{trial.number}", seed_name(trial), trial.started, parent)

    def updates(self, event: Event, trial: TrialRecord) -> list[RunUpdate]:
        """Return the updates that follow from an event which has been applied to ``trial``: of its own run alone."""
        run = self.trial_run(trial)
        if isinstance(event, SeedScored):
            return [RunUpdate(run, event.time, _points(event))]
        return [_of_level(each, trial) for each in super().updates(event, trial) if each.run.key == run.key]


def _points(event: SeedScored) -> tuple[MetricPoint, ...]:
    scores = {SELECTION: event.selection_scores} | event.scores
    return tuple(
        MetricPoint(f"{split}.{name}", value, event.time, 0)
        for split, metrics in scores.items()
        for name, value in metrics.items()
    )


def _of_level(update: RunUpdate, trial: TrialRecord) -> RunUpdate:
    """Return the update of a run that begins with its level, *seed*, and what it confirms."""
    if _LEVEL not in update.tags:
        return update
    tags = {name: value for name, value in update.tags.items() if name != "gluetune.trial"}  # of searches
    confirms = "" if trial.confirms is None else str(trial.confirms)
    return replace(update, tags=tags | {_LEVEL: "seed", "gluetune.confirms": confirms})


class SeedListener:
    """Queues the updates that follow from the events of a confirmation.

    Events of earlier sessions are queued again, which changes nothing in MLflow where they are written already.

    Args:
        mapper: maps the events.
        writer: writes the updates.
        history: the confirmation's events so far.
    """

    def __init__(self, mapper: SeedMapper, writer: Writer, history: Iterable[Event]) -> None:
        self._mapper, self._writer = mapper, writer
        trials: dict[int, TrialRecord] = {}
        for event in history:
            self.on_event(event, apply_event(trials, event))

    def on_event(self, event: Event, trial: TrialRecord) -> None:
        """Queue the updates that follow from an event."""
        self._writer.put(self._mapper.updates(event, trial), events=0)


def confirmed_update(run: Run, values: Mapping[str, float | None], time: float) -> RunUpdate:
    """Return the update of a trial's run with what fresh seeds say of its configuration.

    Args:
        run: the run.
        values: statistics by name, such as ``mean``; those without a value are left out.
        time: when the last seed was scored, in seconds since the epoch.
    """
    known = {name: value for name, value in values.items() if value is not None}
    points = tuple(MetricPoint(f"{CONFIRMATION_FOLDER}.{name}", value, time, 0) for name, value in known.items())
    return RunUpdate(run, time, points)
