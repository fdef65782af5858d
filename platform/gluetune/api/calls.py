"""The functions of the Python API: search, resume, train one configuration, pre-train, load a model."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from gluetune.api.frontend import Frontend, messages_to
from gluetune.api.results import FineTuneResult, PretrainResult, SearchResult
from gluetune.api.session import new_session, resumed_session, storage_path
from gluetune.api.settings import Job, as_overrides, as_values, check_form, read_job, read_resume
from gluetune.config import JobConfig
from gluetune.errors import ConfigError, ModelError, StorageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gluetune.api.pretraining_run import PretrainSession
    from gluetune.events import TrialRecord
    from gluetune.inference import Classifier
    from gluetune.pretraining.config import PretrainJob
    from gluetune.tasks import Task

_RESUME, _FINE_TUNE, _PRETRAIN = "gluetune.resume(", "gluetune.fine_tune(resume=", "gluetune.pretrain(resume="


def tune(job: Job = None, /, *, address: str | None = None, progress: bool = True, **settings: Any) -> SearchResult:
    """Search hyperparameters for fine-tuning an encoder, to the end of the search.

    Where Ctrl-C (or a notebook's stop button) comes while trials run, they are stopped, and the result of what has been
    done is returned with the status ``interrupted``, as Ray Tune does; `gluetune.resume` continues it. At any other
    time ``KeyboardInterrupt`` is raised.

    Where this process is connected to Ray already (``ray.init()``), that connection is used and kept; otherwise the
    search connects to a cluster, or starts one on this machine, and disconnects at its end.

    Args:
        job: what is searched: the path of a job file, a `JobConfig`, or a mapping of a job file's keys. ``None`` for
            the settings alone; without any, the offline quickstart.
        address: a Ray cluster's address, such as ``auto`` or ``host:6379``; ``None`` for that of ``RAY_ADDRESS``, else
            a cluster on this machine.
        progress: whether the plan, a table of progress and the results are printed; without, messages go to the
            loggers below ``gluetune`` alone.
        settings: keys of a job file, over those of ``job``: ``name``, ``seed``, ``tasks``, and the sections ``data``,
            ``model``, ``training``, ``search``, ``lanes``, ``storage`` and ``tracking`` as mappings.
            ``search={"space": …}`` also takes a `SearchSpace` or a mapping of a search-space file's keys.

    Returns:
        The result, with the best trial of each task.

    Raises:
        ConfigError: the settings break their rules; all mistakes at once, each with its key.
        UserError: data, model, cluster, folder or MLflow store cannot be used, or no trial could be evaluated.

    Example:
        >>> result = gluetune.tune(
        ...     name="first",
        ...     tasks=["cola"],
        ...     data={"source": "synthetic", "max_train_samples": 400},
        ...     search={"num_samples": 2},
        ... )  # doctest: +SKIP
        >>> result.best("cola").load().predict(["The cat sat on the mat."])  # doctest: +SKIP
        ['acceptable']
    """
    from gluetune.api.runs import SearchViews, search_session

    with shown(progress, _RESUME) as frontend:
        read = read_job(job, settings)
        session = new_session(read.job, read.file, space=read.space)
        return SearchResult(search_session(session, address, frontend, SearchViews()).summary)


def resume(
    name: str,
    /,
    *,
    address: str | None = None,
    progress: bool = True,
    accept_changed_data: bool = False,
    **settings: Any,
) -> SearchResult:
    """Resume a search that was stopped, or ended by its time budget; a complete one returns its result.

    Args:
        name: the search's name, its folder in ``storage.path``.
        address: a Ray cluster's address, as that of `tune`.
        progress: whether progress is printed, as that of `tune`.
        accept_changed_data: whether a search whose rows or encoder have changed since it began sets aside what it has
            recorded and starts anew; otherwise it is refused.
        settings: what may change: ``search={"time_budget_s": …}``, ``lanes={"max_concurrent_trials": …}``,
            ``storage={"path": …}`` (where the search lies) and ``tracking={"uri": …}``.

    Returns:
        The result over all sessions of the search.

    Raises:
        ConfigError: other settings were given.
        StorageError: there is no such search, or another process runs it.
        DataError: the rows or the encoder have changed.

    Example:
        >>> gluetune.resume("first", search={"time_budget_s": 600}, progress=False).status
        'complete'
    """
    from gluetune.api.runs import SearchViews, search_session

    with shown(progress, _RESUME) as frontend:
        overrides = read_resume(JobConfig, settings)
        session = resumed_session(name, storage_path(overrides), overrides)
        finished = search_session(session, address, frontend, SearchViews(), accept_inputs=accept_changed_data)
        return SearchResult(finished.summary)


def fine_tune(
    job: Job = None,
    /,
    *,
    resume: str | None = None,
    address: str | None = None,
    progress: bool = True,
    score: bool = True,
    accept_changed_data: bool = False,
    **settings: Any,
) -> FineTuneResult:
    """Train one configuration, on a lane as searches do, and score the trained model.

    Args:
        job: what is trained, as that of `tune`; of ``search`` only ``time_budget_s`` and ``max_failures`` count.
        resume: the name of a run to resume; ``job`` and most settings are then those it was started with.
        address: a Ray cluster's address, as that of `tune`.
        progress: whether each evaluation is printed, and the metrics at the end.
        score: whether the trained model is scored on the official development rows; it is saved in any case.
        accept_changed_data: with ``resume``, as that of `gluetune.resume`.
        settings: keys of a job file, over those of ``job``, such as ``training={"learning_rate": 2e-5}``.

    Returns:
        The result. A run that diverged after its first evaluation is one too, with the trial in ``failed``.

    Raises:
        ConfigError: the settings break their rules; all mistakes at once, each with its key.
        UserError: data, model, cluster, folder or MLflow store cannot be used, or the run was never evaluated.

    Example:
        >>> result = gluetune.fine_tune(
        ...     name="one",
        ...     tasks=["cola"],
        ...     data={"source": "synthetic", "max_train_samples": 100},
        ...     training={"learning_rate": 1e-4, "num_train_epochs": 1},
        ...     progress=False,
        ... )
        >>> result.status, sorted(result.metrics())
        ('complete', ['selection', 'validation'])
    """
    from gluetune.api.runs import RunViews, search_session

    with shown(progress, _FINE_TUNE) as frontend:
        if resume is None:
            read = read_job(job, settings, single=True)
            session = new_session(read.job, read.file)
        else:
            _refuse_job(job)
            overrides = read_resume(JobConfig, settings)
            session = resumed_session(resume, storage_path(overrides), overrides)
            if session.space.fields:
                session.unlock()
                raise StorageError(f"{resume!r} is a search; resume it by gluetune.resume({resume!r})")
        views = RunViews(session.job.published)
        finished = search_session(session, address, frontend, views, score=score, accept_inputs=accept_changed_data)
        return FineTuneResult(finished.summary)


def pretrain(
    job: PretrainJob | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    /,
    *,
    resume: str | None = None,
    address: str | None = None,
    progress: bool = True,
    accept_changed_data: bool = False,
    **settings: Any,
) -> PretrainResult:
    """Pre-train a BERT encoder by masked language modelling and next-sentence prediction.

    Args:
        job: the path of a pre-training job file, a checked job, or a mapping of its keys; ``None`` for the settings
            alone.
        resume: the name of a run to resume.
        address: a Ray cluster's address, as that of `tune`.
        progress: whether each evaluation is printed.
        accept_changed_data: with ``resume``: whether a run whose text has changed starts anew.
        settings: keys of the job file, over those of ``job``: ``name``, ``seed``, and the sections ``text``,
            ``tokenizer``, ``model``, ``training``, ``lanes``, ``storage`` and ``tracking`` as mappings.

    Returns:
        The result, with the folder of the encoder.

    Raises:
        ConfigError: the settings break their rules; all mistakes at once, each with its key.
        UserError: text, tokenizer, cluster, folder or MLflow store cannot be used.
        KeyboardInterrupt: the run was stopped before it began.

    Example:
        >>> result = gluetune.pretrain("jobs/bert_wikitext_d2l.yaml")  # doctest: +SKIP
        >>> result.encoder  # doctest: +SKIP
        '/home/ann/runs/bert_wikitext_d2l/encoder'
    """
    from gluetune.api.runs import pretraining_session

    with shown(progress, _PRETRAIN) as frontend:
        session = _pretraining(job, resume, settings)
        trial = pretraining_session(session, address, frontend, accept_inputs=accept_changed_data)
    if trial is None:
        raise KeyboardInterrupt
    return _pretrain_result(session, trial)


def _pretraining(
    job: PretrainJob | Mapping[str, Any] | str | os.PathLike[str] | None, resume: str | None, settings: dict[str, Any]
) -> PretrainSession:
    """Prepare the folder of a new pre-training run, or open that of an earlier one."""
    from gluetune.api.pretraining_run import new_pretraining, resumed_pretraining
    from gluetune.pretraining.config import PretrainJob

    if resume is not None:
        _refuse_job(job)
        return resumed_pretraining(resume, read_resume(PretrainJob, settings))
    check_form(job)
    if job is None or isinstance(job, str | os.PathLike):
        file, base = None if job is None else os.fspath(job), []
    else:
        file, base = None, as_overrides(PretrainJob, as_values(job))
    return new_pretraining(file, [*base, *as_overrides(PretrainJob, settings)])


def _pretrain_result(session: PretrainSession, trial: TrialRecord) -> PretrainResult:
    from gluetune.api.places import tracking_uri
    from gluetune.config import without_password

    last = trial.pretraining[-1] if trial.pretraining else None
    return PretrainResult(
        name=session.name,
        status=str(trial.status),
        folder=session.storage.uri(),
        encoder=trial.encoder,
        metrics=last.metrics if last else {},
        steps=last.step if last else 0,
        message=trial.message,
        tracking_uri=without_password(tracking_uri(session.job)),
    )


def load(
    folder_or_model_uri: str | os.PathLike[str],
    task: str | Task | None = None,
    *,
    device: str | None = None,
    batch_size: int = 32,
    tracking_uri: str | None = None,
) -> Classifier:
    """Load a trained model.

    Args:
        folder_or_model_uri: the folder of a winner (``runs/first/winners/cola``, or any ``save_pretrained`` folder of a
            task's model), the folder of a run, or an MLflow model URI such as ``models:/gluetune-cola@champion``.
        task: the task that the model answers, or its name; may be left out where the model says so, and where a run
            has one winner.
        device: what it computes on, such as ``cuda:0`` or ``cpu``; ``None`` for a GPU if there is one.
        batch_size: rows per batch.
        tracking_uri: the MLflow store of a model URI; ``None`` for MLflow's own default (``MLFLOW_TRACKING_URI``).

    Returns:
        The classifier; its text is cut as in training.

    Raises:
        ModelError: there is no such model, or it answers another task.
        TrackingError: MLflow has no such model, or its store cannot be used.

    Example:
        >>> classifier = gluetune.load("runs/first", "cola")
        >>> len(classifier.predict(["The cat sat on the mat.", "Mat the on sat cat."]))
        2
    """
    from gluetune.inference import load_classifier

    address = os.fspath(folder_or_model_uri)
    if address.startswith(("models:/", "runs:/")):
        from gluetune.tracking.registration import downloaded_model

        with downloaded_model(address, tracking_uri) as folder:
            return load_classifier(folder, _answered_task(folder, task), device=device, batch_size=batch_size)
    folder = _winner(address, task if isinstance(task, str) or task is None else task.name)
    return load_classifier(folder, _answered_task(folder, task), device=device, batch_size=batch_size)


def _answered_task(folder: str, task: str | Task | None) -> Task:
    """Return the task that a model shall answer: the one given, or what the model's folder says."""
    from gluetune.inference import own_task_of, task_of
    from gluetune.tasks import get_task

    if task is None:
        return task_of(folder)
    if not isinstance(task, str):
        return task
    own = own_task_of(folder)
    return own if own is not None and own.name == task else get_task(task)


def _winner(folder: str, task: str | None) -> str:
    """Return the folder of a model: the one given, or that of a run's winner.

    Args:
        folder: the folder of a model or of a run.
        task: name of the task; ``None`` where none is given.

    Raises:
        ModelError: the folder is neither, or the run has no winner of the task, or several and none is named.
    """
    from gluetune.events import winner_folder
    from gluetune.inference import open_model_folder

    storage = open_model_folder(folder)
    if storage.exists("config.json"):
        return folder
    winners = storage.list("winners")
    if not winners:
        raise ModelError(
            f"a trained model's folder must hold config.json, or be a run's, but {storage.uri()} is neither"
        )
    if task is None and len(winners) > 1:
        raise ModelError(f"the run {storage.uri()} has winners of {', '.join(winners)}; name the task (task=…)")
    name = winners[0] if task is None else _canonical(task, winners)
    if name not in winners:
        raise ModelError(f"the run {storage.uri()} has no winner of {name}; there are: {', '.join(winners)}")
    return storage.uri(winner_folder(name))


def _canonical(task: str, winners: list[str]) -> str:
    """Return a task's name as a run's folders spell it; the name of an own task as it is."""
    from gluetune.tasks import TASKS, get_task

    own = [name for name in winners if name not in TASKS]
    try:
        return task if task in own else get_task(task).name
    except ConfigError:
        if not own:
            raise
        return task


def _refuse_job(job: object) -> None:
    if job is not None:
        from gluetune.errors import ConfigIssue

        raise ConfigError([ConfigIssue("resume", "a run is resumed as it was started: give no job with it")])


@contextmanager
def shown(progress: bool, resume_call: str) -> Iterator[Frontend]:
    """Provide the program around a run, whose messages are printed if progress is."""
    from rich.console import Console
    from rich.text import Text

    from gluetune.config import text_without_passwords

    console = Console() if progress else Console(quiet=True, force_terminal=False, force_jupyter=False)
    frontend = Frontend(console, resume_call)
    if not progress:
        yield frontend
        return

    def show(message: str, style: str = "dim") -> None:
        console.print(Text(text_without_passwords(message), style=style), soft_wrap=True, highlight=False)

    with messages_to(show, lambda message: show(f"error: {message}", "bold red"), propagate=True):
        yield frontend
