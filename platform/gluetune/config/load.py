"""Job files: YAML and flags to a checked `JobConfig`, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gluetune.config.checks import job_issues, space_issues
from gluetune.config.compat_cerebras import map_cerebras_keys
from gluetune.config.job import JobConfig
from gluetune.config.options import JOB_OPTIONS, SCHEDULER, drop_unused, section_of, unused_options
from gluetune.config.overrides import Override, Overrides
from gluetune.config.spaces import find_space, load_space, shipped_file
from gluetune.config.validation import format_value, validate
from gluetune.config.yaml_files import YamlDocument, dump_yaml, parse_yaml, read_yaml
from gluetune.errors import ConfigError, ConfigIssue

QUICKSTART = "jobs/quickstart.yaml"
_KEEPS_QUICKSTART = (
    "name",
    "seed",
    "lanes",
    "storage",
    "tracking",
    "search.num_samples",
    "search.time_budget_s",
    "search.max_failures",
    "data.max_train_samples",
    "data.max_eval_samples",
)


def default_job_file(overrides: Sequence[Override] = ()) -> str | None:
    """The job file of a command that names none: the quickstart's.

    ``None``, no file, where an override chooses what is searched: tasks, data, model, space, algorithm, scheduler or
    training settings. The quickstart's name, generated data, space and number of samples would have nothing to do
    with it. Overrides that say how much, where and under which name keep the quickstart.
    """
    keeps = (
        any(override.path == key or override.path.startswith(f"{key}.") for key in _KEEPS_QUICKSTART)
        for override in overrides
    )
    return shipped_file(QUICKSTART) if all(keeps) else None


def load_job(
    path: str | None = None, overrides: Sequence[Override] = (), notify: Callable[[str], None] | None = None
) -> JobConfig:
    """Reads a job file, puts flags on top and checks everything, the search space included.

    Args:
        path: the file, such as ``jobs/glue_all.yaml`` (also one that gluetune ships); ``None`` is what
            `default_job_file` says. Without any file the fields that no override sets have their defaults, but the
            data must be named.
        overrides: values from the command line, later ones winning.
        notify: called with one line for each key of another system that was taken for one of gluetune's, see
            `gluetune.config.compat_cerebras`.

    Raises:
        ConfigError: all issues of the file, of the flags and of the search space.
    """
    path = default_job_file(overrides) if path is None else shipped_file(path)
    document = YamlDocument(None, "") if path is None else read_yaml(path)
    values, config, issues = _build(document, overrides, notify)
    found = {issue.keys for issue in issues}
    issues += [issue for issue in unused_options(values.tree, JOB_OPTIONS) if issue.keys not in found]
    issues = values.locate(issues) + ([] if path or values.given("data.source") else [_NO_DATA])
    name = config.search.space if config else _given_space(values.tree)
    if isinstance(name, str) and name:
        try:
            find_space(name, path)
        except ConfigError as error:
            issues += values.locate(ConfigIssue.at(("search", "space"), p.message) for p in error.issues)
        else:
            issues += _space_file_issues(values, config, name, path)
    if config is None or issues:
        raise ConfigError(issues)
    return config


_NO_DATA = ConfigIssue(
    "--data",
    "must be given where flags choose what is searched: dir (with --data-dir, the official "
    "GLUE folder), hub, custom, or synthetic for generated data; or name a job file (--config)",
)


def parse_job(data: bytes, file: str, overrides: Sequence[Override] = ()) -> JobConfig:
    """Reads a job file that `dump_job` wrote, without its search space.

    Args:
        data: the file's bytes.
        file: the name that messages use.
        overrides: values from the command line, later ones winning.

    Raises:
        ConfigError: all issues at once.
    """
    document = parse_yaml(data, file)
    scheduler = section_of(document.value or {}, SCHEDULER) if isinstance(document.value, dict | None) else {}
    for setting in SCHEDULER.unused(scheduler.get("name")) & scheduler.keys():
        del scheduler[setting]  # earlier versions took and recorded what the scheduler does not use
    values, config, issues = _build(document, overrides)
    if config is None or issues:
        raise ConfigError(values.locate(issues))
    return config


def dump_job(config: JobConfig) -> str:
    """A whole job as YAML that `parse_job` reads back to an equal one, but for a password in ``tracking.uri``.

    Training fields that the job leaves to the search space stay out: written down, they would win over it.
    """
    values = config.model_dump(mode="json") | {"training": config.training.model_dump(mode="json", exclude_unset=True)}
    drop_unused(values, JOB_OPTIONS)
    return dump_yaml(values)


def _build(
    document: YamlDocument,
    overrides: Sequence[Override],
    notify: Callable[[str], None] | None = None,
) -> tuple[Overrides, JobConfig | None, list[ConfigIssue]]:
    if not isinstance(document.value, dict | None):
        message = f"must be a mapping of keys to values, but got {format_value(document.value)}"
        raise ConfigError([ConfigIssue("", message, document.file, 1)])
    mapped = map_cerebras_keys(document, overrides)
    if notify is not None:
        for note in mapped.notes:
            notify(note)
    values = Overrides(mapped.document, overrides, JOB_OPTIONS)
    _settle_source(values, overrides)
    config, issues = validate(JobConfig, values.tree)
    found = mapped.issues + values.issues + (issues if config is None else job_issues(config))
    return values, config, found


def _settle_source(values: Overrides, overrides: Sequence[Override]) -> None:
    """A folder given by flag is the official GLUE folder, where neither file nor flags say what it is."""
    folder = next((override for override in reversed(overrides) if override.path == "data.dir"), None)
    if folder is not None and folder.value is not None and not values.given("data.source"):
        values.apply(Override("data.source", "dir", folder.flag))


def _given_space(tree: dict[str, Any]) -> Any:
    """The search space that a job with mistakes names, so that one error lists the mistakes of both files."""
    search = tree.get("search")
    return search.get("space") if isinstance(search, dict) else None


def _space_file_issues(
    values: Overrides, config: JobConfig | None, name: str, job_file: str | None
) -> list[ConfigIssue]:
    try:
        space = load_space(name, job_file)
    except ConfigError as error:
        return list(error.issues)
    return values.locate(space_issues(config, space)) if config else []
