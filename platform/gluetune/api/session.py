"""A search's folder: a new one made, or an earlier one opened again, on the rows and the encoder that it began with."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from gluetune.api.new_runs import new_folder, open_folder
from gluetune.api.own_tasks import with_rows_of_memory
from gluetune.api.places import (
    absolute_job,
    absolute_space,
    check_encoders,
    check_job_lasts,
    check_lasting,
    tracking_uri,
)
from gluetune.config import (
    SYNTHETIC_ENCODER,
    EncoderFamily,
    JobConfig,
    ModelConfig,
    SearchSpace,
    StorageConfig,
    check_fit,
    dump_job,
    dump_space,
    idle_fields,
    load_space,
    parse_job,
    parse_space,
    with_encoders,
    without_idle_fields,
)
from gluetune.config.encoder_spaces import SYNTHETIC_FAMILY
from gluetune.config.overrides import Override
from gluetune.errors import DataError, StorageError
from gluetune.events import (
    INPUTS_FILE,
    JOB_FILE,
    NEW_RUN_HINT,
    PRETRAINING_FILE,
    SPACE_FILE,
    RunInputs,
    check_journal_schema,
    drop_stop_requests,
    has_events,
    load_inputs,
    read_run_file,
    set_aside,
)
from gluetune.storage import Storage

logger = logging.getLogger(__name__)
ACCEPT = "--accept-changed-data"
_KINDS = {
    SPACE_FILE: (
        "gluetune tune or gluetune finetune",
        "gluetune.resume({name!r}) or gluetune.fine_tune(resume={name!r})",
    ),
    PRETRAINING_FILE: ("gluetune pretrain", "gluetune.pretrain(resume={name!r})"),
}  # what makes a run with that file: the commands, and the Python calls that resume it
UNFILED = "tune"  # what runs without a job file are called, but for those of one task of the user's own files


@dataclass(frozen=True)
class Session:
    """One run of the driver over a search.

    Attributes:
        name: the search's name.
        job: its job.
        space: its search space.
        storage: its folder, ``<storage.path>/<name>``.
        log: the local file that the output of Ray and other libraries may go to.
        unlock: lets another driver take the folder; without a call the end of the process does.
        time_budget_given: whether a flag of this session gives the time budget, on a resume.
    """

    name: str
    job: JobConfig
    space: SearchSpace
    storage: Storage
    log: Path
    unlock: Callable[[], None] = lambda: None
    time_budget_given: bool = False


def new_session(
    job: JobConfig, job_file: str | None, *, space: SearchSpace | None = None, starts: bool = True
) -> Session:
    """Prepare the folder of a new search; `begin` fills it.

    Args:
        job: what to run.
        job_file: where it stands; ``None`` where flags alone make it.
        space: its search space; ``None`` is the one that ``search.space`` names.
        starts: whether the search starts; else its folder is checked, but neither made nor locked.

    Raises:
        ConfigError: inside a submitted job a path to write to is relative.
        StorageError: the folder is not empty, cannot be used, or another driver runs it.
    """
    check_job_lasts(job.storage, job.tracking)
    kind = run_kind(job, job_file)
    tracking = job.tracking.model_copy(update={"experiment": job.tracking.experiment or kind})
    space = space or load_space(job.search.space, job_file)
    check_encoders("model.name_or_path (--model-name-or-path)", job.model.names)
    check_encoders("search.space (--space)", space.encoders)
    job = absolute_job(job.model_copy(update={"tracking": tracking}))
    space = _effective_space(job, absolute_space(space), job_file)
    name, folder = new_folder(Storage(job.storage.path), job.name, kind, starts=starts)
    job = job.model_copy(update={"name": name})
    return Session(name, with_rows_of_memory(job, folder.storage) if starts else job, space, *folder)


def _effective_space(job: JobConfig, space: SearchSpace, job_file: str | None) -> SearchSpace:
    """Return the search space of each encoder of a job, without the fields that have no effect in this job.

    Raises:
        ConfigError: the space of an encoder does not fit the job.
    """
    space = with_encoders(job, space, partial(load_space, job_file=job_file), partial(_family, job.model))
    check_fit(job, space)  # `search.spaces: auto` has chosen it only now
    parts = space.parts.values()
    idle = [(part.name, *item) for part in parts for item in idle_fields(part, job.training).items()]
    for name, field, why in dict.fromkeys(idle):
        logger.info(f"search space {name!r} varies {field}, which has no effect here ({why}): it is left out")
    return without_idle_fields(space, job.training)


def _family(model: ModelConfig, name: str) -> EncoderFamily:
    if name == SYNTHETIC_ENCODER:
        return SYNTHETIC_FAMILY
    from gluetune.models import encoder_family  # imports transformers, for `search.spaces: auto` only

    return encoder_family(model.of(name))


def run_kind(job: JobConfig, job_file: str | None) -> str:
    """Return what runs of a job are called, before the time is added to those without a name of their own."""
    own = next(iter(job.own_tasks)) if len(job.tasks) == 1 and job.own_tasks else UNFILED
    return job.name or (Path(job_file).stem if job_file else own)


def begin(session: Session) -> None:
    """Write the search's files: from here on it exists and can be resumed."""
    session.storage.write(SPACE_FILE, dump_space(session.space).encode())
    session.storage.write(JOB_FILE, dump_job(_with_store(session.job)).encode())


def _with_store(job: JobConfig) -> JobConfig:
    """Return the job with its MLflow store by name where that is a file in this folder, and the runs are elsewhere."""
    if job.tracking.uri is not None or Storage(job.storage.path).local:
        return job
    tracking = job.tracking.model_copy(update={"uri": tracking_uri(job)})
    return job.model_copy(update={"tracking": tracking})


def resumed_session(name: str, path: str, overrides: Sequence[Override], *, starts: bool = True) -> Session:
    """Open an earlier search.

    Args:
        name: its name.
        path: the storage path it lies in.
        overrides: what may be different this time, such as the time budget.
        starts: whether the search continues; else its folder is checked, but not locked.

    Raises:
        ConfigError: inside a submitted job the path is relative.
        StorageError: there is no such search, or another driver runs it.
    """
    check_lasting([("storage.path (--storage-path)", path)])
    root = Storage(path)
    job_text, space_text = read_files(root, name, JOB_FILE, SPACE_FILE)
    found = Override("storage.path", root.uri())  # the folder may have been moved
    job = parse_job(job_text, root.uri(f"{name}/{JOB_FILE}"), [*overrides, found])
    if any(override.path == "tracking.uri" for override in overrides):
        job = absolute_job(job)
    check_job_lasts(job.storage, job.tracking)
    space = parse_space(space_text, root.uri(f"{name}/{SPACE_FILE}"))
    check_journal_schema(root.sub(name))
    folder = open_folder(root, name, starts=starts)
    if starts and drop_stop_requests(folder.storage):
        logger.info("a request to stop this search came when it had ended: it is dropped")
    budget_given = any(override.path == "search.time_budget_s" for override in overrides)
    return Session(name, job, space, *folder, time_budget_given=budget_given)


def storage_path(overrides: Sequence[Override]) -> str:
    """Return the folder or bucket that runs lie in, by the last override that names it."""
    paths = [str(override.value) for override in overrides if override.path == "storage.path"]
    return paths[-1] if paths else StorageConfig().path


def read_files(root: Storage, name: str, *files: str) -> list[bytes]:
    """Files that every run of a kind has.

    Raises:
        StorageError: there is no such run; names those there are.
    """
    found = [read_run_file(root, f"{name}/{file}") for file in files]
    texts = [text for text in found if text is not None]
    if len(texts) == len(files):
        return texts
    if has_events(root.sub(name)):
        missing = ", ".join(file for file, text in zip(files, found, strict=True) if text is None)
        raise StorageError(f"the run {name!r} in {root.uri()} has lost {missing} and cannot be resumed; {NEW_RUN_HINT}")
    others = [kind for file, kind in _KINDS.items() if file not in files and root.exists(f"{name}/{file}")]
    if others:
        commands, calls = others[0]
        raise StorageError(
            f"{name!r} is a run of {commands}: resume it by that command's --resume {shlex.quote(name)} (in Python "
            f"{calls.format(name=name)})"
        )
    known = [entry for entry in root.list() if root.exists(f"{entry}/{files[0]}")]
    there = f"there are: {', '.join(known)}" if known else "there are none"
    raise StorageError(f"no run {name!r} to resume in {root.uri()}; {there}")


def check_inputs(folder: Storage, now: RunInputs, *, name: str, accept: bool, dry_run: bool = False) -> None:
    """Refuse to resume a run on other rows, other tokens or another encoder than its trials were trained on.

    Trials on different rows cannot be ranked together, and a trial that continues on other rows is neither the one nor
    the other. A run that has begun no trial takes what is there.

    Args:
        folder: the run's.
        now: what there is now.
        name: the run's name.
        accept: whether to set aside what was recorded on other inputs, so that the run starts anew.
        dry_run: whether to leave the folder as it is.

    Raises:
        DataError: the inputs have changed and ``accept`` is not given; names each split that changed.
    """
    if not has_events(folder):
        return
    if accept and load_inputs(folder) is None:
        _start_anew(folder, "no fingerprints were kept of the rows that it began with", dry_run)
        return
    listed = changed_inputs(folder, now)
    if not listed:
        return
    if not accept:
        command = shlex.join(["--resume", name, ACCEPT])
        raise DataError(
            f"a run is resumed on the rows and the encoder that it began with, but got others:{listed}\n"
            f"Bring back the former ones, or start the run anew on these by {command} "
            "(in Python: accept_changed_data=True), which sets aside what it has recorded",
            folder.uri(INPUTS_FILE),
        )
    _start_anew(folder, f"its rows or encoder have changed:{listed}", dry_run)


def changed_inputs(folder: Storage, now: RunInputs) -> str:
    """Return in which rows and encoders a run's inputs differ from those that it began with.

    Args:
        folder: the run's.
        now: what there is now.

    Returns:
        A line for each change, with a line break before it; empty where nothing has changed, or an older version of
        gluetune has kept no fingerprints, which is logged.
    """
    before = load_inputs(folder)
    if before is None:
        logger.info(
            f"{folder.uri()} was begun by a version that kept no fingerprints of its rows: whether they are "
            "still the same cannot be checked"
        )
        return ""
    return "".join(f"\n  {change}" for change in before.changes(now))


def _start_anew(folder: Storage, why: str, dry_run: bool) -> None:
    kept = "would be set aside" if dry_run else f"is now in {set_aside(folder)}"
    logger.info(f"the run starts anew, for {why}\nwhat it had recorded {kept}")
