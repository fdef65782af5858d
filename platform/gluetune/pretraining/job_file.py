"""Pre-training job files: YAML and flags to a checked `PretrainJob`, and back."""

from __future__ import annotations

from collections.abc import Sequence

from gluetune.config import Override
from gluetune.config.options import PRETRAINING_OPTIONS, drop_unused, unused_options
from gluetune.config.overrides import Overrides
from gluetune.config.validation import format_value, validate
from gluetune.config.yaml_files import YamlDocument, dump_yaml, parse_yaml, read_yaml
from gluetune.errors import ConfigError, ConfigIssue
from gluetune.pretraining.config import PretrainJob


def load_pretrain_job(path: str | None = None, overrides: Sequence[Override] = ()) -> PretrainJob:
    """Reads a job file and puts flags on top.

    Args:
        path: the file; ``None`` for a job of defaults.
        overrides: values from the command line, later ones winning.

    Raises:
        ConfigError: all issues of the file and of the flags.
    """
    return _build(YamlDocument(None, "") if path is None else read_yaml(path), overrides, typed=True)


def parse_pretrain_job(data: bytes, file: str, overrides: Sequence[Override] = ()) -> PretrainJob:
    """`load_pretrain_job` for a file's bytes; ``file`` is the name that messages use.

    Raises:
        ConfigError: all issues at once.
    """
    return _build(parse_yaml(data, file), overrides)


def dump_pretrain_job(job: PretrainJob) -> str:
    """A whole job as YAML that `parse_pretrain_job` reads back to an equal one."""
    values = job.model_dump(mode="json")
    drop_unused(values, PRETRAINING_OPTIONS)
    return dump_yaml(values)


def _build(document: YamlDocument, overrides: Sequence[Override], *, typed: bool = False) -> PretrainJob:
    """Checks a job; one that is typed, not recorded, holds no settings without use."""
    if not isinstance(document.value, dict | None):
        message = f"must be a mapping of keys to values, but got {format_value(document.value)}"
        raise ConfigError([ConfigIssue("", message, document.file, 1)])
    values = Overrides(document, overrides, PRETRAINING_OPTIONS)
    job, issues = validate(PretrainJob, values.tree)
    issues += values.issues
    if typed:
        issues += unused_options(values.tree, PRETRAINING_OPTIONS)
    if job is None or issues:
        raise ConfigError(values.locate(issues))
    return job
