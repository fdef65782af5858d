"""The parts of a search as its session's job describes them: sampler, pruners and plan."""

from __future__ import annotations

import logging

from gluetune.api import places
from gluetune.api.session import Session
from gluetune.cluster import Resources
from gluetune.config import JobConfig, LanesConfig
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.events import SearchPlan
from gluetune.search.prepare import SearchInputs, make_plan
from gluetune.search.schedulers import TaskPruners, max_epochs
from gluetune.search.searchers import TrialSampler

logger = logging.getLogger(__name__)


def fitted_job(job: JobConfig, lanes: LanesConfig, *, score: bool) -> JobConfig:
    """Return the job of one session.

    A session that does not score its winners confirms nothing: seeds that were scored without the official rows would
    never be scored on them. A resume with scores does.

    Args:
        job: the job as it was asked for.
        lanes: its lanes as they fit the cluster.
        score: whether winners are scored on the official rows.
    """
    if score or job.confirm is None:
        return job.model_copy(update={"lanes": lanes})
    logger.info("nothing is confirmed without scores on the official rows; a resume that scores the winners does it")
    return job.model_copy(update={"lanes": lanes, "confirm": None})


def check_budget(job: JobConfig, resources: Resources) -> None:
    """Refuse a budget of GPU-hours where lanes have no GPUs.

    Raises:
        ConfigError: it is given.
    """
    hours = job.search.budget.gpu_hours
    if hours is not None and not resources.gpus:
        rule = f"must not be given where lanes have no GPUs, but got {hours:g}; give cpu_hours or seconds"
        raise ConfigError([ConfigIssue.at(("search", "budget", "gpu_hours"), rule)])


def make_sampler(session: Session, prepared: SearchInputs) -> TrialSampler:
    """Return what chooses the trials of a session's search, which has not been given those of earlier sessions yet."""
    job = session.job
    return TrialSampler(
        job.weights,
        session.space,
        job.search.algorithm,
        job.training,
        job.seed,
        job.search.num_samples,
        prepared.facts,
        len(job.search.objective),
        job.search.budget.trials,
        by_time=job.search.budget.limits_time,
    )


def make_pruners(session: Session) -> TaskPruners:
    """Return what decides which trials of a session's search continue."""
    job = session.job
    return TaskPruners(job.weights, job.search.scheduler, max_epochs(job.training, session.space), job.seed)


def planned_search(session: Session, prepared: SearchInputs, sampler: TrialSampler, resources: str) -> SearchPlan:
    """Return the plan of a session's search, with the limits of its job.

    Args:
        session: the session.
        prepared: encoders and data.
        sampler: chooses the trials.
        resources: description of the CPUs and GPUs of one worker.
    """
    return make_plan(
        session.name,
        session.job,
        session.space,
        prepared,
        sampler,
        session.storage,
        places.tracking_uri(session.job),
        resources,
    )
