"""The check of YAML blocks by gluetune's own readers of job files, search spaces and pre-training jobs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from gluetune.config import JobConfig, load_job
from gluetune.config.space_files import load_space
from gluetune.pretraining.config import PretrainJob, load_pretrain_job
from markdown_pages import Block

# "# search_spaces/mine.yaml" or "# tickets.yaml; gluetune tune …" in a block's first line: the file that it is.
_FILE = re.compile(r"#\s*(?P<file>[\w./-]+\.\w+)\s*(?:$|[;:,(])")
_SPACE_KEYS = {"space", "encoders"}
_OTHER_SYSTEMS = {"train_input", "eval_input", "optimizer", "runconfig"}  # sections of Cerebras' dialect


def file_of(block: Block) -> str | None:
    """Return the name of the file that a block's first line says it is.

    Args:
        block: a block of YAML, Python or another language with comments.
    """
    first = block.text.lstrip().splitlines()[0] if block.text.strip() else ""
    match = _FILE.match(first)
    return match["file"] if match else None


def write_file(block: Block, folder: Path) -> None:
    """Write a block that is a file into a page's folder.

    Args:
        block: the block; others than files are left out.
        folder: the page's folder.
    """
    name = file_of(block)
    if name is not None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)


def check_yaml(block: Block, folder: Path) -> None:
    """Read a block as what its keys show it to be: a search space, a pre-training job, or a job or a part of one.

    Args:
        block: a block of YAML; a part of a job is read over the defaults.
        folder: where the page's search spaces are; a file for the block is written there.

    Raises:
        ConfigError: gluetune refuses it.
        AssertionError: it is none of these.
    """
    value = YAML(typ="safe", pure=True).load(block.text)
    assert isinstance(value, dict), "a block of YAML must be a mapping"
    path = folder / (file_of(block) or "block.yaml")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text)
    if _SPACE_KEYS & value.keys():
        load_space(str(path))
    elif value.keys() <= JobConfig.model_fields.keys() | _OTHER_SYSTEMS:
        _with_data(value, path)
        load_job(str(path), reads_files=False)
    else:
        unknown = sorted(value.keys() - PretrainJob.model_fields.keys())
        assert not unknown, f"no key of a job file: {', '.join(unknown)}"
        load_pretrain_job(str(path))


def _with_data(value: dict[str, Any], path: Path) -> None:
    """Complete a part in its file: generated data where it names none, no search beside training settings."""
    if not {"source", "dir"} & dict(value.get("data") or {}).keys():
        value["data"] = {**(value.get("data") or {}), "source": "synthetic"}
    if "training" in value and "search" not in value:
        value["search"] = {"space": "single"}
    with path.open("w") as file:
        YAML(typ="safe", pure=True).dump(value, file)
