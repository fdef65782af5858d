"""Settings of the Python API, which are a job file's keys, made a checked job."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from pydantic import BaseModel

from gluetune.config import (
    BudgetConfig,
    Choice,
    Float,
    Int,
    JobConfig,
    Override,
    SearchSpace,
    check_fit,
    default_job_file,
    load_job,
    make_job,
)
from gluetune.config.space_files import check_space
from gluetune.config.validation import format_value
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean

Job: TypeAlias = "JobConfig | Mapping[str, Any] | str | os.PathLike[str] | None"
"""A job: a checked one, the keys and values of a job file, or the path of a job file."""

RESUMABLE = (
    "search.time_budget_s",
    *(f"search.budget.{name}" for name in BudgetConfig.model_fields),
    *("lanes.max_concurrent_trials", "storage.path", "tracking.uri"),
)
_UNNAMED_SPACE = "space"  # the name of a search space that is given as a mapping without one
_SINGLE_RUN = {
    "search.space": "single",
    "search.spaces": None,
    "search.objective": ["score"],
    "search.algorithm": "grid",
    "search.scheduler": {"name": "none"},
    "search.num_samples": None,
    "lanes.max_concurrent_trials": 1,
}  # `single`: the search space without fields


class ReadJob(NamedTuple):
    """A job as the Python API was given it.

    Attributes:
        job: the checked job.
        file: its job file; ``None`` where there is none.
        space: its search space where that was given as an object; ``None`` for the one that the job names.
    """

    job: JobConfig
    file: str | None
    space: SearchSpace | None


def read_job(job: Job, settings: Mapping[str, Any], *, single: bool = False) -> ReadJob:
    """Put settings on top of a job and check all of it.

    Args:
        job: what the settings stand on; ``None`` for the defaults, or the quickstart where they keep that.
        settings: keys of a job file, with mappings for its sections.
        single: whether one configuration is run instead of a search.

    Raises:
        ConfigError: all mistakes at once.
    """
    check_form(job)
    values = None if job is None or isinstance(job, str | os.PathLike) else as_values(job)
    if single:
        _check_single(as_overrides(JobConfig, settings))
    space, given, base = _take_space(settings, values)
    overrides = [*as_overrides(JobConfig, given)]
    if single:
        overrides += single_run(overrides, "fine_tune()")
    elif space is not None:
        overrides.append(Override("search.space", "single", "search.space"))
    file = os.fspath(job) if isinstance(job, str | os.PathLike) else None
    if job is None:
        file = default_job_file(overrides)
    made = load_job(file, overrides) if base is None else make_job(base, overrides)
    if single:
        check_one_encoder(made)
    if space is None or single:
        return ReadJob(made, file, None)
    check_fit(made, space)
    return ReadJob(
        made.model_copy(update={"search": made.search.model_copy(update={"space": space.name})}), file, space
    )


def check_form(job: object) -> None:
    """Refuse a job that is no file, mapping or configuration.

    Raises:
        ConfigError: it is something else.
    """
    if job is not None and not isinstance(job, BaseModel | Mapping | str | os.PathLike):
        message = f"must be a configuration, a mapping of keys, or the path of a job file, but got {format_value(job)}"
        raise ConfigError([ConfigIssue("job", message)])


def single_run(overrides: Iterable[Override], source: str) -> Iterator[Override]:
    """Yield what makes a job one configuration. Figures published for its own task are not compared with another's.

    Args:
        overrides: those that the user gave.
        source: what is named where one of these cannot be.
    """
    for path, value in _SINGLE_RUN.items():
        yield Override(path, value, source)
    if any(override.path == "tasks" for override in overrides):
        yield Override("published", None, source)


def check_one_encoder(job: JobConfig) -> None:
    """Refuse the job of one configuration that names several encoders.

    Raises:
        ConfigError: it does.
    """
    if len(names := job.model.names) > 1:
        message = (
            f"must be one encoder where one configuration is run, but got {', '.join(names)}; a search takes several"
        )
        raise ConfigError([ConfigIssue("model.name_or_path (--model-name-or-path)", message)])


def searched_issues(overrides: Iterable[Override]) -> list[ConfigIssue]:
    """Return the settings of a search among those of a single run."""
    searched = ("search.space", "search.algorithm", "search.scheduler", "search.num_samples", "search.objective")
    return [
        ConfigIssue(override.path, "must not be set: one configuration is run; gluetune tune searches")
        for override in overrides
        if override.path.startswith(searched)
    ]


def read_resume(schema: type[BaseModel], settings: Mapping[str, Any]) -> list[Override]:
    """Return the settings that may change when a run is resumed.

    Args:
        schema: what the run's job file holds.
        settings: keys of a job file, with mappings for its sections.

    Raises:
        ConfigError: others were given.
    """
    overrides = as_overrides(schema, settings)
    if issues := [
        ConfigIssue(
            override.path,
            f"a run is resumed as it was started; only {', '.join(RESUMABLE)} may change"
            f"{did_you_mean(override.path, RESUMABLE)}",
        )
        for override in overrides
        if override.path not in RESUMABLE
    ]:
        raise ConfigError(issues)
    return overrides


def as_overrides(schema: type[BaseModel], settings: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[Override]:
    """Return settings by their dotted paths; an empty section sets nothing, nor does ``None`` for one of the job.

    Args:
        schema: distinguishes sections, which are merged, from mappings that are values, which are replaced.
        settings: keys and values; a section may be a mapping or a configuration object.
        path: keys of the sections that they are in.
    """
    found: list[Override] = []
    for key, value in settings.items():
        inner, keys = _section(schema, key), (*path, key)
        plain = as_values(value) if isinstance(value, BaseModel) else value
        if inner is not None and isinstance(plain, Mapping):
            found += as_overrides(inner, plain, keys)
        elif inner is None or plain is not None or path:
            found.append(Override(".".join(keys), _plain(plain), ".".join(keys)))
    return found


def as_values(section: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration's keys and values, those with their defaults left out, as a job file holds them."""
    if isinstance(section, Choice | Float | Int):
        section = section.model_dump(exclude_none=True)  # the type is one of their defaults
    elif isinstance(section, BaseModel):
        section = {name: getattr(section, name) for name in section.model_fields_set}
    return {
        str(key): as_values(value) if isinstance(value, BaseModel | Mapping) else _plain(value)
        for key, value in section.items()
    }


def _check_single(overrides: Sequence[Override]) -> None:
    if issues := [
        ConfigIssue(issue.path, "must not be set: fine_tune() runs one configuration; tune() searches")
        for issue in searched_issues(overrides)
    ]:
        raise ConfigError(issues)


def _take_space(
    settings: Mapping[str, Any], job: dict[str, Any] | None
) -> tuple[SearchSpace | None, dict[str, Any], dict[str, Any] | None]:
    """Return a search space that is given as an object or a mapping, and settings and job without it."""
    space: Any = None
    taken: list[Any] = []
    for values in (job, settings):
        search = None if values is None else values.get("search")
        if isinstance(search, Mapping) and isinstance(search.get("space"), SearchSpace | Mapping):
            space = search["space"]
            values = {**(values or {}), "search": {key: search[key] for key in search if key != "space"}}
        elif isinstance(search, Mapping) and "space" in search:
            space = None
        taken.append(values)
    return None if space is None else _made_space(space), dict(taken[1]), taken[0]


def _made_space(space: SearchSpace | Mapping[str, Any]) -> SearchSpace:
    values = as_values(space)
    made, issues = check_space(values, str(values.get("name", _UNNAMED_SPACE)))
    if made is None:
        raise ConfigError(ConfigIssue(f"search.space.{issue.path}".rstrip("."), issue.message) for issue in issues)
    return made


def _section(schema: type[BaseModel], key: str) -> type[BaseModel] | None:
    field = schema.model_fields.get(key)
    annotation = None if field is None else field.annotation
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _plain(value: Any) -> Any:
    """Return a value as YAML would give it: paths as text, tuples, sets and arrays as lists, plain numbers.

    Sections become mappings, and a `gluetune.Task` stays as it is: `JobConfig` knows both.
    """
    if isinstance(value, BaseModel):
        return as_values(value)
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(item) for item in (sorted(value) if isinstance(value, set | frozenset) else value)]
    if type(value).__module__ == "numpy" and hasattr(value, "tolist"):
        return value.tolist()
    return value
