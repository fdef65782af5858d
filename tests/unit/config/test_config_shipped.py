"""The search spaces and job files of the project."""

from __future__ import annotations

from pathlib import Path

import pytest

from gluetune.config import Override, dump_job, load_job, load_space
from gluetune.config.space_files import spaces_for

PROJECT = Path(__file__).parents[3]
SPACES = sorted((PROJECT / "search_spaces").glob("*.yaml"))
# The other jobs' files are tested in tests/unit/architecture.
JOBS = sorted(path for path in (PROJECT / "jobs").glob("*.yaml") if "\nsearch:" in path.read_text())


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_space_is_valid_cites_its_source_and_names_points(path: Path) -> None:
    space = load_space(str(path))
    assert space.source
    assert not space.space or 1 <= len(space.points) <= 3


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
def test_every_search_job_is_valid_with_its_space(path: Path) -> None:
    job = load_job(str(path), [Override("data.source", "synthetic", "--data")])  # some need a folder
    assert load_space(job.search.space, str(path)).space


@pytest.mark.parametrize("path", JOBS, ids=lambda path: path.stem)
@pytest.mark.parametrize("scheduler", ["none", "asha", "hyperband", "median"])
@pytest.mark.parametrize("selection", ["holdout", "dev", "train_test_split"])
def test_the_recorded_file_of_a_job_is_a_job_file(path: Path, scheduler: str, selection: str, tmp_path: Path) -> None:
    job = load_job(
        str(path),
        [
            Override("data.source", "synthetic", "--data"),
            Override("data.selection", selection, "--selection"),
            Override("search.scheduler.name", scheduler, "--scheduler"),
        ],
    )
    recorded = tmp_path / "job.yaml"
    recorded.write_text(dump_job(job))
    assert load_job(str(recorded), [Override("search.space", job.search.space, "--space")]) == job


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("bert_recommended", 3 * 2 * 3),
        ("compact_bert", 4 * 5),
        ("roberta", 3 * 2),
        ("electra", 4 * 3 * 2),
        ("deberta_v3", 4 * 4 * 4 * 3),
        ("modernbert", 4 * 4 * 5),
        ("wide", None),
        ("heads", 3 * 3 * 3 * 2 * 2),
        ("lora", 4 * 3 * 2),
    ],
)
def test_spaces_are_as_large_as_published(name: str, size: int | None) -> None:
    assert load_space(name).size == size


def test_the_recommended_grid_is_that_of_the_bert_paper() -> None:
    grid = {(c["learning_rate"], c["batch_size"], c["num_train_epochs"]) for c in load_space("bert_recommended").grid()}
    assert grid == {(rate, size, epochs) for rate in (5e-5, 3e-5, 2e-5) for size in (16, 32) for epochs in (2, 3, 4)}


def test_a_space_names_the_families_it_was_published_for() -> None:
    assert spaces_for("bert") == ["bert_recommended", "compact_bert"]
    assert spaces_for("deberta-v2") == ["deberta_v3"]
    assert spaces_for("no-such-family") == []
    assert load_space("wide").model_types == ()


def test_job_files_are_found_by_their_names_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    synthetic = [Override("data.source", "synthetic", "--data")]
    assert load_job("jobs/glue_all.yaml", synthetic) == load_job(str(PROJECT / "jobs" / "glue_all.yaml"), synthetic)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "glue_all.yaml").write_text("name: mine\ndata: {source: synthetic}\n")
    assert load_job("jobs/glue_all.yaml").name == "mine"  # a file of the user's own comes first
