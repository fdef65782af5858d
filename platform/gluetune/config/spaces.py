"""Search-space files: where they lie, and from YAML to a checked `SearchSpace`, and back."""

from __future__ import annotations

import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from gluetune.config.space import SearchSpace
from gluetune.config.space_checks import check_space
from gluetune.config.yaml_files import YamlDocument, dump_yaml, parse_yaml, read_yaml
from gluetune.errors import ConfigError, ConfigIssue, did_you_mean

SPACES = "search_spaces"
SHIPPED = "shipped"  # folder of the package in a wheel
_ENDINGS = (".yaml", ".yml")


def load_space(name_or_path: str, job_file: str | None = None) -> SearchSpace:
    """Reads a search space.

    Args:
        name_or_path: a name from a ``search_spaces`` folder, or a path to a YAML file.
        job_file: the job file that names it; its folder is searched too.

    Raises:
        ConfigError: no such space, or all issues of its file.
    """
    return _build(read_yaml(find_space(name_or_path, job_file)))


def parse_space(data: bytes, file: str) -> SearchSpace:
    """Reads a search space from a file's bytes; ``file`` is the name that messages use.

    Raises:
        ConfigError: all issues of the file.
    """
    return _build(parse_yaml(data, file))


def dump_space(space: SearchSpace) -> str:
    """A search space as YAML that `parse_space` reads back to an equal one."""
    return dump_yaml(space.model_dump(mode="json", exclude_none=True))


def find_space(name_or_path: str, job_file: str | None = None) -> str:
    """The path of a search space's file.

    A name is looked up in the ``search_spaces`` folders of the current directory, of the job file's folder and the
    one above, and of gluetune itself (`shipped_folder`); a path against the same places.

    Raises:
        ConfigError: no such space; names the nearest one.
    """
    is_path = name_or_path.endswith(_ENDINGS) or "/" in name_or_path
    relative = name_or_path if is_path else f"{SPACES}/{name_or_path}.yaml"
    for root in _roots(job_file):
        if (root / relative).is_file():
            return str(root / relative)
    known = known_spaces(job_file)
    near = did_you_mean(Path(name_or_path).stem, known) or f"; there are: {', '.join(known) or 'none'}"
    raise ConfigError(
        [ConfigIssue("", f"must be a search space or the path of its file, but got {name_or_path!r}{near}")]
    )


def known_spaces(job_file: str | None = None) -> list[str]:
    """Names of all search spaces in reach, sorted."""
    return sorted({file.stem for root in _roots(job_file) for file in (root / SPACES).glob("*.yaml")})


def spaces_for(model_type: str, job_file: str | None = None) -> list[str]:
    """Names of the spaces in reach that were published for a family of encoders, sorted; files with mistakes are not.

    Args:
        model_type: the family, as ``config.json`` names it.
        job_file: the job file; its folder is searched too.
    """
    found = []
    for name in known_spaces(job_file):
        with suppress(ConfigError):
            if model_type in load_space(name, job_file).model_types:
                found.append(name)
    return found


def shipped_file(relative: str) -> str:
    """Find a file by its path in the repository, such as ``jobs/quickstart.yaml``.

    Returns:
        Its path below the current directory, else below `shipped_folder`; ``relative`` itself where neither has it.
    """
    return next((str(root / relative) for root in _roots(None) if (root / relative).is_file()), relative)


def shipped_folder() -> Path:
    """The folder whose ``jobs`` and ``search_spaces`` come with gluetune: in the wheel, or the root of the checkout."""
    package = Path(__file__).resolve().parents[1]
    shipped = package / SHIPPED
    return shipped if shipped.is_dir() else package.parents[1]


def _roots(job_file: str | None) -> list[Path]:
    """Where relative paths may start. ``Path()`` first, so that messages show short paths."""
    beside = [Path(job_file).parent, Path(job_file).parent / ".."] if job_file else []
    return [Path(), *beside, shipped_folder()]


def _build(document: YamlDocument) -> SearchSpace:
    space, issues = check_space(document.value, Path(document.file).stem)
    if space is None:
        issues = [replace(issue, file=document.file, line=document.line(issue.keys)) for issue in issues]
        raise ConfigError(sorted(issues, key=lambda p: p.line or sys.maxsize))
    return space
