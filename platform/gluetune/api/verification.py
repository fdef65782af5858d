"""Verification of a search: its winners are trained again from its record, in a folder of their own."""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from gluetune.api.frontend import Frontend
from gluetune.api.session import changed_inputs, read_files
from gluetune.config import JobConfig, Override, SearchSpace, StorageConfig, parse_job, parse_space
from gluetune.errors import ConfigError, ConfigIssue, DataError, StorageError, did_you_mean
from gluetune.events import INPUTS_FILE, JOB_FILE, SPACE_FILE, RunInputs, TrialRecord, winners
from gluetune.events.environment import Environment, load_environments
from gluetune.reporting.recorded_runs import find_run
from gluetune.reporting.run_files import RunFiles
from gluetune.storage import Storage
from gluetune.tasks.metrics import value_of_score

if TYPE_CHECKING:
    from gluetune.search.prepare import SearchInputs
    from gluetune.search.verification import Difference

logger = logging.getLogger(__name__)
_COMPUTING = ("gluetune", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "peft")
"""Packages that the numbers of a training depend on."""
Verdict = Literal["to the bit", "same scores", "within the seeds", "different", "contradicted"]


@dataclass(frozen=True)
class VerifiedTask:
    """A task's winner, trained again.

    Attributes:
        task: name of the task.
        trial: name of the winner.
        verdict: ``to the bit`` where scores and losses of all evaluations are equal; ``same scores`` where all scores
            are, and losses are not; ``within the seeds`` where the best score lies among those of the fresh seeds of
            the search's confirmation; ``different``; ``contradicted`` where the journal's settings of the trial do not
            follow from job and search space.
        metric: name of the primary metric.
        recorded: its recorded value at the best evaluation.
        now: its value now; ``None`` where the winner was not trained again.
        evaluations: number of evaluations that were compared.
        details: the first difference, or the contradictions, in words.
        seeds: lowest and highest value of the confirmation's fresh seeds on the same rows; ``None`` without these.
    """

    task: str
    trial: str
    verdict: Verdict
    metric: str
    recorded: float
    now: float | None
    evaluations: int
    details: tuple[str, ...] = ()
    seeds: tuple[float, float] | None = None

    @property
    def reproduced(self) -> bool:
        """Whether the score is reproduced."""
        return self.verdict in ("to the bit", "same scores", "within the seeds")


@dataclass(frozen=True)
class Verification:
    """The verification of a search.

    Attributes:
        name: the search's name.
        folder: its folder, by path or URI.
        tasks: the tasks that have a winner.
        environment: in what this process differs from the search's last session: Python, platform and versions of
            packages that numbers depend on, in words.

    Example:
        >>> gluetune.verify("first").reproduced  # doctest: +SKIP
        True
    """

    name: str
    folder: str
    tasks: tuple[VerifiedTask, ...]
    environment: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether the scores of all winners are reproduced."""
        return all(task.reproduced for task in self.tasks)


def verify_run(name: str, task: str | None, storage_path: str, address: str | None, frontend: Frontend) -> Verification:
    """Train the winners of a search again from its record alone, and compare their scores; change nothing of it.

    Args:
        name: the run's name, or its folder by path or URI.
        task: the task; ``None`` for all tasks.
        storage_path: what contains the runs' folders.
        address: the Ray cluster's.
        frontend: the program around it.

    Raises:
        StorageError: there is no such search, or it has no winner.
        ConfigError: it has no such task.
        DataError: the rows or the encoder are others than those of the search.
        ClusterError: a winner could not be trained again.
    """
    files = find_run(name, storage_path)
    job, space = _record(files)
    chosen = _winners(files, job, task)
    from gluetune.search.prepare import prepare_inputs  # imports torch and transformers
    from gluetune.search.verification import contradictions

    wrong = {trial.name: tuple(contradictions(job, space, trial)) for trial in chosen}
    sound = [trial for trial in chosen if not wrong[trial.name]]
    found: dict[str, VerifiedTask] = {}
    if sound:
        logger.info("loading the encoder and the data …")
        prepared = prepare_inputs(job, space)
        check_same_inputs(files, prepared.inputs)
        for recorded, again in _trained_again(job, space, prepared, files, sound, address, frontend):
            found[recorded.name] = compared_winner(files, recorded, again)
    tasks = [found.get(trial.name) or _contradicted(files, trial, wrong[trial.name]) for trial in chosen]
    return Verification(files.name, files.folder.uri(), tuple(tasks), tuple(_environment_changes(files.folder)))


def check_same_inputs(files: RunFiles, now: RunInputs) -> None:
    """Refuse to verify a search on other rows, other tokens or another encoder than its trials were trained on.

    Args:
        files: the run's folder.
        now: the rows and encoders that its job names, as they are now.

    Raises:
        DataError: they have changed; names each split that has.
    """
    if listed := changed_inputs(files.folder, now):
        raise DataError(
            f"the winners of {files.name!r} can be verified only on the rows and the encoder that the search was "
            f"trained on, but these have changed since:{listed}\nBring back the former ones to verify the search",
            files.folder.uri(INPUTS_FILE),
        )


def _environment_changes(folder: Storage) -> Iterator[str]:
    """Yield in what this process differs from the last session of a search, as far as numbers depend on it."""
    known = load_environments(folder)
    if not known:
        return
    then, now = (_versions(each) for each in (known[-1], Environment.current()))
    for name in then:
        if then[name] != now[name]:
            yield f"{name} {then[name]} then, {now[name]} now"


def _versions(environment: Environment) -> dict[str, str]:
    packages = {name: environment.packages.get(name, "not installed") for name in _COMPUTING}
    return {"Python": environment.python, "platform": environment.platform} | packages


def _record(files: RunFiles) -> tuple[JobConfig, SearchSpace]:
    """Return job and search space as the run's folder holds them."""
    if files.kind == "pre-training":
        raise StorageError(f"{files.name!r} must be a run of gluetune tune or finetune, but it is a pre-training")
    root = Storage(files.folder.uri().rstrip("/").rpartition("/")[0])
    job_text, space_text = read_files(root, files.name, JOB_FILE, SPACE_FILE)
    place = Override("storage.path", root.uri())  # the folder may have been moved
    job = parse_job(job_text, files.folder.uri(JOB_FILE), [place])
    return job, parse_space(space_text, files.folder.uri(SPACE_FILE))


def _winners(files: RunFiles, job: JobConfig, task: str | None) -> list[TrialRecord]:
    if task is not None and task not in job.tasks:
        known = ", ".join(job.tasks)
        rule = f"must be a task of the run, one of {known}, but got {task!r}{did_you_mean(task, job.tasks)}"
        raise ConfigError([ConfigIssue("task", rule)])
    found = winners(files.trials, job.tasks if task is None else [task])
    if not found:
        raise StorageError(f"the run {files.name!r} has no trial yet that has ended with a score: nothing to verify")
    return found


def _trained_again(
    job: JobConfig,
    space: SearchSpace,
    prepared: SearchInputs,
    files: RunFiles,
    trials: list[TrialRecord],
    address: str | None,
    frontend: Frontend,
) -> Iterator[tuple[TrialRecord, TrialRecord]]:
    """Yield the trials with their new records; their checkpoints lie in a folder beside the run that is deleted."""
    from gluetune.api.ray_session import connection
    from gluetune.cluster import take_snapshot
    from gluetune.lanes import LanePool
    from gluetune.lanes.prestart import lane_spec
    from gluetune.search.concurrency import measure_trial, plan_lanes
    from gluetune.search.search import put_inputs
    from gluetune.search.verification import train_again

    pool = LanePool()
    with connection(frontend), _folder_beside(files) as folder:
        where = frontend.connect(address)
        frontend.begin()
        plan = plan_lanes(job.lanes, take_snapshot(), lambda: measure_trial(job, space, prepared, pool.shutdown))
        names = ", ".join(trial.name for trial in trials)
        logger.info(f"running on {where}: {names} trained again …")
        count = plan.lanes.lanes
        pool.configure(lane_spec(plan.lanes, plan.resources, folder, job.search.max_failures), count)
        pool.set_workload(put_inputs(prepared))
        try:
            yield from train_again(pool, count, trials)
        finally:
            pool.shutdown()


@contextmanager
def _folder_beside(files: RunFiles) -> Iterator[Storage]:
    """Provide a folder that all nodes reach, because it lies beside the run's, and delete it afterwards."""
    root = Storage(files.folder.uri().rstrip("/").rpartition("/")[0])
    name = f".verify-{files.name}-{uuid.uuid4().hex[:8]}"
    folder = root.sub(name)
    folder.write("verification.txt", b"")  # workers check that they reach the folder
    try:
        yield folder
    finally:
        root.delete(name)


def compared_winner(files: RunFiles, recorded: TrialRecord, again: TrialRecord) -> VerifiedTask:
    """Compare a winner with the same trial trained again.

    Args:
        files: the run's folder; its ``summary.json`` may hold the fresh seeds of a confirmation.
        recorded: the winner as the journal has it.
        again: the trial trained again.
    """
    from gluetune.search.verification import first_difference

    metric, difference = files.labels[recorded.task].metric, first_difference(recorded, again)
    now = None if again.best_score is None else value_of_score(metric, again.best_score)
    best = value_of_score(metric, recorded.best_score or 0.0)
    seeds = None if difference is None else _seed_range(files.summary, recorded, best)
    verdict: Verdict = "different"
    if difference is None:
        verdict = "to the bit"
    elif _scores(again) == _scores(recorded):
        verdict = "same scores"
    elif seeds is not None and now is not None and seeds[0] <= now <= seeds[1]:
        verdict = "within the seeds"
    details = () if difference is None else (_described(difference, again),)
    compared = min(recorded.reported, again.reported)
    return VerifiedTask(recorded.task, recorded.name, verdict, metric, best, now, compared, details, seeds)


def _scores(trial: TrialRecord) -> list[tuple[int, float]]:
    """Return the step and the score of each evaluation."""
    return [(each.step, each.score) for each in trial.all_evaluations]


def _described(difference: Difference, again: TrialRecord) -> str:
    if difference.field == "end":
        why = f": {again.message}" if again.message else ""
        return f"{difference.recorded:g} evaluations recorded, {difference.now:g} now{why}"
    field = difference.field.replace("_", " ")
    return f"evaluation {difference.evaluation}: {field} {difference.recorded!r} recorded, {difference.now!r} now"


def _contradicted(files: RunFiles, trial: TrialRecord, why: tuple[str, ...]) -> VerifiedTask:
    metric = files.labels[trial.task].metric
    value = value_of_score(metric, trial.best_score or 0.0)
    return VerifiedTask(trial.task, trial.name, "contradicted", metric, value, None, 0, why)


def _seed_range(summary: Mapping[str, Any], trial: TrialRecord, best: float) -> tuple[float, float] | None:
    """Return the lowest and highest selection score of a winner's seeds, where the search was confirmed.

    Args:
        summary: the search's summary.
        trial: the winner.
        best: the score with the seed of the search, which is often above those of all fresh seeds.
    """
    tasks = (summary.get("confirmation") or {}).get("tasks") or ()
    values = [
        seed["selection"]
        for task in tasks
        if task.get("task") == trial.task
        for configuration in task.get("configurations") or ()
        if configuration.get("trial") == trial.name
        for seed in configuration.get("seeds") or ()
        if isinstance(seed.get("selection"), int | float)
    ]
    return (min(*values, best), max(*values, best)) if len(values) > 1 else None


def verify(
    name: str,
    *,
    task: str | None = None,
    address: str | None = None,
    progress: bool = True,
    storage_path: str | os.PathLike[str] | None = None,
) -> Verification:
    """Train the winners of a search again from its record alone, and say whether their scores are reproduced.

    Job file, search space, journal and the fingerprints of rows and encoder are taken from the run's folder, which
    stays as it is. On one CPU worker, with the versions and the kind of processor of the search, scores and losses of
    all evaluations are equal to the bit.

    Args:
        name: the run's name, or its folder by path or URI.
        task: the task; ``None`` for all tasks.
        address: a Ray cluster's address, as that of `gluetune.tune`.
        progress: whether messages are printed.
        storage_path: what contains the runs' folders; ``None`` for ``runs``.

    Returns:
        The verification, task by task.

    Raises:
        StorageError: there is no such search, or it has no winner.
        ConfigError: it has no such task.
        DataError: the rows or the encoder are others than those of the search.
        ClusterError: a winner could not be trained again.

    Example:
        >>> [(task.task, task.verdict) for task in gluetune.verify("first", progress=False).tasks]
        [('cola', 'to the bit')]
    """
    from gluetune.api.calls import shown

    path = StorageConfig().path if storage_path is None else os.fspath(storage_path)
    with shown(progress, "gluetune.verify(") as frontend:
        return verify_run(name, task, path, address, frontend)
