"""Job files: a checked `JobConfig` from YAML and overrides, and YAML from a `JobConfig`."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from gluetune.config.checks import job_issues, space_issues
from gluetune.config.compat_cerebras import map_cerebras_keys
from gluetune.config.encoder_spaces import AUTO, with_encoders
from gluetune.config.job import JOB_SETTINGS, SCHEDULER_SETTINGS, JobConfig
from gluetune.config.overrides import Override, Overrides
from gluetune.config.own_task_checks import missing_files
from gluetune.config.space_files import find_space, load_space, shipped_file
from gluetune.config.tasks import only_own_tasks
from gluetune.config.validation import drop_unused_settings, format_value, unused_settings, validate
from gluetune.config.yaml_files import YamlDocument, dump_job_yaml, parse_yaml, read_yaml, take_job_schema
from gluetune.errors import ConfigError, ConfigIssue

logger = logging.getLogger(__name__)
QUICKSTART = "jobs/quickstart.yaml"
_QUICKSTART_SETTINGS = (
    "name",
    "seed",
    "lanes",
    "storage",
    "tracking",
    "search.num_samples",
    "search.time_budget_s",
    "search.budget",
    "search.stop_when",
    "search.max_failures",
    "data.max_train_samples",
    "data.max_eval_samples",
    "confirm",
)
_NO_DATA = ConfigIssue(
    "data.source (--data)",
    "must be given where no job file is and settings choose what is searched: dir (with data.dir, --data-dir, the "
    "official GLUE folder), hub, custom, or synthetic for generated data; or name a job file (--config)",
)


def default_job_file(overrides: Sequence[Override] = ()) -> str | None:
    """Return the job file of a command that names none: the quickstart's, or ``None`` for no file.

    The quickstart is read unless an override chooses what is searched: tasks, data, model, space, algorithm, scheduler
    or training settings. Its name, generated data, space and number of samples would not fit such a choice. Overrides
    of how much is searched, where and under which name go together with it.
    """
    fits = (
        any(override.path == key or override.path.startswith(f"{key}.") for key in _QUICKSTART_SETTINGS)
        for override in overrides
    )
    return shipped_file(QUICKSTART) if all(fits) else None


def load_job(path: str | None = None, overrides: Sequence[Override] = (), *, reads_files: bool = True) -> JobConfig:
    """Read a job file, put overrides on top and check everything, the search space included.

    Each key of the Cerebras dialect that is mapped to one of gluetune's is logged.

    Args:
        path: the file, such as ``jobs/glue_all.yaml`` (also one that gluetune ships); ``None`` for that of
            `default_job_file`. Without any file, fields that no override sets have their defaults, but the data must be
            named.
        overrides: values from the command line; later ones go before earlier ones.
        reads_files: whether the files of the user's own tasks must exist.

    Raises:
        ConfigError: all mistakes of the file, of the overrides and of the search space.
    """
    path = default_job_file(overrides) if path is None else shipped_file(path)
    document = YamlDocument(None, "") if path is None else read_yaml(path)
    return _checked_job(document, path, overrides, needs_data=path is None, reads_files=reads_files)


def make_job(job: Mapping[str, Any], overrides: Sequence[Override] = ()) -> JobConfig:
    """Check a job that a program holds as plain values, as `load_job` checks a file.

    Args:
        job: the keys of a job file and their values.
        overrides: values on top; later ones go before earlier ones.

    Raises:
        ConfigError: all mistakes of the values and of the search space, or no data are named.
    """
    return _checked_job(YamlDocument(copy.deepcopy(dict(job)), ""), None, overrides, needs_data=True)


def _checked_job(
    document: YamlDocument,
    path: str | None,
    overrides: Sequence[Override],
    *,
    needs_data: bool,
    reads_files: bool = True,
) -> JobConfig:
    values, config, issues = _build(document, overrides, logs=True)
    found = {issue.keys for issue in issues}
    issues += [issue for issue in unused_settings(values.tree, JOB_SETTINGS) if issue.keys not in found]
    if config is not None and reads_files:
        issues += missing_files(config)
    located = values.locate(issues)
    if needs_data and not values.is_set("data.source") and not only_own_tasks(values.tree.get("tasks")):
        located.append(_NO_DATA)
    name = config.search.space if config else _space_name(values.tree)
    if isinstance(name, str) and name:
        located += _space_file_issues(values, config, name, path)
    if config is None or located:
        raise ConfigError(located)
    return config


def parse_job(data: bytes, file: str, overrides: Sequence[Override] = ()) -> JobConfig:
    """Read a job file that `dump_job` wrote, without its search space.

    Args:
        data: the file's bytes.
        file: the name that messages use.
        overrides: values from the command line; later ones go before earlier ones.

    Raises:
        ConfigError: all mistakes of the file and of the overrides.
    """
    document = parse_yaml(data, file)
    scheduler = SCHEDULER_SETTINGS.find_section(document.value or {}) if isinstance(document.value, dict | None) else {}
    for setting in SCHEDULER_SETTINGS.unused(scheduler.get("name")) & scheduler.keys():
        del scheduler[setting]  # earlier versions accepted and recorded settings that the scheduler does not use
    values, config, issues = _build(document, overrides)
    if config is None or issues:
        raise ConfigError(values.locate(issues))
    return config


def dump_job(config: JobConfig) -> str:
    """Write a whole job as YAML that `parse_job` reads back to an equal one, but for a password in ``tracking.uri``.

    Training fields that the job leaves to the search space are left out: in the file they would go before it.
    """
    values = config.model_dump(mode="json") | {"training": config.training.model_dump(mode="json", exclude_unset=True)}
    drop_unused_settings(values, JOB_SETTINGS)
    return dump_job_yaml(values)


def _build(
    document: YamlDocument,
    overrides: Sequence[Override],
    *,
    logs: bool = False,
) -> tuple[Overrides, JobConfig | None, list[ConfigIssue]]:
    if not isinstance(document.value, dict | None):
        message = f"must be a mapping of keys to values, but got {format_value(document.value)}"
        raise ConfigError([ConfigIssue("", message, document.file, 1)])
    if document.value:
        take_job_schema(document)
    mapped = map_cerebras_keys(document, overrides)
    for note in mapped.notes if logs else ():
        logger.info(note)
    values = Overrides(mapped.document, overrides, JOB_SETTINGS)
    _set_source_of_folder(values, overrides)
    config, issues = validate(JobConfig, values.tree)
    found = mapped.issues + values.issues + (issues if config is None else job_issues(config))
    return values, config, found


def _set_source_of_folder(values: Overrides, overrides: Sequence[Override]) -> None:
    """Set ``data.source: dir`` where an override sets the folder, and neither file nor overrides set the source."""
    folder = next((override for override in reversed(overrides) if override.path == "data.dir"), None)
    if folder is not None and folder.value is not None and not values.is_set("data.source"):
        values.apply(Override("data.source", "dir", folder.flag))


def _space_name(tree: dict[str, Any]) -> Any:
    """Return the search space that a job with mistakes names, so that one error lists the mistakes of both files."""
    search = tree.get("search")
    return search.get("space") if isinstance(search, dict) else None


def _space_file_issues(
    values: Overrides, config: JobConfig | None, name: str, job_file: str | None
) -> list[ConfigIssue]:
    try:
        find_space(name, job_file)
    except ConfigError as error:
        return values.locate(ConfigIssue.at(("search", "space"), issue.message) for issue in error.issues)
    try:
        space = load_space(name, job_file)
    except ConfigError as error:
        return list(error.issues)
    if config is None or config.search.spaces == AUTO:  # the families of the encoders are read later
        return []
    if issues := list(_unknown_spaces(config, job_file)):
        return values.locate(issues)
    try:
        space = with_encoders(config, space, partial(load_space, job_file=job_file))
    except ConfigError as error:
        return [issue for each in error.issues for issue in ([each] if each.file else values.locate([each]))]
    return values.locate(space_issues(config, space))


def _unknown_spaces(config: JobConfig, job_file: str | None) -> Iterator[ConfigIssue]:
    """Find the encoders' spaces that do not exist."""
    for encoder, name in config.search.spaces.items() if isinstance(config.search.spaces, dict) else ():
        try:
            find_space(name, job_file)
        except ConfigError as error:
            yield from (ConfigIssue.at(("search", "spaces", encoder), issue.message) for issue in error.issues)
