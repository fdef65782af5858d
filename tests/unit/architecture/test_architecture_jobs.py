"""The job files that ship: each is accepted, names the command that runs it and the source of its published figures."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gluetune.config import JobConfig, Override, load_job
from gluetune.tasks import get_task

ROOT = Path(__file__).resolve().parents[3]
JOBS = sorted((ROOT / "jobs").glob("*.yaml"))
HOW_TO = ROOT / "docs" / "how-to"
SOURCE_PAGES = [HOW_TO / "source-systems.md", *sorted((HOW_TO / "source-systems").glob("*.md"))]
FLAGS = {
    "--data": "data.source",
    "--data-dir": "data.dir",
    "--model-name-or-path": "model.name_or_path",
    "--max-seq-length": "data.max_seq_length",
    "--max-steps": "training.max_steps",
}


def read(path: Path) -> dict[str, Any]:
    return YAML(typ="safe", pure=True).load(path)


SEARCHES = [path for path in JOBS if "search" in read(path)]
FINETUNES = [path for path in JOBS if "tasks" in read(path) and path not in SEARCHES]
PRETRAININGS = [path for path in JOBS if path not in SEARCHES + FINETUNES]
PUBLISHED = [path for path in FINETUNES if "published" in read(path)]


def load(path: Path, overrides: list[Override]) -> JobConfig:
    """A job as its command loads it: gluetune finetune sets the search space that varies nothing."""
    single = [] if path in SEARCHES else [Override("search.space", "single")]
    return load_job(str(path), single + overrides)


def data_dir(path: Path, folder: Path) -> list[Override]:
    """``--data-dir`` for a job that reads a folder, with the files that it names there."""
    data = read(path).get("data", {})
    if data.get("source") != "dir":
        return []
    for key in ("train_file", "validation_file", "test_file"):
        if key in data:
            (folder / data[key]).parent.mkdir(parents=True, exist_ok=True)
            (folder / data[key]).touch()
    return [Override("data.dir", str(folder), "--data-dir")]


def commands(path: Path) -> list[str]:
    """The commands of a job file's comments, each with the indented comment lines that continue it."""
    text = path.read_text().replace("\n#   ", " ")
    return re.findall(r"gluetune \w+ [^#\n]*?--config \S+[^#\n]*", text)


def overrides_of(command: str) -> list[Override]:
    words = shlex.split(command)
    found = []
    for flag, value in pairwise(words):
        if flag in FLAGS:
            found.append(Override(FLAGS[flag], YAML(typ="safe", pure=True).load(value), flag))
        elif flag == "--set":
            key, _, given = value.partition("=")
            found.append(Override(key, YAML(typ="safe", pure=True).load(given)))
    return found


@pytest.mark.parametrize("path", SEARCHES + FINETUNES, ids=lambda path: path.stem)
def test_every_job_is_accepted(path: Path, tmp_path: Path) -> None:
    assert load(path, data_dir(path, tmp_path)).tasks


@pytest.mark.parametrize("path", PRETRAININGS, ids=lambda path: path.stem)
def test_every_pretraining_job_is_accepted(path: Path) -> None:
    from gluetune.pretraining.config import load_pretrain_job  # imports torch

    assert load_pretrain_job(str(path))


def test_the_encoder_of_the_snli_job_is_what_the_pretraining_job_leaves() -> None:
    pretraining = read(ROOT / "jobs" / "bert_wikitext_d2l.yaml")
    assert read(ROOT / "jobs" / "snli_d2l.yaml")["model"]["name_or_path"] == f"runs/{pretraining['name']}/encoder"


@pytest.mark.parametrize("path", FINETUNES, ids=lambda path: path.stem)
def test_the_offline_command_of_every_fine_tuning_job_is_accepted(path: Path) -> None:
    offline = [command for command in commands(path) if "--data synthetic" in command]
    assert len(offline) == 1
    job = load(path, overrides_of(offline[0]))
    assert (job.data.source, job.model.name_or_path) == ("synthetic", "synthetic")
    assert job.data.max_seq_length <= 128  # what the synthetic encoder reads
    assert (job.training.warmup_steps or 0) < (job.training.max_steps or 10**9)


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_commands_in_comments_name_their_own_file(path: Path) -> None:
    for command in commands(path):
        program, config = re.search(r"gluetune (\S+) .*?--config (\S+)", command).groups()
        if "pretrain" in program and path in FINETUNES:
            assert config != f"jobs/{path.name}"  # the command that makes this job's encoder
        else:
            assert config == f"jobs/{path.name}", command
    if path in FINETUNES:
        assert any(command.startswith("gluetune finetune") for command in commands(path))


@pytest.mark.parametrize("path", PUBLISHED, ids=lambda path: path.stem)
def test_published_figures_cite_a_page_and_name_what_this_job_measures(path: Path, tmp_path: Path) -> None:
    job = load(path, data_dir(path, tmp_path))
    (name,) = job.tasks
    task = get_task(name)
    assert job.published is not None
    assert re.search(r"https://\S+", job.published.source)
    assert job.published.figures
    for key, figure in job.published.figures.items():
        split, _, metric = key.partition(".")
        assert split in {*task.splits, "selection"}, key
        assert metric in {"loss", "accuracy", *task.metrics}, key
        assert 0 <= figure <= 1, "a share, not a percentage"


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_every_job_file_is_described(path: Path) -> None:
    pages = [page.read_text() for page in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"))]
    assert any(path.name in page for page in pages)


@pytest.mark.parametrize("page", SOURCE_PAGES, ids=lambda page: page.stem)
def test_a_page_of_source_systems_names_no_file_that_is_missing(page: Path) -> None:
    named = re.findall(r"jobs/[a-z0-9_]+\.(?:yaml|py)", page.read_text())
    assert not {name for name in named if not (ROOT / name).exists()}
