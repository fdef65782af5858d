"""The plan of a search, from its parts."""

from __future__ import annotations

from gluetune.config import JobConfig, SearchSpace, overruled, without_password
from gluetune.events import SearchPlan, TaskPlan
from gluetune.models import count_unused_weights
from gluetune.search.prepare import SearchInputs
from gluetune.search.searchers import TrialSampler
from gluetune.storage import Storage
from gluetune.tasks import get_task
from gluetune.tasks.metrics import baseline_score


def make_plan(
    name: str,
    job: JobConfig,
    space: SearchSpace,
    prepared: SearchInputs,
    dealer: TrialSampler,
    storage: Storage,
    tracking_uri: str,
    resources: str,
) -> SearchPlan:
    """Says what a search is going to do."""
    fixed = {**space.training, **job.training.model_dump(exclude_unset=True)}
    return SearchPlan(
        name=name,
        seed=job.seed,
        model=prepared.encoder.name,
        parameters=prepared.encoder.parameters,
        left_out=count_unused_weights(prepared.encoder),
        space=space.name,
        space_source=space.source,
        fields=tuple(space.space),
        algorithm=job.search.algorithm,
        scheduler=job.search.scheduler.name,
        lanes=job.lanes.lanes,
        workers_per_lane=job.lanes.workers_per_lane,
        resources=resources,
        folder=storage.uri(),
        tracking_uri=without_password(tracking_uri),
        experiment=job.tracking.experiment or name,
        tasks=tuple(_task(task, prepared, dealer) for task in job.tasks),
        time_budget_s=job.search.time_budget_s,
        fixed={field: value for field, value in fixed.items() if field not in overruled(space, job.training)},
    )


def _task(name: str, prepared: SearchInputs, dealer: TrialSampler) -> TaskPlan:
    task, data = get_task(name), prepared.data[name]
    labels = data.selection.labels
    return TaskPlan(
        task=name,
        title=task.title,
        source=data.source,
        train_rows=len(data.train),
        selection_rows=len(data.selection),
        dev_rows={split: len(rows) for split, rows in data.dev.items()},
        metric=task.primary,
        baseline=baseline_score(task, labels) if labels is not None else 0.0,
        planned=dealer.planned(name),
        configurations=dealer.configurations(name),
        synthetic=data.synthetic,
        fingerprints=dict(data.fingerprints),
        same_rows=dict(data.same_rows),
    )
