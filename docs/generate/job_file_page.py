"""``docs/reference/job-file.md``: every key of a job file, from the fields of the sections' classes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import NoneType
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gluetune.cli.commands import COMMANDS
from gluetune.cli.own_task import TASK_OPTIONS
from gluetune.config import JobConfig, Section, TaskFiles
from gluetune.config.validation import describe_field
from gluetune.pretraining.config import PretrainJob
from job_file_texts import AFTER, EXAMPLES, INTRODUCTION, PRETRAINING
from markup import anchor, choices_as_code, code, first_lines, table

SHARED = ("lanes", "storage", "tracking", "published")  # sections of pre-training jobs too


def job_file_page() -> str:
    """Return the page in Markdown."""
    job, pretraining = dict(sections(JobConfig)), dict(sections(PretrainJob))
    titles = {path: path for path in job}
    names = {path: path if path in job and path in SHARED else f"{path} of a pre-training job" for path in pretraining}
    flags, pretraining_flags = job_flags(JobConfig), job_flags(PretrainJob)
    parts = ["\n## The file\n", _keys(JobConfig, "", flags, titles), _notes("")]
    for path, model in job.items():
        parts += _part(path, model, _keys(model, f"{path}.", flags, titles))
        if path == "data":
            parts += _part("tasks", TaskFiles, _keys(TaskFiles, "tasks.", _task_flags(), {}))
    parts += ["\n## Pre-training jobs\n\n", PRETRAINING, _keys(PretrainJob, "", pretraining_flags, names)]
    for path, model in pretraining.items():
        if path not in SHARED:
            parts += _part(names[path], model, _keys(model, f"{path}.", pretraining_flags, names))
    source = "the classes of `gluetune.config` and `gluetune.pretraining.config`"
    return first_lines("Job file", source, INTRODUCTION) + "".join(parts)


def sections(model: type[BaseModel], path: str = "") -> Iterator[tuple[str, type[BaseModel]]]:
    """Yield the sections of a job file in their order, each before those that it holds."""
    for name, field in model.model_fields.items():
        section = section_of(field)
        if section is not None:
            yield f"{path}{name}", section
            yield from sections(section, f"{path}{name}.")


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """Return the class of a section that a key holds; ``None`` for other keys."""
    annotation = field.annotation
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    arms = [arm for arm in (get_args(annotation) or (annotation,)) if arm is not NoneType]
    (arm, *others) = arms
    found = not others and isinstance(arm, type) and issubclass(arm, Section)
    return arm if found else None


def job_flags(schema: type[BaseModel]) -> dict[str, str]:
    """Return the flag that is a short cut for each key of a job file, by the key's path."""
    programs = [command.load()[0] for name, command in COMMANDS.items() if name != "benchmark"]
    return {
        flag.path: flag.name
        for program in reversed(programs)
        if program is not None and program.schema is schema
        for flag in program.table
    }


def _task_flags() -> dict[str, str]:
    return {f"tasks.{option.name.removeprefix('--').replace('-', '_')}": option.name for option in TASK_OPTIONS}


def _part(title: str, model: type[BaseModel], keys: str) -> list[str]:
    """Return a section's heading, what it is, its keys and its notes."""
    first = (model.__doc__ or "").split("\n\n")[0].replace("``", "`").replace("\n    ", " ").strip()
    return [f"\n## {title}\n\n{first}\n", keys, _notes(title)]


def _keys(model: type[BaseModel], path: str, flags: Mapping[str, str], titles: Mapping[str, str]) -> str:
    rows = (
        [f"`{name}`", _rule(field), default_of(field), _meaning(field, f"{path}{name}", flags, titles)]
        for name, field in model.model_fields.items()
    )
    return "\n" + table(("key", "value", "default", "meaning"), rows)


def _rule(field: FieldInfo) -> str:
    return choices_as_code(describe_field(field))


def default_of(field: FieldInfo) -> str:
    """Return the default of a key in Markdown."""
    if field.is_required():
        return "must be given"
    value: Any = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, BaseModel):
        return "that of its keys"
    if isinstance(value, dict):
        return f"`[{', '.join(value)}]`" if value else "no values"
    return "" if value is PydanticUndefined else code(value)


def _meaning(field: FieldInfo, path: str, flags: Mapping[str, str], titles: Mapping[str, str]) -> str:
    link = f" ([keys](#{anchor(titles[path])}))" if path in titles else ""
    flag = f". Flag: `{flags[path]}`" if path in flags else ""
    return f"{field.description}{link}{flag}"


def _notes(path: str) -> str:
    example = f"\n```yaml\n{EXAMPLES[path].strip()}\n```\n" if path in EXAMPLES else ""
    after = f"\n{AFTER[path].strip()}\n" if path in AFTER else ""
    return example + after
