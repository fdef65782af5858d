"""What is written to the MLflow runs of a search: the runs, updates of them, and params as text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gluetune.events import SearchPlan, TaskPlan
from gluetune.tracking.display import DatasetRows


@dataclass(frozen=True, slots=True)
class Run:
    """A run of the search's tree. ``key`` names it within the search: ``search``, ``task:cola``, ``trial:7``."""

    key: str
    name: str
    started: float  # seconds since the epoch
    parent: Run | None = None


@dataclass(frozen=True, slots=True)
class MetricPoint:
    """One metric value. ``time`` is the event's time, so that writing the value again after a crash changes nothing."""

    key: str
    value: float
    time: float
    step: int


@dataclass(frozen=True, slots=True)
class RunUpdate:
    """What one event adds to one run.

    Attributes:
        run: the run.
        time: the event's time, in seconds since the epoch.
        points: metric values.
        params: MLflow params.
        tags: MLflow tags.
        files: artifacts, by file name.
        status: the run's new MLflow status; ``None`` leaves it unchanged.
        datasets: the rows that the run reads.
    """

    run: Run
    time: float
    points: tuple[MetricPoint, ...] = ()
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    files: dict[str, str | bytes] = field(default_factory=dict)
    status: str | None = None
    datasets: tuple[DatasetRows, ...] = ()


def search_params(plan: SearchPlan) -> dict[str, str]:
    """Return the MLflow params of a search's run."""
    return as_text(
        {
            "seed": plan.seed,
            "model": plan.model,
            "parameters": plan.parameters,
            "space": plan.space,
            "space_source": plan.space_source,
            "fields": ", ".join(plan.fields),
            "algorithm": plan.algorithm,
            "scheduler": plan.scheduler,
            "objective": ", ".join(plan.objectives),
            "lanes": plan.lanes,
            "workers_per_lane": plan.workers_per_lane,
            "resources": plan.resources,
            "tasks": ", ".join(task.task for task in plan.tasks),
            "time_budget_s": plan.time_budget_s,
            "folder": plan.folder,
        }
    )


def task_params(task: TaskPlan) -> dict[str, str]:
    """Return the MLflow params of a task's run."""
    return as_text(
        {
            "task": task.task,
            "source": task.source,
            "metric": task.metric,
            "train_rows": task.train_rows,
            "selection_rows": task.selection_rows,
            "dev_rows": task.dev_rows,
            "planned": task.planned,
            **({"folds": task.folds} if task.folds else {}),
        }
    )


def as_text(values: Mapping[str, object]) -> dict[str, str]:
    """Return values as MLflow takes params."""
    return {name: str(value) for name, value in values.items()}
