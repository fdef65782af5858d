"""Job files: YAML and flags to a checked `JobConfig`, and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from gluetune.config.checks import job_mistakes, space_mistakes
from gluetune.config.job import JobConfig
from gluetune.config.layers import Layers, Override
from gluetune.config.legacy import map_legacy
from gluetune.config.mistakes import Mistake, show, validate
from gluetune.config.plain import plain_yaml
from gluetune.config.spaces import find_space, load_space, project_file
from gluetune.config.yaml_reader import Document, parse_yaml, read_yaml
from gluetune.errors import ConfigError, Problem

QUICKSTART = "jobs/quickstart.yaml"


def load_job(path: str | None = None, overrides: Sequence[Override] = (),
             notify: Callable[[str], None] | None = None) -> JobConfig:
    """Reads a job file, puts flags on top and checks everything, the search space included.

    Args:
        path: the file; ``None`` is the project's ``jobs/quickstart.yaml``.
        overrides: values from the command line, later ones winning.
        notify: told, in one line each, which keys of another system were taken as ours, see `gluetune.config.legacy`.

    Raises:
        ConfigError: all mistakes of the file, of the flags and of the search space.
    """
    document = read_yaml(path or project_file(QUICKSTART))
    layers, config, mistakes = _build(document, overrides, notify)
    problems = layers.problems(mistakes)
    name = config.search.space if config else _given_space(layers.tree)
    if isinstance(name, str) and name:
        try:
            find_space(name, path)
        except ConfigError as error:
            problems += layers.problems(Mistake(("search", "space"), p.message) for p in error.problems)
        else:
            problems += _space_problems(layers, config, name, path)
    if config is None or problems:
        raise ConfigError(problems)
    return config


def parse_job(data: bytes, file: str, overrides: Sequence[Override] = ()) -> JobConfig:
    """Reads a job file that `dump_job` wrote, without its search space.

    Args:
        data: the file's bytes.
        file: the name that messages use.
        overrides: values from the command line, later ones winning.

    Raises:
        ConfigError: all mistakes at once.
    """
    layers, config, mistakes = _build(parse_yaml(data, file), overrides)
    if config is None or mistakes:
        raise ConfigError(layers.problems(mistakes))
    return config


def dump_job(config: JobConfig) -> str:
    """A whole job as YAML that `parse_job` reads back to an equal one, but for a password in ``tracking.uri``.

    Training fields that the job leaves to the search space stay out: written down, they would win over it.
    """
    values = config.model_dump(mode="json") | {"training": config.training.model_dump(mode="json", exclude_unset=True)}
    return plain_yaml(values)


def _build(document: Document, overrides: Sequence[Override], notify: Callable[[str], None] | None = None,
           ) -> tuple[Layers, JobConfig | None, list[Mistake]]:
    if not isinstance(document.value, dict | None):
        message = f"must be a mapping of keys to values, but got {show(document.value)}"
        raise ConfigError([Problem("", message, document.file, 1)])
    mapped = map_legacy(document, overrides)
    if notify is not None:
        for note in mapped.notes:
            notify(note)
    layers = Layers(mapped.document, overrides)
    config, mistakes = validate(JobConfig, layers.tree)
    found = mapped.mistakes + layers.mistakes + (mistakes if config is None else job_mistakes(config))
    return layers, config, found


def _given_space(tree: dict[str, Any]) -> Any:
    """The space a broken job names, so that mistakes in both are told at once."""
    search = tree.get("search")
    return search.get("space") if isinstance(search, dict) else None


def _space_problems(layers: Layers, config: JobConfig | None, name: str, job_file: str | None) -> list[Problem]:
    try:
        space = load_space(name, job_file)
    except ConfigError as error:
        return list(error.problems)
    return layers.problems(space_mistakes(config, space)) if config else []
